"""A log file that is closed when it is large or old; so many of the closed ones are kept.

Entry points: `RollingFile`.
The library rolls by size or by time, never by both; here the age is that of the file's own first line, so that it
survives restarts.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from robotrading.adapters.logs.settings import LogSettings

_MEGABYTE = 1_000_000
_DAY = 86_400.0
_INSTANT = len("2025-09-26T19:45:00.123Z")


class RollingFile(RotatingFileHandler):
    """`name`, then `name.1` (the newest closed one) to `name.<keep>`. A full disk costs the line, not the program.

    Several programs may write the same file: when one of them has closed it, the others go on in the new one.
    """

    def __init__(self, path: Path, settings: LogSettings) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            path, maxBytes=settings.max_megabytes * _MEGABYTE, backupCount=settings.keep, encoding="utf-8", delay=True
        )
        self._longest = settings.max_days * _DAY
        self._began = _first_instant(path)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802  the library's name
        self._follow()
        if self._began is None:
            self._began = record.created
        return record.created - self._began >= self._longest or bool(super().shouldRollover(record))

    def _follow(self) -> None:
        """Leave a file that does not bear the name any more."""
        if self.stream is None:
            return
        ours = os.fstat(self.stream.fileno())
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(ours, there):
            self._leave()
            self._began = _first_instant(Path(self.baseFilename))

    def _leave(self) -> None:
        """What a full disk did not take goes with the file: one that is closed and still held would take no line."""
        left, self.stream = self.stream, None
        if left is not None:
            with suppress(OSError):
                left.close()

    def doRollover(self) -> None:  # noqa: N802
        self._leave()
        super().doRollover()
        self._began = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A line that cannot be written is lost: nobody is there to be told, and trading goes on."""


def _first_instant(path: Path) -> float | None:
    """When the file's first line was written; None for a new file, the file's own time for a line without instant."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline()
    except FileNotFoundError:
        return None
    if not line:
        return None
    word = line.removeprefix('{"at": "')[:_INSTANT].removesuffix("Z")
    try:
        return datetime.fromisoformat(word).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return path.stat().st_mtime
