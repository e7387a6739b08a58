"""What was closed today is not entered again today.

Entry point: `exchange_day`. The day is the exchange's, never the computer's: New York for equities and bonds, UTC for
crypto, which trades around the clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from robotrading.domain.instrument import AssetClass

_NEW_YORK = ZoneInfo("America/New_York")


def exchange_day(kind: AssetClass, at: datetime) -> date:
    """The exchange's own date at an aware instant."""
    return at.astimezone(UTC if kind is AssetClass.CRYPTO else _NEW_YORK).date()
