"""Connecting, losing the connection, silence and refusal: every wait ends, and nothing unknown passes for known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from broker_worlds import AAPL, ACCOUNT, limit, stage, until

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.connection import Connection
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import BrokerError, BrokerUnavailable, ConfigError
from robotrading.domain.orders import EventKind
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.settings import DropAt, Faults
from robotrading.sim.gateway.wire import frame

pytestmark = pytest.mark.wire
BOUND = 0.4
QUESTIONS: list[Callable[[IbkrBroker], object]] = [
    lambda broker: broker.account(),
    lambda broker: broker.open_orders(),
    lambda broker: broker.completed_orders(),
    lambda broker: broker.executions(),
    lambda broker: broker.refine([AAPL]),
    lambda broker: broker.quotes([AAPL]),
]


async def test_withheld_positions_are_unknown_and_not_flat() -> None:
    """The client libraries would connect with an empty list. Asked twice, then an error within the bound."""
    async with stage() as here:
        here.server.faults = Faults(withhold_positions=True)
        broker = here.broker(request_timeout=BOUND)
        start = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="positions: no answer"):
            await broker.connect()
        assert time.monotonic() - start < 2 * BOUND + 2.5
        assert not broker.connected
        here.server.faults = Faults()
        await broker.connect()
        assert broker.connected


async def test_positions_withheld_later_are_unknown_and_not_flat() -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=BOUND)
        here.server.faults = Faults(withhold_positions=True)
        with pytest.raises(BrokerUnavailable, match="positions"):
            await broker.account()


@pytest.mark.parametrize("ask", QUESTIONS)
async def test_a_frozen_gateway_is_unavailable_within_the_bound(ask: Callable[[IbkrBroker], object]) -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=BOUND)
        here.server.faults = Faults(frozen=True)
        start = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"no answer|none of 1"):
            await ask(broker)  # type: ignore[misc]
        await broker.disconnect()
        assert time.monotonic() - start < BOUND + 3


async def test_a_gateway_that_freezes_before_the_handshake_is_unavailable_within_the_bound() -> None:
    async with stage() as here:
        here.server.faults = Faults(frozen=True)
        broker = here.broker(connect_timeout=BOUND)
        with pytest.raises(BrokerUnavailable, match=r"handshake within 0\.4 s"):
            await broker.connect()


async def test_nobody_there_and_a_refusing_gateway_are_unavailable() -> None:
    async with stage() as here:
        here.server.faults = Faults(refuse_connections=True)
        with pytest.raises(BrokerUnavailable):
            await here.broker().connect()
        port = here.port
    with pytest.raises(BrokerUnavailable, match=f"no gateway at 127.0.0.1:{port}"):
        await IbkrBroker(GatewaySettings(port=port), here.clock).connect()


async def test_a_socket_that_nobody_reads_is_cut() -> None:
    async with stage() as here:
        connection = Connection(GatewaySettings(port=here.port, account=ACCOUNT))
        await connection.open()
        here.server.faults = Faults(frozen=True)
        await connection.send(lambda client: client.conn.sendMsg(b"\0" * 30_000_000))
        transport = connection._client.conn.transport
        await connection.close()
        assert connection._gone.is_set()
        assert transport.get_write_buffer_size() == 0


async def test_a_client_id_in_use_is_said_so() -> None:
    async with stage() as here:
        await here.connected()
        with pytest.raises(BrokerUnavailable, match="client id 101 is in use"):
            await here.broker().connect()
        await here.connected(client_id=102)


async def test_a_wrong_account_and_a_wrong_kind_of_account_are_refused() -> None:
    async with stage() as here:
        for terms, words in (({"account": "DU9"}, "not one of"), ({"paper": False, "account": ACCOUNT}, "paper acc")):
            broker = here.broker(**terms)
            with pytest.raises(ConfigError, match=words):
                await broker.connect()
            assert not broker.connected
        await until(lambda: not here.server.sessions)


async def test_one_of_several_accounts_must_be_named() -> None:
    seeds = [AccountSeed(name, {"USD": Decimal(1000)}) for name in ("DU1", "DU2")]
    async with stage(seeds=seeds) as here:
        with pytest.raises(ConfigError, match="2 accounts"):
            await here.broker(account="").connect()
        broker = await here.connected(account="DU2")
        assert (await broker.account()).account_id == "DU2"


async def test_a_lost_link_stops_orders_until_it_is_restored() -> None:
    for restored in (Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT):
        async with stage() as here:
            broker = await here.connected()
            here.server.broadcast(Code.LINK_LOST)
            await until(lambda broker=broker: not broker.connected)
            with pytest.raises(BrokerUnavailable, match="own link"):
                await broker.submit(limit())
            assert not here.exchange.open_orders()
            here.server.broadcast(restored)
            await until(lambda broker=broker: broker.connected)


async def test_what_happened_while_the_link_was_lost_is_asked_for_when_it_is_back() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await broker.submit(order)
        await here.saw(order, EventKind.ACKNOWLEDGED)
        here.server.broadcast(Code.LINK_LOST)
        here.server.faults = Faults(withhold_fills=True)
        here.market.set_price(AAPL, Decimal(89))
        here.exchange.step()
        await until(lambda: not broker.connected)
        here.server.faults = Faults()
        here.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)
        await here.saw(order, EventKind.FILLED)
        assert here.filled(order) == 10


async def test_executions_that_are_refused_are_not_known_and_may_be_asked_for_again() -> None:
    """Else a session fails at once on what its patience is for."""
    async with stage() as here:
        broker = await here.connected()
        client, session = broker._connection._client, here.server.sessions[0]
        ask = client.reqExecutions

        def refused(req_id: int, _: object) -> None:
            session.error(req_id, 322, "Error processing request.")
            session.flush()

        client.reqExecutions = refused
        with pytest.raises(BrokerUnavailable, match="refuses to answer: 322"):
            await broker.executions()
        client.reqExecutions = ask
        assert await broker.executions() == ()


async def test_a_read_only_gateway_says_so() -> None:
    """321 without a request's id answers the open orders, which would otherwise be waited for in vain."""
    async with stage() as here:
        broker = await here.connected()
        here.server.faults = Faults(frozen=True)
        asked = asyncio.ensure_future(broker.open_orders())
        await asyncio.sleep(0.05)
        session = here.server.sessions[0]
        session._writer.write(frame(answers.error(session.version, -1, 321, "The API is in Read-Only mode.")))
        with pytest.raises(BrokerUnavailable, match="321: The API"):
            await asked


