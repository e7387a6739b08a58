"""Signals from before the hidden states: the moving average crossover."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MovingAverageSettings:
    """Windows in trading days. Inside `band` (fraction of the slow average) the stance is neutral."""

    fast_days: int = 50
    slow_days: int = 200
    band: float = 0.01
