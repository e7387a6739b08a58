"""What the account's values and closed trades say, in three numbers, without numpy.

Entry points: `Figures`, `figures_of`, `drawdown`, `sharpe`, `win_rate`. Pure; None stands for what cannot be said.
Units: fractions, except for the Sharpe ratio, which is annual: mean of the daily returns over their sample deviation
(n - 1), times the square root of 252, with a risk-free rate of zero (W. F. Sharpe, The Sharpe Ratio, 1994).
Deposits and withdrawals are not told apart from gains and losses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

from robotrading.service.facts import ClosedTrade, EquityPoint, Facts

YEAR = 252
_NEW_YORK = ZoneInfo("America/New_York")
_DAY = timedelta(days=1)
_FLAT = 1e-12


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
        sharpe=sharpe(daily_returns(points), sharpe_days),
    )


def drawdown(points: Sequence[EquityPoint]) -> float | None:
    """How far the newest value is below the highest; None without a value above zero."""
    highest = max((point.value for point in points), default=Decimal(0))
    return None if highest <= 0 else float(1 - points[-1].value / highest)


def daily_returns(points: Sequence[EquityPoint]) -> list[float]:
    """From each exchange day's last value to the next one's; a weekend's values (crypto) count with Monday's day.

    Points are oldest first. A day that begins at or below zero has no return and is left out.
    """
    last: dict[date, Decimal] = {}
    for point in points:
        last[_trading_day(point.at)] = point.value
    values = list(last.values())
    return [float(after / before) - 1 for before, after in pairwise(values) if before > 0]


def sharpe(returns: Sequence[float], days: int) -> float | None:
    """Annual, of the newest `days` (two at least) returns; None of fewer, and where they do not vary."""
    newest = returns[-days:]
    if days < 2 or len(newest) < days:
        return None
    deviation = stdev(newest)
    return None if deviation < _FLAT else fmean(newest) / deviation * math.sqrt(YEAR)


def win_rate(trades: Sequence[ClosedTrade]) -> float | None:
    """The part of the closed trades that gained; None of none."""
    return sum(trade.gain > 0 for trade in trades) / len(trades) if trades else None


def _trading_day(at: datetime) -> date:
    day = at.astimezone(_NEW_YORK).date()
    return day + _DAY * max(0, 7 - day.weekday() if day.weekday() > 4 else 0)