def test_it_connects_on_a_loop_that_nobody_has_set() -> None:
    """ib_insync asks the policy for its loop; a runner with a loop of its own does not tell the policy."""

    async def play() -> bool:
        async with stage() as here:
            return (await here.connected()).connected

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(play())
    asyncio.set_event_loop(None)


async def test_disconnecting_leaves_no_task_no_timer_and_no_session() -> None:
    async with stage() as here:
        before = asyncio.all_tasks()
        broker = await here.connected()
        await broker.submit(limit())
        await broker.disconnect()
        await broker.disconnect()
        await until(lambda: not here.server.sessions)
        await until(lambda: asyncio.all_tasks() == before)


async def test_an_order_that_did_not_arrive_is_nowhere_and_is_not_made_up() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        here.server.faults = Faults(drop_at=DropAt.BEFORE_ORDER)
        await broker.submit(order)
        await until(lambda: not broker.connected)
        await broker.connect()
        assert not await broker.open_orders()
        assert not await broker.completed_orders()
        assert set(here.told(order)) == {EventKind.UNKNOWN}


@pytest.mark.parametrize("moment", [DropAt.BEFORE_ACK, DropAt.AFTER_ACK])
async def test_an_order_whose_answer_was_lost_is_found_by_its_reference_and_never_doubled(moment: DropAt) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        here.server.faults = Faults(drop_at=moment)
        await broker.submit(order)
        await until(lambda: not broker.connected)
        await broker.connect()
        assert [found.intent_id for found in await broker.open_orders()] == [order.intent_id]
        await broker.submit(order)
        await here.saw(order, EventKind.ACKNOWLEDGED)
        assert len(here.exchange.open_orders()) == 1
        await broker.cancel(order.intent_id)
        await here.saw(order, EventKind.CANCELLED)


async def test_a_new_order_never_takes_the_id_of_an_open_one() -> None:
    """With the same id it would change the open order instead of being one of its own."""
    async with stage() as here:
        broker, resting = await here.connected(), limit()
        await broker.submit(resting)
        await here.saw(resting, EventKind.ACKNOWLEDGED)
        await broker.disconnect()
        other = await here.connected()
        await other.submit(limit(attempt=2))
        await until(lambda: len(here.exchange.open_orders()) == 2)


async def test_only_the_client_that_placed_an_order_cancels_it() -> None:
    async with stage() as here:
        first, second, order = await here.connected(), await here.connected(client_id=102), limit()
        await first.submit(order)
        await here.saw(order, EventKind.ACKNOWLEDGED)
        with pytest.raises(BrokerError, match="client id 101, which alone can cancel it"):
            await second.cancel(order.intent_id)
        assert here.exchange.open_orders()


async def test_a_message_that_cannot_be_read_ends_the_connection() -> None:
    """It may have been a fill; the library would log it and go on."""
    async with stage() as here:
        broker = await here.connected()
        here.server.sessions[0].send((11, -1, 5, 1, "AAPL"))
        await until(lambda: not broker.connected)
        with pytest.raises(BrokerUnavailable):
            await broker.submit(limit())


async def test_unknown_messages_are_let_pass() -> None:
    async with stage() as here:
        broker = await here.connected()
        here.server.sessions[0].send((250, "whatever"))
        here.server.sessions[0].send(("x",))
        assert (await broker.account()).account_id == ACCOUNT


@asynccontextmanager
async def half_a_gateway(answer: bytes) -> AsyncIterator[int]:
    """A server that says one thing, if at all, and then nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x17176\x0020260101 00:00:00\0"])
async def test_an_open_port_is_not_a_gateway(answer: bytes) -> None:
    """A gateway that is up and not logged in listens, greets at most, and says nothing of accounts."""
    async with half_a_gateway(answer) as port:
        connection = Connection(GatewaySettings(port=port, connect_timeout=BOUND))
        with pytest.raises(BrokerUnavailable, match="handshake"):
            await connection.open()
        assert not connection.ready
