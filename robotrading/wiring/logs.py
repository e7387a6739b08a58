"""Where log lines go: a command's to a file, a session's to its run's folder, the service's to both file and console.

Entry points: `log_command`, `log_session`, `log_service`, `log_program`, `secrets_in`.
Invariants: no secret of the configuration leaves in a line, whoever wrote it; where a file cannot be written its lines
are dropped and nothing ends because of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from sqlalchemy import make_url

from robotrading.adapters.logs.files import RollingFile
from robotrading.adapters.logs.lines import json_lines, text_lines
from robotrading.adapters.logs.settings import LogFormat
from robotrading.adapters.notify.push_urls import tokens
from robotrading.config.model import Config
from robotrading.session.job import Job

log = logging.getLogger("robotrading")

_UNCAUGHT = "%s: %s"
"""The line of an error that nobody caught."""
CLIENTS = ("ib_insync", "ib_async")
NOISY = ("apscheduler", "urllib3", "asyncio", "uvicorn", "alembic")
"""Libraries whose own chatter is worth a line only when something is wrong."""


def secrets_in(config: Config) -> tuple[str, ...]:
    """Everything in the configuration that nobody may read."""
    found = [config.mail.password, config.feeds.alpha_vantage.api_key, config.service.token, config.database_url]
    if config.database_url:
        found.append(str(make_url(config.database_url).password or ""))
    for url in (*config.alerts.push.split(), *config.alerts.heartbeat_url.split()):
        found += sorted(tokens(url))
    return tuple(secret for secret in found if secret)


def log_command(config: Config) -> None:
    """What this process logs, and what its libraries do, to `command.log`; the terminal is left to the answer.

    But for the words of an error that ends the command and that nobody has foreseen: those are on standard error too.
    """
    last_words = _stream(config, {}, as_json=False)
    last_words.addFilter(lambda record: record.exc_info is not None and record.msg == _UNCAUGHT)
    _use(config, _file(config, config.state_dir / "command.log", {}), last_words)


def log_session(config: Config, job: Job) -> None:
    """To standard error, which is the log in the run's folder; every line bears the run's id."""
    known = {"run_id": job.run_id, "session": job.kind.value}
    _use(config, _stream(config, known, as_json=config.log.format is LogFormat.JSON))


def log_program(config: Config) -> None:
    """A supervised program's: to standard error, which the supervisor keeps in a file."""
    _use(config, _stream(config, {}, as_json=config.log.format is LogFormat.JSON))


def log_service(config: Config) -> None:
    """To `logs/service.log`, and to standard output: text for a terminal, else as the files are."""
    console = _stream(config, {}, as_json=config.log.format is LogFormat.JSON and not sys.stdout.isatty(), out=True)
    _use(config, _file(config, config.state_dir / "logs" / "service.log", {}), console)


def _use(config: Config, *handlers: logging.Handler) -> None:
    logging.basicConfig(level=config.log.level.upper(), handlers=handlers, force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in CLIENTS:  # what they say is said by our adapter, with its way out
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    sys.excepthook = _last_words


def _file(config: Config, path: Path, known: Mapping[str, str]) -> logging.Handler:
    try:
        handler: logging.Handler = RollingFile(path, config.log)
    except OSError:
        return logging.NullHandler()
    handler.setFormatter(_lines(config, known, as_json=config.log.format is LogFormat.JSON))
    return handler


def _stream(config: Config, known: Mapping[str, str], *, as_json: bool, out: bool = False) -> logging.Handler:
    handler = _Stream(sys.stdout if out else sys.stderr)
    handler.setFormatter(_lines(config, known, as_json=as_json))
    return handler


class _Stream(logging.StreamHandler):  # type: ignore[type-arg]
    """A console that nobody reads any more, or a full disk behind it, costs the line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        """Nobody is there to be told."""


def _lines(config: Config, known: Mapping[str, str], *, as_json: bool) -> logging.Formatter:
    return (json_lines if as_json else text_lines)(known, secrets_in(config))


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody caught ends the process; its words pass the same mask as every line."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical(_UNCAUGHT, kind.__name__, error, exc_info=(kind, error, trace))
