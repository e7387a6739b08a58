"""A wall clock that leaps.

Entry point: `JumpingClock`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from robotrading.domain.ports import Clock
from robotrading.sim.faults.kinds import FaultKind
from robotrading.sim.faults.script import Script


class JumpingClock:
    """The program's clock: another one, off by all leaps so far. `monotonic` never leaps.

    The exchange and the broker keep the true clock, as the world does.
    """

    def __init__(self, clock: Clock, script: Script) -> None:
        self._clock = clock
        self._script = script
        self._off = timedelta()

    def now(self) -> datetime:
        for jump in self._script.due(FaultKind.CLOCK_JUMP):
            self._off += timedelta(seconds=float(jump.size))
        return self._clock.now() + self._off

    def monotonic(self) -> float:
        return self._clock.monotonic()
