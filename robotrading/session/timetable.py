"""A schedule on a calendar: the instants at which a session is due, and the ones that fall out with a reason.

Entry points: `timetable` (both), `occurrences`, `next_occurrence`, `NotDue`, `NextRun`.
Invariants: every occurrence lies in the trading hours of its day, half days included (open <= due < close); nothing is
moved to a time that nobody asked for, so that 'at 15:30' on a day that closes at 13:00 is skipped and said; due
instants are distinct and ascending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from robotrading.domain.claims import Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.session.schedule import At, Edge, EdgeOf, Offset, Schedule, Weekdays, local, zone_of

if TYPE_CHECKING:
    from robotrading.domain.ports import Calendar

_DAY = timedelta(days=1)
_HORIZON = 200
"""Days; longer than two quarters, so that there is nothing else that a schedule could wait for."""


@dataclass(frozen=True, slots=True)
class NotDue:
    """A time that the schedule names and the day does not have: which, and why."""

    kind: AssetClass
    trading_date: date
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class NextRun:
    """A session, its schedule as written, and its next run (None: none in the next 200 days)."""

    kind: AssetClass
    words: str
    next: Occurrence | None


def timetable(
    schedule: Schedule, kind: AssetClass, calendar: Calendar, first: date, last: date
) -> tuple[Occurrence | NotDue, ...]:
    """All that a schedule names on the trading days from `first` to `last`, both included, in the order of time."""
    return tuple(entry for day in _dates(first, last) for entry in _on(schedule, kind, calendar, day))


def occurrences(
    schedule: Schedule, kind: AssetClass, calendar: Calendar, first: date, last: date
) -> tuple[Occurrence, ...]:
    """The runs due on the trading days from `first` to `last`, both included."""
    found = timetable(schedule, kind, calendar, first, last)
    return tuple(entry for entry in found if isinstance(entry, Occurrence))


def between(
    schedule: Schedule, kind: AssetClass, calendar: Calendar, after: datetime, until: datetime
) -> tuple[Occurrence, ...]:
    """The runs with after < due <= until; instants are aware."""
    first, last = calendar.trading_day(kind, after), calendar.trading_day(kind, until)
    found = occurrences(schedule, kind, calendar, first, last)
    return tuple(one for one in found if after < one.due_at <= until)


def next_occurrence(schedule: Schedule, kind: AssetClass, calendar: Calendar, after: datetime) -> Occurrence | None:
    """The first run due later than `after`, None when there is none in the next 200 days."""
    today = calendar.trading_day(kind, after)
    for day in _dates(today, today + _HORIZON * _DAY):
        for entry in _on(schedule, kind, calendar, day):
            if isinstance(entry, Occurrence) and entry.due_at > after:
                return entry
    return None


def last_occurrence(schedule: Schedule, kind: AssetClass, calendar: Calendar, until: datetime) -> Occurrence | None:
    """The newest run due at `until` or before, None when there was none in the 200 days before."""
    today = calendar.trading_day(kind, until)
    for back in range(_HORIZON):
        found = [one for one in occurrences(schedule, kind, calendar, today - back * _DAY, today - back * _DAY)
                 if one.due_at <= until]  # fmt: skip
        if found:
            return found[-1]
    return None


def _dates(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + offset * _DAY


def _on(schedule: Schedule, kind: AssetClass, calendar: Calendar, day: date) -> Sequence[Occurrence | NotDue]:
    hours = calendar.hours(kind, day)
    if hours is None or not _chosen(schedule, kind, calendar, day):
        return ()
    return [_entry(kind, day, moment, hours) for moment in sorted(set(_moments(schedule, kind, day, hours)))]


def _entry(kind: AssetClass, day: date, due: datetime, hours: tuple[datetime, datetime]) -> Occurrence | NotDue:
    opens, closes = hours
    if opens <= due < closes:
        return Occurrence(kind, day, due)
    zone = zone_of(kind)
    said = f"the market is open from {opens.astimezone(zone):%H:%M} to {closes.astimezone(zone):%H:%M} that day"
    return NotDue(kind, day, due, f"{said}, and a session is never moved to another time")


def _moments(schedule: Schedule, kind: AssetClass, day: date, hours: tuple[datetime, datetime]) -> Iterator[datetime]:
    """What the schedule names on a day, trading hours or not."""
    moment = schedule.moment
    if isinstance(moment, Offset):
        yield hours[0] + moment.by if moment.edge is Edge.OPEN else hours[1] - moment.by
    elif isinstance(moment, At):
        yield local(day, moment.wall, zone_of(kind))
    elif moment.fits(day):
        for wall in moment.times():
            yield local(day, wall, zone_of(kind))


def _chosen(schedule: Schedule, kind: AssetClass, calendar: Calendar, day: date) -> bool:
    """Whether a trading day is one of the schedule's days."""
    days = schedule.days
    if isinstance(days, Weekdays):
        return day.weekday() in days.days
    if isinstance(days, EdgeOf):
        other = _neighbour(kind, calendar, day, 1 if days.last else -1)
        at_edge = days.period.of(other) != days.period.of(day)
        return at_edge and days.period.of(day) % days.every == 0
    return True


def _neighbour(kind: AssetClass, calendar: Calendar, day: date, step: int) -> date:
    """The trading day before (step -1) or after a day."""
    day += step * _DAY
    while not calendar.is_trading_day(kind, day):
        day += step * _DAY
    return day
