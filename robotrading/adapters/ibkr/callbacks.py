"""What the library's client calls as messages come in.

Entry points: `Callbacks`, `CarefulDecoder`, `OrderEars`. The method names are the library's. This stands in the place
of the library's own `Wrapper`, whose state is emptied by a drop, doubles corrected executions, marks living orders
cancelled, and whose handlers lose what they cannot read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from types import SimpleNamespace
from typing import Any, Protocol

from robotrading.adapters.ibkr.codes import REFUSED_STREAMS, is_answer, link_effect
from robotrading.adapters.ibkr.library import Decoder
from robotrading.adapters.ibkr.quotes import TIMES
from robotrading.adapters.ibkr.requests import Requests, Topic
from robotrading.adapters.ibkr.times import to_utc

log = logging.getLogger(__name__)

ORDER_STATUS, OPEN_ORDER, EXECUTION, COMMISSION, POSITION, COMPLETED_ORDER = 3, 5, 11, 59, 61, 101
VITAL = frozenset({ORDER_STATUS, EXECUTION, COMMISSION})
"""Messages that come unasked and say what happened: one that cannot be read ends the connection."""
TIME_FIELD = 15
"""Where an execution message has its time."""


class OrderEars(Protocol):
    """Who listens to what is said about orders, asked or unasked."""

    def heard_open_order(self, contract: Any, order: Any, state: Any) -> None: ...

    def heard_status(self, key: tuple[int, int], broker_id: int, word: str, filled: float) -> None: ...

    def heard_execution(self, contract: Any, execution: Any) -> None: ...

    def heard_commission(self, report: Any) -> None: ...

    def heard_message(self, order_id: int, code: int, text: str) -> bool:
        """Whether the id was an order's."""
        ...


class DeafEars:
    """For connections that place no orders."""

    def heard_open_order(self, contract: Any, order: Any, state: Any) -> None:
        """Not listened to."""

    def heard_status(self, key: tuple[int, int], broker_id: int, word: str, filled: float) -> None:
        """Not listened to."""

    def heard_execution(self, contract: Any, execution: Any) -> None:
        """Not listened to."""

    def heard_commission(self, report: Any) -> None:
        """Not listened to."""

    def heard_message(self, order_id: int, code: int, text: str) -> bool:  # noqa: ARG002  part of the protocol
        """No id is an order's."""
        return False


class CarefulDecoder(Decoder):  # type: ignore[misc]  # the library has no types that are looked at
    """The library's decoder, except that times are read here and that what cannot be read is said instead of logged."""

    def __init__(self, callbacks: Callbacks, naive_zone: str) -> None:
        super().__init__(callbacks, 0)
        self._callbacks = callbacks
        self._naive_zone = naive_zone

    def wrap(self, methodName: str, types: list[type], skip: int = 2) -> Callable[[list[str]], None]:  # noqa: N803
        """The handler of a plain message. The library's own swallows what goes wrong in it, also an order's status."""

        def handle(fields: list[str]) -> None:
            method = getattr(self.wrapper, methodName, None)
            if method is not None:
                method(*(_read(kind, text) for kind, text in zip(types, fields[skip:], strict=False)))

        return handle

    def interpret(self, fields: list[str]) -> None:
        """Decode one message."""
        number = int(fields[0]) if fields and fields[0].isdigit() else -1
        handler = self.handlers.get(number)
        if handler is None:
            log.warning("message %s of the gateway is not known here", fields[:1])
            return
        try:
            if number == EXECUTION:
                fields[TIME_FIELD] = str(int(to_utc(fields[TIME_FIELD], self._naive_zone).timestamp()))
            handler(fields)
        except (ValueError, TypeError, LookupError) as error:
            self._callbacks.unreadable(number, error)


def _read(kind: type, text: str) -> object:
    """A field of a plain message; empty numbers are zero. Raises ValueError."""
    if kind is str:
        return text
    return bool(int(text or 0)) if kind is bool else kind(text or 0)


