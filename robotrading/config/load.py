"""File and environment to a checked `Config`, or every mistake at once.

Entry points: `load`, `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from robotrading.config.build import build
from robotrading.config.constrain import check_schema
from robotrading.config.decode import Reading, decode
from robotrading.config.environment import apply_environment, put
from robotrading.config.model import Config
from robotrading.config.problems import InvalidConfig, KeyPath, Place, Problem, dotted
from robotrading.config.rules import violations
from robotrading.config.schema import exact_schema
from robotrading.config.source import read_text
from robotrading.config.tree import read_tree


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """The configuration of a file (None: the defaults) under an environment.

    Raises `ConfigError` (an `InvalidConfig`) whose text has one line for each mistake.
    """
    reading = Reading()
    if path is not None:
        _read_file(path, reading)
    apply_environment(reading, env)
    check_schema(reading)
    for key, secret in reading.secrets.items():
        put(reading.values, key, secret)
    folder = path.absolute().parent if path is not None else Path().absolute()
    config = build(reading.values, reading.places, folder=folder, home=_home(env))
    reading.problems += _broken_rules(config, reading, str(path) if path else "built-in defaults")
    if reading.problems:
        raise InvalidConfig(reading.problems)
    return config


def check(config: Config) -> None:
    """Raise `ConfigError` when a `Config` put together by hand breaks a rule that spans several keys."""
    found = [Problem(Place("settings"), dotted(item.path), item.text) for item in violations(config)]
    if found:
        raise InvalidConfig(found)


def _read_file(path: Path, reading: Reading) -> None:
    tree, problems = read_tree(read_text(path), str(path))
    reading.problems += problems
    values = decode(tree, exact_schema(), (), reading)
    if isinstance(values, dict):
        reading.values = values


def _broken_rules(config: Config, reading: Reading, source: str) -> list[Problem]:
    """Broken rules whose keys are all sound: a rule over a value that is wrong anyway would only add noise."""
    return [
        Problem(_place(item.path, reading, source), dotted(item.path), item.text)
        for item in violations(config)
        if not any(_touches(path, bad) for path in (item.path, *item.also) for bad in reading.spoiled)
    ]


def _touches(path: KeyPath, bad: KeyPath) -> bool:
    shorter = min(len(path), len(bad))
    return path[:shorter] == bad[:shorter]


def _place(path: KeyPath, reading: Reading, source: str) -> Place:
    """Where the value stands, or else the nearest mapping around it that was written."""
    for length in range(len(path), 0, -1):
        if (place := reading.places.get(path[:length])) is not None:
            return place
    return Place(source)


def _home(env: Mapping[str, str]) -> Path:
    if home := env.get("HOME", ""):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
