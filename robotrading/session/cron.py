"""The five words of a cron line as sets of numbers.

Entry points: `CronFields`, `cron_fields`.
Invariants: Sunday is 0 and 7 as in every crontab; where both the day of the month and the weekday are restricted,
either is enough; at least one minute of some day is meant.
Source: crontab(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five: what it is called, its numbers, and names for them from `low` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int:
        if word.lower() in self.names:
            return self.low + self.names.index(word.lower())
        if not (word.isascii() and word.isdigit()) or not self.low <= int(word[:9]) <= self.high:
            known = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
            raise ValueError(f"{word!r} is no {self.name}; write {self.low}-{self.high}{known}")
        return int(word)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class CronFields:
    """`days` are dates of a month, `weekdays` count from Monday = 0; None where any will do."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None

    def fits(self, day: date) -> bool:
        """Whether there are runs on a date."""
        if day.month not in self.months:
            return False
        if self.days is None and self.weekdays is None:
            return True
        return day.day in (self.days or ()) or day.weekday() in (self.weekdays or ())

    @property
    def on_workdays(self) -> bool:
        """Whether some date that fits may be a Monday to Friday."""
        return self.weekdays is None or self.days is not None or min(self.weekdays) < 5

    def times(self) -> Iterator[time]:
        """The wall times of a day that fits, earliest first."""
        for hour in self.hours:
            for minute in self.minutes:
                yield time(hour, minute)


def cron_fields(text: str) -> CronFields:
    """From `MINUTE HOUR DAY MONTH WEEKDAY`. Raises ValueError with what is wrong."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"{len(words)} words where five are needed: MINUTE HOUR DAY MONTH WEEKDAY")
    minutes, hours, days, months, weekdays = (_numbers(word, field) for word, field in zip(words, _FIELDS, strict=True))
    found = CronFields(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        None if words[2].startswith("*") and len(days) == 31 else frozenset(days),
        frozenset(months),
        None if words[4].startswith("*") and len(weekdays) == 8 else frozenset((day + 6) % 7 for day in weekdays),
    )
    if not _some_day_fits(found):
        raise ValueError(f"day {words[2]} of month {words[3]} never comes")
    return found


def _some_day_fits(fields: CronFields) -> bool:
    """In a leap year, where every date there is comes up."""
    start = date(2024, 1, 1).toordinal()
    return any(fields.fits(date.fromordinal(start + offset)) for offset in range(366))


def _numbers(text: str, field: _Field) -> set[int]:
    return {number for part in text.split(",") for number in _part(part, field)}


def _part(text: str, field: _Field) -> range:
    """`*`, `5`, `mon-fri`, each perhaps with `/STEP`."""
    span, slash, step = text.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= field.high):
        raise ValueError(f"{text!r} is no {field.name}; a step is a number from 1, e.g. */15")
    if span == "*":
        low, high = field.low, field.high
    else:
        first, dash, last = span.partition("-")
        low = field.number(first)
        high = field.number(last) if dash else (field.high if slash else low)
        if dash and high == 0 and field.names == _DAYS:
            high = 7  # fri-sun
    if low > high:
        raise ValueError(f"{text!r} is no {field.name}; a range goes from the smaller to the larger")
    return range(low, high + 1, int(step) if slash else 1)
