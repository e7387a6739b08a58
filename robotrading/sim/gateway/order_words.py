"""From the wire's wording of an order to the exchange's.

Entry points: `to_request`, `Refusal`.
Invariant: what the exchange has no words for is refused with a code and a sentence, never bent into something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from robotrading.domain.instrument import SecType
from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.exchange_types import OrderRequest
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.contracts import ContractBook, Listing
from robotrading.sim.gateway.order_answers import TYPES
from robotrading.sim.gateway.requests import PlaceOrder

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL, "SSHORT": Side.SELL}
_TIFS = {"": TimeInForce.DAY, "DAY": TimeInForce.DAY, "GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC}
_KINDS = {name: kind for kind, name in TYPES.items()}
_LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LOC, OrderType.MIDPRICE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order never reaches the exchange."""

    code: Code
    text: str


def to_request(order: PlaceOrder, contracts: ContractBook, accounts: tuple[str, ...]) -> OrderRequest | Refusal:
    """The exchange's request, or the first reason against it."""
    listing = contracts.find(order.contract)
    if listing is None:
        return Refusal(Code.NO_SECURITY, "No security definition has been found for the request")
    refusal = _unsupported(order, listing, accounts)
    return refusal or _request(order, listing)


def _unsupported(order: PlaceOrder, listing: Listing, accounts: tuple[str, ...]) -> Refusal | None:
    """Each rule with its refusal; the first one broken speaks."""
    rules = (
        (not order.contract.exchange, _invalid("Missing order exchange")),
        (order.action not in _SIDES, _invalid(f"Invalid side {order.action!r}")),
        (bool(order.account) and order.account not in accounts, _invalid(f"Invalid account code {order.account!r}")),
        (_tif(order, listing) is None, _invalid(f"Time in force {order.tif!r} is not served")),
        (
            bool(order.conditions or order.good_after or order.good_till),
            _invalid("Conditions and timed orders are not served"),
        ),
        (
            order.order_type not in _KINDS,
            Refusal(Code.UNKNOWN_ORDER_TYPE, f"Unsupported order type {order.order_type!r}"),
        ),
        (
            order.algo_strategy not in ("", "Adaptive"),
            Refusal(Code.UNKNOWN_ALGORITHM, f"Algorithm definition {order.algo_strategy!r} not found."),
        ),
    )
    return next((refusal for broken, refusal in rules if broken), None)


def _invalid(cause: str) -> Refusal:
    return Refusal(Code.INVALID_REQUEST, f"Error validating request.-'bN' : cause - {cause}")


def _tif(order: PlaceOrder, listing: Listing) -> TimeInForce | None:
    """`Minutes`, which crypto limit orders use, is taken as a day order."""
    if order.tif == "Minutes" and listing.instrument.sec_type is SecType.CRYPTO:
        return TimeInForce.DAY
    return _TIFS.get(order.tif)


def _request(order: PlaceOrder, listing: Listing) -> OrderRequest:
    kind = _KINDS[order.order_type]
    limited = kind in _LIMITED and (kind is not OrderType.MIDPRICE or bool(order.limit_price))
    trailing = kind is OrderType.TRAIL
    stopped = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    percent = order.trailing_percent if trailing else None
    return OrderRequest(
        instrument=listing.instrument,
        side=_SIDES[order.action],
        order_type=OrderType.ADAPTIVE if order.algo_strategy else kind,
        quantity=order.quantity or Decimal(0),
        cash_quantity=order.cash_quantity or None,
        limit_price=order.limit_price if limited else None,
        stop_price=order.aux_price if stopped else (order.trail_stop_price if trailing else None),
        trail_amount=order.aux_price or None if trailing and not percent else None,
        trail_percent=percent,
        tif=_tif(order, listing) or TimeInForce.DAY,
        order_ref=order.order_ref,
        account_id=order.account,
        oca_group=order.oca_group,
        oca_type=order.oca_type or 3,
        parent_id=order.parent_id,
        transmit=order.transmit,
    )
