"""The Broker port on a TWS or IB Gateway.

Entry point: `IbkrBroker`. Invariants: silence raises `BrokerUnavailable` within `request_timeout`; positions are known
for certain before `connected` is true; no order leaves twice for one intent; what is doubtful about an order is asked
of the gateway (open orders, completed ones, executions) before it becomes an event; after a connection or the
gateway's own link was lost, what happened meanwhile is asked and told before `connected` is true again; one login at a
time; an order id is never used twice in this process, also when the gateway starts counting anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from robotrading.adapters.ibkr.accounts import account_of, positions_of, require_flat
from robotrading.adapters.ibkr.asker import MarketAsker
from robotrading.adapters.ibkr.connection import Connection
from robotrading.adapters.ibkr.contracts import contract_for
from robotrading.adapters.ibkr.desk import OrderDesk
from robotrading.adapters.ibkr.library import ExecutionFilter
from robotrading.adapters.ibkr.listings import Reading, completed_orders_of, open_orders_of
from robotrading.adapters.ibkr.orders import order_for
from robotrading.adapters.ibkr.requests import ReadOnlyGateway, RequestRefused, Rows, Topic
from robotrading.adapters.ibkr.rules import RuleBook
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError, BrokerUnavailable, ConfigError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import BrokerOrder, Fill, Intent, OrderEvent
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

log = logging.getLogger(__name__)

ROUNDS_OF_ASKING = 3
"""How often in a row doubts about orders are asked before they are UNKNOWN."""


class IbkrBroker:
    """See the module. `others` are holdings and orders, seen at the last look, of kinds that the bot does not trade."""

    def __init__(self, settings: GatewaySettings, clock: Clock, rules: RuleBook | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._desk = OrderDesk(clock, settings.client_id, self._ask_doubts)
        self._connection = Connection(settings, self._desk, self._on_lost, self._on_restored)
        self._desk.attach(self._connection.reserve_ids)
        self._rules = rules or RuleBook(clock)
        self._asker = MarketAsker(self._connection, settings, clock, self._rules, self._require_connection)
        self._asking: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._synchronised = False
        self._behind = False
        self._losses = 0
        self._known_before = False
        self._last_order_id = 0
        self._others: dict[str, tuple[Skip, ...]] = {}

    # Connection

    @property
    def connected(self) -> bool:
        return self._synchronised and not self._behind and self._connection.ready

    @property
    def others(self) -> tuple[Skip, ...]:
        return tuple(skip for skips in self._others.values() for skip in skips)

    async def connect(self) -> None:
        """Until account, positions and what happened meanwhile are known for certain.

        Where only the gateway's own link is lost, that is waited for; a new login would not bring it back. Silence is
        asked once more over a fresh connection. Raises `BrokerUnavailable`, and `ConfigError` for what a person must
        change: the account, or a gateway that is read-only.
        """
        async with self._connecting:
            try:
                if not self.connected and not await self._mended():
                    await self._connected_anew()
            except ReadOnlyGateway as error:
                raise ConfigError(
                    f"{error}; allow orders in the gateway: API settings, untick 'Read-Only API'"
                ) from error

    async def _mended(self) -> bool:
        """Whether the connection that is there could be used again."""
        if not (self._synchronised and self._connection.open_and_known):
            return False
        if not await self._connection.lines.restored(self._settings.request_timeout):
            if self._connection.open_and_known:
                raise BrokerUnavailable(
                    f"the gateway at {self._connection.address} has lost its own link to the broker (1100), and it did "
                    f"not come back within {self._settings.request_timeout:g} s"
                )
            return False
        self._catch_up()
        if self._returning is not None:
            await asyncio.wait({self._returning})
        return self.connected

    async def _connected_anew(self) -> None:
        await self._open()
        try:
            await self._synchronise()
        except ReadOnlyGateway:
            raise
        except BrokerUnavailable as error:
            log.warning("the gateway did not answer after the handshake (%s); connecting once more", error)
            await self._open()
            await self._synchronise()
        if not self.connected:
            raise BrokerUnavailable(
                f"the gateway at {self._connection.address} answers, but its own link to the broker is lost"
            )

    async def disconnect(self) -> None:
        self._synchronised = False
        self._desk.stop_waiting()
        tasks = {task for task in (self._asking, self._returning) if task is not None and not task.done()}
        self._asking = self._returning = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._connection.close()

    def subscribe(self, listener: Callable[[OrderEvent], None]) -> None:
        self._desk.subscribe(listener)

    # Questions

    async def account(self) -> Account:
        rows = await self._account_rows()
        positions = await self._positions()
        if not positions and not self._others["positions"]:
            require_flat(rows, self._connection.account)
        account, paper = self._connection.account, self._settings.paper
        return account_of(rows, positions, account, self._clock.now(), paper=paper)

    async def refine(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Instrument | Skip]:
        self._require_connection()
        answer = await self._asker.refine(instruments)
        for better in answer.values():
            if isinstance(better, Instrument):
                self._desk.remembered[better.key] = better
        return answer

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        self._require_connection()
        return await self._asker.quotes(instruments)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        rows = await self._connection.ask_topic(Topic.OPEN_ORDERS, lambda client: client.reqAllOpenOrders())
        orders, self._others["open orders"] = open_orders_of(rows, self._reading)
        return orders

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        rows = await self._connection.ask_topic(
            Topic.COMPLETED_ORDERS,
            lambda client: client.reqCompletedOrders(False),  # noqa: FBT003
        )
        orders, self._others["completed orders"] = completed_orders_of(rows, self._reading)
        return orders

    async def executions(self) -> Sequence[Fill]:
        fills = await self._executions()
        for fill in fills:
            self._desk.translator.fills.note(fill)
        return fills

    # Orders

    async def submit(self, intent: Intent) -> None:
        if self._desk.failure is not None:
            raise BrokerUnavailable("an earlier event could not be booked; no further order") from self._desk.failure
        self._require_connection()
        order = order_for(intent, self._connection.account)
        contract = contract_for(intent.instrument, self._rules.con_id(intent.instrument))
        await self._connection.send(lambda client: self._place(client, intent, contract, order))

    async def cancel(self, intent_id: str) -> None:
        self._require_connection()
        translator = self._desk.translator
        if translator.order_id(intent_id) is None:
            await self.open_orders()
        key = translator.order_id(intent_id)
        if key is None and intent_id in translator.standings:
            self._doubt(intent_id)
        elif key is None:
            raise BrokerError(f"{intent_id}: the broker has no order with this reference; there is nothing to cancel")
        elif key[0] != self._settings.client_id:
            raise BrokerError(
                f"{intent_id}: it was placed by client id {key[0]}, which alone can cancel it (this is client id "
                f"{self._settings.client_id}); connect with that id, or cancel it in TWS"
            )
        else:
            translator.cancel_asked(intent_id)
            order_id = key[1]
            await self._connection.send(lambda client: client.cancelOrder(order_id))

    # Inside

    @property
    def _reading(self) -> Reading:
        return Reading(self._connection.account, self._desk.remembered, self._desk.is_ours)

    def _require_connection(self) -> None:
        if not self.connected:
            raise BrokerUnavailable(
                f"not connected to the gateway at {self._settings.host}:{self._settings.port}, or its own link to the "
                "broker is lost; connect and ask again"
            )

    def _place(self, client: Any, intent: Intent, contract: Any, order: Any) -> None:
        """When the turn has come: the link may have been lost, or the order found at the broker, in the meantime."""
        self._require_connection()
        translator = self._desk.translator
        if intent.intent_id in translator.standings:
            log.warning("%s is at the broker already and is not sent again; asking for its state", intent.intent_id)
            self._doubt(intent.intent_id)
            return
        self._desk.remembered[intent.instrument.key] = intent.instrument
        order_id = self._last_order_id = client.getReqId()
        translator.sent(intent, order_id)
        try:
            client.placeOrder(order_id, contract, order)
        except ConnectionError:
            translator.unsent(intent.intent_id)
            raise

    async def _open(self) -> None:
        self._synchronised = self._behind = False
        self._desk.translator.forget_order_ids()
        await self._connection.open()
        self._connection.reserve_ids(self._last_order_id)
        self._desk.account = self._connection.account

    async def _synchronise(self) -> None:
        """Positions for certain, the ids of open orders, which must not be used again, and what happened meanwhile."""
        async with AsyncExitStack() as otherwise:
            otherwise.push_async_callback(self._connection.close)
            await self._positions()
            await self.open_orders()
            if self._known_before:
                await self._learn()
            otherwise.pop_all()
        self._synchronised = self._known_before = True

    async def _learn(self) -> None:
        """Tell what nobody could hear: executions first, then the fate of every order that was alive."""
        await self._tell_executions()
        self._ask_all_that_live()
        if self._asking is not None:
            await asyncio.wait({self._asking})
        await asyncio.sleep(0)  # what was told is handed over in the loop's next turn

    async def _account_rows(self) -> Rows:
        """Subscribe, take the first complete set, end the subscription: values are current and come once."""
        connection, account = self._connection, self._connection.account
        rows = await connection.ask_topic(
            Topic.ACCOUNT,
            lambda client: client.reqAccountUpdates(True, account),  # noqa: FBT003
        )
        await connection.send(lambda client: client.reqAccountUpdates(False, account))  # noqa: FBT003
        return rows

    async def _positions(self) -> tuple[Position, ...]:
        rows = await self._connection.ask_topic(Topic.POSITIONS, lambda client: client.reqPositions())
        await self._connection.send(lambda client: client.cancelPositions())
        positions, others = positions_of(rows, self._connection.account, self._desk.remembered)
        self._others["positions"] = others
        if others:
            log.info("%d holdings of kinds that the bot does not trade: %s", len(others), "; ".join(map(str, others)))
        return positions

    def _doubt(self, intent_id: str) -> None:
        self._desk.doubts.add(intent_id)
        self._ask_doubts()

    def _ask_all_that_live(self) -> None:
        for intent_id in self._desk.translator.living():
            self._doubt(intent_id)

    def _on_lost(self) -> None:
        self._losses += 1
        self._behind = True

    def _on_restored(self) -> None:
        """It was lost, whether or not that was heard: what happened meanwhile may never be sent."""
        if self._synchronised:
            self._on_lost()
        self._catch_up()

    def _catch_up(self) -> None:
        if self._synchronised and (self._returning is None or self._returning.done()):
            self._returning = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        """Learn what happened, again where the link was lost once more while it was asked."""
        try:
            while self._behind and self._connection.lines.up:
                losses = self._losses
                await self._learn()
                self._behind = losses != self._losses
        except BrokerError as error:
            log.warning("the link is back, and the gateway does not say what happened meanwhile: %s", error)

    def _ask_doubts(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._settle_doubts())

    async def _settle_doubts(self) -> None:
        """Ask what became of the orders in doubt. One question for all, a few rounds at most."""
        translator = self._desk.translator
        for _ in range(ROUNDS_OF_ASKING):
            if not self._desk.doubts:
                return
            asked, self._desk.doubts = sorted(self._desk.doubts), set()
            try:
                still_open, completed = await self.open_orders(), await self.completed_orders()
                fills = await self._tell_executions()
            except BrokerError as error:
                for intent_id in asked:
                    self._desk.tell(translator.unanswered(intent_id, str(error), self._clock.now()))
                continue
            for intent_id in asked:
                self._desk.tell(translator.settle(intent_id, still_open, completed, fills, self._clock.now()))
        for intent_id in sorted(self._desk.doubts):
            self._desk.tell(translator.unanswered(intent_id, "the gateway's answers change", self._clock.now()))
        self._desk.doubts.clear()

    async def _tell_executions(self) -> tuple[Fill, ...]:
        """Executions, with events for those that had not been told: nobody else will."""
        fills = await self._executions()
        self._desk.tell_fills(fills)
        return fills

    async def _executions(self) -> tuple[Fill, ...]:
        """What the gateway tells of today's. A refusal by code is no answer, and may be asked again."""
        wanted = ExecutionFilter(acctCode=self._connection.account)
        try:
            rows = await self._connection.ask("executions", lambda client, req_id: client.reqExecutions(req_id, wanted))
        except RequestRefused as error:
            raise BrokerUnavailable(f"executions: the gateway refuses to answer: {error}") from error
        return self._desk.fills_of(rows)
