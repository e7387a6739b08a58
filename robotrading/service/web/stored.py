"""Pages that were made after a run or a week and lie on the disk: who has them, and how they are read.

Entry points: `Pages` (the port that the wiring fills), `Stored`, `is_run_id`, `is_day`.
Invariants: only names of a plain pattern are looked for; a file is read in a thread, a few at a time, and nobody waits
for it longer than `Limits.page_seconds`; a disk that hangs costs those few threads, never the loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date
from typing import Protocol

from robotrading.service.web.limits import Limits

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Pages(Protocol):
    """The pages of one book on this host. Both block, read no more than `most` bytes, and are called in a thread."""

    def report(self, run_id: str, most: int) -> bytes | None:
        """The page of a run; None where it is not here, no plain file, or larger than `most`."""
        ...

    def summary(self, day: str, most: int) -> bytes | None:
        """The page of the week up to a day, likewise."""
        ...


class NoPages:
    """A service without a folder of pages."""

    def report(self, run_id: str, most: int) -> bytes | None:  # noqa: ARG002  the port's
        return None

    def summary(self, day: str, most: int) -> bytes | None:  # noqa: ARG002  the port's
        return None


class TooSlow(Exception):
    """The disk did not answer in time."""


def is_run_id(text: str) -> bool:
    """Whether it can be a run's: it is a name of a folder and no way out of one."""
    return _RUN_ID.fullmatch(text) is not None


def is_day(text: str) -> bool:
    """Whether it is a date, written as in `2025-11-21`."""
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


class Stored:
    """Reads pages for whoever asks. Used in one event loop."""

    def __init__(self, pages: Pages, limits: Limits) -> None:
        self._pages, self._limits = pages, limits
        self._turns = asyncio.Semaphore(limits.readers)

    async def report(self, run_id: str) -> bytes | None:
        """None where there is none. Raises `TooSlow`."""
        return await self._read(self._pages.report, run_id) if is_run_id(run_id) else None

    async def summary(self, day: str) -> bytes | None:
        """None where there is none. Raises `TooSlow`."""
        return await self._read(self._pages.summary, day) if is_day(day) else None

    async def _read(self, read: Callable[[str, int], bytes | None], name: str) -> bytes | None:
        try:
            async with asyncio.timeout(self._limits.page_seconds):
                await self._turns.acquire()
                reading = asyncio.create_task(asyncio.to_thread(read, name, self._limits.page))
                reading.add_done_callback(self._ended)
                return await asyncio.shield(reading)
        except TimeoutError as error:
            raise TooSlow from error

    def _ended(self, reading: asyncio.Task[bytes | None]) -> None:
        """A turn is over when the thread is, even if nobody waits for it any more."""
        self._turns.release()
        if not reading.cancelled():
            reading.exception()
