"""Our intents as the broker's orders.

Entry points: `order_for`, `is_ours`.
Invariants: each call builds a new order (one used twice is sent, and raises afterwards); the order reference is the
intent's id; what the broker is known to refuse is refused here, before anything is sent. Numbers are written as plain
decimal text, as the wire has them, so that no float rounds a quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from types import MappingProxyType
from typing import Any

from robotrading.adapters.ibkr.decimals import plain
from robotrading.adapters.ibkr.library import Order, TagValue
from robotrading.domain.errors import OrderRejected
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Intent, OrderType, Side, TimeInForce

REFERENCE_PREFIX = "rt-"
"""How every order reference of the bot begins (see `intent_id_for`)."""

CENT = Decimal("0.01")
CANCEL_THE_REST_BLOCKING = 1
"""OCA type 1: cancel the other orders of the group, one of them routed at a time, so that two never fill together."""

WIRE_TYPES: Mapping[OrderType, str] = MappingProxyType(
    {
        OrderType.MARKET: "MKT",
        OrderType.LIMIT: "LMT",
        OrderType.MIDPRICE: "MIDPRICE",
        OrderType.MOC: "MOC",
        OrderType.LOC: "LOC",
        OrderType.STOP: "STP",
        OrderType.STOP_LIMIT: "STP LMT",
        OrderType.TRAIL: "TRAIL",
    }
)
WIRE_TIFS: Mapping[TimeInForce, str] = MappingProxyType(
    {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC"}
)
CRYPTO_TIFS: Mapping[TimeInForce, str] = MappingProxyType({TimeInForce.DAY: "Minutes", TimeInForce.IOC: "IOC"})
"""Coins know IOC and Minutes (five of them) only; a day order is sent as the longer one."""

NEEDS: Mapping[OrderType, tuple[str, ...]] = MappingProxyType(
    {
        OrderType.LIMIT: ("limit_price",),
        OrderType.LOC: ("limit_price",),
        OrderType.STOP: ("stop_price",),
        OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
        OrderType.TRAIL: ("trail_percent",),
    }
)
DAY_ONLY = frozenset({OrderType.MOC, OrderType.LOC, OrderType.MIDPRICE})
CRYPTO_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})


def is_ours(reference: str) -> bool:
    """Whether an order reference was given by this program."""
    return reference.startswith(REFERENCE_PREFIX)


def order_for(intent: Intent, account: str) -> Any:
    """A new order for `account`; `OrderRejected` for what the broker would refuse."""
    _check(intent)
    order = Order(
        action="BUY" if intent.side is Side.BUY else "SELL",
        totalQuantity=plain(intent.quantity),
        tif=WIRE_TIFS[intent.tif],
        orderRef=intent.intent_id,
        account=account,
        outsideRth=False,
    )
    _set_type(order, intent)
    if intent.oca_group:
        order.ocaGroup, order.ocaType = intent.oca_group, CANCEL_THE_REST_BLOCKING
    if intent.instrument.asset_class is AssetClass.CRYPTO:
        _set_crypto(order, intent)
    return order


def _set_type(order: Any, intent: Intent) -> None:
    if intent.order_type is OrderType.ADAPTIVE:
        order.orderType = "MKT" if intent.limit_price is None else "LMT"
        order.algoStrategy = "Adaptive"
        order.algoParams = [TagValue("adaptivePriority", "Normal")]
    else:
        order.orderType = WIRE_TYPES[intent.order_type]
    if intent.limit_price is not None and order.orderType != "MKT":
        order.lmtPrice = plain(intent.limit_price)
    if intent.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        order.auxPrice = plain(intent.stop_price or Decimal(0))
    if intent.order_type is OrderType.TRAIL:
        order.trailingPercent = plain(intent.trail_percent or Decimal(0))
        if intent.stop_price is not None:
            order.trailStopPrice = plain(intent.stop_price)


def _set_crypto(order: Any, intent: Intent) -> None:
    """Market orders for coins are IOC, and a market buy names an amount of money instead of a quantity."""
    order.tif = CRYPTO_TIFS[intent.tif]
    if intent.order_type is not OrderType.MARKET:
        return
    order.tif = "IOC"
    if intent.side is Side.BUY:
        order.cashQty = plain((intent.quantity * intent.arrival_price).quantize(CENT, ROUND_UP))
        order.totalQuantity = "0"


def _check(intent: Intent) -> None:
    """Every local refusal, each with its way out."""
    subject = f"{intent.intent_id} ({intent.order_type}, {intent.tif})"
    missing = [name for name in NEEDS.get(intent.order_type, ()) if getattr(intent, name) is None]
    if missing:
        raise OrderRejected(f"{subject}: {' and '.join(missing)} must be given")
    if intent.quantity <= 0:
        raise OrderRejected(f"{subject}: quantity {intent.quantity} must be above zero", code=434)
    if intent.order_type in DAY_ONLY and intent.tif is not TimeInForce.DAY:
        raise OrderRejected(f"{subject}: this order type is for the day only; use tif day")
    if intent.instrument.asset_class is AssetClass.CRYPTO:
        _check_crypto(intent, subject)
    elif intent.quantity != intent.quantity.to_integral_value():
        raise OrderRejected(
            f"{subject}: {intent.quantity} {intent.instrument} is not a whole number of shares, "
            "and fractions are refused through this interface; round to whole shares",
            code=10243,
        )


def _check_crypto(intent: Intent, subject: str) -> None:
    if intent.order_type not in CRYPTO_TYPES:
        raise OrderRejected(f"{subject}: coins know market and limit orders only")
    if intent.tif not in CRYPTO_TIFS:
        raise OrderRejected(f"{subject}: orders for coins live minutes at most; use tif day or immediate_or_cancel")
    if intent.oca_group:
        raise OrderRejected(f"{subject}: coins know no groups of orders that cancel each other")
