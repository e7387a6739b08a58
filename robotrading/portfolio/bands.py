"""How far a holding may drift before it is traded, and how far the trade goes.

Entry points: `band_width`, `goal_weight`. All weights are fractions of the class budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class TradeTo(StrEnum):
    TARGET = "target"
    EDGE = "edge"
    """To the nearer edge of the band: less turnover, more drift."""


@dataclass(frozen=True, slots=True)
class BandSettings:
    """A trade happens when the drift exceeds the smaller of both bands.

    `absolute` is a fraction of the class budget, `relative` a fraction of the instrument's target weight.
    """

    absolute: Decimal = Decimal("0.01")
    relative: Decimal = Decimal("0.20")
    trade_to: TradeTo = TradeTo.TARGET


def band_width(target: Decimal, settings: BandSettings) -> Decimal:
    """Half the band around a target weight: min(absolute, relative x target)."""
    return min(settings.absolute, settings.relative * target)


def goal_weight(now: Decimal, target: Decimal, settings: BandSettings) -> Decimal | None:
    """Where a trade should take the weight; None while the drift is within the band (its edge included)."""
    width = band_width(target, settings)
    if abs(now - target) <= width:
        return None
    if settings.trade_to is TradeTo.TARGET:
        return target
    return target + width if now > target else target - width
