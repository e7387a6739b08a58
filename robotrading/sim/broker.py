"""The Broker port over the pretend exchange, in one process and without sockets.

Entry points: `SimBroker`, `BrokerFaults`, `request_for`.
Invariants: no call fills an order before it has returned; what the exchange says reaches the listeners in its order, in
a later turn of the event loop; while the connection is lost every question raises `BrokerUnavailable` and what
happens meanwhile is told by `open_orders`, `completed_orders` and `executions` only, as at a real broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError, BrokerUnavailable, OrderRejected
from robotrading.domain.instrument import Instrument, SecType
from robotrading.domain.market import Quote
from robotrading.domain.orders import BrokerOrder, EventKind, Fill, Intent, OrderEvent, OrderType, Side, TicketStatus
from robotrading.domain.orders import TimeInForce as Tif
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip
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
from robotrading.sim.records import latest_revisions

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


@dataclass(slots=True)
class BrokerFaults:
    """What goes wrong, set and unset while the broker runs.

    `withhold` keeps every event back until `SimBroker.release`; `delay` (seconds) lets each come later; `refuse` is
    the text with which `submit` raises `OrderRejected` before anything is sent; `lose_after_submit` loses the
    connection right after the next order has reached the exchange; `mute_account` leaves `account` without an answer.
    """

    withhold: bool = False
    delay: float = 0.0
    refuse: str = ""
    lose_after_submit: bool = False
    mute_account: bool = False


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


class SimBroker:
    """One client's connection to one account of an exchange.

    With `auto_step` the exchange matches once in the loop's turn after each order; without it somebody else calls
    `Exchange.step`.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: Clock,
        account_id: str = "",
        client_id: int = 101,
        *,
        auto_step: bool = True,
    ) -> None:
        self.faults = BrokerFaults()
        self._exchange = exchange
        self._clock = clock
        self._account_id = account_id or exchange.account_ids[0]
        self._client_id = client_id
        self._auto_step = auto_step
        self._connected = False
        self._listeners: list[Callable[[OrderEvent], None]] = []
        self._withheld: list[OrderEvent] = []
        self._instruments: dict[str, Instrument] = {}
        self._acknowledged: set[int] = set()
        self._end_subscription: Callable[[], None] | None = None

    # Connection ----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._connected

    async def connect(self) -> None:
        """BrokerUnavailable when the account is not this exchange's."""
        await asyncio.sleep(0)
        if self._account_id not in self._exchange.account_ids:
            known = ", ".join(self._exchange.account_ids)
            raise BrokerUnavailable(f"account {self._account_id!r} is not among those of this login: {known}")
        if not self._connected:
            self._connected = True
            self._end_subscription = self._exchange.subscribe(self._hear)

    async def disconnect(self) -> None:
        await asyncio.sleep(0)
        self.lose_connection()

    def lose_connection(self) -> None:
        """From now on nothing is heard and every question raises; events on their way are lost. `connect` mends it."""
        self._connected = False
        self._withheld.clear()
        if self._end_subscription is not None:
            self._end_subscription()
            self._end_subscription = None

    def subscribe(self, listener: Callable[[OrderEvent], None]) -> None:
        self._listeners.append(listener)

    def release(self) -> None:
        """Deliver what was withheld, in order, and withhold no longer."""
        self.faults.withhold = False
        kept, self._withheld = self._withheld, []
        for event in kept:
            self._deliver_later(event)

    # Questions -----------------------------------------------------------------------------------------------------

    async def account(self) -> Account:
        await self._answering()
        if self.faults.mute_account:
            raise BrokerUnavailable(f"account {self._account_id}: no answer to the request for values and positions")
        exchange = self._exchange
        rows = {(row.key, row.currency): row.value for row in exchange.account_values(self._account_id)}
        base = next(currency for key, currency in rows if key == "NetLiquidation")
        return Account(
            account_id=self._account_id,
            base_currency=base,
            net_liquidation=Decimal(rows["NetLiquidation", base]),
            buying_power=Decimal(rows["BuyingPower", base]),
            cash=exchange.cash(self._account_id),
            positions=tuple(
                Position(self._own(holding.instrument), holding.quantity, holding.avg_cost)
                for holding in exchange.positions(self._account_id)
            ),
            at=self._clock.now(),
            day_start_value=Decimal(rows["PreviousDayEquityWithLoanValue", base]),
            paper=self._account_id.startswith("D"),
        )

    async def refine(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Instrument | Skip]:
        await self._answering()
        return {instrument: self._refined(instrument) for instrument in instruments}

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        await self._answering()
        return {instrument: self._quote(instrument) for instrument in instruments}

    async def open_orders(self) -> Sequence[BrokerOrder]:
        await self._answering()
        return [self._listed(order) for order in self._exchange.open_orders() if order.account_id == self._account_id]

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        await self._answering()
        orders = self._exchange.completed_orders()
        return [self._listed(order) for order in orders if order.account_id == self._account_id]

    async def executions(self) -> Sequence[Fill]:
        """Since midnight UTC, as the broker tells of the current day only."""
        await self._answering()
        midnight = datetime.combine(self._clock.now().date(), time(0), UTC)
        return [
            self._fill(execution, with_commission=True)
            for execution in latest_revisions(self._exchange.executions(midnight))
            if execution.account_id == self._account_id
        ]

    # Orders --------------------------------------------------------------------------------------------------------

    async def submit(self, intent: Intent) -> None:
        await self._answering()
        if self.faults.refuse:
            raise OrderRejected(f"{intent.intent_id}: {self.faults.refuse}", code=201)
        self._instruments[intent.instrument.key] = intent.instrument
        loop = asyncio.get_running_loop()
        loop.call_soon(self._place, intent)
        if self.faults.lose_after_submit:
            self.faults.lose_after_submit = False
            loop.call_soon(self.lose_connection)
        if self._auto_step:
            loop.call_soon(loop.call_soon, self._exchange.step)

    async def cancel(self, intent_id: str) -> None:
        await self._answering()
        mine = [
            order
            for order in (*self._exchange.open_orders(), *self._exchange.completed_orders())
            if order.request.order_ref == intent_id and order.account_id == self._account_id
        ]
        if not mine:
            raise BrokerError(f"{intent_id}: the broker has no order with this reference; there is nothing to cancel")
        order = max(mine, key=lambda order: order.perm_id)
        asyncio.get_running_loop().call_soon(self._exchange.cancel, order.client_id, order.order_id)

    # Inside --------------------------------------------------------------------------------------------------------

    async def _answering(self) -> None:
        """One turn of the loop, as a question to a real broker takes several."""
        await asyncio.sleep(0)
        if not self._connected:
            raise BrokerUnavailable("not connected to the simulated broker; call connect() and ask again")

    def _place(self, intent: Intent) -> None:
        order_id = self._exchange.next_order_id(self._client_id)
        self._exchange.place(self._client_id, order_id, request_for(intent, self._account_id))

    def _hear(self, event: ExchangeEvent) -> None:
        """From the exchange, in the middle of its work: keep for a later turn."""
        for told in self._translated(event):
            if self.faults.withhold:
                self._withheld.append(told)
            else:
                self._deliver_later(told)

    def _deliver_later(self, event: OrderEvent) -> None:
        loop = asyncio.get_running_loop()
        if self.faults.delay:
            loop.call_later(self.faults.delay, self._deliver, event)
        else:
            loop.call_soon(self._deliver, event)

    def _deliver(self, event: OrderEvent) -> None:
        if self._connected:
            for listener in tuple(self._listeners):
                listener(event)

    def _translated(self, event: ExchangeEvent) -> list[OrderEvent]:
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
        fill = self._fill(execution, with_commission=with_commission)
        return OrderEvent(execution.order_ref, EventKind.FILL, execution.at, fill=fill, broker_id=execution.perm_id)

    def _fill(self, execution: Execution, *, with_commission: bool) -> Fill:
        commission = self._exchange.commission(execution.exec_id) if with_commission else None
        return Fill(
            fill_id=execution.fill_id,
            intent_id=execution.order_ref,
            instrument=self._own(execution.instrument),
            side=execution.side,
            quantity=execution.quantity,
            price=execution.price,
            at=execution.at,
            revision=execution.revision,
            commission=None if commission is None else commission.amount,
            commission_currency="" if commission is None else commission.currency,
        )

    def _listed(self, order: ExchangeOrder) -> BrokerOrder:
        working = TicketStatus.PARTIAL if order.filled else TicketStatus.WORKING
        return BrokerOrder(
            intent_id=order.request.order_ref,
            broker_id=order.perm_id,
            instrument=self._own(order.request.instrument),
            side=order.request.side,
            quantity=order.quantity,
            filled=order.filled,
            status=_STATUS_OF.get(order.status, working),
            reason=order.reason,
        )

    def _own(self, instrument: Instrument) -> Instrument:
        """The session's own instrument where it has named it: a broker does not know asset classes of funds."""
        return self._instruments.get(instrument.key, instrument)

    def _refined(self, instrument: Instrument) -> Instrument | Skip:
        known = self._exchange.market.lookup(instrument.symbol, instrument.sec_type, instrument.currency)
        if known is None:
            return Skip(instrument.symbol, "contract", f"the broker knows no {instrument.key} (code 200)", "unknown")
        own = replace(instrument, tick=known.tick, lot=known.lot, min_quantity=known.min_quantity)
        self._instruments[own.key] = own
        return own

    def _quote(self, instrument: Instrument) -> Quote | Skip:
        self._instruments.setdefault(instrument.key, instrument)
        quote = self._exchange.market.quote(instrument)
        if quote is None:
            return Skip(instrument.symbol, "quote", "the simulated market has no price for it", "no_quote")
        return replace(quote, instrument=instrument)
