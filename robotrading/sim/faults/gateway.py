"""The same plan on the wire: a gateway that follows it, so that the real client library meets the misfortunes.

Entry point: `PlannedDrill`, handed to `GatewayServer(..., drill=...)`.
Counts: a question is any message but orders, cancels and the start; the broker's adapter sends several per call of the
port. A lasting state is set and unset by timers, and told (1100, 1101, 2103 ...) when it begins and ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import replace

from robotrading.domain.market import Quote
from robotrading.sim.broker import HAIR
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import (
    AccountChanged,
    Charged,
    ExchangeEvent,
    Executed,
    Holding,
    OrderChanged,
    OrderMessage,
    OrderRequest,
    OrderStatus,
)
from robotrading.sim.faults.kinds import SHAPES, WHERE, Extent, FaultKind, Layer, Trigger
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.prices import ShownQuotes
from robotrading.sim.faults.script import Script
from robotrading.sim.gateway.codes import Code, Incoming
from robotrading.sim.gateway.drill import Drill, Login
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.session import Session

OTHER_ACCOUNT = "DU0000000"
"""The account of the login that is another's."""
_NOT_QUESTIONS = frozenset({Incoming.PLACE_ORDER, Incoming.CANCEL_ORDER, Incoming.REQ_GLOBAL_CANCEL})
_DROPS = frozenset({FaultKind.DROP_BEFORE_ORDER, FaultKind.DROP_BEFORE_ACK})
_NOTICES = {
    FaultKind.LINK_DATA_LOST: (Code.LINK_LOST, Code.LINK_RESTORED_DATA_LOST),
    FaultKind.LINK_DATA_KEPT: (Code.LINK_LOST, Code.LINK_RESTORED_DATA_KEPT),
    FaultKind.DATA_FARM_BROKEN: (Code.DATA_FARM_BROKEN, Code.DATA_FARM_OK),
    FaultKind.HISTORY_FARM_BROKEN: (Code.HISTORY_FARM_BROKEN, Code.HISTORY_FARM_OK),
}
"""Said to every client when a state begins and when it ends."""
_LINK = (FaultKind.LINK_DATA_LOST, FaultKind.LINK_DATA_KEPT)
_MOMENTS = (FaultKind.DROP, FaultKind.ID_ROLLBACK)
_STATES = tuple(kind for kind in FaultKind if SHAPES[kind].extent is Extent.LASTING and Layer.GATEWAY in WHERE[kind])


