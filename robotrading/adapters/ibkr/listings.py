"""The gateway's lists of orders, open and completed, as the broker's orders.

Entry points: `open_orders_of`, `completed_orders_of`. Pure. An order with our reference carries its intent's id, a
foreign one an empty one; orders in what the bot cannot name become skips.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.contracts import describe, instrument_of
from robotrading.adapters.ibkr.decimals import known
from robotrading.adapters.ibkr.requests import Rows
from robotrading.adapters.ibkr.statuses import STATUSES, UNLISTED
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import BrokerOrder, Side, TicketStatus
from robotrading.domain.skip import Skip


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose orders count, what instruments are called, and which references are ours."""

    account: str
    remembered: Mapping[str, Instrument]
    ours: Callable[[str], bool]


Listed = tuple[tuple[BrokerOrder, ...], tuple[Skip, ...]]


def open_orders_of(rows: Rows, reading: Reading) -> Listed:
    """`openOrder` messages, each with the `orderStatus` that follows it; the newest of each order counts.

    Rows are (kind, key, content), the key being the permanent id, or client and order id while that is not known: an
    order that gets its permanent id while the list is on its way is one order all the same.
    """
    orders: dict[Hashable, Any] = {}
    statuses: dict[Hashable, tuple[str, Decimal]] = {}
    for kind, key, row in rows:
        if kind == "order":
            orders[key] = row
        else:
            statuses[key] = (row[0], known(row[1]) or Decimal(0))
    identified = {(order.clientId, order.orderId) for _, order, _ in orders.values() if order.permId}
    found = []
    for key, (contract, order, state) in orders.items():
        if order.permId == 0 and (order.clientId, order.orderId) in identified:
            continue
        word, filled = statuses.get(key, (state.status, Decimal(0)))
        quantity = known(order.totalQuantity) or Decimal(0)
        found.append((contract, order, quantity, filled, word, state.warningText))
    return _listed(found, reading)


def completed_orders_of(rows: Rows, reading: Reading) -> Listed:
    """`completedOrder` messages: there a filled order has quantity 0, and `filledQuantity` tells what was done."""
    found = []
    for contract, order, state in rows:
        filled = known(order.filledQuantity) or Decimal(0)
        quantity = known(order.totalQuantity) or filled
        found.append((contract, order, quantity, filled, state.status, state.completedStatus))
    return _listed(found, reading)


def _listed(found: list[Any], reading: Reading) -> Listed:
    orders: list[BrokerOrder] = []
    others: list[Skip] = []
    for contract, order, quantity, filled, word, reason in found:
        if order.account not in ("", reading.account):
            continue
        instrument = instrument_of(contract, reading.remembered)
        if instrument is None:
            text = f"an order for {describe(contract)} is there; the bot does not trade this kind"
            others.append(Skip(contract.localSymbol or contract.symbol, "orders", text, "other_kind"))
            continue
        orders.append(
            BrokerOrder(
                intent_id=order.orderRef if reading.ours(order.orderRef) else "",
                broker_id=order.permId,
                instrument=instrument,
                side=Side.BUY if order.action == "BUY" else Side.SELL,
                quantity=quantity,
                filled=filled,
                status=_status(word, filled),
                reason=reason,
            )
        )
    return tuple(orders), tuple(others)


def _status(word: str, filled: Decimal) -> TicketStatus:
    status = STATUSES.get(word, UNLISTED).listed
    return TicketStatus.PARTIAL if status is TicketStatus.WORKING and filled else status
