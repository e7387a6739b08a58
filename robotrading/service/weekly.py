"""When the week's summary is due.

Entry points: `parse`, `due`, `next_after`, `letter_id`.
Invariants: the moment is a wall time of its zone, whatever the clocks there do; each week's summary has one date, under
which it is posted once; one that was missed is due for three days more, and never after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robotrading.session.schedule import NEW_YORK, local

CAUGHT_UP = timedelta(days=3)
"""How long after its moment a summary is still worth sending."""
_WEEK = timedelta(days=7)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Weekly:
    """A moment of the week: `weekday` 0 is Monday, None is never; `wall` is of `zone`."""

    weekday: int | None = None
    wall: time = time(9)
    zone: tzinfo = NEW_YORK


def parse(text: str) -> Weekly:
    """`Sat 09:00` or `Sun 18:30 Europe/London`; '' is never. Raises ValueError that says what is wrong."""
    words = text.split()
    if not words:
        return Weekly()
    try:
        day, wall, *zone = words
        weekday = _DAYS.index(day.lower())
        hour, minute = map(int, wall.split(":"))
        moment = time(hour, minute)
    except ValueError as error:
        raise ValueError(
            f"{text[:60]!r} is no moment of a week; write a day and a time, e.g. 'Sat 09:00' or "
            "'Sun 18:30 Europe/London', or '' for never"
        ) from error
    return Weekly(weekday, moment, _zone(" ".join(zone), text))


def _zone(name: str, text: str) -> tzinfo:
    if not name:
        return NEW_YORK
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones is no zone
        raise ValueError(
            f"{text[:60]!r}: there is no time zone {name[:40]!r}; write one like Europe/London or "
            "America/New_York, or none for New York time"
        ) from error


def due(weekly: Weekly, now: datetime, last_posted: date | None) -> date | None:
    """The date of the summary that is due and was not posted, None for none; `now` is aware UTC.

    `last_posted` is the date of the newest one that was, None for none ever. Of several missed ones only the newest is
    ever due.
    """
    upcoming = next_after(weekly, now)
    if upcoming is None:
        return None
    day = upcoming.astimezone(weekly.zone).date() - _WEEK
    # A wall time that the clocks skip is an instant of the same date, later.
    late = now - local(day, weekly.wall, weekly.zone)
    if late >= CAUGHT_UP or (last_posted is not None and last_posted >= day):
        return None
    return day


def next_after(weekly: Weekly, now: datetime) -> datetime | None:
    """The first moment after `now`, in UTC; None for never."""
    if weekly.weekday is None:
        return None
    today = now.astimezone(weekly.zone).date()
    day = today + timedelta(days=(weekly.weekday - today.weekday()) % 7)
    moment = local(day, weekly.wall, weekly.zone)
    return moment if moment > now else local(day + _WEEK, weekly.wall, weekly.zone)


def moment(weekly: Weekly, day: date) -> datetime:
    """When the summary of a day is due, in UTC."""
    return local(day, weekly.wall, weekly.zone)


def letter_id(day: date) -> str:
    """The summary's identity in the outbox: one for the seven days up to a day, whoever posts it."""
    return f"summary:{day}"
