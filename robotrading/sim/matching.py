"""At which price an order would trade against a quote, if at all. Pure.

Entry points: `armed` (a stop's level and trigger after a quote), `trade_price`, `trade_quantity`, `reference_price`.
Invariants: a limit is never traded through; a trailing stop's level never moves away from the market; prices lie on
the instrument's tick, rounded against the customer but not beyond a limit.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side
from robotrading.sim.exchange_types import ExchangeOrder, OrderRequest
from robotrading.sim.market import to_tick

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAIL})
ON_CLOSE = frozenset({OrderType.MOC, OrderType.LOC})
NEEDS_LIMIT = frozenset({OrderType.LIMIT, OrderType.LOC, OrderType.STOP_LIMIT})
_AT_MID = frozenset({OrderType.MIDPRICE, OrderType.ADAPTIVE})


def reference_price(request: OrderRequest, quote: Quote | None) -> Decimal | None:
    """The price to count on when a buy's margin is checked: its limit, else its stop, else the market's."""
    if request.limit_price is not None:
        return request.limit_price
    market = None if quote is None else (quote.ask or quote.price)
    known = [price for price in (request.stop_price, market) if price is not None]
    return max(known, default=None)


def armed(order: ExchangeOrder, quote: Quote) -> ExchangeOrder:
    """The order with its trailing level moved on and `triggered` set once the last price touches it."""
    if order.request.order_type not in STOPS or order.triggered:
        return order
    last = quote.last if quote.last is not None else quote.price
    if last is None:
        return order
    order = _trailed(order, last) if order.request.order_type is OrderType.TRAIL else order
    level = order.stop_level or Decimal(0)
    touched = last >= level if order.request.side is Side.BUY else last <= level
    return replace(order, triggered=True) if touched else order


def _trailed(order: ExchangeOrder, last: Decimal) -> ExchangeOrder:
    """A sell's level follows the highest price seen, a buy's the lowest."""
    request = order.request
    selling = request.side is Side.SELL
    best = max if selling else min
    seen = last if order.seen_price is None else best(order.seen_price, last)
    distance = request.trail_amount if request.trail_amount is not None else seen * (request.trail_percent or 0) / 100
    level = to_tick(
        seen - distance if selling else seen + distance,
        request.instrument.tick,
        ROUND_FLOOR if selling else ROUND_CEILING,
    )
    if order.stop_level is not None:
        level = best(order.stop_level, level)
    return replace(order, seen_price=seen, stop_level=level)


def trade_price(order: ExchangeOrder, quote: Quote, slippage: Decimal) -> Decimal | None:
    """Where it trades now, None where it does not. An order on close gets the last price, without a spread."""
    request = order.request
    kind = request.order_type
    if kind in STOPS and not order.triggered:
        return None
    if kind in ON_CLOSE:
        price = quote.last if quote.last is not None else quote.price
    elif kind in _AT_MID and quote.mid is not None:
        price = _against(request, quote.mid)
    else:
        price = _market_price(request, quote, slippage)
    return None if price is None else _within_limit(request, price, quote)


def _market_price(request: OrderRequest, quote: Quote, slippage: Decimal) -> Decimal | None:
    touch = quote.ask if request.side is Side.BUY else quote.bid
    if touch is None:
        touch = quote.last
    return None if touch is None else _against(request, touch * (1 + request.side.sign * slippage))


def _against(request: OrderRequest, price: Decimal) -> Decimal:
    rounding = ROUND_CEILING if request.side is Side.BUY else ROUND_FLOOR
    return max(to_tick(price, request.instrument.tick, rounding), request.instrument.tick)


def _within_limit(request: OrderRequest, price: Decimal, quote: Quote) -> Decimal | None:
    """The price, bettered to the limit where only slippage or rounding lies beyond it; None when the limit holds."""
    limit = request.limit_price
    if limit is None:
        return price
    sign = request.side.sign
    if (price - limit) * sign <= 0:
        return price
    touch = quote.ask if request.side is Side.BUY else quote.bid
    if request.order_type in ON_CLOSE or touch is None:
        return None
    return limit if (touch - limit) * sign <= 0 else None


def trade_quantity(instrument: Instrument, wanted: Decimal, liquidity: Decimal | None) -> Decimal:
    """What of `wanted` can be had, in whole lots unless the whole of it can."""
    if liquidity is None or wanted <= liquidity:
        return wanted
    return whole_lots(instrument, max(liquidity, Decimal(0)))


def whole_lots(instrument: Instrument, quantity: Decimal) -> Decimal:
    """Rounded down to the instrument's lot."""
    return (quantity / instrument.lot).to_integral_value(ROUND_FLOOR) * instrument.lot
