"""When the broker resets its servers and the gateway restarts: no order leaves then, and nobody logs in.

Entry points: `QuietTimes`, `quiet_at` (the quiet time an instant lies in, or is about to), `quiet_until`, `window` and
`restart` (from a person's words).
Invariants: windows are wall times of a zone, so that they move with daylight saving; an hour that the clocks skip or
repeat is read in its widest sense; windows that touch or overlap are one quiet time; whoever waits for its end is in
none.
Sources: the broker publishes its reset times by region on its system status page (docs/adr/0013).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = "America/New_York"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = timedelta(days=1)
_LONGEST = 8 * _DAY
"""Windows that follow each other without end are looked at this far."""

_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = r"( [A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*)?"
_NAME = f"({'|'.join(DAYS)})"
WINDOW = rf"^({_NAME}(,{_NAME})* )?{_TIME}-{_TIME}{_ZONE}$"
RESTART = rf"^({_TIME}{_ZONE})?$"


@dataclass(frozen=True, slots=True)
class QuietWindow:
    """From `start` to `end`, wall times in `zone`, beginning on `days` (0 is Monday); over midnight where it must."""

    start: time
    end: time
    zone: str = NEW_YORK
    days: frozenset[int] = frozenset(range(7))
    name: str = "the broker's reset"

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError(f"a quiet time from {self.start:%H:%M} to {self.end:%H:%M} has no length; give it an end")

    def __str__(self) -> str:
        days = "" if len(self.days) == len(DAYS) else ",".join(DAYS[day] for day in sorted(self.days)) + " "
        return f"{self.name} ({days}{self.start:%H:%M}-{self.end:%H:%M} {self.zone})"

    def around(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Its occurrences that may contain an instant or follow it within a day, in UTC."""
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        for offset in (-1, 0, 1):
            day = today + offset * _DAY
            if day.weekday() in self.days:
                last = day if self.end > self.start else day + _DAY
                yield _earliest(day, self.start, zone), _latest(last, self.end, zone)


@dataclass(frozen=True, slots=True)
class Quiet:
    """One quiet time: from, until (UTC), and in whose words."""

    begins: datetime
    ends: datetime
    name: str

    def __str__(self) -> str:
        return f"{self.name}, until {self.ends:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """All windows of a connection. No order leaves in one, nor in the last `margin` seconds before it begins."""

    windows: tuple[QuietWindow, ...] = ()
    margin: float = 60.0

    def now(self, at: datetime) -> Quiet | None:
        """The quiet time that an instant lies in."""
        return quiet_at(at, self.windows)

    def for_orders(self, at: datetime) -> Quiet | None:
        """The quiet time that no order may leave in, or so shortly before."""
        return quiet_at(at, self.windows, timedelta(seconds=self.margin))


def quiet_at(at: datetime, windows: Sequence[QuietWindow], margin: timedelta = timedelta(0)) -> Quiet | None:
    """The quiet time that contains `at` or begins within `margin` (less than a day) of it, None when there is none."""
    met = [(begins, ends, w) for w in windows for begins, ends in w.around(at) if begins <= at + margin and at < ends]
    if not met:
        return None
    begins, ends, first = min(met, key=lambda one: one[:2])
    while ends - at < _LONGEST:
        later = max(_ends_through(ends, windows), default=ends)
        if later == ends:
            break
        ends = later
    return Quiet(begins, ends, str(first))


def _ends_through(at: datetime, windows: Sequence[QuietWindow]) -> list[datetime]:
    """Ends of the windows that an instant lies in."""
    return [ends for w in windows for begins, ends in w.around(at) if begins <= at < ends]


def quiet_until(at: datetime, windows: Sequence[QuietWindow]) -> datetime | None:
    """When the quiet time that `at` lies in is over, None outside of any."""
    quiet = quiet_at(at, windows)
    return quiet.ends if quiet else None


def window(text: str) -> QuietWindow:
    """From words such as `23:45-01:45`, `Fri 23:00-03:00` or `06:25-07:45 Europe/Zurich`; New York time by default.

    Raises ValueError for anything else, and for a zone that is not known.
    """
    if re.fullmatch(WINDOW, text) is None:
        raise ValueError(f"{text!r} is no quiet time: write e.g. 23:45-01:45 or Fri 23:00-03:00 America/New_York")
    named, hours, *zone = text.split(" ") if text[0].isalpha() else ("", *text.split(" "))
    days = [DAYS.index(day) for day in named.split(",")] if named else range(7)
    start, end = map(time.fromisoformat, hours.split("-"))
    return QuietWindow(start, end, _known(zone), frozenset(days))


def restart(text: str, minutes: int) -> tuple[QuietWindow, ...]:
    """The gateway's own daily restart, from words such as `23:50` or `05:40 Europe/London`; none for ''.

    Raises ValueError for anything else, for a zone that is not known, and for minutes outside of 1 to 1439.
    """
    if re.fullmatch(RESTART, text) is None:
        raise ValueError(f"{text!r} is no time of a restart: write e.g. 23:50 or 05:40 Europe/London")
    if not text:
        return ()
    if not 1 <= minutes < 1440:
        raise ValueError(f"a restart of {minutes} minutes cannot be: it takes 1 to 1439")
    at, *zone = text.split(" ")
    start = time.fromisoformat(at)
    end = (datetime.combine(date.min, start) + timedelta(minutes=minutes)).time()
    return (QuietWindow(start, end, _known(zone), name="the gateway's restart"),)


def _known(named: Sequence[str]) -> str:
    """The zone that was named, New York where none was."""
    if not named:
        return NEW_YORK
    try:
        return ZoneInfo(named[0]).key
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{named[0]!r} is no time zone of the IANA list, e.g. America/New_York") from error


def _earliest(day: date, wall: time, zone: ZoneInfo) -> datetime:
    return min(_readings(day, wall, zone))


def _latest(day: date, wall: time, zone: ZoneInfo) -> datetime:
    return max(_readings(day, wall, zone))


def _readings(day: date, wall: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A wall time as an instant; the two differ when the clocks skip or repeat it."""
    moment = datetime.combine(day, wall, zone)
    return moment.replace(fold=0).astimezone(UTC), moment.replace(fold=1).astimezone(UTC)
