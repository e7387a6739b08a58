"""The pretend exchange's words in ours, and ours in its: what the in-process broker says and hears.

Entry points: `request_for`, `Words`.
"""

from __future__ import annotations

from decimal import Decimal

from robotrading.domain.instrument import Instrument, SecType
from robotrading.domain.orders import BrokerOrder, EventKind, Fill, Intent, OrderEvent, OrderType, Side, TicketStatus
from robotrading.domain.orders import TimeInForce as Tif
from robotrading.domain.ports import Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import (
    Charged,
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    Execution,
    OrderChanged,
    OrderMessage,
    OrderRequest,
    OrderStatus,
)
from robotrading.sim.market import to_tick

_EVENT_OF = {
    OrderStatus.PRE_SUBMITTED: EventKind.ACKNOWLEDGED,
    OrderStatus.SUBMITTED: EventKind.ACKNOWLEDGED,
    OrderStatus.FILLED: EventKind.FILLED,
    OrderStatus.CANCELLED: EventKind.CANCELLED,
    OrderStatus.INACTIVE: EventKind.REJECTED,
}
_STATUS_OF = {
    OrderStatus.FILLED: TicketStatus.FILLED,
    OrderStatus.CANCELLED: TicketStatus.CANCELLED,
    OrderStatus.INACTIVE: TicketStatus.REJECTED,
}


def request_for(intent: Intent, account_id: str) -> OrderRequest:
    """An intent in the exchange's words; a market buy of crypto is sized in cash, as the broker wants it.

    Crypto market orders are immediate-or-cancel.
    """
    instrument = intent.instrument
    crypto_market = instrument.sec_type is SecType.CRYPTO and intent.order_type is OrderType.MARKET
    cash = None
    if crypto_market and intent.side is Side.BUY:
        cash = to_tick(intent.quantity * intent.arrival_price, Decimal("0.01"))
    return OrderRequest(
        instrument=instrument,
        side=intent.side,
        order_type=intent.order_type,
        quantity=Decimal(0) if cash is not None else intent.quantity,
        cash_quantity=cash,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail_percent=intent.trail_percent,
        tif=Tif.IOC if crypto_market else intent.tif,
        order_ref=intent.intent_id,
        account_id=account_id,
        oca_group=intent.oca_group,
    )


class Words:
    """What one client hears and asks, translated. `instruments` are those that the session has named, by key."""

    def __init__(self, exchange: Exchange, clock: Clock, client_id: int) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._exchange = exchange
        self._clock = clock
        self._client_id = client_id
        self._acknowledged: set[int] = set()

    def events_of(self, event: ExchangeEvent) -> list[OrderEvent]:
        """What an exchange event means for our orders; nothing for those of others."""
        match event:
            case OrderChanged(order) if self._is_ours(order.client_id, order.request.order_ref):
                return self._on_order(order)
            case Executed(execution) if self._is_ours(execution.client_id, execution.order_ref):
                return [self._on_fill(execution, with_commission=False)]
            case Charged(execution, _) if self._is_ours(execution.client_id, execution.order_ref):
                return [self._on_fill(execution, with_commission=True)]
            case OrderMessage(client_id, _, code, text, 0, ref) if self._is_ours(client_id, ref):
                now = self._clock.now()
                return [OrderEvent(ref, EventKind.REJECTED, now, reason=text, code=code)]
            case _:
                return []

    def _is_ours(self, client_id: int, order_ref: str) -> bool:
        return bool(order_ref) and client_id == self._client_id

    def _on_order(self, order: ExchangeOrder) -> list[OrderEvent]:
        kind = _EVENT_OF.get(order.status)
        if kind is None or (kind is EventKind.ACKNOWLEDGED and order.perm_id in self._acknowledged):
            return []
        self._acknowledged.add(order.perm_id)
        return [
            OrderEvent(
                order.request.order_ref,
                kind,
                order.updated_at,
                broker_id=order.perm_id,
                reason=order.reason,
                code=order.code,
            )
        ]

    def _on_fill(self, execution: Execution, *, with_commission: bool) -> OrderEvent:
        fill = self.fill(execution, with_commission=with_commission)
        return OrderEvent(execution.order_ref, EventKind.FILL, execution.at, fill=fill, broker_id=execution.perm_id)

    def fill(self, execution: Execution, *, with_commission: bool) -> Fill:
        commission = self._exchange.commission(execution.exec_id) if with_commission else None
        return Fill(
            fill_id=execution.fill_id,
            intent_id=execution.order_ref,
            instrument=self.own(execution.instrument),
            side=execution.side,
            quantity=execution.quantity,
            price=execution.price,
            at=execution.at,
            revision=execution.revision,
            commission=None if commission is None else commission.amount,
            commission_currency="" if commission is None else commission.currency,
        )

    def listed(self, order: ExchangeOrder) -> BrokerOrder:
        working = TicketStatus.PARTIAL if order.filled else TicketStatus.WORKING
        return BrokerOrder(
            intent_id=order.request.order_ref,
            broker_id=order.perm_id,
            instrument=self.own(order.request.instrument),
            side=order.request.side,
            quantity=order.quantity,
            filled=order.filled,
            status=_STATUS_OF.get(order.status, working),
            reason=order.reason,
        )

    def own(self, instrument: Instrument) -> Instrument:
        """The session's own instrument where it has named it: a broker does not know asset classes of funds."""
        return self.instruments.get(instrument.key, instrument)
