"""Checked plain values over the defaults to the frozen `Config`.

Entry point: `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, cast

from robotrading.config.defaults import default_config
from robotrading.config.model import CLIENT_ID_OFFSETS, Config
from robotrading.config.problems import KeyPath, Place

Locate = Callable[[KeyPath, str], Path]


def build(values: Mapping[str, Any], places: Mapping[KeyPath, Place], *, folder: Path, home: Path) -> Config:
    """The configuration that `values` make over the defaults.

    A relative path of the file is taken from `folder`, where the file is; one of the environment from the current
    directory. `~` is `home`.
    """

    def locate(path: KeyPath, text: str) -> Path:
        place = places.get(path)
        base = folder if place is None or place.line else Path()
        named = home / text[1:].lstrip("/") if text == "~" or text.startswith("~/") else Path(text)
        return (base / named).absolute()

    config = cast("Config", _overlay(default_config(), values))
    config = _with_paths(_with_client_ids(config), locate)
    origins = {_key(path): str(place) for path, place in places.items() if path and _holds_value(path, values)}
    return replace(config, origins=origins)


def _overlay(default: Any, values: Any) -> Any:
    """The default where nothing was written; containers of settings are gone through key by key."""
    if is_dataclass(default) and not isinstance(default, type):
        known = {item.name: getattr(default, item.name) for item in fields(default)}
        return replace(default, **{name: _overlay(known[name], value) for name, value in values.items()})
    if isinstance(default, Mapping) and any(is_dataclass(item) for item in default.values()):
        return {key: _overlay(item, values.get(str(key), {})) for key, item in default.items()}
    return _typed(default, values)


def _typed(default: Any, value: Any) -> Any:
    """The plain value as the default's type."""
    if isinstance(default, Enum):
        return type(default)(value)
    if isinstance(default, float):
        return float(value)
    if isinstance(default, tuple):
        return tuple(value)
    if isinstance(default, Path):
        return Path(value)
    return Decimal(value) if isinstance(default, Decimal) else value


def _with_client_ids(config: Config) -> Config:
    base = config.broker.client_id
    sessions = {
        kind: replace(session, client_id=base + CLIENT_ID_OFFSETS[kind]) for kind, session in config.sessions.items()
    }
    return replace(config, sessions=sessions)


def _with_paths(config: Config, locate: Locate) -> Config:
    """Every path absolute, so that the folder a command is started in changes nothing."""
    state = locate(("state_dir",), str(config.state_dir))
    feeds, mail = config.feeds, config.mail
    cache = feeds.cache.directory
    directory = locate(("feeds", "cache", "directory"), cache) if cache else state / "cache"
    paths = tuple(str(locate(("feeds", "files", "paths"), text)) for text in feeds.files.paths)
    authority = str(locate(("mail", "ca_file"), mail.ca_file)) if mail.ca_file else ""
    sessions = {}
    for kind, session in config.sessions.items():
        name = session.universe.file
        file = str(locate(("sessions", str(kind), "universe", "file"), name)) if name else ""
        sessions[kind] = replace(session, universe=replace(session.universe, file=file))
    return replace(
        config,
        state_dir=state,
        sessions=sessions,
        mail=replace(mail, ca_file=authority, sender=mail.sender or _address(mail.username)),
        feeds=replace(
            feeds, files=replace(feeds.files, paths=paths), cache=replace(feeds.cache, directory=str(directory))
        ),
    )


def _address(username: str) -> str:
    return username if "@" in username else ""


def _holds_value(path: KeyPath, values: Any) -> bool:
    for part in path:
        if isinstance(part, int) or not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _key(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)
