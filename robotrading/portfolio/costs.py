"""What a trade costs, and when it is not worth it.

Entry points: `commission`, `trading_cost`, `worth_trading`.
Invariants: commission never falls as the quantity grows, one order never costs more than the same quantity in two, and
the cost as a share of value never rises with the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CostSettings:
    """Commission model of one asset class and the no-trade rule.

    Commission is `per_unit` x quantity plus `share` of the value (crypto), at least `minimum`, at most `maximum_share`
    of the value; money in the instrument's currency. A trade is left when commission plus half the spread exceed
    `max_cost_share` of its value.
    """

    per_unit: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")
    maximum_share: Decimal = Decimal("0.01")
    share: Decimal = Decimal(0)
    max_cost_share: Decimal = Decimal("0.005")


def commission(quantity: Decimal, price: Decimal, settings: CostSettings) -> Decimal:
    """min(max(per_unit x q + share x q x p, minimum), maximum_share x q x p); zero for no quantity."""
    return commission_on(quantity, quantity * price, settings)


def commission_on(quantity: Decimal, value: Decimal, settings: CostSettings) -> Decimal:
    """The same by the value traded, for what was executed at several prices."""
    full = max(settings.per_unit * quantity + settings.share * value, settings.minimum)
    return min(full, settings.maximum_share * value)


def trading_cost(quantity: Decimal, price: Decimal, spread: Decimal, settings: CostSettings) -> Decimal:
    """Commission plus half the spread on every unit."""
    return commission(quantity, price, settings) + quantity * spread / 2


def worth_trading(quantity: Decimal, price: Decimal, spread: Decimal, settings: CostSettings) -> bool:
    """Whether the cost stays within `max_cost_share` of the value."""
    return trading_cost(quantity, price, spread, settings) <= settings.max_cost_share * quantity * price
