"""How outside services were asked, counted: what a session process hands to the daemon for its metrics.

Entry points: `Calls`, `Tally`. Invariant: adding tallies in any order gives the same sum; nothing is counted twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations, in seconds; one more bucket holds what is longer."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one service with one answer (`200`, `timeout`, `refused`). `buckets` has a place more than `BOUNDS`."""

    service: str
    status: str
    count: int
    seconds: float
    buckets: tuple[int, ...]


class Tally:
    """Counts as calls happen; `take` hands over what came since the last time."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], list[float]] = {}

    def add(self, service: str, status: str, seconds: float) -> None:
        self._calls.setdefault((service, status), []).append(seconds)

    def take(self) -> tuple[Calls, ...]:
        """What was counted since the last time, in the order of names."""
        taken, self._calls = self._calls, {}
        return tuple(_counted(service, status, taken[service, status]) for service, status in sorted(taken))


def _counted(service: str, status: str, durations: Iterable[float]) -> Calls:
    buckets, total, count = [0] * (len(BOUNDS) + 1), 0.0, 0
    for seconds in durations:
        buckets[bisect_left(BOUNDS, seconds)] += 1
        total += seconds
        count += 1
    return Calls(service, status, count, total, tuple(buckets))
