"""What supervised programs write, kept small while they write it.

Entry points: `Outputs`, `shorten`.
A program holds its file open for as long as it lives, so that the file cannot be put aside under it: its content is
copied beside it and the file emptied, while the program goes on to append. What is written in the instant between the
end of the copy and the emptying is in neither.
Invariants: trouble with a disk is told once and never ends anything; nobody waits for a disk that does not answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
_KEPT = 2
"""Of a file that has outgrown its bound, so many times the bound is kept at most: it is looked at now and then only."""


class Written(Protocol):
    """A program's file, and how large it may be."""

    @property
    def log_path(self) -> Path: ...

    @property
    def max_megabytes(self) -> int: ...


class Outputs:
    """Looks at the files every so many seconds."""

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._told: dict[Path, str] = {}

    async def keep_small(self, programs: Sequence[Written]) -> None:
        """Until cancelled."""
        while True:
            for program in programs:
                await self._look(program.log_path, program.max_megabytes)
            await asyncio.sleep(self._every)

    async def _look(self, path: Path, max_megabytes: int) -> None:
        try:
            await asyncio.to_thread(shorten, path, max_megabytes)
        except OSError as error:
            said = str(error)
            if self._told.get(path) != said:
                log.warning("%s cannot be kept below %d MB: %s; make room on its disk", path, max_megabytes, said)
            self._told[path] = said
        else:
            self._told.pop(path, None)


def shorten(path: Path, max_megabytes: int) -> bool:
    """Move the content of a file that is larger into `<name>.1`, in place of what is there; whether it was.

    Raises OSError; the file is as it was then.
    """
    most = max_megabytes * MEGABYTE
    try:
        written = path.open("r+b", buffering=0)
    except FileNotFoundError:
        return False
    with written:
        try:
            fcntl.flock(written, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another copy that shares the folder does it
            return False
        size = os.fstat(written.fileno()).st_size
        if size <= most:
            return False
        written.seek(max(size - _KEPT * most, 0))
        # Written over, not beside it: on a full disk its room is needed.
        with path.with_name(f"{path.name}.1").open("wb") as older:
            shutil.copyfileobj(written, older, MEGABYTE)
        written.truncate(0)
    return True
