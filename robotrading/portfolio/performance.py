"""How an account did, from what it was worth at some instants: no arrays, no clock, no money made up.

Entry points: `daily_values`, `daily_returns`, `growth`, `gained`, `total_return`, `volatility`, `sharpe`,
`max_drawdown`, `measure`; of orders `costs`, `turnover`.
Units: money is Decimal in the account's base currency, returns and ratios are float fractions (0.01 is one percent).
NaN rule: None where there is too little to say something; nothing here divides by zero, returns NaN or raises for data.
Invariants: money paid in or out (`Flow`) never appears as a return; the order of the snapshots does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from robotrading.domain.orders import Fill, Ticket

TRADING_DAYS = 252
"""Returns in a year: the usual convention for New York's exchanges."""
Snapshot = tuple[datetime, Decimal]
"""An aware instant, and what the account was worth then."""

_NEW_YORK = ZoneInfo("America/New_York")
_FRIDAY = 4
_STILL = 1e-12
"""A deviation this small beside the mean is rounding of equal numbers, no risk to divide by."""
_LONGEST_STEP = 2.5
"""Calendar days between two values, on average, up to which they count as daily."""
_REACH = timedelta(days=10)
"""How old the value may be that a stretch begins with."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Money paid in (above zero) or out between two looks at the account."""

    since: datetime
    until: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DayValue:
    day: date
    value: Decimal


@dataclass(frozen=True, slots=True)
class DayReturn:
    """The time-weighted return of a day since the last one that is known."""

    day: date
    change: float


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest loss from a peak: `depth` in [-1, 0], the days of the peak and of the lowest point after it."""

    depth: float
    peak: date
    trough: date


@dataclass(frozen=True, slots=True)
class Performance:
    """A stretch of days. `start` is the last value before it (or the first in it), `gain` is without money paid in.

    `returns` are daily; the ratios are None where those are too few or too far apart.
    """

    first: date
    last: date
    since: datetime | None = None
    start: Decimal | None = None
    end: Decimal | None = None
    gain: Decimal | None = None
    paid_in: Decimal = Decimal(0)
    average: Decimal | None = None
    total: float | None = None
    volatility: float | None = None
    sharpe: float | None = None
    drawdown: Drawdown | None = None
    returns: tuple[DayReturn, ...] = ()


def exchange_day(at: datetime) -> date:
    """New York's weekday that an instant belongs to: a Saturday and a Sunday belong to the Friday before."""
    day = at.astimezone(_NEW_YORK).date()
    return day - timedelta(days=max(day.weekday() - _FRIDAY, 0))


def daily_values(snapshots: Iterable[Snapshot]) -> tuple[DayValue, ...]:
    """The last value of each exchange day, oldest first."""
    last = {exchange_day(at): value for at, value in _ordered(snapshots)}
    return tuple(DayValue(day, value) for day, value in last.items())


def daily_returns(snapshots: Iterable[Snapshot], flows: Iterable[Flow] = ()) -> tuple[DayReturn, ...]:
    """V(t) / V(t-1) - 1 for every day that has a day before it; with flows, time-weighted around them.

    A flow F lies where the value jumped most like it within its bounds, and that step grows by (V - F) / V(before):
    the time-weighted return of the Global Investment Performance Standards (CFA Institute, 2020). A step from a value
    that is not above zero has no return.
    """
    return _grown(_steps(_ordered(snapshots), flows))


def growth(snapshots: Iterable[Snapshot], flows: Iterable[Flow] = ()) -> tuple[Snapshot, ...]:
    """What one unit of money became, at each snapshot, time-weighted around the flows; 1 at the first one."""
    points = _ordered(snapshots)
    grown = [(at, Decimal(1)) for at, _ in points[:1]]
    for step in _steps(points, flows):
        grown.append((step.at, grown[-1][1] * _factor(step)))
    return tuple(grown)


@dataclass(frozen=True, slots=True)
class Gained:
    """From one snapshot to a later one: `gain` and `change`, a fraction, are without the money `paid_in`."""

    gain: Decimal
    change: Decimal
    paid_in: Decimal = Decimal(0)


