"""Alerts: what a person has to know without looking.

Invariants: of one key one alert is open at a time, over all copies of the service; it is raised once, reminded rarely
and resolved with a word, each exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from robotrading.domain.messages import Urgency


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's finding at one moment: what is wrong now. `subject` tells alike alerts apart ('' for only one).

    `found` is a whole sentence, `remedy` says what to do.
    """

    rule: str
    urgency: Urgency
    found: str
    remedy: str = ""
    subject: str = ""

    @property
    def key(self) -> str:
        """The same for the same trouble, e.g. `session_failed:crypto`."""
        return f"{self.rule}:{self.subject}" if self.subject else self.rule


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble from its raising to its end. `times` counts how often it was found; `told_at` is the last word of it.

    `told_at` is None while quiet hours hold it back.
    """

    key: str
    rule: str
    urgency: Urgency
    found: str
    remedy: str
    raised_at: datetime
    seen_at: datetime
    times: int = 1
    told_at: datetime | None = None
    resolved_at: datetime | None = None
