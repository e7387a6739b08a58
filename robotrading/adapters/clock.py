"""The wall clock: the only module that reads it.

Entry points: `SystemClock` (now), `FixedClock` (a rehearsal on a past instant).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds for measuring durations; never goes back."""
        return time.monotonic()


class FixedClock:
    """An instant that stays: what a rehearsal takes for now, while durations are still measured for real."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError(f"the clock was given {at.isoformat()} without a time zone; give an aware datetime")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """The fixed instant, aware UTC."""
        return self._at

    def monotonic(self) -> float:
        """Seconds for measuring durations; real, so that waits stay bounded in a rehearsal."""
        return time.monotonic()
