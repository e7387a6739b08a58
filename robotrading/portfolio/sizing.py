"""From weights to whole lots, with the cash there is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """`min_trade_value` in the instrument's currency: smaller differences are left alone."""

    min_trade_value: Decimal = Decimal(100)
