"""Trading days and hours from a file, for processes that must stay small: reading it loads no library.

Entry points: `TableCalendar`, `read_table`, `write_table`, `years_around`, `CalendarUnusable`.
Invariants: equal to `ExchangeCalendar` on every method for days inside the table; a question outside of it is an error
and never an answer; a file that is damaged, of another version or too short is refused as a whole.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from robotrading.domain.errors import DataError
from robotrading.domain.instrument import AssetClass

if TYPE_CHECKING:
    from robotrading.domain.market import Days
    from robotrading.domain.ports import Calendar

FORMAT = 1
LEAST_AHEAD = timedelta(days=250)
"""A table is made anew when it ends sooner: longer than any schedule looks ahead."""

_NEW_YORK = ZoneInfo("America/New_York")
_DAY = timedelta(days=1)
_LIBRARY = "exchange_calendars"


class CalendarUnusable(DataError):
    """The table of trading days is missing, damaged or too short; it is made anew by `session-calendar`."""


@dataclass(frozen=True, slots=True)
class Table:
    """The exchange's days from `first` to `last`, both included: opens and closes in UTC, by day, ascending.

    `library` is the version that the days were worked out with: a newer one may know of another holiday.
    """

    first: date
    last: date
    library: str
    hours: dict[date, tuple[datetime, datetime]]


class TableCalendar:
    """Implements the `Calendar` port for the days of a table. Raises `CalendarUnusable` for days outside of it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._days = tuple(table.hours)
        self._closes = [closes for _, closes in table.hours.values()]

    @property
    def last(self) -> date:
        """The last day that is known."""
        return self._table.last

    def stale(self, today: date) -> str:
        """Why the table should be made anew, '' while it need not."""
        if self._table.last - today < LEAST_AHEAD:
            return f"it ends on {self._table.last}, less than {LEAST_AHEAD.days} days ahead"
        if today - self._table.first < LEAST_AHEAD:
            return f"it begins on {self._table.first}, less than {LEAST_AHEAD.days} days ago"
        if self._table.library != library():
            return f"{_LIBRARY} is {library()} now, and it was made with {self._table.library}"
        return ""

    def is_open(self, kind: AssetClass, at: datetime) -> bool:
        """Whether the regular session runs; the instant of the close is shut."""
        hours = self.hours(kind, self.trading_day(kind, at))
        return hours is not None and hours[0] <= at < hours[1]

    def trading_day(self, kind: AssetClass, at: datetime) -> date:
        """The exchange's own date at an instant, a trading day or not. ValueError for one without a zone."""
        if at.tzinfo is None:
            raise ValueError(f"{at.isoformat()} has no time zone; the exchange's date needs an aware instant")
        return at.astimezone(UTC if kind is AssetClass.CRYPTO else _NEW_YORK).date()

    def is_trading_day(self, kind: AssetClass, day: date) -> bool:
        return self.hours(kind, day) is not None

    def hours(self, kind: AssetClass, day: date) -> tuple[datetime, datetime] | None:
        """Open and close in UTC, None when the exchange is shut that day; crypto from midnight to midnight."""
        if kind is AssetClass.CRYPTO:
            start = datetime.combine(day, time(), UTC)
            return start, start + _DAY
        self._require(day)
        return self._table.hours.get(day)

    def last_complete_day(self, kind: AssetClass, at: datetime) -> date:
        """The newest trading day whose close has passed: no bar after it may be used."""
        today = self.trading_day(kind, at)
        if kind is AssetClass.CRYPTO:
            return today - _DAY
        self._require(today)
        closed = bisect_right(self._closes, at)
        if not closed:
            raise CalendarUnusable(f"{today}: no trading day before it is in the table; {self._way_out()}")
        return self._days[closed - 1]

    def days(self, kind: AssetClass, first: date, last: date) -> Days:
        """Trading days from `first` to `last`, both included; datetime64[D], read-only."""
        import numpy as np  # noqa: PLC0415  the daemon asks for single days only and never loads it

        wanted = [first + offset * _DAY for offset in range((last - first).days + 1)]
        found = np.array([day for day in wanted if self.is_trading_day(kind, day)], dtype="datetime64[D]")
        found.flags.writeable = False
        return found

    def _require(self, day: date) -> None:
        if not self._table.first <= day <= self._table.last:
            bounds = f"{self._table.first} to {self._table.last}"
            raise CalendarUnusable(f"{day} is not in the table of trading days ({bounds}); {self._way_out()}")

    @staticmethod
    def _way_out() -> str:
        return "restart the service, which makes it anew; is the machine's clock right?"


def library() -> str:
    """The installed version of the library that works the days out, without loading it; '' without one."""
    try:
        return version(_LIBRARY)
    except PackageNotFoundError:
        return ""


def years_around(day: date) -> tuple[date, date]:
    """What a table made on a day covers: the year before to the year after."""
    return date(day.year - 1, 1, 1), date(day.year + 1, 12, 31)


def write_table(path: Path, calendar: Calendar, first: date, last: date) -> int:
    """Write a calendar's days to a file, in one step; how many. Raises `OSError`."""
    rows = []
    for offset in range((last - first).days + 1):
        day = first + offset * _DAY
        if (hours := calendar.hours(AssetClass.EQUITIES, day)) is not None:
            rows.append([day.isoformat(), int(hours[0].timestamp()), int(hours[1].timestamp())])
    body = {"first": first.isoformat(), "last": last.isoformat(), "library": library(), "days": rows}
    content = json.dumps({"format": FORMAT, "sha256": _digest(body), "table": body}, separators=(",", ":"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copies of the service may share the folder and may all miss the table at the same time.
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    temporary.write_text(content + "\n", encoding="utf-8")
    temporary.replace(path)
    return len(rows)


def read_table(path: Path) -> TableCalendar:
    """Raises `CalendarUnusable` when the file is not there, or is not exactly what `write_table` writes."""
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            raise CalendarUnusable(f"{path} is of format {found['format']!r}, and {FORMAT} is understood")
        if found["sha256"] != _digest(found["table"]):
            raise CalendarUnusable(f"{path} is damaged: its checksum is not that of its content")
        return TableCalendar(_table(found["table"]))
    except OSError as error:
        raise CalendarUnusable(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CalendarUnusable(f"{path} is damaged: it is no table of trading days ({type(error).__name__})") from error


def _table(body: Any) -> Table:
    hours = {date.fromisoformat(day): (_instant(opens), _instant(closes)) for day, opens, closes in body["days"]}
    return Table(date.fromisoformat(body["first"]), date.fromisoformat(body["last"]), body["library"], hours)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()
