"""What the input checks hold a series against, and the two kinds of rules.

Entry points: `CheckSettings`, `Context`, `Refusal`, `Healing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars, Days


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Bounds of the input checks.

    Days are trading days of the instrument's calendar; moves and volatilities are fractions (0.5 for 50 %).
    `max_bad_ticks` is how many days with a wrong price may be left out, `max_daily_factor` the largest believable
    ratio of one day's adjusted close to the next.
    """

    min_days: int = 252
    max_gap_days: int = 5
    max_missing_share: float = 0.02
    max_stale_days: int = 3
    max_constant_days: int = 10
    min_annual_volatility: float = 0.0005
    adf_p_value: float = 0.05
    max_bad_ticks: int = 3
    max_daily_factor: float = 4.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a series is held against: bounds, the calendar's trading days, and the newest complete one."""

    settings: CheckSettings
    days: Days
    last_complete: date
    expected: Instrument


Refusal = Callable[[Bars, Context], str | None]
"""A whole sentence on what is wrong, None when the rule is content."""
Healing = Callable[[Bars, Context], tuple[Bars, str | None]]
"""The series without the days that were wrong, and a sentence on them; the same object and None when none were."""
