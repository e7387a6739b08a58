"""What a trade costs, and when it is not worth it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CostSettings:
    """Commission model of one asset class and the no-trade rule.

    Commission is `per_unit` x quantity, at least `minimum`, at most `maximum_share` of the value, plus `share` of the
    value (crypto); money in the instrument's currency. A trade is left when commission plus half the spread exceed
    `max_cost_share` of its value.
    """

    per_unit: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")
    maximum_share: Decimal = Decimal("0.01")
    share: Decimal = Decimal(0)
    max_cost_share: Decimal = Decimal("0.005")
