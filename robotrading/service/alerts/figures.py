"""What the account's values and closed trades say, in three numbers, without numpy.

Entry points: `Figures`, `figures_of`, `drawdown`, `win_rate`. Pure; None stands for what cannot be said.
Units: fractions, except for the Sharpe ratio, which is annual as in `portfolio/performance.py`, of daily returns.
Deposits and withdrawals are not told apart from gains and losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.portfolio.performance import daily_returns, sharpe
from robotrading.service.facts import ClosedTrade, EquityPoint, Facts

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """`drawdown` is from `highest`; `trades` have been closed within a day, `win_rate` of them with a gain."""

    drawdown: float | None = None
    highest: Decimal | None = None
    win_rate: float | None = None
    trades: int = 0
    sharpe: float | None = None


def figures_of(facts: Facts, now: datetime, sharpe_days: int) -> Figures:
    """All of them from the newest facts; the Sharpe ratio of the last `sharpe_days` daily returns."""
    points = facts.book.equity
    recent = [trade for trade in facts.book.trades if now - _DAY <= trade.at]
    return Figures(
        drawdown=drawdown(points),
        highest=max((point.value for point in points), default=None),
        win_rate=win_rate(recent),
        trades=len(recent),
        sharpe=recent_sharpe(points, sharpe_days),
    )


def drawdown(points: Sequence[EquityPoint]) -> float | None:
    """How far the newest value is below the highest; None without a value above zero."""
    highest = max((point.value for point in points), default=Decimal(0))
    return None if highest <= 0 else float(1 - points[-1].value / highest)


def recent_sharpe(points: Sequence[EquityPoint], days: int) -> float | None:
    """Annual, of the newest `days` daily returns; None of fewer, and where they do not vary."""
    changes = [one.change for one in daily_returns((point.at, point.value) for point in points)]
    return sharpe(changes[-days:]) if len(changes) >= days else None


def win_rate(trades: Sequence[ClosedTrade]) -> float | None:
    """The part of the closed trades that gained; None of none."""
    return sum(trade.gain > 0 for trade in trades) / len(trades) if trades else None
