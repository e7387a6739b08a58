"""What a report is seen against: the account's history, a benchmark, the market's last months, the next run.

Entry points: `Backdrop`, `Worth`, `Benchmark`, `Chart`, `stretches`, `drawdowns`.
Invariants: nothing here is guessed: a stretch that the history does not reach is left out, and so is a benchmark whose
prices do not cover it; deposits and withdrawals are not known here and count as gain and loss, which the report says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from robotrading.domain.book import Account
from robotrading.portfolio.performance import exchange_day

_WEEK = timedelta(days=7)
_SLACK = timedelta(hours=2)
"""A run of the same weekday looks at the account some seconds earlier or later, and an hour when the clocks change."""
_STALE = timedelta(days=7)
"""A benchmark whose newest close is older than this says nothing about today."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The account's net liquidation value at an instant, in its base currency."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Closes adjusted for distributions, oldest first, `days` strictly increasing; equally many of both."""

    symbol: str
    days: tuple[date, ...]
    closes: tuple[float, ...]

    def change(self, first: date, last: date) -> float | None:
        """From the close on or before `first` to the one on or before `last`; None where either is not known."""
        begin, end = bisect_right(self.days, first) - 1, bisect_right(self.days, last) - 1
        if begin < 0 or end <= begin or last - self.days[end] > _STALE or first - self.days[begin] > _STALE:
            return None
        return self.closes[end] / self.closes[begin] - 1 if self.closes[begin] > 0 else None


@dataclass(frozen=True, slots=True)
class Chart:
    """An instrument's last months: `regimes` is the likeliest state of each day by what was known then, -1 for none.

    `labels` name the states; `source` served the prices.
    """

    symbol: str
    days: tuple[date, ...]
    closes: tuple[float, ...]
    regimes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Everything around a report; the empty one is that of a first run without any history.

    `equity` is oldest first. `benchmark_name` is what the configuration names, '' for none; `benchmark` is None where
    its prices are not at hand.
    """

    equity: tuple[Worth, ...] = ()
    benchmark_name: str = ""
    benchmark: Benchmark | None = None
    charts: tuple[Chart, ...] = ()
    next_run: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """How the account did from `since` to now; fractions, `benchmark` None where it is not known."""

    name: str
    since: datetime
    gain: Decimal
    change: Decimal
    benchmark: float | None = None


def stretches(account: Account, backdrop: Backdrop) -> tuple[Stretch, ...]:
    """The day, the last seven days and everything since the first record, as far as they are known."""
    now, value = account.at, account.net_liquidation
    points = [point for point in backdrop.equity if point.at < now and point.value > 0]
    found = []
    if account.day_start_value:
        # The broker's day begins with the last close, and what a benchmark does today has no close yet.
        change = value / account.day_start_value - 1
        found.append(Stretch("Today", now, value - account.day_start_value, change))
    before = [point for point in points if now - 2 * _WEEK <= point.at <= now - _WEEK + _SLACK]
    if before:
        found.append(_stretch("7 days", before[-1], account, backdrop))
    if points and points[0].at.date() < now.date() and points[:1] != before[-1:]:
        found.append(_stretch("Since the start", points[0], account, backdrop))
    return tuple(found)


def _stretch(name: str, start: Worth, account: Account, backdrop: Backdrop) -> Stretch:
    gain = account.net_liquidation - start.value
    there = backdrop.benchmark
    # The close of the day in New York: the evening there is the next day in UTC.
    beside = there.change(exchange_day(start.at), exchange_day(account.at)) if there else None
    return Stretch(name, start.at, gain, gain / start.value, beside)


def drawdowns(values: Sequence[float]) -> tuple[float, ...]:
    """Loss since the highest value so far, as fractions in [-1, 0]; values above zero.

    Value over its running maximum, less 1 (Magdon-Ismail and Atiya, 2004).
    """
    return tuple(value / peak - 1 for value, peak in zip(values, accumulate(values, max), strict=True))
