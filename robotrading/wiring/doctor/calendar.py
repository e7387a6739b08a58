"""The exchange's days: worked out by the library, and kept in the service's table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from robotrading.adapters.calendar_table import CalendarUnusable, read_table
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar
from robotrading.session.schedule import zone_of
from robotrading.wiring.doctor.finding import Finding, broken, fine, warning

PART = "calendar"
_LOOK_AHEAD = 12
"""Days: the longest closure of the exchange in living memory was shorter."""


def next_day(calendar: Calendar, now: datetime) -> Finding:
    """Whether the coming days are known."""
    kind = AssetClass.EQUITIES
    today = calendar.trading_day(kind, now)
    for offset in range(_LOOK_AHEAD):
        hours = calendar.hours(kind, today + timedelta(days=offset))
        if hours is not None and hours[1] > now:
            opens, closes = (moment.astimezone(zone_of(kind)) for moment in hours)
            return fine(PART, f"next session {opens:%a %Y-%m-%d %H:%M}-{closes:%H:%M %Z}")
    remedy = "upgrade exchange_calendars (./deploy.sh install); is the machine's clock right?"
    return broken(PART, f"no trading day is known in the {_LOOK_AHEAD} days from {today} on", remedy)


def table(path: Path, now: datetime) -> Iterator[Finding]:
    """The service's own table; none is no trouble, since the service makes it."""
    if not path.exists():
        return
    try:
        why = read_table(path).stale(now.date())
    except CalendarUnusable as error:
        yield warning(PART, str(error), f"delete {path}: the service makes it anew")
        return
    if why:
        yield fine(PART, f"the service makes its table anew when it starts: {why}")
