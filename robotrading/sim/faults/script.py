"""A plan being played: counts occurrences, says what befalls them, and what is in force.

Entry points: `Script`, `Happening`.
One script is shared by all layers of a run, and goes on over restarts of the program under test: counts and time are
the world's. Time is the clock's monotonic one, so that a leap of the wall clock moves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from robotrading.domain.ports import Clock
from robotrading.sim.faults.kinds import SHAPES, WHERE, Extent, FaultKind, Layer, Trigger
from robotrading.sim.faults.plan import Fault, FaultPlan


@dataclass(frozen=True, slots=True)
class Happening:
    """A fault that was set off: `seconds` after the start, at the `occurrence`-th of its trigger (0 for times)."""

    fault: Fault
    seconds: float
    occurrence: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:g} s: {self.fault.kind} ({self.fault.on} {self.occurrence or self.fault.at:g})"


class Script:
    """Plays one plan. Everything that took place is in `happened`, oldest first."""

    def __init__(self, plan: FaultPlan, clock: Clock) -> None:
        self.plan = plan
        self.happened: list[Happening] = []
        self._clock = clock
        self._start = clock.monotonic()
        self._counts: Counter[Trigger] = Counter()
        self._since: dict[int, float] = {}
        self._done: set[int] = set()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock.monotonic() - self._start

    def count(self, trigger: Trigger) -> int:
        """Occurrences so far."""
        return self._counts[trigger]

    def occurs(self, trigger: Trigger, layer: Layer) -> tuple[Fault, ...]:
        """One more occurrence of `trigger`: the counted faults that befall it on this layer.

        Lasting faults begin here (ask `in_force`), moments become due (ask `due`).
        """
        self._counts[trigger] += 1
        number = self._counts[trigger]
        befallen = []
        for index, fault in enumerate(self.plan.faults):
            if fault.on is not trigger or not fault.befalls(number):
                continue
            if SHAPES[fault.kind].extent is Extent.COUNTED:
                if layer in WHERE[fault.kind]:
                    befallen.append(fault)
                    self.happened.append(Happening(fault, self.seconds, number))
            else:
                self._set_off(index, fault, self.seconds, number)
        return tuple(befallen)

    def in_force(self, *kinds: FaultKind) -> Fault | None:
        """The first lasting fault of these kinds that has begun and not ended; one that never ends comes first."""
        self._pass_time()
        lasting = [
            (self._end(index, fault), index)
            for index, fault in enumerate(self.plan.faults)
            if fault.kind in kinds and SHAPES[fault.kind].extent is Extent.LASTING and index in self._since
        ]
        alive = [(-end, index) for end, index in lasting if end > self.seconds]
        return self.plan.faults[min(alive)[1]] if alive else None

    def ends_in(self, fault: Fault) -> float | None:
        """Seconds until a lasting fault in force ends; None for never."""
        end = self._end(self.plan.faults.index(fault), fault)
        return None if end == float("inf") else max(end - self.seconds, 0.0)

    def due(self, *kinds: FaultKind) -> tuple[Fault, ...]:
        """The momentary faults of these kinds that have become due and were not taken yet; takes them."""
        self._pass_time()
        taken = [
            index
            for index, fault in enumerate(self.plan.faults)
            if fault.kind in kinds
            and SHAPES[fault.kind].extent is Extent.MOMENT
            and index in self._since
            and index not in self._done
        ]
        self._done.update(taken)
        return tuple(self.plan.faults[index] for index in taken)

    def alarms(self, kinds: Iterable[FaultKind]) -> tuple[float, ...]:
        """In how many seconds one of these kinds begins or ends by time: for those who must act by themselves."""
        self._pass_time()
        wanted, now = frozenset(kinds), self.seconds
        moments: set[float] = set()
        for index, fault in enumerate(self.plan.faults):
            if fault.kind not in wanted:
                continue
            if fault.on is Trigger.SECONDS:
                moments.add(fault.at)
            if index in self._since and SHAPES[fault.kind].extent is Extent.LASTING:
                moments.add(self._end(index, fault))
        return tuple(sorted(moment - now for moment in moments if now < moment < float("inf")))

    def _pass_time(self) -> None:
        now = self.seconds
        for index, fault in enumerate(self.plan.faults):
            if fault.on is Trigger.SECONDS and fault.at <= now:
                self._set_off(index, fault, fault.at, 0)

    def _set_off(self, index: int, fault: Fault, at: float, number: int) -> None:
        if index not in self._since:
            self._since[index] = at
            self.happened.append(Happening(fault, at, number))

    def _end(self, index: int, fault: Fault) -> float:
        since = self._since.get(index, float("inf"))
        return float("inf") if fault.seconds is None else since + fault.seconds
