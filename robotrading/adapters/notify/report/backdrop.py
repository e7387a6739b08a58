"""What a report is seen against: the account's history, a benchmark, the market's last months, the next run.

Entry points: `Backdrop`, `Worth`, `Benchmark`, `Chart`, `stretches`, `drawdowns`.
Invariants: nothing here is guessed: a stretch that the history does not reach is left out, and so is a benchmark whose
prices do not cover it; money paid in or out is no gain or loss as far as it is known (`portfolio/flows.py`), and the
report says how far that is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from zoneinfo import ZoneInfo

from robotrading.domain.book import Account
from robotrading.portfolio.flows import Flows
from robotrading.portfolio.performance import Snapshot, exchange_day, gained

_WEEK = timedelta(days=7)
_SLACK = timedelta(hours=2)
"""A run of the same weekday looks at the account some seconds earlier or later, and an hour when the clocks change."""
_NEW_YORK = ZoneInfo("America/New_York")
_CLOSE = time(16)
_FRIDAY = 4
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

    `equity` is oldest first, `flows` are the payments between the runs' looks at the account. `benchmark_name` is what
    the configuration names, '' for none; `benchmark` is None where its prices are not at hand.
    """

    equity: tuple[Worth, ...] = ()
    benchmark_name: str = ""
    benchmark: Benchmark | None = None
    charts: tuple[Chart, ...] = ()
    next_run: datetime | None = None
    flows: Flows = field(default_factory=Flows)


@dataclass(frozen=True, slots=True)
class Stretch:
    """How the account did from `since` to now, payments aside; fractions, `benchmark` None where it is not known."""

    name: str
    since: datetime
    gain: Decimal
    change: Decimal
    benchmark: float | None = None
    paid_in: Decimal = Decimal(0)


def stretches(account: Account, backdrop: Backdrop) -> tuple[Stretch, ...]:
    """The day, the last seven days and everything since the first record, as far as they are known."""
    now = account.at
    points = [(point.at, point.value) for point in backdrop.equity if point.at < now and point.value > 0]
    found = [_today(account, points, backdrop.flows)]
    before = [at for at, _ in points if now - 2 * _WEEK <= at <= now - _WEEK + _SLACK]
    if before:
        found.append(_since("7 days", before[-1], account, points, backdrop))
    if points and points[0][0].date() < now.date() and [points[0][0]] != before[-1:]:
        found.append(_since("Since the start", points[0][0], account, points, backdrop))
    return tuple(one for one in found if one is not None)


def _today(account: Account, points: Sequence[Snapshot], flows: Flows) -> Stretch | None:
    """The broker's day begins with the last close, and what a benchmark does today has no close yet."""
    if not account.day_start_value:
        return None
    close, now = _last_close(account.at), (account.at, account.net_liquidation)
    told = gained([*points, (close, account.day_start_value), now], flows.found, close, account.at)
    return Stretch("Today", account.at, told.gain, told.change, None, told.paid_in) if told else None


def _last_close(at: datetime) -> datetime:
    """Four in the afternoon in New York of the weekday before."""
    day = at.astimezone(_NEW_YORK).date() - timedelta(days=1)
    day -= timedelta(days=max(day.weekday() - _FRIDAY, 0))
    return datetime.combine(day, _CLOSE, _NEW_YORK).astimezone(UTC)


def _since(
    name: str, begin: datetime, account: Account, points: Sequence[Snapshot], backdrop: Backdrop
) -> Stretch | None:
    there = backdrop.benchmark
    # The close of the day in New York: the evening there is the next day in UTC.
    beside = there.change(exchange_day(begin), exchange_day(account.at)) if there else None
    told = gained([*points, (account.at, account.net_liquidation)], backdrop.flows.found, begin, account.at)
    return Stretch(name, begin, told.gain, told.change, beside, told.paid_in) if told else None


def drawdowns(values: Sequence[float]) -> tuple[float, ...]:
    """Loss since the highest value so far, as fractions in [-1, 0]; values above zero.

    Value over its running maximum, less 1 (Magdon-Ismail and Atiya, 2004).
    """
    return tuple(value / peak - 1 for value, peak in zip(values, accumulate(values, max), strict=True))
