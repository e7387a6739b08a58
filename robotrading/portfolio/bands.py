"""How far a holding may drift before it is traded, and how far the trade goes."""

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