def gained(snapshots: Iterable[Snapshot], flows: Iterable[Flow], begin: datetime, end: datetime) -> Gained | None:
    """From the snapshot at `begin` to the one at `end`, time-weighted around the flows; None without a step."""
    steps = [step for step in _steps(_ordered(snapshots), flows) if begin < step.at <= end]
    if not steps or steps[0].before <= 0:
        return None
    start, value = steps[0].before, steps[-1].value
    paid = sum((step.paid for step in steps), Decimal(0))
    if not any(step.paid for step in steps):
        return Gained(value - start, value / start - 1)
    return Gained(value - start - paid, math.prod(map(_factor, steps), start=Decimal(1)) - 1, paid)


@dataclass(frozen=True, slots=True)
class _Step:
    """From one value to the next, and the money that was paid in between."""

    at: datetime
    before: Decimal
    value: Decimal
    paid: Decimal


def _steps(points: Sequence[Snapshot], flows: Iterable[Flow]) -> list[_Step]:
    paid = _placed(points, flows)
    return [
        _Step(at, before, value, paid.get(index, Decimal(0)))
        for index, ((_, before), (at, value)) in enumerate(pairwise(points), start=1)
    ]


def _grown(steps: Iterable[_Step]) -> tuple[DayReturn, ...]:
    """The growth of a day's steps, one after another; that of a step is never below zero."""
    grown: dict[date, Decimal] = {}
    for step in steps:
        if step.before > 0:
            day = exchange_day(step.at)
            grown[day] = grown.get(day, Decimal(1)) * _factor(step)
    return tuple(DayReturn(day, float(factor - 1)) for day, factor in grown.items())


def _factor(step: _Step) -> Decimal:
    """1 from a value that is not above zero."""
    return max((step.value - step.paid) / step.before, Decimal(0)) if step.before > 0 else Decimal(1)


