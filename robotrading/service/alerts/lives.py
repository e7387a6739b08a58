"""Whether the service's life before this one ended with a word: one small file for each life, locked while it lasts.

Entry points: `Life.begin`, `Life.goodbye`.
The lock is the kernel's and ends with the process, however that ends; so a file that nobody holds is of a life that
left no word. Copies in one folder find each other's.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

_SUFFIX = ".life"


@dataclass(frozen=True, slots=True)
class Life:
    """`last_end` is a sentence on what was found at the start, '' where every life before had said goodbye."""

    path: Path
    last_end: str
    _held: IO[str] | None = None

    @classmethod
    def begin(cls, folder: Path, name: str, now: datetime) -> Life:
        """Look for the dead, and be alive from now on. Where the folder cannot be written nothing is known."""
        path = folder / f"{''.join(char if char.isalnum() else '-' for char in name)}{_SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            dead = [began for other in sorted(folder.glob(f"*{_SUFFIX}")) if (began := _buried(other)) is not None]
            young = path.with_suffix(".new")
            held = young.open("w", encoding="ascii")
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.write(now.astimezone(UTC).isoformat(timespec="seconds"))
            held.flush()
            young.replace(path)  # nobody sees it unlocked
        except OSError:
            return cls(path, "")
        return cls(path, _sentence(dead), held)

    def goodbye(self) -> None:
        """The end was meant."""
        if self._held is not None:
            self.path.unlink(missing_ok=True)
            self._held.close()


def _buried(path: Path) -> str | None:
    """When a dead life began ('' where that cannot be read), and its file is gone; None of one that lasts."""
    try:
        with path.open("r+", encoding="ascii", errors="replace") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return None
            began = held.read(40)
            os.unlink(path)  # noqa: PTH108  while it is locked
    except FileNotFoundError:
        return None
    try:
        return f"{datetime.fromisoformat(began):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return ""


def _sentence(dead: list[str]) -> str:
    if not dead:
        return ""
    since = f", begun {dead[-1]}," if dead[-1] else ""
    more = f" (and {len(dead) - 1} before it)" if len(dead) > 1 else ""
    return f"the service was started again: its last life{since} ended without a word{more}"
