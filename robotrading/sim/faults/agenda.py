"""Things that the world will do later, whether or not the program under test is still alive then.

Entry point: `Agenda`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from robotrading.sim.broker import HAIR
from robotrading.sim.faults.script import Script


class Agenda:
    """Actions by the script's time. Timers of a running loop see to them; what they miss, `catch_up` makes good."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._numbers = count()
        self._entries: list[tuple[float, int, Callable[[], object]]] = []

    def add(self, seconds: float, action: Callable[[], object]) -> None:
        """Do `action` in so many seconds, at the earliest in the loop's next turn."""
        heapq.heappush(self._entries, (self._script.seconds + seconds, next(self._numbers), action))
        self._set_timer(seconds)

    def arm(self) -> None:
        """Set timers on the loop that runs now: those of an earlier one died with it."""
        for due, _, _ in self._entries:
            self._set_timer(max(due - self._script.seconds, 0.0))

    def catch_up(self) -> None:
        """Do everything that is due, in the order of its time."""
        while self._entries and self._entries[0][0] <= self._script.seconds + HAIR:
            heapq.heappop(self._entries)[2]()

    def _set_timer(self, seconds: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # between two loops: whoever connects next arms it
        loop.call_later(seconds, self.catch_up)
