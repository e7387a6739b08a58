"""Drills: what the gateway does when it is told to misbehave, and when clients do."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.settings import DropAt, Faults, GatewayServerSettings, Pacing
from robotrading.sim.gateway.wire import GREETING, frame, split
from tests.wire.gateway_world import NOW, ibapi, until, world

pytestmark = pytest.mark.wire


async def stock(ib):
    [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
    return contract


@pytest.mark.parametrize(
    "drop, placed", [(DropAt.BEFORE_ORDER, False), (DropAt.BEFORE_ACK, True), (DropAt.AFTER_ACK, True)]
)
async def test_a_connection_that_drops_around_an_order_drops_once(drop, placed):
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        here.server.faults = Faults(drop_at=drop)
        trade = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 1, 200, orderRef="lost"))
        await until(lambda: not ib.isConnected())
        assert trade.orderStatus.status == ("Submitted" if drop is DropAt.AFTER_ACK else "PendingSubmit")
        again = await here.client()
        assert [one.order.orderRef for one in again.openTrades()] == (["lost"] if placed else [])
        assert here.server.faults == Faults()


async def test_withheld_acknowledgements_leave_an_order_unheard_of_but_alive():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        here.server.faults = Faults(withhold_acks=True)
        trade = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 1, 200))
        await until(here.exchange.open_orders)
        await ib.reqCurrentTimeAsync()
        assert trade.orderStatus.status == "PendingSubmit"
        assert [one.order.permId for one in await ib.reqOpenOrdersAsync()] != []


async def test_withheld_fills_are_told_when_they_are_asked_for_afterwards():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        here.server.faults = Faults(withhold_fills=True)
        trade = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        await until(here.exchange.executions)
        assert await ib.reqExecutionsAsync() == []
        assert trade.orderStatus.status == "Submitted"
        here.server.faults = Faults()
        [fill] = await ib.reqExecutionsAsync()
        assert fill.execution.orderId == trade.order.orderId


async def test_a_frozen_gateway_says_nothing_and_forgets_nothing():
    async with world() as here:
        ib = await here.client()
        here.server.faults = Faults(frozen=True)
        asked = asyncio.ensure_future(ib.reqCurrentTimeAsync())
        here.server.broadcast(Code.LINK_LOST)
        done, _ = await asyncio.wait([asked], timeout=0.1)
        assert not done
        here.server.faults = Faults()
        assert await asyncio.wait_for(asked, 2) == NOW


async def test_refused_connections_leave_the_connected_alone():
    async with world() as here:
        ib = await here.client()
        here.server.faults = Faults(refuse_connections=True)
        with pytest.raises((ConnectionError, TimeoutError)):
            await here.client(2, patience=0.3)
        assert await ib.reqCurrentTimeAsync() == NOW
        here.server.faults = replace(here.server.faults, refuse_connections=False)
        assert (await here.client(3)).isConnected()


async def test_all_connections_can_be_cut():
    async with world() as here:
        clients = [await here.client(1), await here.client(2)]
        here.server.disconnect_all()
        await until(lambda: not any(ib.isConnected() for ib in clients))
        await until(lambda: not here.server.sessions)


async def raw(port: int, client_id: int = 50) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A socket that has shaken hands and said its client id."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GREETING + struct.pack(">I", 9) + b"v157..178")
    writer.write(frame((71, 2, client_id, "")))
    await read(reader)
    return reader, writer


async def read(reader: asyncio.StreamReader) -> list[str]:
    (length,) = struct.unpack(">I", await asyncio.wait_for(reader.readexactly(4), 5))
    return split(await asyncio.wait_for(reader.readexactly(length), 5))


async def codes_until(reader: asyncio.StreamReader, last: int) -> list[int]:
    """Codes of all errors up to one."""
    codes: list[int] = []
    while last not in codes:
        message = await read(reader)
        codes += [int(message[3])] if message[0] == "4" else []
    return codes


async def test_too_many_messages_are_warned_of_once_a_second_and_served():
    async with world(settings=GatewayServerSettings(messages_per_second=20)) as here:
        reader, writer = await raw(here.port)
        writer.write(b"".join(frame((49, 1)) for _ in range(60)))
        answers = 0
        errors = 0
        while answers < 60:
            message = await read(reader)
            answers += message[0] == "49"
            errors += message[:4] == ["4", "2", "-1", "100"]
        assert errors == 1
        writer.close()


async def test_too_many_messages_can_be_dropped():
    async with world(settings=GatewayServerSettings(messages_per_second=20, pacing=Pacing.DROP)) as here:
        reader, writer = await raw(here.port)
        writer.write(b"".join(frame((49, 1)) for _ in range(60)))
        dropped = 0
        while dropped < 41:
            dropped += (await read(reader))[:4] == ["4", "2", "-1", "100"]
        writer.close()


@pytest.mark.parametrize(
    "opening",
    [b"GET / HTTP/1.1\r\n\r\n", b"API\0" + b"\xff" * 8, b"API\0\0\0\0\x03abc", b"API\0\0\0\0\x09v100..120", b""],
)
async def test_a_connection_that_does_not_shake_hands_is_closed(opening):
    async with world(settings=GatewayServerSettings(handshake_timeout=0.1)) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(opening)
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()


async def test_a_frame_beyond_the_bound_ends_its_connection_only():
    async with world() as here:
        ib = await here.client()
        reader, writer = await raw(here.port)
        writer.write(struct.pack(">I", 2**31))
        with pytest.raises(asyncio.IncompleteReadError):
            await codes_until(reader, 0)
        writer.close()
        assert await ib.reqCurrentTimeAsync() == NOW


async def test_a_client_that_never_reads_is_cut_off_and_others_are_served():
    async with world(settings=GatewayServerSettings(max_backlog=200_000, pacing=Pacing.OFF)) as here:
        ib = await here.client()
        _, writer = await raw(here.port)
        writer.transport.pause_reading()
        request = frame((9, 8, 1, 0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, "", "", ""))

        async def flood() -> None:
            while True:
                writer.write(request * 100)
                await writer.drain()
                await asyncio.sleep(0)

        flooding = asyncio.ensure_future(flood())
        await until(lambda: len(here.server.sessions) == 1, seconds=20)
        assert await ib.reqCurrentTimeAsync() == NOW
        with pytest.raises(ConnectionError):
            await flooding


async def test_nothing_is_served_before_the_client_has_said_who_it_is():
    async with world() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(GREETING + struct.pack(">I", 9) + b"v157..178" + frame((61, 1)) + frame((71, 2, 9, "")))
        await read(reader)
        assert await codes_until(reader, 504) == [504]
        assert 2158 in await codes_until(reader, 2158)
        writer.close()


NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 7, 8, 9, 20, 49, 50, 59, 61, 62, 71, 74, 81, 87, 92, 94, 97, 99, 104])
TEXTS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "AAPL", "STK", "SMART", "USD", "BUY", "LMT", "250", "1 Y", "1 day", "TRADES"]),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
    st.integers().map(str),
    st.floats().map(str),
)
MESSAGES = st.one_of(
    st.binary(max_size=200).map(lambda payload: struct.pack(">I", len(payload)) + payload),
    st.builds(lambda kind, fields: frame((kind, *fields)), NUMBERS, st.lists(TEXTS, max_size=120)),
    st.binary(max_size=60),
)


CHANGES = st.lists(st.tuples(st.integers(0, 110), TEXTS), max_size=4)


async def valid_requests(ib) -> list[list[str]]:
    """What the library writes for an order, a history, a market data line, an executions filter."""
    contract = await stock(ib)
    written: list[str] = []
    send, ib.client.sendMsg = ib.client.sendMsg, written.append
    ib.client.placeOrder(1, contract, ibapi.LimitOrder("BUY", 10, 250))
    ib.client.placeOrder(2, contract, ibapi.Order(action="SELL", totalQuantity=1, orderType="TRAIL", trailingPercent=5))
    ib.client.reqHistoricalData(3, contract, "", "5 D", "1 day", "TRADES", True, 1, True, [])
    ib.client.reqMktData(4, contract, "", False, False, [])
    ib.client.reqExecutions(5, ibapi.ExecutionFilter())
    ib.client.sendMsg = send
    return [message.split("\0")[:-1] for message in written]


def changed(message: list[str], changes: list[tuple[int, str]]) -> bytes:
    fields = list(message)
    for at, value in changes:
        if at and at < len(fields):
            fields[at] = value
    return frame(fields)


def test_no_bytes_whatever_harm_the_gateway_or_another_client():
    """Random frames, random fields, valid requests with fields changed: the client beside is answered after each."""

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(st.lists(MESSAGES, max_size=4), st.lists(st.tuples(st.integers(0, 4), CHANGES), max_size=4))
    def attack(messages: list[bytes], twists: list[tuple[int, list[tuple[int, str]]]]) -> None:
        twisted = [changed(valid[which], changes) for which, changes in twists]
        loop.run_until_complete(send([*twisted, *messages]))

    async def send(messages: list[bytes]) -> None:
        _, writer = await raw(here.port)
        writer.write(b"".join(messages))
        writer.write_eof()
        await until(lambda: len(here.server.sessions) == 1)
        writer.close()
        assert await asyncio.wait_for(ib.reqCurrentTimeAsync(), 2) == NOW

    problems: list[dict] = []
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _, context: problems.append(context))
    surroundings = world(settings=GatewayServerSettings(pacing=Pacing.OFF))
    try:
        here = loop.run_until_complete(surroundings.__aenter__())
        ib = loop.run_until_complete(here.client())
        valid = loop.run_until_complete(valid_requests(ib))
        attack()
        loop.run_until_complete(surroundings.__aexit__(None, None, None))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert problems == []
