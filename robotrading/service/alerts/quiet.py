"""When warnings wait: hours in which nobody wants to be woken for them.

Entry points: `QuietHours`, `quiet_hours`. Pure. A critical alert never waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from robotrading.domain.messages import Urgency
from robotrading.execution.quiet import QuietWindow, quiet_at, window


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Windows in the grammar of `broker.quiet_times`."""

    windows: tuple[QuietWindow, ...] = ()

    def holds_back(self, urgency: Urgency, at: datetime) -> bool:
        """Whether a word of this urgency has to wait at an instant."""
        return urgency is not Urgency.CRITICAL and quiet_at(at, self.windows) is not None

    def until(self, at: datetime) -> datetime | None:
        """The end of the quiet time that an instant lies in, None outside of any."""
        quiet = quiet_at(at, self.windows)
        return quiet.ends if quiet else None


def quiet_hours(texts: Iterable[str]) -> QuietHours:
    """From a person's words. Raises ValueError for others."""
    return QuietHours(tuple(replace(window(text), name="quiet hours") for text in texts))
