"""Input checks before a model is fitted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Bounds of the input checks.

    Days are trading days of the instrument's calendar; moves and volatilities are fractions (0.5 for 50 %).
    """

    min_days: int = 252
    max_gap_days: int = 5
    max_missing_share: float = 0.02
    max_stale_days: int = 3
    max_constant_days: int = 10
    min_annual_volatility: float = 0.0005
    adf_p_value: float = 0.05