def _ordered(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    return sorted((at, value) for at, value in snapshots if value.is_finite())


def _placed(points: Sequence[Snapshot], flows: Iterable[Flow]) -> dict[int, Decimal]:
    """Index of the snapshot after which a flow had come: of those in its bounds the one that jumped most like it."""
    found: dict[int, Decimal] = {}
    for flow in flows:
        # The account is looked at a moment before its value is kept.
        inside = [i for i in range(1, len(points)) if points[i][0] >= flow.since and points[i - 1][0] < flow.until]
        if inside:
            best = min(inside, key=lambda i: abs(points[i][1] - points[i - 1][1] - flow.amount))
            found[best] = found.get(best, Decimal(0)) + flow.amount
    return found


def total_return(changes: Sequence[float]) -> float | None:
    """The returns one after another: the product of all (1 + r), less 1. None for none."""
    return math.prod(1 + change for change in changes) - 1 if changes else None


def volatility(changes: Sequence[float], periods: int = TRADING_DAYS) -> float | None:
    """Annualised: the sample standard deviation times the root of `periods` a year. None for fewer than two."""
    deviation = _deviation(changes)
    return None if deviation is None else deviation * math.sqrt(periods)


def sharpe(changes: Sequence[float], risk_free: float = 0.0, periods: int = TRADING_DAYS) -> float | None:
    """Annualised ratio of mean excess return to its sample deviation (Sharpe, 1994).

    `risk_free` is a rate of one period, not of a year. None for fewer than two returns, and where they do not vary.
    """
    excess = [change - risk_free for change in changes]
    deviation = _deviation(excess)
    if deviation is None:
        return None
    mean = math.fsum(excess) / len(excess)
    if deviation <= _STILL * max(map(abs, excess)):
        return None
    return mean / deviation * math.sqrt(periods)


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def max_drawdown(returns: Sequence[DayReturn], start: date) -> Drawdown | None:
    """Growth over its running maximum, less 1, at its lowest (Magdon-Ismail and Atiya, 2004). None for no returns.

    `start` is the day whose value the first return came from: it may be the peak.
    """
    if not returns:
        return None
    growth, top, top_day = 1.0, 1.0, start
    worst = Drawdown(0.0, start, start)
    for one in returns:
        growth *= 1 + one.change
        if growth >= top:
            top, top_day = growth, one.day
        elif growth / top - 1 < worst.depth:
            worst = Drawdown(growth / top - 1, top_day, one.day)
    return worst


def measure(snapshots: Iterable[Snapshot], flows: Sequence[Flow], first: date, last: date) -> Performance:
    """A stretch of exchange days, both included, as far as it is known.

    It begins with the last value of the ten days before, or with the first one inside where there is none.
    """
    points = _ordered(snapshots)
    inside = [one for one in points if first <= exchange_day(one[0]) <= last]
    earlier = [one for one in points if first - _REACH <= exchange_day(one[0]) < first]
    if not inside:
        return Performance(first, last)
    known = [*earlier[-1:], *inside]
    (since, start), (until, end) = known[0], known[-1]
    steps = [step for step in _steps(points, flows) if since < step.at <= until]
    paid = sum((step.paid for step in steps), Decimal(0))
    values = [one.value for one in daily_values(known)]
    average = sum(values, Decimal(0)) / len(values)
    gain = end - start - paid if steps else None
    made = Performance(first, last, since, start, end, gain, paid, average)
    return _with_ratios(made, exchange_day(since), _grown(steps))


def _with_ratios(made: Performance, begin: date, returns: tuple[DayReturn, ...]) -> Performance:
    changes = [one.change for one in returns]
    daily = bool(returns) and (returns[-1].day - begin).days <= _LONGEST_STEP * len(returns)
    return replace(
        made,
        total=total_return(changes),
        volatility=volatility(changes) if daily else None,
        sharpe=sharpe(changes) if daily else None,
        drawdown=max_drawdown(returns, begin),
        returns=returns,
    )


@dataclass(frozen=True, slots=True)
class Costs:
    """What orders moved and cost, by currency; `slippage` is against their value at `arrival` prices, + is worse.

    `untold` counts executions whose commission the broker has not told.
    """

    orders: int = 0
    filled: int = 0
    bought: Mapping[str, Decimal] = field(default_factory=dict)
    sold: Mapping[str, Decimal] = field(default_factory=dict)
    commission: Mapping[str, Decimal] = field(default_factory=dict)
    slippage: Mapping[str, Decimal] = field(default_factory=dict)
    arrival: Mapping[str, Decimal] = field(default_factory=dict)
    untold: int = 0

    def traded(self, currency: str) -> Decimal:
        """Bought and sold together."""
        return self.bought.get(currency, Decimal(0)) + self.sold.get(currency, Decimal(0))


def costs(tickets: Sequence[Ticket]) -> Costs:
    """Sums over orders; money of different currencies is never added."""
    fills = [(ticket, fill) for ticket in tickets for fill in ticket.fills]
    slipped = [(ticket, ticket.slippage) for ticket in tickets]
    return Costs(
        orders=len(tickets),
        filled=sum(bool(ticket.fills) for ticket in tickets),
        bought=_sums((_currency(f), f.quantity * f.price) for _, f in fills if f.side.sign > 0),
        sold=_sums((_currency(f), f.quantity * f.price) for _, f in fills if f.side.sign < 0),
        commission=_sums(
            (f.commission_currency or _currency(f), f.commission) for _, f in fills if f.commission is not None
        ),
        slippage=_sums((t.intent.instrument.currency, unit * t.filled) for t, unit in slipped if unit is not None),
        arrival=_sums((t.intent.instrument.currency, t.intent.arrival_price * t.filled) for t in tickets if t.fills),
        untold=sum(fill.commission is None for _, fill in fills),
    )


def _currency(fill: Fill) -> str:
    return fill.instrument.currency


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for currency, value in amounts:
        found[currency] = found.get(currency, Decimal(0)) + value
    return found


def turnover(traded: Decimal, average: Decimal | None) -> float | None:
    """Bought and sold over the average value of the account, a fraction. None where that is not above zero."""
    return float(traded / average) if average is not None and average > 0 else None
