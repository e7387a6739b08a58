"""When a session runs, in a person's words.

Entry points: `Schedule`, `parse_schedule`, `longest_to_close`, `FORMS`, `zone_of`, `local`.
Invariants: words that are understood have one meaning; times are the exchange's own (New York; UTC for crypto); what is
asked for exists on an ordinary trading day, so that a schedule that could never run is refused when it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from robotrading.domain.instrument import AssetClass
from robotrading.session.cron import CronFields, cron_fields

NEW_YORK = ZoneInfo("America/New_York")
FORMS = (
    "'15 minutes before the close', '30 minutes after the open', 'at 15:30' (each also with 'on mondays', "
    "'on the first trading day of the month' or 'every 2 weeks' behind it), or 'cron 30 15 * * mon-fri'"
)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OPENS, _CLOSES = time(9, 30), time(16, 0)
_HOURS = timedelta(hours=6, minutes=30)
_OFFSET = re.compile(r"(\d{1,4}) (minutes?|hours?) (before the close|after the open)")
_CLOCK = re.compile(r"at ([01]\d|2[0-3]):([0-5]\d)")
_CYCLE = re.compile(r"every (\d{1,2}) weeks")
_EDGE = re.compile(r"on the (first|last) trading day of the (week|month|quarter)")


class Edge(StrEnum):
    """What an offset counts from."""

    OPEN = "after the open"
    CLOSE = "before the close"


@dataclass(frozen=True, slots=True)
class Offset:
    """So long after the open, or before the close."""

    edge: Edge
    by: timedelta


@dataclass(frozen=True, slots=True)
class At:
    """A wall time of the exchange."""

    wall: time


class Period(StrEnum):
    """What rebalancing days are counted in."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"

    def of(self, day: date, every: int = 1) -> int:
        """The number of the period that a day lies in; weeks begin on Monday, `every` counts them from the year 1."""
        if self is Period.WEEK:
            return (day.toordinal() - 1) // 7 // every
        months = day.year * 12 + day.month - 1
        return months if self is Period.MONTH else months // 3


@dataclass(frozen=True, slots=True)
class EveryDay:
    """Every trading day."""


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Trading days that are one of these; 0 is Monday."""

    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class EdgeOf:
    """The first (or last) trading day of every period, or of every `every` weeks."""

    period: Period
    last: bool = False
    every: int = 1


Moment = Offset | At | CronFields
Days = EveryDay | Weekdays | EdgeOf


@dataclass(frozen=True, slots=True)
class Schedule:
    """`words` as written; `moment` says when on a day, `days` on which trading days."""

    words: str
    moment: Moment
    days: Days = EveryDay()

    def __str__(self) -> str:
        return self.words


def zone_of(kind: AssetClass) -> tzinfo:
    """The exchange's own time zone."""
    return UTC if kind is AssetClass.CRYPTO else NEW_YORK


def parse_schedule(words: str, kind: AssetClass) -> Schedule:
    """The meaning of a schedule. Raises ValueError that names the value, what is wrong and the allowed forms."""
    text = " ".join(words.split()).lower()
    try:
        schedule = Schedule(text, *_read(text))
        _require_trading_hours(schedule.moment, kind)
    except ValueError as error:
        raise ValueError(f"{words[:80]!r} is no schedule: {error}. Write {FORMS}") from error
    return schedule


def _read(text: str) -> tuple[Moment, Days]:
    if text.partition(" ")[0] == "cron":
        return cron_fields(text[4:]), EveryDay()
    if found := _OFFSET.match(text):
        unit = timedelta(hours=1) if found[2].startswith("hour") else timedelta(minutes=1)
        moment: Moment = Offset(Edge(found[3]), int(found[1]) * unit)
    elif found := _CLOCK.match(text):
        moment = At(time(int(found[1]), int(found[2])))
    else:
        raise ValueError("it is none of the forms that are understood")
    return moment, _days(text[found.end() :].strip())


def _days(text: str) -> Days:
    if not text:
        return EveryDay()
    if found := _CYCLE.fullmatch(text):
        if not 2 <= int(found[1]) <= 26:
            raise ValueError(f"{text!r}: from 2 to 26 weeks")
        return EdgeOf(Period.WEEK, every=int(found[1]))
    if found := _EDGE.fullmatch(text):
        return EdgeOf(Period(found[2]), last=found[1] == "last")
    names = re.split(r", | and ", text.removeprefix("on "))
    if text.startswith("on ") and all(name.removesuffix("s") in _WEEKDAYS for name in names):
        return Weekdays(frozenset(_WEEKDAYS.index(name.removesuffix("s")) for name in names))
    raise ValueError(f"{text!r} names no days")


def _require_trading_hours(moment: Moment, kind: AssetClass) -> None:
    """The moment lies in the hours of an ordinary day; for crypto, that is from midnight to midnight."""
    if isinstance(moment, Offset):
        longest = timedelta(days=1) if kind is AssetClass.CRYPTO else _HOURS
        if not timedelta(0) < moment.by < longest:
            raise ValueError(f"{_minutes(moment.by)} {moment.edge}: from 1 to {_minutes(longest) - 1} minutes")
        return
    if kind is AssetClass.CRYPTO:
        return
    walls = [moment.wall] if isinstance(moment, At) else moment.times()
    if outside := [wall for wall in walls if not _OPENS <= wall < _CLOSES]:
        raise ValueError(f"at {outside[0]:%H:%M} New York time the exchange is shut; it is open from 09:30 to 16:00")
    if isinstance(moment, CronFields) and not moment.on_workdays:
        raise ValueError("the exchange is shut on Saturdays and Sundays")


def longest_to_close(moment: Moment) -> timedelta:
    """From the earliest start of an ordinary day to the exchange's close; not for crypto, whose market has none."""
    if isinstance(moment, Offset):
        return moment.by if moment.edge is Edge.CLOSE else _HOURS - moment.by
    wall = moment.wall if isinstance(moment, At) else min(moment.times())
    return timedelta(hours=_CLOSES.hour - wall.hour, minutes=_CLOSES.minute - wall.minute)


def _minutes(span: timedelta) -> int:
    return span // timedelta(minutes=1)


def local(day: date, wall: time, zone: tzinfo) -> datetime:
    """A wall time as one instant in UTC.

    Of an hour that comes twice the first is meant; a time that the clocks skip is read as if they had not been changed
    yet, so that it comes as long after the jump as it lies in the skipped hour.
    """
    return datetime.combine(day, wall, zone).astimezone(UTC)
