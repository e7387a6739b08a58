"""Where a command's own log lines go: a file in the state folder, so that the terminal is left to the answer."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from robotrading.config.model import Config

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MOST_BYTES = 1_000_000


def log_to_file(config: Config) -> None:
    """Write what this process logs, and what its libraries do, to `command.log`; a session has a log of its own.

    Where that file cannot be written, log lines are dropped: the command itself will say what is wrong there.
    """
    handler: logging.Handler = logging.NullHandler()
    try:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(config.state_dir / "command.log", maxBytes=_MOST_BYTES, backupCount=1)
        handler.setFormatter(logging.Formatter(FORMAT))
    except OSError:
        pass
    logging.basicConfig(level=config.log.level.upper(), handlers=[handler])
