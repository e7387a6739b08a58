"""What the exchange refuses, in the broker's codes. Pure.

Entry points: `wording_refused` (the request alone), `change_refused` (against the order it modifies), `money_refused`
(against the account and its open orders). Each answers None or a `Refusal`; the first rule that speaks decides.
Codes: 103, 105, 110, 111, 113, 135, 200, 321, 387, 434, 10243, 10244, 10289 refuse before an order comes to be; 201
refuses an order that exists, and leaves it Inactive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from robotrading.domain.instrument import Instrument, SecType
from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.accounts import ZERO, AccountBook, order_fee
from robotrading.sim.exchange_types import ExchangeOrder, ExchangeSettings, OrderRequest
from robotrading.sim.matching import NEEDS_LIMIT, ON_CLOSE, reference_price

REJECTED = 201


class Refusal(NamedTuple):
    code: int
    text: str


def _rejected(why: str) -> Refusal:
    return Refusal(REJECTED, f"Order rejected - reason:{why}")


# The request alone -------------------------------------------------------------------------------------------------


def wording_refused(request: OrderRequest, settings: ExchangeSettings) -> Refusal | None:
    """`request.instrument` must be the market's own, so that its tick and lot are the ones that count."""
    for rule in (_cash_quantity, _size, _whole_shares, _needed_prices, _on_tick, _crypto_rules, _close_is_for_today):
        refusal = rule(request, settings)
        if refusal is not None:
            return refusal
    return None