class PlannedDrill(Drill):
    """Plays a script on one gateway."""

    def __init__(self, exchange: Exchange, script: Script) -> None:
        self.script = script
        self._mishaps = OrderFaults(exchange, script, self._wake)
        self._quotes = ShownQuotes(script)
        self._server: GatewayServer | None = None
        self._announced: set[FaultKind] = set()
        self._missed: list[ExchangeEvent] = []
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def start(self, server: GatewayServer) -> None:
        self._server = server
        self._mishaps.agenda.arm()
        self._look()

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # Connections ---------------------------------------------------------------------------------------------------

    def login(self) -> Login:
        kinds = {fault.kind for fault in self.script.occurs(Trigger.CONNECT, Layer.GATEWAY)}
        self._look()
        return Login(
            refused=FaultKind.REFUSED in kinds,
            id_in_use=FaultKind.CLIENT_ID_IN_USE in kinds,
            accounts=(OTHER_ACCOUNT,) if FaultKind.WRONG_ACCOUNT in kinds else (),
        )

    def logged_in(self, session: Session) -> None:
        """Who comes while a state lasts is told of it."""
        for kind in self._announced:
            session.notice(_NOTICES[kind][0])

    def arrived(self, kind: int) -> None:
        if kind not in _NOT_QUESTIONS:
            self.script.occurs(Trigger.QUESTION, Layer.GATEWAY)
            self._look()

    # Orders --------------------------------------------------------------------------------------------------------

    def place(self, session: Session, order_id: int, request: OrderRequest) -> bool:
        befallen = self.script.occurs(Trigger.SUBMIT, Layer.GATEWAY)
        self._look()
        if _DROPS & {fault.kind for fault in befallen}:
            session.abort()
        self._mishaps.place(befallen, session.id, order_id, request)
        return True

    def told(self, event: ExchangeEvent) -> Sequence[ExchangeEvent]:
        fill = isinstance(event, Executed | Charged)
        told = self._mishaps.told(_key(event), event, fill=fill, end=_is_end(event))
        for _ in told:
            self.script.occurs(Trigger.EVENT, Layer.GATEWAY)
        self._look()
        if self.script.in_force(FaultKind.LINK_DATA_LOST) is not None:
            return ()
        if self.script.in_force(FaultKind.LINK_DATA_KEPT) is not None:
            self._missed += told
            return ()
        return told

    # Prices and positions ------------------------------------------------------------------------------------------

    def quote(self, quote: Quote | None) -> Quote | None:
        return self._quotes.shown(quote)

    def quote_delay(self) -> float:
        slow = self.script.in_force(FaultKind.QUOTES_SLOW)
        return 0.0 if slow is None else float(slow.size)

    def data_taken(self) -> bool:
        return self.script.in_force(FaultKind.DATA_TAKEN) is not None

    def history_broken(self) -> bool:
        return self.script.in_force(FaultKind.HISTORY_FARM_BROKEN) is not None

    def holdings(self, holdings: Sequence[Holding]) -> Sequence[Holding]:
        return () if self.script.in_force(FaultKind.POSITIONS_EMPTY) is not None else holdings

    # Inside --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._server is not None:
            self._server.wake()

    def _look(self) -> None:
        """Bring the gateway's state to what the plan says now, and come back when that changes by itself."""
        server = self._server
        if server is None:
            return
        for fault in self.script.due(*_MOMENTS):
            server.disconnect_all()
            if fault.kind is FaultKind.ID_ROLLBACK:
                server.exchange.supervision.forget_order_ids()
        for kind, (begins, ends) in _NOTICES.items():
            self._announce(server, kind, begins, ends)
        frozen = self.script.in_force(FaultKind.FROZEN) is not None
        hung = self.script.in_force(FaultKind.POSITIONS_HUNG) is not None
        if (frozen, hung) != (server.faults.frozen, server.faults.withhold_positions):
            server.faults = replace(server.faults, frozen=frozen, withhold_positions=hung)
        self._mishaps.agenda.catch_up()
        self._set_timers()

    def _announce(self, server: GatewayServer, kind: FaultKind, begins: Code, ends: Code) -> None:
        lasts = self.script.in_force(kind) is not None
        if lasts and kind not in self._announced:
            self._announced.add(kind)
            server.broadcast(begins)
        elif not lasts and kind in self._announced:
            self._announced.discard(kind)
            server.broadcast(ends)
            if kind in _LINK:
                missed, self._missed = self._missed, []
                server.tell(missed)

    def _set_timers(self) -> None:
        """One timer for each change to come."""
        loop = asyncio.get_running_loop()
        for seconds in self.script.alarms((*_STATES, *_MOMENTS)):
            moment = round(self.script.seconds + seconds, 6)
            if moment not in self._timers:
                self._timers[moment] = loop.call_later(seconds + HAIR, self._look)


def _key(event: ExchangeEvent) -> Hashable:
    """Client and order id of the order that an event is about; the account for those about accounts."""
    match event:
        case OrderChanged(order):
            return order.client_id, order.order_id
        case OrderMessage(client_id, order_id):
            return client_id, order_id
        case Executed(execution) | Charged(execution, _):
            return execution.client_id, execution.order_id
        case AccountChanged(account_id):
            return account_id


def _is_end(event: ExchangeEvent) -> bool:
    if isinstance(event, OrderChanged):
        return event.order.status in (OrderStatus.CANCELLED, OrderStatus.INACTIVE)
    return isinstance(event, OrderMessage)
