"""When the sessions run next, for people: the schedules of a configuration on the exchange's calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from robotrading.adapters.calendar_table import CalendarUnusable, read_table
from robotrading.config.model import Config
from robotrading.domain.claims import Occurrence
from robotrading.domain.ports import Calendar
from robotrading.session.schedule import parse_schedule
from robotrading.session.timetable import NextRun, NotDue, next_occurrence, timetable

TABLE = "calendar.json"


def next_runs(config: Config, now: datetime) -> tuple[NextRun, ...]:
    """Of every enabled session."""
    calendar = _calendar(config, now.date())
    found = []
    for kind in config.enabled:
        schedule = parse_schedule(config.sessions[kind].schedule, kind)
        found.append(NextRun(kind, schedule.words, next_occurrence(schedule, kind, calendar, now)))
    return tuple(found)


def coming(config: Config, now: datetime, days: int) -> tuple[Occurrence | NotDue, ...]:
    """All runs of the enabled sessions later than `now`, up to `days` days ahead, and what falls out, by time."""
    calendar = _calendar(config, now.date())
    found: list[tuple[datetime, Occurrence | NotDue]] = []
    for kind in config.enabled:
        schedule = parse_schedule(config.sessions[kind].schedule, kind)
        first = calendar.trading_day(kind, now)
        for entry in timetable(schedule, kind, calendar, first, first + timedelta(days=days)):
            at = entry.due_at if isinstance(entry, Occurrence) else entry.at
            if at > now:
                found.append((at, entry))
    return tuple(entry for _, entry in sorted(found, key=lambda pair: (pair[0], pair[1].kind)))


def _calendar(config: Config, today: date) -> Calendar:
    """The service's table where it is good; else the library itself."""
    try:
        table = read_table(config.state_dir / TABLE)
    except CalendarUnusable:
        table = None
    if table is not None and not table.stale(today):
        return table
    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415  brings pandas

    return ExchangeCalendar()
