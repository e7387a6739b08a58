"""A session process ends with the command that started it, and with that command's right to trade.

The command holds the writing end of a pipe whose other end is the child's standard input. The kernel closes it however
the command ends, and the command closes it when it has lost its lease: one end of file says both. Unlike a signal at
the parent's death (Linux's `PR_SET_PDEATHSIG`) it cannot come before anybody listens, hangs on the process and not on
the thread that started the child, leaves time for a report, and works on every system.

Entry points: `Leash`, `follow`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from robotrading.domain.errors import LeaseLost

T = TypeVar("T")

GONE = (
    "the command that started this session has ended or has lost the right to trade the account: nothing more is sent, "
    "and what is open is settled by the next run"
)

PARTING_SECONDS = 20.0
"""For the report of a session that was let go; then the process ends, whatever it is busy with."""


class Leash:
    """What must hold for orders to leave. Made in the loop of the session; `snap` from there too."""

    def __init__(self) -> None:
        self.why = ""
        self._bounds: set[asyncio.Timeout] = set()

    def snap(self, why: str = GONE) -> None:
        """From now on nothing leaves, and what is under way in `during` ends."""
        self.why = self.why or why
        for bound in self._bounds:
            bound.reschedule(asyncio.get_running_loop().time())

    def check(self) -> None:
        """Raises `LeaseLost` once it has snapped."""
        if self.why:
            raise LeaseLost(self.why)

    async def during(self, work: Callable[[], Awaitable[T]]) -> T:
        """The work's result. Raises `LeaseLost`, and cancels the work, when the leash snaps meanwhile."""
        self.check()
        bound = asyncio.timeout(None)
        try:
            async with bound:
                self._bounds.add(bound)
                try:
                    return await work()
                finally:
                    self._bounds.discard(bound)
        except TimeoutError:
            if bound.expired():
                self.check()
            raise


def follow(reading: int, leash: Leash, parting: float = PARTING_SECONDS) -> None:
    """Snap the leash when the pipe `reading` ends; call it in the session's loop.

    A thread of its own, so that a loop that is busy or stuck does not outlive its command: `parting` seconds later the
    process group is ended.
    """
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with suppress(OSError):
            while os.read(reading, 1024):
                pass
        leash.why = leash.why or GONE
        with suppress(RuntimeError):  # the loop is closed: the session is over
            loop.call_soon_threadsafe(leash.snap)
        threading.Event().wait(parting)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="leash", daemon=True).start()
