"""Time that moves when it is told to.

Entry points: `VirtualClock` (the Clock port), `VirtualLoop` and `run_virtual` (asyncio on that clock, where a wait of
an hour takes no time).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualClock:
    """A clock that stands still until `advance` or `set` is called. `start` must be an aware instant."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start: {start!r} has no time zone; give an aware UTC datetime")
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move on; ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} is negative; a clock never goes back")
        self._elapsed += seconds

    def set(self, instant: datetime) -> None:
        """Move on to an instant that is not in the past."""
        self.advance((instant - self._start).total_seconds() - self._elapsed)


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at the sockets without waiting; where nothing is ready, moves the clock on by what was to be waited."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # No timer is set, so that only a socket or a thread can go on: this wait is real.
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._clock.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the clock's: timers fire in order at once when there is nothing else to do.

    Sockets and threads live in real time and lose every race against a timer, so that this loop is for programs
    that wait for timers and each other only.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._virtual = clock
        # The loop fires what is due before `time + resolution`. Half a year in, a float has no room for the usual
        # nanosecond any more, and a timer would be due and never fire.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual.monotonic()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Wait for the threads in real time: a `timeout` on this clock would be over before they could end."""
        await super().shutdown_default_executor()


def run_virtual(program: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run a coroutine to its end on virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(program)
