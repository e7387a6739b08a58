"""From weights to whole lots and prices on the tick.

Entry points: `lots_for`, `nearest_lots`, `whole_lots`, `marketable_price`, `carries_limit`.
Prices are in the instrument's currency, quantities in units, lots are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_DOWN, Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side

LIMITED = frozenset({OrderType.LIMIT, OrderType.LOC, OrderType.MIDPRICE, OrderType.ADAPTIVE})
UNLIMITED = frozenset({OrderType.MARKET, OrderType.MOC})


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """Bounds of one trade.

    `min_trade_value` in the instrument's currency: smaller differences are left alone. `max_quantity` is the most units
    one order may have (None: no bound); what is above waits for the next run.
    """

    min_trade_value: Decimal = Decimal(100)
    max_quantity: Decimal | None = None


def usable_price(quote: Quote | None) -> Decimal | None:
    """The quote's best single price, or None where there is no positive finite one."""
    price = None if quote is None else quote.price
    return price if price is not None and price.is_finite() and price > 0 else None


def usable_spread(quote: Quote) -> Decimal:
    """Ask less bid; zero where it is not known or the quote is crossed."""
    spread = quote.spread
    return spread if spread is not None and spread.is_finite() and spread > 0 else Decimal(0)


def lots_for(value: Decimal, price: Decimal, lot: Decimal) -> Decimal:
    """How many lots a value buys, not rounded."""
    return value / (price * lot)


def whole_lots(quantity: Decimal, lot: Decimal) -> int:
    """Whole lots within a quantity, rounded down."""
    return int(quantity // lot)


def nearest_lots(ideal: Decimal) -> int:
    """The nearest whole number of lots; a tie goes to the smaller trade, so that a second look changes nothing."""
    return int(ideal.to_integral_value(ROUND_HALF_DOWN))


def marketable_price(instrument: Instrument, side: Side, price: Decimal, offset: Decimal) -> Decimal:
    """Limit through the market: price x (1 + offset) for a buy, x (1 - offset) for a sell, on the tick.

    A buy is rounded up and a sell down, so that a coarse tick never turns a marketable order into a resting one; it
    goes less than one tick past the offset, at least one tick above zero, and the price collar at the door bounds the
    whole.
    """
    through = price * (1 + side.sign * offset)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    ticks = (through / instrument.tick).to_integral_value(rounding)
    return max(ticks, Decimal(1)) * instrument.tick


def carries_limit(order_type: OrderType) -> bool:
    """Whether an order of this type takes a limit price."""
    return order_type in LIMITED
