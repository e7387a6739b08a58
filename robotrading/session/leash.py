"""A session process ends with the command that started it, and with that command's right to trade.

The command holds the writing end of a pipe whose other end is the child's standard input. The kernel closes it however
the command ends, and the command closes it when it has lost its lease: one end of file says both. Unlike a signal at
the parent's death (Linux's `PR_SET_PDEATHSIG`) it cannot come before anybody listens, hangs on the process and not on
the thread that started the child, leaves time for a report, and works on every system.

A person or the service who wants the session to stop asks more gently, with SIGTERM: no order leaves any more, those at
work are finished or cancelled, and the report is written.

Entry points: `Leash`, `follow`, `stop_gently`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeVar

from robotrading.domain.errors import LeaseLost, RobotradingError

T = TypeVar("T")

GONE = (
    "the command that started this session has ended or has lost the right to trade the account: nothing more is sent, "
    "and what is open is settled by the next run"
)

STOPPING = "the session was asked to stop: no further order leaves, and what was at work was finished or cancelled"

PARTING_SECONDS = 20.0
"""For the report of a session that was let go; then the process ends, whatever it is busy with."""


class Stopped(RobotradingError):
    """The session was asked to stop before this was begun or done."""


class Leash:
    """What must hold for orders to leave. Made in the loop of the session; `snap` and `wind_down` from there too.

    `why` is set once nothing may be sent at all, `ending` once nothing new may be begun.
    """

    def __init__(self) -> None:
        self.why = ""
        self.ending = ""
        self._bounds: set[asyncio.Timeout] = set()
        self._orderly: set[Callable[[], None]] = set()

    def snap(self, why: str = GONE) -> None:
        """From now on nothing leaves, and what is under way in `during` ends."""
        self.why = self.why or why
        for bound in self._bounds:
            bound.reschedule(asyncio.get_running_loop().time())

    def wind_down(self, why: str = STOPPING) -> None:
        """From now on nothing new is begun: work that sends no orders ends, orders at work get their end."""
        self.ending = self.ending or why
        for hear in tuple(self._orderly):
            hear()

    @contextmanager
    def hearing(self, hear: Callable[[], None]) -> Iterator[None]:
        """Call `hear` when it is to wind down while the block runs."""
        self._orderly.add(hear)
        try:
            yield
        finally:
            self._orderly.discard(hear)

    def check(self) -> None:
        """Raises `LeaseLost` once it has snapped."""
        if self.why:
            raise LeaseLost(self.why)

    async def during(self, work: Callable[[], Awaitable[T]], *, orders: bool = False) -> T:
        """The work's result.

        Raises `LeaseLost`, and cancels the work, when the leash snaps meanwhile; `Stopped` where it winds down, unless
        the work has `orders` in its hands and ends by itself then.
        """
        self._require_time()
        bound = asyncio.timeout(None)

        def end() -> None:
            bound.reschedule(asyncio.get_running_loop().time())

        try:
            async with bound:
                self._bounds.add(bound)
                try:
                    with nullcontext() if orders else self.hearing(end):
                        return await work()
                finally:
                    self._bounds.discard(bound)
        except TimeoutError:
            if bound.expired():
                self._require_time()
            raise

    def _require_time(self) -> None:
        self.check()
        if self.ending:
            raise Stopped(self.ending)


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


def stop_gently(leash: Leash) -> None:
    """Let SIGTERM wind the session down; call it in the session's loop, in its process's main thread."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leash.wind_down)
