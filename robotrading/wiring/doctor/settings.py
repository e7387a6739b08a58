"""The configuration in force: which file, every mistake in it, and remarks on what is perhaps not meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from robotrading.config.load import load
from robotrading.config.model import Config
from robotrading.config.notes import notes
from robotrading.config.problems import InvalidConfig
from robotrading.domain.errors import ConfigError
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning

PART = "configuration"


def read(file: Path | None, env: Mapping[str, str]) -> tuple[Config | None, tuple[Finding, ...]]:
    """The configuration, None where it cannot be used, and what to say of it."""
    try:
        config = load(file, env)
    except InvalidConfig as error:
        mend = "mend it; every key is in docs/configuration.md"
        return None, tuple(broken(PART, str(problem), mend) for problem in error.problems)
    except ConfigError as error:
        return None, (broken(PART, str(error), "name another file with --config, or mend this one"),)
    return config, tuple(_remarks(config, file))


def _remarks(config: Config, file: Path | None) -> Iterator[Finding]:
    broker = config.broker
    where = f"mode {broker.mode}, gateway {broker.gateway}, sessions: {', '.join(config.enabled) or 'none'}"
    yield fine(PART, f"{file or 'built-in defaults'}: {where}")
    for note in notes(config):
        if note.startswith(_TOLD_ELSEWHERE):
            continue
        yield left_out(PART, note) if "is not used" in note else warning(PART, note, _LOOK)


_TOLD_ELSEWHERE = ("mail is not set up", "mail.ca_file", "alpha_vantage is left out")
"""By the checks of mail and prices."""
_LOOK = "if that is meant, leave it; else see docs/configuration.md"
