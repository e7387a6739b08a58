"""From beliefs to weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Scheme(StrEnum):
    """How the base weights come about."""

    EQUAL = "equal"
    FIXED = "fixed"
    INVERSE_VOLATILITY = "inverse_volatility"
    MARKET_CAP = "market_cap"


@dataclass(frozen=True, slots=True)
class ConstructSettings:
    """Base weights and what the signal may do to them; weights are fractions of the class budget.

    The signal multiplies a base weight by a factor within [`scale_min`, `scale_max`]. `fixed` maps symbols to weights
    for `Scheme.FIXED`. `cash_buffer` is never invested. `max_weight` caps each instrument after scaling.
    """

    scheme: Scheme = Scheme.EQUAL
    fixed: dict[str, Decimal] = field(default_factory=dict)
    volatility_days: int = 63
    scale_min: Decimal = Decimal("0.5")
    scale_max: Decimal = Decimal("1.25")
    max_weight: Decimal = Decimal("0.25")
    cash_buffer: Decimal = Decimal("0.02")