def _cash_quantity(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    crypto_buy = (
        request.instrument.sec_type is SecType.CRYPTO
        and request.order_type is OrderType.MARKET
        and request.side is Side.BUY
    )
    if request.cash_quantity is None:
        return Refusal(10289, "You must set Cash Quantity for this order.") if crypto_buy else None
    if not crypto_buy or request.quantity:
        return Refusal(10244, f"Cash Quantity {request.cash_quantity} cannot be used for this order.")
    return None if request.cash_quantity > 0 else Refusal(434, "The order size cannot be zero.")


def _size(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    if request.cash_quantity is not None or request.quantity > 0:
        return None
    if request.quantity == 0:
        return Refusal(434, "The order size cannot be zero.")
    return Refusal(321, f"Error validating request: order size {request.quantity} is negative")


def _whole_shares(request: OrderRequest, settings: ExchangeSettings) -> Refusal | None:
    if request.instrument.sec_type is SecType.STOCK:
        if request.quantity % 1 and not settings.fractional_shares:
            return Refusal(10243, "Fractional-sized order cannot be placed via API. Please refer to the documentation.")
        return None
    lot = request.instrument.lot
    if request.quantity % lot:
        return _rejected(f"The size {request.quantity} does not conform to the minimum size variation {lot}.")
    return None


def _needed_prices(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    kind = request.order_type
    missing = []
    if kind in NEEDS_LIMIT and request.limit_price is None:
        missing.append("limit price")
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT) and request.stop_price is None:
        missing.append("stop price")
    if kind is OrderType.TRAIL and not (request.trail_amount or request.trail_percent):
        missing.append("trailing amount or percent")
    return Refusal(321, f"Error validating request: {kind} lacks its {' and '.join(missing)}") if missing else None


def _on_tick(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    for price in (request.limit_price, request.stop_price):
        if price is not None and (price <= 0 or price % request.instrument.tick):
            return Refusal(110, "The price does not conform to the minimum price variation for this contract.")
    return None


def _crypto_rules(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    """Market and limit only; market orders immediate, none overnight."""
    if request.instrument.sec_type is not SecType.CRYPTO:
        return None
    if request.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        return Refusal(387, "Unsupported order type for this exchange and security type.")
    immediate = request.tif is TimeInForce.IOC
    if request.tif is TimeInForce.GTC or (request.order_type is OrderType.MARKET and not immediate):
        return Refusal(111, "The TIF (Tif type) and the order type are incompatible.")
    return None


def _close_is_for_today(request: OrderRequest, _: ExchangeSettings) -> Refusal | None:
    if request.order_type in ON_CLOSE and request.tif is not TimeInForce.DAY:
        return Refusal(113, "The Tif option should be set to DAY for MOC and LOC orders.")
    return None


def change_refused(order: ExchangeOrder, request: OrderRequest) -> Refusal | None:
    """A modification keeps instrument, side and account, and leaves something to fill."""
    was = order.request
    if (was.instrument.key, was.side, order.account_id) != (request.instrument.key, request.side, request.account_id):
        return Refusal(105, "Order being modified does not match original order.")
    if request.cash_quantity is None and request.quantity <= order.filled:
        return _rejected(f"The new size {request.quantity} is not above the filled {order.filled}.")
    return None


# Against the account -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """What an order is weighed against.

    `others` are the account's other open orders that are at work or will be, without children that wait for a parent.
    """

    book: AccountBook
    others: tuple[ExchangeOrder, ...]
    settings: ExchangeSettings
    quote_of: Callable[[Instrument], Quote | None]

    def price_of(self, instrument: Instrument) -> Decimal | None:
        quote = self.quote_of(instrument)
        return None if quote is None else quote.price

    def rivals(self, order: ExchangeOrder) -> list[ExchangeOrder]:
        """Orders of the same side that may fill besides this one (members of its OCA group may not)."""
        group = order.request.oca_group
        return [
            other
            for other in self.others
            if other.request.side is order.request.side and not (group and other.request.oca_group == group)
        ]


def money_refused(order: ExchangeOrder, standing: Standing) -> Refusal | None:
    """Whether the account can bear the order. A cash account (leverage 1) pays in the instrument's own currency."""
    currency = order.request.instrument.currency
    if standing.book.rate(currency) is None:
        return _rejected(f"No exchange rate from {currency} to {standing.book.seed.base_currency} in this account.")
    if order.request.side is Side.SELL:
        return _sale_refused(order, standing)
    cost = _cost(order, standing)
    if cost is None:
        return _rejected(f"No price is known for {order.request.instrument}, so that its margin cannot be checked.")
    if standing.settings.leverage > 1:
        return _beyond_margin(order, standing, cost)
    same = [buy for buy in standing.rivals(order) if buy.request.instrument.currency == currency]
    free = standing.book.cash.get(currency, ZERO) - _committed(same, lambda buy: _cost(buy, standing) or ZERO)
    return None if cost <= free else _too_dear(free, cost, currency)


def may_short(request: OrderRequest, settings: ExchangeSettings) -> bool:
    return settings.short_selling and request.instrument.sec_type is SecType.STOCK


def _sale_refused(order: ExchangeOrder, standing: Standing) -> Refusal | None:
    instrument = order.request.instrument
    held = standing.book.held(instrument)
    same = [sell for sell in standing.rivals(order) if sell.request.instrument.key == instrument.key]
    promised = _committed(same, lambda sell: sell.remaining)
    short = order.remaining - max(held - promised, ZERO)
    if short <= 0:
        return None
    if not may_short(order.request, standing.settings):
        return _rejected(
            f"Short sale not allowed: {order.remaining} {instrument} to sell, {held} held, "
            f"{promised} of it promised to other orders."
        )
    price = reference_price(order.request, standing.quote_of(instrument))
    if price is None:
        return _rejected(f"No price is known for {instrument}, so that its margin cannot be checked.")
    return _beyond_margin(order, standing, short * price)


def _beyond_margin(order: ExchangeOrder, standing: Standing, cost: Decimal) -> Refusal | None:
    """Leverage times equity must cover gross positions, the other orders of this side, and this one."""
    book = standing.book

    def in_base(other: ExchangeOrder) -> Decimal:
        return (_cost(other, standing) or ZERO) * (book.rate(other.request.instrument.currency) or ZERO)

    power = standing.settings.leverage * book.equity(standing.price_of)
    free = power - book.positions_value(standing.price_of, gross=True) - _committed(standing.rivals(order), in_base)
    needed = cost * (book.rate(order.request.instrument.currency) or ZERO)
    return None if needed <= free else _too_dear(free, needed, book.seed.base_currency)


def _cost(order: ExchangeOrder, standing: Standing) -> Decimal | None:
    """Worst-case value and commission of what is left, in the instrument's currency; None without any price."""
    request = order.request
    costs = standing.settings.commissions[request.instrument.asset_class]
    if request.cash_quantity is not None and not order.quantity:
        return request.cash_quantity + order_fee(costs, Decimal(1), request.cash_quantity)
    price = request.limit_price
    if price is None:  # a quote is asked for only where it is needed: this is done for every open order
        price = reference_price(request, standing.quote_of(request.instrument))
        if price is None:
            return None
        price *= 1 + standing.settings.slippage
    value = order.remaining * price
    return value + order_fee(costs, order.remaining, value)


def _committed(orders: Iterable[ExchangeOrder], amount: Callable[[ExchangeOrder], Decimal]) -> Decimal:
    """Sum over orders, of each OCA group the largest only."""
    groups: dict[object, Decimal] = {}
    for order in orders:
        group: object = order.request.oca_group or order.perm_id
        groups[group] = max(groups.get(group, ZERO), amount(order))
    return sum(groups.values(), ZERO)


def _too_dear(free: Decimal, cost: Decimal, currency: str) -> Refusal:
    return _rejected(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
        f"[{free:.2f} {currency}] MUST EXCEED THE INITIAL MARGIN [{cost:.2f} {currency}]"
    )
