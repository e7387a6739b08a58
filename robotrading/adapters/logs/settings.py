"""What is written to the log, and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LogLevel(StrEnum):
    """The least serious message that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """JSON for machines, one object a line; text for people."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written and for how long.

    `format` is that of the files; a terminal gets text. A file is closed and numbered when it is larger than
    `max_megabytes` or its first line is older than `max_days`; `keep` of the closed ones stay.
    """

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON
    max_megabytes: int = 10
    max_days: int = 7
    keep: int = 10
