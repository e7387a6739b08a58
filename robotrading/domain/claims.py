"""Who may act now: leases with fencing numbers, and scheduled occurrences that run once.

Invariants: at any time a name has one valid lease at most; each new holder's `fence` is higher than every earlier
one's, so that a write of a holder who slept through its own end can be told from the new holder's and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from robotrading.domain.instrument import AssetClass


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act under a name (`account:DU1`) until `expires_at`, unless it is renewed before."""

    name: str
    holder: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One scheduled run: of which session, on which exchange day, due at which instant."""

    kind: AssetClass
    trading_date: date
    due_at: datetime

    @property
    def key(self) -> str:
        """The same over all copies of the service, e.g. `equities@2025-09-26T19:45:00+00:00`."""
        return f"{self.kind}@{self.due_at.astimezone(UTC).isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of an occurrence: who took it and what came of it ('' while it runs)."""

    occurrence: Occurrence
    holder: str
    claimed_at: datetime
    run_id: str = ""
    outcome: str = ""
    finished_at: datetime | None = None
