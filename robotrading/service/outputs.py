"""What supervised programs write, kept small while they write it.

Entry points: `Outputs`, `shorten`.
A program holds its file open for as long as it lives, so that the file cannot be put aside under it: its content is
copied beside it and then taken away from its head (fallocate(2), FALLOC_FL_COLLAPSE_RANGE), while the program goes on
to append at its end. Where a file system cannot do that, the file is emptied; there alone, what is written in the
instant between the end of the copy and the emptying is in neither.
Invariants: trouble with a disk is told once and never ends anything; nobody waits for a disk that does not answer.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import logging
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
_KEPT = 2
"""Of a file that has outgrown its bound, so many times the bound is kept at most: it is looked at now and then only."""

_BLOCK = 65_536
"""A multiple of the blocks of the usual file systems: only whole ones can be taken away."""
_COLLAPSE_RANGE = 0x08


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
    """Move a file that is larger into `<name>.1`, in place of what is there; whether it was. Raises OSError.

    The end of the file, less than 64 KiB, stays. Where it fails the file is as it was.
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
        end = (size - 1) // _BLOCK * _BLOCK
        # Written over, not beside it: on a full disk its room is needed.
        with path.with_name(f"{path.name}.1").open("wb", buffering=0) as older:
            _copy(written, older, max(size - _KEPT * most, 0), end)
            if not drop_head(written, end):
                _copy(written, older, end, end + most)
                written.truncate(0)
    return True


def drop_head(file: FileIO, end: int) -> bool:
    """Take away what is before `end`, and move the rest to the beginning; False where that cannot be done here.

    Writers who append at the same time lose nothing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    take_away = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if take_away is None:
        return False
    return bool(take_away(file.fileno(), _COLLAPSE_RANGE, ctypes.c_int64(0), ctypes.c_int64(end)) == 0)


def _copy(source: FileIO, to: FileIO, begin: int, end: int) -> None:
    """Up to `end`, or to where the source ends."""
    while begin < end and (part := os.pread(source.fileno(), min(MEGABYTE, end - begin), begin)):
        begin += len(part)
        left = memoryview(part)
        while left:  # a disk that fills up takes a part first
            left = left[os.write(to.fileno(), left) :]
