"""What is known of files without opening them.

Entry points: `newest_entry`, `size_of`, `kept_days`.
Invariants: a folder that is not there, or cannot be read, is an empty one.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

_MOST_KEPT = 60


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
