"""A plain calendar for a pretend world: weekdays for securities, every day for crypto, no holidays.

For tests and for worlds without holidays; the product's calendar knows the real exchanges.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Days

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WeekdayCalendar:
    """Securities trade Monday to Friday from `opens` to `closes` (UTC, same day); crypto from midnight to midnight."""

    opens: time = time(14, 30)
    closes: time = time(21, 0)

    def is_trading_day(self, kind: AssetClass, day: date) -> bool:
        return kind is AssetClass.CRYPTO or day.weekday() < 5

    def hours(self, kind: AssetClass, day: date) -> tuple[datetime, datetime] | None:
        if not self.is_trading_day(kind, day):
            return None
        if kind is AssetClass.CRYPTO:
            midnight = datetime.combine(day, time(0), UTC)
            return midnight, midnight + _DAY
        return datetime.combine(day, self.opens, UTC), datetime.combine(day, self.closes, UTC)

    def is_open(self, kind: AssetClass, at: datetime) -> bool:
        hours = self.hours(kind, self.trading_day(kind, at))
        return hours is not None and hours[0] <= at < hours[1]

    def trading_day(self, kind: AssetClass, at: datetime) -> date:  # noqa: ARG002  one time zone for all
        return at.astimezone(UTC).date()

    def last_complete_day(self, kind: AssetClass, at: datetime) -> date:
        day = self.trading_day(kind, at)
        while (hours := self.hours(kind, day)) is None or hours[1] > at:
            day -= _DAY
        return day

    def days(self, kind: AssetClass, first: date, last: date) -> Days:
        every = np.arange(np.datetime64(first, "D"), np.datetime64(last + _DAY, "D"))
        if kind is AssetClass.CRYPTO:
            return every
        return every[np.is_busday(every)]
