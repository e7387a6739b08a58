"""From weights to whole lots, with the cash there is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """Bounds of one trade.

    `min_trade_value` in the instrument's currency: smaller differences are left alone. `max_quantity` is the most units
    one order may have (None: no bound); what is above waits for the next run.
    """

    min_trade_value: Decimal = Decimal(100)
    max_quantity: Decimal | None = None
