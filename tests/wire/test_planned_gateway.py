"""Every kind of fault that the gateway claims really happens on the socket, seen through the real library's broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, OrderType, TicketStatus
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.faults.gateway import PlannedDrill
from robotrading.sim.faults.kinds import WHERE, FaultKind, Layer, Trigger
from robotrading.sim.faults.plan import Fault, FaultPlan
from robotrading.sim.faults.script import Script
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.market import FeedMarket
from tests.wire.broker_worlds import AAPL, ACCOUNT, NOON, PRICE, NoFeed, Stage, limit, until
from tests.wire.gateway_world import errors_of, ibapi

pytestmark = pytest.mark.wire

D = Decimal
K, T = FaultKind, Trigger
ACK, FILL, FILLED, CANCELLED = EventKind.ACKNOWLEDGED, EventKind.FILL, EventKind.FILLED, EventKind.CANCELLED
PLAYS: dict[FaultKind, Callable[[], Awaitable[None]]] = {}
CLAIMED = {kind for kind in FaultKind if Layer.GATEWAY in WHERE[kind]}


def shows(kind: FaultKind) -> Callable[[Callable[[], Awaitable[None]]], Callable[[], Awaitable[None]]]:
    def note(play: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        PLAYS[kind] = play
        return play

    return note


def test_every_kind_claimed_for_the_gateway_is_shown_here() -> None:
    assert PLAYS.keys() == CLAIMED


@pytest.mark.parametrize("kind", sorted(CLAIMED))
async def test_the_fault_happens(kind: FaultKind) -> None:
    await PLAYS[kind]()


@asynccontextmanager
async def planned(*faults: Fault, held: int = 40) -> AsyncIterator[Stage]:
    """A gateway whose plan begins now; the account holds some AAPL."""
    clock = VirtualClock(NOON)
    market = FeedMarket(NoFeed(), clock, [AAPL])
    market.set_price(AAPL, PRICE)
    seed = AccountSeed(ACCOUNT, {"USD": D(100_000)}, ((AAPL, D(held), D(90)),) if held else ())
    exchange = Exchange(market, clock, [seed])
    script = Script(FaultPlan(0, faults), SystemClock())
    server = GatewayServer(exchange, clock, drill=PlannedDrill(exchange, script))
    here = Stage(server, await server.start(), clock, market)
    try:
        yield here
    finally:
        for broker in here.brokers:
            await broker.disconnect()
        await server.stop()


def fault(kind: FaultKind, on: Trigger = T.SUBMIT, at: float = 1, **terms: Any) -> Fault:
    return Fault(kind=kind, on=on, at=at, **terms)


def market(attempt: int = 1) -> Any:
    return limit(D(101), attempt, order_type=OrderType.LIMIT)


async def listed(broker: Any) -> list[tuple[TicketStatus, D]]:
    orders = [*await broker.open_orders(), *await broker.completed_orders()]
    return [(order.status, order.filled) for order in orders]


# The connection


@shows(K.DROP)
async def drop() -> None:
    async with planned(fault(K.DROP, T.SECONDS, 0.3)) as here:
        broker = await here.connected()
        await broker.account()
        await until(lambda: not broker.connected)
        await broker.connect()
        await broker.account()


@shows(K.DROP_BEFORE_ORDER)
async def drop_before_order() -> None:
    async with planned(fault(K.DROP_BEFORE_ORDER)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await until(lambda: not broker.connected)
        await broker.connect()
        assert await listed(broker) == []


@shows(K.DROP_BEFORE_ACK)
async def drop_before_ack() -> None:
    async with planned(fault(K.DROP_BEFORE_ACK)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await until(lambda: not broker.connected)
        assert ACK not in here.told(market())
        await broker.connect()
        await until(here.exchange.executions)
        assert await listed(broker) == [(TicketStatus.FILLED, D(10))]


@shows(K.FROZEN)
async def frozen() -> None:
    async with planned(fault(K.FROZEN, T.SECONDS, 0.4, seconds=0.6)) as here:
        broker = await here.connected(request_timeout=0.2)
        await until(lambda: here.server.faults.frozen)
        with pytest.raises(BrokerUnavailable, match="no answer"):
            await broker.open_orders()
        await broker.submit(market())
        await until(lambda: not here.server.faults.frozen)
        await here.saw(market(), FILLED)


async def refused_once(kind: FaultKind, error: type[Exception], words: str) -> None:
    async with planned(fault(kind, T.CONNECT)) as here:
        broker = here.broker(connect_timeout=1.0)
        with pytest.raises(error, match=words):
            await broker.connect()
        await broker.connect()
        assert broker.connected


@shows(K.REFUSED)
async def refused() -> None:
    await refused_once(K.REFUSED, BrokerUnavailable, "gateway")


@shows(K.CLIENT_ID_IN_USE)
async def client_id_in_use() -> None:
    await refused_once(K.CLIENT_ID_IN_USE, BrokerUnavailable, "in use")


@shows(K.WRONG_ACCOUNT)
async def wrong_account() -> None:
    await refused_once(K.WRONG_ACCOUNT, ConfigError, ACCOUNT)


async def link_lost(kind: FaultKind) -> None:
    """The link goes with an acknowledgement, and the order fills meanwhile: it is known once the link is back."""
    async with planned(fault(kind, T.EVENT, 3, seconds=0.5)) as here:
        broker = await here.connected()
        order = limit(D(99))
        await broker.submit(order)
        here.server.exchange.place(7, 1, _foreign())
        await here.saw(order, ACK)
        here.server.exchange.cancel_all(7)
        await until(lambda: not broker.connected)
        here.market.set_price(AAPL, D(98))
        here.exchange.step()
        assert here.exchange.executions()
        assert FILL not in here.told(order)
        await until(lambda: broker.connected)
        await until(lambda: here.filled(order) == 10)


def _foreign() -> Any:
    from robotrading.domain.orders import Side
    from robotrading.sim.exchange_types import OrderRequest

    return OrderRequest(
        instrument=AAPL, side=Side.BUY, order_type=OrderType.LIMIT, quantity=D(1), limit_price=D(50), order_ref="theirs"
    )


@shows(K.LINK_DATA_LOST)
async def link_data_lost() -> None:
    await link_lost(K.LINK_DATA_LOST)


@shows(K.LINK_DATA_KEPT)
async def link_data_kept() -> None:
    await link_lost(K.LINK_DATA_KEPT)


@shows(K.ID_ROLLBACK)
async def id_rollback() -> None:
    async with planned(fault(K.ID_ROLLBACK, T.SECONDS, 0.5)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await here.saw(market(), FILLED)
        before = here.exchange.next_order_id(101)
        await until(lambda: not broker.connected)
        assert here.exchange.next_order_id(101) < before
        await broker.connect()
        await broker.submit(market(2))
        await here.saw(market(2), FILLED)
        assert here.exchange.positions()[0].quantity == 60


# One order


@shows(K.ORDER_LOST)
async def order_lost() -> None:
    async with planned(fault(K.ORDER_LOST)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await broker.submit(market(2))
        await here.saw(market(2), FILLED)
        assert here.told(market()) == []
        assert await listed(broker) == [(TicketStatus.FILLED, D(10))]


@shows(K.NO_CALLBACK)
async def no_callback() -> None:
    async with planned(fault(K.NO_CALLBACK)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await broker.submit(market(2))
        await here.saw(market(2), FILLED)
        await until(lambda: len(here.exchange.executions()) == 2)
        assert here.told(market()) == []
        assert len(await broker.executions()) == 2


@shows(K.FILLS_FIRST)
async def fills_first() -> None:
    async with planned(fault(K.FILLS_FIRST)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await here.saw(market(), FILLED)
        assert here.told(market())[0] is FILL


@shows(K.DUPLICATES)
async def duplicates() -> None:
    async with planned(fault(K.DUPLICATES, amount=D(3))) as here:
        ib = ibapi.IB()
        statuses: list[str] = []
        await ib.connectAsync("127.0.0.1", here.port, clientId=5, timeout=5)
        ib.client.wrapper.orderStatus = _counted(ib.client.wrapper.orderStatus, statuses)
        executions: list[str] = []
        ib.client.wrapper.execDetails = _counted(ib.client.wrapper.execDetails, executions)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        await until(lambda: len(executions) == 3)
        assert len(statuses) >= 3
        ib.disconnect()
    async with planned(fault(K.DUPLICATES, amount=D(3))) as here:
        broker = await here.connected()
        await broker.submit(market())
        await here.saw(market(), FILLED)
        assert here.filled(market()) == 10


def _counted(handler: Any, seen: list[str]) -> Any:
    def heard(*args: Any) -> Any:
        seen.append(str(args[1]))
        return handler(*args)

    return heard


@shows(K.PRICE_CORRECTED)
async def price_corrected() -> None:
    async with planned(fault(K.PRICE_CORRECTED, amount=D("1.05"))) as here:
        broker = await here.connected()
        await broker.submit(market())
        await until(lambda: any(e.fill is not None and e.fill.revision == 2 for e in here.events))
        [fill] = await broker.executions()
        assert (fill.revision, fill.quantity) == (2, D(10))
        assert fill.price > 104


@shows(K.QUANTITY_BUSTED)
async def quantity_busted() -> None:
    async with planned(fault(K.QUANTITY_BUSTED, amount=D("0.3"))) as here:
        broker = await here.connected()
        await broker.submit(market())
        await until(lambda: here.filled(market()) == 3)
        assert [fill.quantity for fill in await broker.executions()] == [D(3)]
        assert (await broker.account()).holding(AAPL) == 43


@shows(K.PARTIAL_THEN_SILENCE)
async def partial_then_silence() -> None:
    async with planned(fault(K.PARTIAL_THEN_SILENCE, amount=D("0.4"), seconds=0.4)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await here.saw(market(), FILL)
        assert here.filled(market()) == 4
        assert await listed(broker) == [(TicketStatus.PARTIAL, D(4))]
        await until(lambda: not here.exchange.open_orders())
        assert await listed(broker) == [(TicketStatus.FILLED, D(10))]
        assert FILLED not in here.told(market())


async def rejected(kind: FaultKind, code: int, word: str) -> None:
    async with planned(fault(kind)) as here:
        broker = await here.connected()
        await broker.submit(market())
        event = await here.saw(market(), EventKind.REJECTED)
        assert event.code == code
        assert [order.status for order in here.exchange.completed_orders()] == ([word] if word else [])
        assert not await broker.open_orders()


@shows(K.REJECTED_INACTIVE)
async def rejected_inactive() -> None:
    await rejected(K.REJECTED_INACTIVE, 201, "Inactive")


@shows(K.REJECTED_CANCELLED)
async def rejected_cancelled() -> None:
    await rejected(K.REJECTED_CANCELLED, 201, "Cancelled")


@shows(K.OFF_TICK)
async def off_tick() -> None:
    await rejected(K.OFF_TICK, 110, "")


@shows(K.CANCELLED_UNASKED)
async def cancelled_unasked() -> None:
    async with planned(fault(K.CANCELLED_UNASKED, seconds=0.1)) as here:
        broker = await here.connected()
        await broker.submit(limit())
        await here.saw(limit(), ACK)
        await here.saw(limit(), CANCELLED)
        assert await listed(broker) == [(TicketStatus.CANCELLED, D(0))]


# Positions and prices


@shows(K.POSITIONS_HUNG)
async def positions_hung() -> None:
    async with planned(fault(K.POSITIONS_HUNG, T.SECONDS, 0.4, seconds=0.5)) as here:
        broker = await here.connected(request_timeout=0.2)
        await until(lambda: here.server.faults.withhold_positions)
        with pytest.raises(BrokerUnavailable, match="positions"):
            await broker.account()
        await until(lambda: not here.server.faults.withhold_positions)
        await broker.disconnect()
        await broker.connect()
        assert (await broker.account()).holding(AAPL) == 40


@shows(K.POSITIONS_EMPTY)
async def positions_empty() -> None:
    async with planned(fault(K.POSITIONS_EMPTY, T.CONNECT)) as here:
        broker = await here.connected()
        with pytest.raises(BrokerUnavailable, match="not taken for flat"):
            await broker.account()
    async with planned(fault(K.POSITIONS_EMPTY, T.CONNECT), held=0) as here:
        broker = await here.connected()
        assert (await broker.account()).positions == ()


async def no_quotes(kind: FaultKind, rule: str) -> None:
    async with planned(fault(kind, T.CONNECT)) as here:
        broker = await here.connected()
        answer = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(answer, Skip)
        assert answer.rule == rule
        await broker.submit(market())
        await here.saw(market(), FILLED)


@shows(K.DATA_FARM_BROKEN)
async def data_farm_broken() -> None:
    async with planned(fault(K.DATA_FARM_BROKEN, T.CONNECT, seconds=0.5)) as here:
        ib = ibapi.IB()
        codes = errors_of(ib)
        await ib.connectAsync("127.0.0.1", here.port, clientId=5, timeout=5)
        await until(lambda: (-1, 2103) in codes)
        before = codes.count((-1, 2104))
        await until(lambda: codes.count((-1, 2104)) > before)
        ib.disconnect()
    await no_quotes(K.DATA_FARM_BROKEN, "data_farm")


@shows(K.DATA_TAKEN)
async def data_taken() -> None:
    await no_quotes(K.DATA_TAKEN, "competing_session")


@shows(K.QUOTES_MISSING)
async def quotes_missing() -> None:
    await no_quotes(K.QUOTES_MISSING, "no_price")


@shows(K.QUOTES_SLOW)
async def quotes_slow() -> None:
    async with planned(fault(K.QUOTES_SLOW, T.CONNECT, amount=D("0.6"), seconds=1.0)) as here:
        broker = await here.connected(request_timeout=0.2)
        with pytest.raises(BrokerUnavailable, match="quotes"):
            await broker.quotes([AAPL])
        await asyncio.sleep(1)
        assert isinstance((await broker.quotes([AAPL]))[AAPL], Quote)


@shows(K.QUOTES_STALE)
async def quotes_stale() -> None:
    async with planned(fault(K.QUOTES_STALE, T.CONNECT, seconds=0.8)) as here:
        broker = await here.connected()
        first = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(first, Quote)
        assert first.traded_at is not None
        assert (first.at - first.traded_at).total_seconds() == 86_400 + (900 if first.delayed else 0)
        here.market.set_price(AAPL, D(50))
        assert (await broker.quotes([AAPL]))[AAPL] == first
        await asyncio.sleep(0.8)
        fresh = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(fresh, Quote)
        assert fresh.last == 50


@shows(K.QUOTES_ABSURD)
async def quotes_absurd() -> None:
    async with planned(fault(K.QUOTES_ABSURD, T.CONNECT)) as here:
        broker = await here.connected()
        quote = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(quote, Quote)
        assert quote.last == 10_000


@shows(K.HISTORY_FARM_BROKEN)
async def history_farm_broken() -> None:
    async with planned(fault(K.HISTORY_FARM_BROKEN, T.CONNECT)) as here:
        ib = ibapi.IB()
        codes = errors_of(ib)
        await ib.connectAsync("127.0.0.1", here.port, clientId=5, timeout=5)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        await ib.reqHistoricalDataAsync(contract, "", "5 D", "1 day", "TRADES", True, timeout=2)
        assert {code for _, code in codes} >= {2105, 162}
        ib.disconnect()


# Laws


async def test_who_logs_in_while_the_link_is_lost_is_told_so() -> None:
    async with planned(fault(K.LINK_DATA_KEPT, T.CONNECT, seconds=0.6)) as here:
        ib = ibapi.IB()
        codes = errors_of(ib)
        await ib.connectAsync("127.0.0.1", here.port, clientId=5, timeout=5)
        await until(lambda: (-1, 1100) in codes)
        await until(lambda: (-1, 1102) in codes)
        ib.disconnect()


async def test_a_link_lost_for_ever_tells_nothing_of_orders() -> None:
    async with planned(fault(K.LINK_DATA_LOST, T.SUBMIT)) as here:
        broker = await here.connected()
        await broker.submit(market())
        await until(here.exchange.executions)
        await until(lambda: not broker.connected)
        assert here.told(market()) == []


async def test_a_gateway_with_an_empty_plan_is_a_gateway() -> None:
    async with planned() as here:
        broker = await here.connected()
        await broker.submit(market())
        await here.saw(market(), FILLED)
        assert (await broker.account()).holding(AAPL) == 50
