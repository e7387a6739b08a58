"""The Broker port over the pretend exchange, in one process and without sockets.

Entry points: `SimBroker`, `BrokerFaults`. `sim/faults/broker` follows a plan of misfortunes on top of it.
Invariants: no call fills an order before it has returned; what the exchange says reaches the listeners in its order, in
a later turn of the event loop; while the connection is lost every question raises `BrokerUnavailable` and what
happens meanwhile is told by `open_orders`, `completed_orders` and `executions` only, as at a real broker.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import count

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError, BrokerUnavailable, OrderRejected
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import BrokerOrder, Fill, Intent, OrderEvent
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip
from robotrading.sim.broker_words import Words, request_for
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import ExchangeEvent
from robotrading.sim.records import latest_revisions

HAIR = 1e-6
"""Seconds by which a timer may be early, for rounding."""


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
        self.exchange = exchange
        self.clock = clock
        self.account_id = account_id or exchange.account_ids[0]
        self.client_id = client_id
        self.auto_step = auto_step
        self._connected = False
        self._connections = 0
        self._listeners: list[Callable[[OrderEvent], None]] = []
        self._withheld: list[OrderEvent] = []
        self._delayed: list[tuple[float, int, OrderEvent, int]] = []
        self._numbers = count()
        self.words = Words(exchange, clock, client_id)
        self._end_subscription: Callable[[], None] | None = None

    # Connection ----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._connected

    async def connect(self) -> None:
        """BrokerUnavailable when the account is not this exchange's."""
        await asyncio.sleep(0)
        if self.account_id not in self.exchange.account_ids:
            known = ", ".join(self.exchange.account_ids)
            raise BrokerUnavailable(f"account {self.account_id!r} is not among those of this login: {known}")
        if not self._connected:
            self._connected = True
            self._connections += 1
            self._end_subscription = self.exchange.subscribe(self._hear)

    async def disconnect(self) -> None:
        await asyncio.sleep(0)
        self.lose_connection()

    def lose_connection(self) -> None:
        """From now on nothing is heard and every question raises; events on their way are lost. `connect` mends it."""
        self._connected = False
        self._withheld.clear()
        self._delayed.clear()
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
            raise BrokerUnavailable(f"account {self.account_id}: no answer to the request for values and positions")
        exchange = self.exchange
        rows = {(row.key, row.currency): row.value for row in exchange.account_values(self.account_id)}
        base = next(currency for key, currency in rows if key == "NetLiquidation")
        return Account(
            account_id=self.account_id,
            base_currency=base,
            net_liquidation=Decimal(rows["NetLiquidation", base]),
            buying_power=Decimal(rows["BuyingPower", base]),
            cash=exchange.cash(self.account_id),
            positions=tuple(
                Position(self.words.own(holding.instrument), holding.quantity, holding.avg_cost)
                for holding in exchange.positions(self.account_id)
            ),
            at=self.clock.now(),
            day_start_value=Decimal(rows["PreviousDayEquityWithLoanValue", base]),
            paper=self.account_id.startswith("D"),
        )

    async def refine(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Instrument | Skip]:
        await self._answering()
        return {instrument: self._refined(instrument) for instrument in instruments}

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        await self._answering()
        return {instrument: self._quote(instrument) for instrument in instruments}

    async def open_orders(self) -> Sequence[BrokerOrder]:
        await self._answering()
        return [
            self.words.listed(order) for order in self.exchange.open_orders() if order.account_id == self.account_id
        ]

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        await self._answering()
        orders = self.exchange.completed_orders()
        return [self.words.listed(order) for order in orders if order.account_id == self.account_id]

    async def executions(self) -> Sequence[Fill]:
        """Since midnight UTC, as the broker tells of the current day only."""
        await self._answering()
        midnight = datetime.combine(self.clock.now().date(), time(0), UTC)
        return [
            self.words.fill(execution, with_commission=True)
            for execution in latest_revisions(self.exchange.executions(midnight))
            if execution.account_id == self.account_id
        ]

    # Orders --------------------------------------------------------------------------------------------------------

    async def submit(self, intent: Intent) -> None:
        await asyncio.sleep(0)
        self._require_connection()
        if self.faults.refuse:
            raise OrderRejected(f"{intent.intent_id}: {self.faults.refuse}", code=201)
        self.words.instruments[intent.instrument.key] = intent.instrument
        loop = asyncio.get_running_loop()
        loop.call_soon(self._place, intent)
        if self.faults.lose_after_submit:
            self.faults.lose_after_submit = False
            loop.call_soon(self.lose_connection)
        if self.auto_step:
            loop.call_soon(loop.call_soon, self.exchange.step)

    async def cancel(self, intent_id: str) -> None:
        await self._answering()
        mine = [
            order
            for order in (*self.exchange.open_orders(), *self.exchange.completed_orders())
            if order.request.order_ref == intent_id and order.account_id == self.account_id
        ]
        if not mine:
            raise BrokerError(f"{intent_id}: the broker has no order with this reference; there is nothing to cancel")
        order = max(mine, key=lambda order: order.perm_id)
        asyncio.get_running_loop().call_soon(self.exchange.cancel, order.client_id, order.order_id)

    # Inside --------------------------------------------------------------------------------------------------------

    async def _answering(self) -> None:
        """One turn of the loop, as a question to a real broker takes several."""
        await asyncio.sleep(0)
        self._require_connection()

    def _require_connection(self) -> None:
        if not self.connected:
            raise BrokerUnavailable("not connected to the simulated broker; call connect() and ask again")

    def _place(self, intent: Intent) -> None:
        order_id = self.exchange.next_order_id(self.client_id)
        self.exchange.place(self.client_id, order_id, request_for(intent, self.account_id))

    def _hear(self, event: ExchangeEvent) -> None:
        """From the exchange, in the middle of its work: keep for a later turn."""
        for told in self.words.events_of(event):
            if self.faults.withhold:
                self._withheld.append(told)
            else:
                self._tell(told)

    def _tell(self, event: OrderEvent) -> None:
        self._deliver_later(event)

    def _deliver_later(self, event: OrderEvent, seconds: float = 0.0) -> None:
        """In a later turn, or after a while; never over another connection than the one it was said on."""
        loop = asyncio.get_running_loop()
        seconds = seconds or self.faults.delay
        if seconds:
            due = loop.time() + seconds
            heapq.heappush(self._delayed, (due, next(self._numbers), event, self._connections))
            loop.call_at(due, self._deliver_delayed)
        else:
            loop.call_soon(self._deliver, event, self._connections)

    def _deliver_delayed(self) -> None:
        """What is due, in the order it was said: the loop's own timers of one instant may change places."""
        now = asyncio.get_running_loop().time() + HAIR
        while self._delayed and self._delayed[0][0] <= now:
            _, _, event, connection = heapq.heappop(self._delayed)
            self._deliver(event, connection)

    def _deliver(self, event: OrderEvent, connection: int) -> None:
        if self._connected and connection == self._connections:
            for listener in tuple(self._listeners):
                listener(event)

    def _refined(self, instrument: Instrument) -> Instrument | Skip:
        known = self.exchange.market.lookup(instrument.symbol, instrument.sec_type, instrument.currency)
        if known is None:
            return Skip(instrument.symbol, "contract", f"the broker knows no {instrument.key} (code 200)", "unknown")
        own = replace(instrument, tick=known.tick, lot=known.lot, min_quantity=known.min_quantity)
        self.words.instruments[own.key] = own
        return own

    def _quote(self, instrument: Instrument) -> Quote | Skip:
        self.words.instruments.setdefault(instrument.key, instrument)
        quote = self.exchange.market.quote(instrument)
        if quote is None:
            return Skip(instrument.symbol, "quote", "the simulated market has no price for it", "no_quote")
        return replace(quote, instrument=instrument)
