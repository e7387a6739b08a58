"""What is known of files without opening them.

Entry points: `newest_entry`, `size_of`, `kept_days`, `OpenFile`.
Invariants: a folder that is not there, or cannot be read, is an empty one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from robotrading.domain.errors import LedgerError

_MOST_KEPT = 60


class OpenFile:
    """A database's file that this process holds open (None where it is a server's).

    Who holds a file open reads and writes it also after it was taken away: nothing fails, and all is lost at the end.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def require(self) -> None:
        """Raises `LedgerError` unless it still bears its name and may be written; one that never did is not missed."""
        if self._path is None:
            return
        found = _identity(self._path)
        self._known = self._known or found
        if found != self._known:
            raise LedgerError(
                f"{self._path} was taken away or replaced while the service runs, and what the service writes is lost: "
                "stop it, put the right file there, start it again"
            )
        if found is not None and not os.access(self._path, os.W_OK):
            raise LedgerError(
                f"{self._path} cannot be written: its disk is read-only, or it belongs to another user; no order leaves"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What no other file has at the same time; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def newest_entry(folder: Path | None) -> datetime | None:
    """When the newest file or folder in a folder was written; None where there is none."""
    if folder is None:
        return None
    try:
        newest = max((entry.stat().st_mtime for entry in folder.iterdir()), default=None)
    except OSError:
        return None
    return None if newest is None else datetime.fromtimestamp(newest, UTC)


def size_of(path: Path | None) -> int:
    """Bytes of a database's file and of what belongs to it; 0 where there is none."""
    if path is None:
        return 0
    total = 0
    for suffix in ("", "-wal"):
        try:
            total += path.with_name(path.name + suffix).stat().st_size
        except OSError:
            continue
    return total


def kept_days(folder: Path | None) -> tuple[date, ...]:
    """The days of which a page `YYYY-MM-DD.html` lies in the folder, newest first; the newest sixty at most."""
    try:
        names = [path.stem for path in folder.glob("????-??-??.html")] if folder is not None else []
    except OSError:
        return ()
    days = []
    for name in names:
        with suppress(ValueError):
            days.append(date.fromisoformat(name))
    return tuple(sorted(days, reverse=True)[:_MOST_KEPT])
