"""Trading days and hours by exchange_calendars: New York for equities and bond funds, every UTC day for crypto.

Entry point: `ExchangeCalendar`.
Invariants: building one costs nothing, since the library (and pandas under it) is loaded at the first question about an
exchange; questions beyond the loaded years load more, so that there is no date without an answer.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Days

EXCHANGE = "XNYS"
EXCHANGE_ZONE = ZoneInfo("America/New_York")
MARGIN = timedelta(days=400)
"""Loaded beyond what was asked, so that neighbouring questions are answered from memory; over a year, so that the
newest close before any loaded instant is inside."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Sessions of an exchange from `first` to `last`: days, and their hours in seconds since 1970 UTC."""

    first: date
    last: date
    days: Days
    opens: npt.NDArray[np.int64]
    closes: npt.NDArray[np.int64]

    def row(self, day: date) -> int | None:
        index = int(np.searchsorted(self.days, np.datetime64(day, "D")))
        return index if index < len(self.days) and self.days[index] == np.datetime64(day, "D") else None


class ExchangeCalendar:
    """Implements the `Calendar` port. Instants must be aware; a naive one raises `ValueError`."""

    def __init__(self, first: date = date(2000, 1, 1), last: date = date(2030, 12, 31)) -> None:
        self._first, self._last = first, last
        self._lock = threading.Lock()
        self._schedule: _Schedule | None = None

    def is_open(self, kind: AssetClass, at: datetime) -> bool:
        """Whether the regular session runs; the instant of the close is shut."""
        hours = self.hours(kind, self.trading_day(kind, at))
        return hours is not None and hours[0] <= at < hours[1]

    def trading_day(self, kind: AssetClass, at: datetime) -> date:
        """The exchange's own date at an instant, a trading day or not."""
        if at.tzinfo is None:
            raise ValueError(f"{at.isoformat()} has no time zone; the exchange's date needs an aware instant")
        return at.astimezone(_zone(kind)).date()

    def is_trading_day(self, kind: AssetClass, day: date) -> bool:
        return kind is AssetClass.CRYPTO or self._covering(day, day).row(day) is not None

    def hours(self, kind: AssetClass, day: date) -> tuple[datetime, datetime] | None:
        """Open and close in UTC, None when the exchange is shut that day; crypto from midnight to midnight."""
        if kind is AssetClass.CRYPTO:
            start = datetime.combine(day, time(), UTC)
            return start, start + _ONE_DAY
        schedule = self._covering(day, day)
        row = schedule.row(day)
        if row is None:
            return None
        return _instant(schedule.opens[row]), _instant(schedule.closes[row])

    def last_complete_day(self, kind: AssetClass, at: datetime) -> date:
        """The newest trading day whose close has passed: no bar after it may be used."""
        today = self.trading_day(kind, at)
        if kind is AssetClass.CRYPTO:
            return today - _ONE_DAY
        schedule = self._covering(today, today)
        closed = int(np.searchsorted(schedule.closes, int(at.timestamp()), side="right"))
        return schedule.days[closed - 1].astype(date)  # type: ignore[no-any-return]

    def days(self, kind: AssetClass, first: date, last: date) -> Days:
        """Trading days from `first` to `last`, both included; datetime64[D], read-only."""
        if first > last:
            return np.empty(0, dtype="datetime64[D]")
        start, stop = np.datetime64(first, "D"), np.datetime64(last, "D")
        if kind is AssetClass.CRYPTO:
            return np.arange(start, stop + np.timedelta64(1, "D"), dtype="datetime64[D]")
        days = self._covering(first, last).days
        return days[np.searchsorted(days, start) : np.searchsorted(days, stop, side="right")]

    def _covering(self, first: date, last: date) -> _Schedule:
        """The schedule, loaded anew with wider bounds when it does not reach from `first` to `last`."""
        with self._lock:
            known = self._schedule
            if known is None or first - MARGIN < known.first or known.last < last:
                low = min(first - 2 * MARGIN, self._first)
                self._schedule = known = _load(low, max(last + MARGIN, self._last))
                self._first, self._last = known.first, known.last
            return known


def _zone(kind: AssetClass) -> tzinfo:
    return UTC if kind is AssetClass.CRYPTO else EXCHANGE_ZONE


def _instant(seconds: np.int64) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _load(first: date, last: date) -> _Schedule:
    from exchange_calendars import get_calendar  # noqa: PLC0415  brings pandas

    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads Series.values, which pandas 3.1 is about to change; its answer is right.
        warnings.filterwarnings("ignore", message=r"Series\.values returning an ndarray")
        schedule = get_calendar(EXCHANGE, start=first.isoformat(), end=last.isoformat()).schedule
    days = schedule.index.to_numpy().astype("datetime64[D]")
    days.flags.writeable = False
    opens, closes = (
        schedule[name].dt.tz_convert(None).to_numpy().astype("datetime64[s]") for name in ("open", "close")
    )
    return _Schedule(first, last, days, opens.astype(np.int64), closes.astype(np.int64))
