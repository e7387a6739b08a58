"""Encoders of orders: open, completed, and their status.

The long layouts are spelled out block by block as the real gateway fills them for a plain stock order ('?', 'None',
'IB' and the like included), because clients have to cope with those.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.exchange_types import ExchangeOrder, OrderStatus
from robotrading.sim.gateway.answers import Message, contract_block, stamp
from robotrading.sim.gateway.codes import Outgoing
from robotrading.sim.gateway.contracts import Listing
from robotrading.sim.gateway.wire import UNSET_DOUBLE, UNSET_INTEGER, Field

TIFS = {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC"}
TYPES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.MIDPRICE: "MIDPRICE",
    OrderType.MOC: "MOC",
    OrderType.LOC: "LOC",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAIL: "TRAIL",
}


def order_status(order: ExchangeOrder, status: str, why_held: str = "") -> Message:
    return (
        Outgoing.ORDER_STATUS,
        order.order_id,
        status,
        order.filled,
        order.remaining,
        order.avg_fill_price,
        order.perm_id,
        order.request.parent_id,
        order.last_fill_price,
        order.client_id,
        why_held,
        0,
    )


def open_order(version: int, order: ExchangeOrder, listing: Listing, status: str) -> Message:
    """Message 5 for a live order."""
    return _open_order(version, order, listing, what_if=False, state=_plain_state(status))


def what_if(version: int, order: ExchangeOrder, listing: Listing, value: Decimal, equity: Decimal) -> Message:
    """Message 5 as the answer to a what-if order: margin before, change, after; `value` is the order's, signed."""
    before = (0, 0, equity)
    change = (value, value, 0)
    after = (value, value, equity)
    unset = UNSET_DOUBLE
    state: Message = ("PreSubmitted", *before, *change, *after, unset, unset, unset, listing.currency, "")
    return _open_order(version, order, listing, what_if=True, state=state)


def _plain_state(status: str) -> Message:
    """Status, nine margins, three commissions, currency, warning."""
    return (status, *[UNSET_DOUBLE] * 12, "", "")


def _open_order(version: int, order: ExchangeOrder, listing: Listing, *, what_if: bool, state: Message) -> Message:
    request = order.request
    trail_stop = UNSET_DOUBLE if order.stop_level is None else order.stop_level
    return (
        Outgoing.OPEN_ORDER,
        order.order_id,
        *contract_block(listing, "?", listing.exchange),
        *_terms(order),
        request.order_ref,
        order.client_id,
        order.perm_id,
        0,  # outsideRth
        0,
        0,
        "",
        "",
        *_allocation(version),
        *_conditions_of_sale(),
        0,  # auctionStrategy
        *[""] * 6,
        0,  # blockOrder
        0,
        0,
        "",
        request.oca_type,
        0,
        0,
        "",
        request.parent_id,
        0,
        *_volatility(("", "", "", "?", 0, 0, "")),
        0,
        0,
        trail_stop,
        request.trail_percent,
        "",
        "",
        "",
        *_no_legs(),
        0,
        "",
        "IB",
        0,
        0,
        *_algo(order),
        0,
        what_if,
        *state,
        0,
        0,
        0,  # conditions
        "None",
        UNSET_DOUBLE,
        trail_stop,
        *[UNSET_DOUBLE] * 4,
        0,
        "",
        "",
        "",
        request.cash_quantity or 0,
        0,
        0,
        0,
        0,
        *_tail(version),
    )


def completed_order(version: int, order: ExchangeOrder, listing: Listing, zone: ZoneInfo, at: datetime) -> Message:
    """Message 101. As with the real gateway there is no order id, and the total quantity is what was left."""
    request = order.request
    trail_stop = UNSET_DOUBLE if order.stop_level is None else order.stop_level
    told = f"Filled Size: {order.filled}" if order.status is OrderStatus.FILLED else order.reason or "Cancelled"
    return (
        Outgoing.COMPLETED_ORDER,
        *contract_block(listing, "?", listing.exchange),
        *_terms(order, completed=True),
        request.order_ref,
        order.perm_id,
        0,  # outsideRth
        0,
        0,
        "",
        *_allocation(version),
        *_conditions_of_sale(),
        *[""] * 5,
        UNSET_INTEGER,  # displaySize
        0,
        0,
        "",
        request.oca_type,
        0,
        *_volatility((0, 0, "")),
        0,
        0,
        trail_stop,
        request.trail_percent,
        "",
        *_no_legs(),
        "",
        "IB",
        0,
        0,
        *_algo(order),
        0,
        order.status,
        0,
        0,
        0,  # conditions
        trail_stop,
        UNSET_DOUBLE,
        request.cash_quantity or 0,
        1,
        0,
        "",
        order.filled,
        UNSET_INTEGER,
        0,
        "Not an insider or substantial shareholder",
        0,
        0,
        "9223372036854775807",
        stamp(at, zone),
        told,
        *(("", "", *[UNSET_DOUBLE] * 3) if version >= 170 else ()),
    )


def _terms(order: ExchangeOrder, *, completed: bool = False) -> Message:
    """From action to origin."""
    request = order.request
    return (
        "BUY" if request.side is Side.BUY else "SELL",
        order.remaining if completed else order.quantity,
        _type_name(order),
        request.limit_price or "0.0",
        _aux_price(order),
        TIFS[request.tif],
        request.oca_group,
        order.account_id,
        "",
        0,
    )


def _type_name(order: ExchangeOrder) -> str:
    request = order.request
    if request.order_type is OrderType.ADAPTIVE:
        return "MKT" if request.limit_price is None else "LMT"
    return TYPES[request.order_type]


def _aux_price(order: ExchangeOrder) -> Field:
    request = order.request
    price = request.trail_amount if request.order_type is OrderType.TRAIL else request.stop_price
    return price or "0.0"


def _allocation(version: int) -> Message:
    """faGroup, faMethod, faPercentage, (faProfile), modelCode, goodTillDate, rule80A, percentOffset, settlingFirm."""
    return ("",) * (9 if version < 177 else 8)


def _conditions_of_sale() -> Message:
    """shortSaleSlot, designatedLocation, exemptCode."""
    return (0, "", -1)


def _volatility(delta_neutral: Sequence[Field]) -> Message:
    """volatility, its type, and the delta-neutral block which 'None' opens: contract id and what is given."""
    return ("", 0, "None", "", 0, *delta_neutral)


def _no_legs() -> Message:
    """Combination legs, order legs, routing parameters, three scale fields, hedge type."""
    return (0, 0, 0, "", "", "", "")


def _algo(order: ExchangeOrder) -> Message:
    if order.request.order_type is not OrderType.ADAPTIVE:
        return ("",)
    return ("Adaptive", 1, "adaptivePriority", "Normal")


def _tail(version: int) -> Message:
    """duration, postToAts, autoCancelParent, and five fields of pegged orders."""
    fields: list[Field] = []
    fields += [UNSET_INTEGER] if version >= 159 else []
    fields += [UNSET_INTEGER] if version >= 160 else []
    fields += [0] if version >= 162 else []
    fields += ["", "", *[UNSET_DOUBLE] * 3] if version >= 170 else []
    return fields