class Callbacks:
    """Routes each message to the question it answers, or to the ears.

    `on_link` hears system messages (id -1), `on_closed` that the socket is gone, `on_damage` that it must be given up.
    """

    defaultTimezone = UTC  # noqa: N815  the library's name

    def __init__(
        self,
        requests: Requests,
        ears: OrderEars,
        on_link: Callable[[int, str], None],
        on_closed: Callable[[str], None],
        on_damage: Callable[[str], None],
    ) -> None:
        self.ib = SimpleNamespace(TimezoneTWS="")
        self._requests = requests
        self._ears = ears
        self._on_link = on_link
        self._on_closed = on_closed
        self._on_damage = on_damage

    def unreadable(self, number: int, error: Exception) -> None:
        """A message that could not be decoded: whoever waits must not take the rest for all."""
        reason = f"message {number} of the gateway could not be read: {error!r}"
        log.error(reason)
        self._requests.fail_all(reason)
        if number in VITAL:
            self._on_damage(reason)

    # The client's own life.

    def connectAck(self) -> None:  # noqa: N802
        """The handshake's first half; nothing to do."""

    def setEventsDone(self) -> None:  # noqa: N802
        """The client says so before each end of the connection, wanted or not."""
        self._on_closed("the gateway closed the connection")

    def connectionClosed(self) -> None:  # noqa: N802
        """Said after `setEventsDone`, which has done it all."""

    def error(self, reqId: int, errorCode: int, errorString: str, advanced: str = "") -> None:  # noqa: N803
        """All numbered messages: about a request, an order, or the link."""
        text = f"{errorString} {advanced}".strip()
        if self._requests.is_numbered(reqId):
            if is_answer(errorCode):
                self._requests.refuse(reqId, errorCode, text)
        elif reqId <= 0 or not self._ears.heard_message(reqId, errorCode, text):
            log.log(logging.WARNING if link_effect(errorCode) else logging.INFO, "gateway: %s %s", errorCode, text)
            if errorCode in REFUSED_STREAMS:
                self._requests.refuse_streams(errorCode, text)
            self._on_link(errorCode, text)

    def currentTime(self, time: int) -> None:  # noqa: N802
        self._requests.add(Topic.TIME, time)
        self._requests.end(Topic.TIME)

    # Account and positions.

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:  # noqa: N802
        self._requests.add(Topic.ACCOUNT, (tag, val, currency, account))

    def updatePortfolio(self, *_: object) -> None:  # noqa: N802
        """Positions are asked for by themselves; contracts here lack their exchange."""

    def accountDownloadEnd(self, _account: str) -> None:  # noqa: N802
        self._requests.end(Topic.ACCOUNT)

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:  # noqa: N803
        self._requests.add(Topic.POSITIONS, (account, contract, posSize, avgCost))

    def positionEnd(self) -> None:  # noqa: N802
        self._requests.end(Topic.POSITIONS)

    # Contracts and prices.

    def contractDetails(self, reqId: int, details: Any) -> None:  # noqa: N802, N803
        self._requests.add(reqId, details)

    def contractDetailsEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._requests.end(reqId)

    def marketRule(self, marketRuleId: int, increments: list[Any]) -> None:  # noqa: N802, N803
        for increment in increments:
            self._requests.add(market_rule_topic(marketRuleId), increment)
        self._requests.end(market_rule_topic(marketRuleId))

    def priceSizeTick(self, reqId: int, tickType: int, price: float, _size: float) -> None:  # noqa: N802, N803
        self._requests.add(reqId, (tickType, price))

    def tickString(self, reqId: int, tickType: int, value: str) -> None:  # noqa: N802, N803
        """Of the many texts only the time of the last trade is of use."""
        if tickType in TIMES:
            self._requests.add(reqId, (tickType, value))

    def tickSnapshotEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._requests.end(reqId)

    def historicalData(self, reqId: int, bar: Any) -> None:  # noqa: N802, N803
        self._requests.add(reqId, bar)

    def historicalDataEnd(self, reqId: int, _start: str, _end: str) -> None:  # noqa: N802, N803
        self._requests.end(reqId)

    # Orders and executions.

    def openOrder(self, _orderId: int, contract: Any, order: Any, state: Any) -> None:  # noqa: N802, N803
        if order.whatIf:
            return
        key = order.permId or (order.clientId, order.orderId)
        self._requests.add(Topic.OPEN_ORDERS, ("order", key, (contract, order, state)))
        self._ears.heard_open_order(contract, order, state)

    def openOrderEnd(self) -> None:  # noqa: N802
        self._requests.end(Topic.OPEN_ORDERS)

    def orderStatus(  # noqa: N802
        self,
        orderId: int,  # noqa: N803
        status: str,
        filled: float,
        _remaining: float,
        _avgFillPrice: float,  # noqa: N803
        permId: int,  # noqa: N803
        _parentId: int = 0,  # noqa: N803
        _lastFillPrice: float = 0.0,  # noqa: N803
        clientId: int = 0,  # noqa: N803
        *_: object,
    ) -> None:
        self._requests.add(Topic.OPEN_ORDERS, ("status", permId or (clientId, orderId), (status, filled)))
        self._ears.heard_status((clientId, orderId), permId, status, filled)

    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:  # noqa: N802
        self._requests.add(Topic.COMPLETED_ORDERS, (contract, order, state))

    def completedOrdersEnd(self) -> None:  # noqa: N802
        self._requests.end(Topic.COMPLETED_ORDERS)

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:  # noqa: N802, N803
        """Live ones have no request's id."""
        if self._requests.is_numbered(reqId):
            self._requests.add(reqId, (contract, execution))
        else:
            self._ears.heard_execution(contract, execution)

    def execDetailsEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._requests.end(reqId)

    def commissionReport(self, report: Any) -> None:  # noqa: N802
        self._ears.heard_commission(report)


def market_rule_topic(rule_id: int) -> str:
    """Market rules are answered by rule, not by request."""
    return f"market rule {rule_id}"
