"""What the account's values and closed trades say, in three numbers, without numpy.

Entry points: `Figures`, `figures_of`, `drawdown`, `win_rate`. Pure; None stands for what cannot be said.
Units: fractions, except for the Sharpe ratio, which is annual as in `portfolio/performance.py`, of daily returns.
Deposits and withdrawals are no gains and losses where reports tell of them (`facts.PaidFlows`); what happened after the
newest of those reports is judged when the next one tells whether it was a payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from robotrading.portfolio.performance import Flow, daily_returns, exchange_day, growth, sharpe
from robotrading.service.facts import BookFacts, ClosedTrade, EquityPoint, Facts, PaidFlows

_DAY = timedelta(days=1)
_WEEK = 5
"""Trading days."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`trades` have been closed within a day, `win_rate` of them with a gain.

    `drawdown` is from the `peak` of the growth, payments aside; `highest` is the highest value, where there were none.
    `doubt` says what of payments is not known, '' where they are.
    """

    drawdown: float | None = None
    highest: Decimal | None = None
    peak: date | None = None
    doubt: str = ""
    win_rate: float | None = None
    trades: int = 0
    sharpe: float | None = None


def figures_of(facts: Facts, now: datetime, sharpe_days: int) -> Figures:
    """All of them from the newest facts; the Sharpe ratio of `sharpe_days` daily returns."""
    points, flows = judged(facts.book), facts.book.flows
    peak = _peak(points, flows.found)
    recent = [trade for trade in facts.book.trades if now - _DAY <= trade.at]
    return Figures(
        drawdown=drawdown(points, flows.found),
        highest=None if _inside(points, flows.found) else max((point.value for point in points), default=None),
        peak=peak,
        doubt=doubt(flows, peak) if points else "",
        win_rate=win_rate(recent),
        trades=len(recent),
        sharpe=weeks_sharpe(points, sharpe_days, flows.found),
    )


def judged(book: BookFacts) -> tuple[EquityPoint, ...]:
    """The values of which it is known whether a payment changed them; all where no report tells of any."""
    until = book.flows.until
    if book.flows.reading:
        return ()
    return book.equity if until is None else tuple(point for point in book.equity if point.at <= until)


def drawdown(points: Sequence[EquityPoint], flows: Sequence[Flow] = ()) -> float | None:
    """How far the newest value is below the highest, payments aside; None without a value above zero."""
    if not any(point.value > 0 for point in points):
        return None
    grown = [factor for _, factor in growth(_snapshots(points), flows)]
    return float(1 - grown[-1] / max(grown))


def _peak(points: Sequence[EquityPoint], flows: Sequence[Flow]) -> date | None:
    grown = growth(_snapshots(points), flows)
    return exchange_day(max(grown, key=lambda one: one[1])[0]) if grown else None


def _inside(points: Sequence[EquityPoint], flows: Sequence[Flow]) -> bool:
    """Whether something was paid between these values."""
    return bool(points) and any(flow.until >= points[0].at for flow in flows)


def doubt(flows: PaidFlows, peak: date | None) -> str:
    """What of payments is not known and taken for gains and losses."""
    if flows.since is None:
        return "deposits and withdrawals are not known and count as well"
    if peak is not None and peak < exchange_day(flows.since):
        return f"deposits and withdrawals before {flows.since:%Y-%m-%d} are not known and count as well"
    if flows.unclear:
        changes = "a change" if flows.unclear == 1 else f"{flows.unclear} changes"
        return f"{changes} of cash may have been paid in or out and count{'s' * (flows.unclear == 1)} as well"
    return ""


def _snapshots(points: Sequence[EquityPoint]) -> list[tuple[datetime, Decimal]]:
    return [(point.at, point.value) for point in points]


def weeks_sharpe(points: Sequence[EquityPoint], days: int, flows: Sequence[Flow] = ()) -> float | None:
    """The best that the annual ratio of `days` daily returns was on any day of the last week, payments aside.

    One day's ratio is mostly chance, so a week of them has to agree. None of fewer returns, and where they do not vary.
    """
    changes = [one.change for one in daily_returns(_snapshots(points), flows)]
    if len(changes) < days + _WEEK - 1:
        return None
    ends = range(len(changes) - _WEEK + 1, len(changes) + 1)
    ratios = [sharpe(changes[end - days : end]) for end in ends]
    return None if None in ratios else max(ratio for ratio in ratios if ratio is not None)


def win_rate(trades: Sequence[ClosedTrade]) -> float | None:
    """The part of the closed trades that gained; None of none."""
    return sum(trade.gain > 0 for trade in trades) / len(trades) if trades else None
