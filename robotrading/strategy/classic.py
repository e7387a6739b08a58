"""Signals from before the hidden states: the moving average crossover.

Entry points: `crossover_strength`.
Invariants: pure; only the last `slow_days` adjusted closes count.
"""

from __future__ import annotations

from dataclasses import dataclass

from robotrading.domain.market import Bars
from robotrading.strategy.indicators import moving_average

FULL_GAP = 0.05
"""Fraction of the slow average at which the strength is full."""


@dataclass(frozen=True, slots=True)
class MovingAverageSettings:
    """Windows in trading days. Inside `band` (fraction of the slow average) the stance is neutral."""

    fast_days: int = 50
    slow_days: int = 200
    band: float = 0.01


def crossover_strength(bars: Bars, settings: MovingAverageSettings) -> float:
    """Gap of the fast over the slow average, as a fraction of the slow one, over `FULL_GAP`; cut to [-1, 1].

    0.0 inside the band (its boundary included). BarsRejected when there are fewer than `slow_days` bars or a close
    among them is missing. Prices are adjusted closes.
    """
    slow = moving_average(bars, settings.slow_days)
    gap = moving_average(bars, settings.fast_days) / slow - 1.0
    if abs(gap) <= settings.band:
        return 0.0
    return max(-1.0, min(1.0, gap / FULL_GAP))
