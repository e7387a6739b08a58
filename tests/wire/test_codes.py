"""Each of the gateway's numbered messages, said over the wire, and what we do about it.

The tables are the list of the answers; the code's meaning stands in `adapters/ibkr/codes.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from broker_worlds import AAPL, ACCOUNT, Stage, limit, stage, until

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.codes import FARM_CODES, ORDER_CODES
from robotrading.adapters.ibkr.feed import IbkrFeed
from robotrading.adapters.ibkr.pacing import HistoryRules
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import BrokerError, BrokerUnavailable, ConfigError
from robotrading.domain.orders import EventKind, Intent
from robotrading.domain.skip import Skip
from robotrading.sim.exchange_types import ExchangeOrder, OrderMessage, OrderRequest, OrderStatus
from robotrading.sim.gateway import dispatch, order_answers
from robotrading.sim.gateway.codes import Code, Incoming
from robotrading.sim.gateway.session import Session
from robotrading.sim.gateway.settings import Faults
from robotrading.sim.gateway.wire import Fields
from robotrading.sim.supervision import Verdict

pytestmark = pytest.mark.wire
E = EventKind
D = Decimal

REFUSED_NEW = {
    103: "the id was used before: nothing came to be, the intent is rejected",
    110: "off the tick: the lists do not know it, so it is rejected",
    200: "no such contract: rejected",
    201: "rejected, by its error alone: rejected",
    203: "not allowed for this account: rejected",
    321: "not valid, or the API is read-only: rejected",
    322: "could not be processed: the lists do not know it, so it is rejected",
    434: "size zero: rejected",
}
"""Said of an order that never came to be: the intent ends as rejected, with the code and the gateway's words."""

HARMLESS = {
    110: "a refused change; the lists say that it works",
    161: "a refused cancel; the lists say that it works",
    200: "about a change of it",
    201: "a refused change, which the libraries show as Cancelled",
    203: "about a change of it",
    321: "about a change of it",
    322: "a request that was not processed; the lists say that it works",
    354: "no market data subscription: it trades all the same",
    399: "a warning, such as held until the open",
    404: "held while shares to borrow are looked for",
    434: "about a change of it",
    10147: "the gateway does not find it; the lists do",
    10148: "a refused cancel; the lists say that it works",
    10349: "time in force changed by a preset; the libraries show Cancelled",
    2109: "a warning about the session it is in",
    77777: "a code that nobody has heard of; the lists say that it works",
}
"""Said of an order that works: nothing is believed that the lists do not say, so it works on and fills once."""

NO_QUOTE = {
    200: "unknown_contract",
    321: "not_valid",
    354: "not_subscribed",
    10089: "not_subscribed",
    10168: "not_subscribed",
    10197: "competing_session",
}
"""Instead of a quote: a skip whose rule names why."""


async def resting(here: Stage, order: Intent) -> ExchangeOrder:
    """A submitted order that works, as the exchange has it."""
    await here.brokers[-1].submit(order)
    await here.saw(order, E.ACKNOWLEDGED)
    return next(o for o in here.exchange.open_orders() if o.request.order_ref == order.intent_id)


async def settled(broker: IbkrBroker) -> None:
    """All that was said is heard, and doubts about it are asked."""
    await broker.open_orders()
    await until(lambda: broker._asking is None or broker._asking.done())
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("code", REFUSED_NEW)
async def test_a_new_order_that_is_refused_is_rejected_with_its_code(code: int) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()

        def refuse(client: int, order_id: int, request: OrderRequest) -> None:
            here.exchange.supervision.announce(
                OrderMessage(client, order_id, code, f"words of {code}", 0, request.order_ref)
            )

        here.exchange.place = refuse  # type: ignore[assignment, method-assign]
        await broker.submit(order)
        event = await here.saw(order, E.REJECTED)
        await settled(broker)
        assert (event.code, event.reason) == (code, f"words of {code}")
        assert here.told(order) == [E.REJECTED]


@pytest.mark.parametrize("code", HARMLESS)
async def test_nothing_said_of_a_working_order_ends_it_while_the_lists_say_that_it_works(code: int) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.sessions[0].error(known.order_id, code, f"words of {code}")
        if code in {201, 10349}:
            here.server.sessions[0].send(order_answers.order_status(known, "Cancelled"))
        await settled(broker)
        assert here.told(order) == [E.ACKNOWLEDGED]
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await here.saw(order, E.FILLED)
        assert here.filled(order) == 10


@pytest.mark.parametrize("status", [OrderStatus.INACTIVE, OrderStatus.CANCELLED])
@pytest.mark.parametrize("code_first", [True, False])
async def test_201_ends_an_order_as_inactive_and_as_cancelled(status: OrderStatus, code_first: bool) -> None:
    """The order exists at the broker and never works; either word, in either order, is its one and only end."""
    async with stage() as here:
        broker, order = await here.connected(), limit()
        kept: list[ExchangeOrder] = []

        def refuse(client: int, order_id: int, request: OrderRequest) -> None:
            verdict = Verdict(status, 201, "Order rejected - reason: margin")
            if not code_first:
                here.server.faults = Faults(withhold_acks=True)
            kept.append(here.exchange.turn_down(client, order_id, request, verdict))
            if not code_first:
                here.server.sessions[0].send(order_answers.order_status(kept[0], status.value))
                here.server.sessions[0].flush()

        here.exchange.place = refuse  # type: ignore[assignment, method-assign]
        await broker.submit(order)
        await until(lambda: {E.REJECTED, E.CANCELLED} & set(here.told(order)))
        here.server.faults = Faults()
        await settled(broker)
        assert len(here.told(order)) == 1
        assert not here.exchange.open_orders()
        if code_first or status is OrderStatus.INACTIVE:
            assert here.told(order) == [E.REJECTED]


async def test_202_is_a_cancel_whoever_asked_for_it() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.exchange.supervision.withdraw(known.perm_id, "Order Canceled - reason: the exchange")
        await here.saw(order, E.CANCELLED)
        await settled(broker)
        assert here.told(order) == [E.ACKNOWLEDGED, E.CANCELLED]


@pytest.mark.parametrize("code", [161, 10147, 10148])
async def test_a_cancel_that_is_refused_because_it_is_filled_ends_as_filled(code: int) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.faults = Faults(withhold_fills=True, withhold_acks=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await asyncio.sleep(0.02)
        here.server.faults = Faults()
        here.server.sessions[0].error(known.order_id, code, "cannot be cancelled")
        await here.saw(order, E.FILLED)
        await settled(broker)
        assert here.filled(order) == 10


def refusing(code: int, before_id: int) -> Callable[[Session, Fields], None]:
    """A gateway's handler that answers a request with a code; `before_id` fields stand before its id."""

    def serve(session: Session, fields: Fields) -> None:
        fields.skip(before_id)
        session.error(fields.integer(), code, f"words of {code}")

    return serve


def silent(_session: Session, _fields: Fields) -> None:
    """Heard and never answered."""


@pytest.mark.parametrize(("code", "rule"), NO_QUOTE.items())
async def test_a_quote_that_is_refused_is_a_skip_that_names_why(
    code: int, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_MKT_DATA, refusing(code, 1))
    async with stage() as here:
        broker = await here.connected()
        answer = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(answer, Skip)
        assert (answer.rule, f"words of {code}" in answer.reason) == (rule, True)


async def test_2103_names_the_data_farm_when_quotes_do_not_come_and_2104_takes_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Silence with a known reason is a skip; silence without one is a broker that does not answer."""
    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_MKT_DATA, silent)
    async with stage() as here:
        broker = await here.connected(request_timeout=0.3)
        here.server.sessions[0].error(-1, 2103, "Market data farm connection is broken:usfarm")
        await broker.open_orders()
        answer = (await broker.quotes([AAPL]))[AAPL]
        assert isinstance(answer, Skip)
        assert answer.rule == "data_farm"
        assert "2103 Market data farm connection is broken:usfarm" in answer.reason
        assert broker.connected, "orders do not need quotes"
        here.server.sessions[0].error(-1, 2104, "Market data farm connection is OK:usfarm")
        await broker.open_orders()
        with pytest.raises(BrokerUnavailable, match="none of 1 was answered"):
            await broker.quotes([AAPL])


@pytest.mark.parametrize("code", [2104, 2106, 2107, 2108, 2158])
async def test_farms_that_are_well_or_asleep_change_nothing(code: int) -> None:
    async with stage() as here:
        broker = await here.connected()
        here.server.sessions[0].error(-1, code, "connection is OK:usfarm")
        assert not isinstance((await broker.quotes([AAPL]))[AAPL], Skip)
        assert broker.connected


async def bars(here: Stage, **terms: object) -> Skip:
    """One question for bars, which is met by a skip."""
    settings = GatewaySettings(port=here.port, account=ACCOUNT, client_id=111, **terms)  # type: ignore[arg-type]
    feed = IbkrFeed(settings, here.clock, HistoryRules(most=100, burst=100, repeat=0.0))
    answer = (await asyncio.to_thread(feed.daily, [AAPL], date(2025, 9, 1), date(2025, 9, 25)))[AAPL]
    assert isinstance(answer, Skip)
    return answer


@pytest.mark.parametrize(
    ("code", "rule"), [(162, "no_data"), (200, "unknown_contract"), (321, "not_valid"), (10197, "competing_session")]
)
async def test_bars_that_are_refused_are_a_skip_that_names_why(
    code: int, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """162 is a breach of the pacing too, which `test_ibkr_feed` plays."""
    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_HISTORICAL_DATA, refusing(code, 0))
    async with stage() as here:
        assert (await bars(here)).rule == rule


async def test_2105_names_the_data_farm_when_bars_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(session: Session, _fields: Fields) -> None:
        session.error(-1, 2105, "HMDS data farm connection is broken:ushmds")

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_HISTORICAL_DATA, broken)
    async with stage() as here:
        answer = await bars(here, request_timeout=0.5)
        assert answer.rule == "data_farm"
        assert "2105 HMDS data farm connection is broken:ushmds" in answer.reason


async def test_1100_that_stays_is_not_connected_and_nobody_logs_in_anew() -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=0.3)
        session = here.server.sessions[0]
        here.server.broadcast(Code.LINK_LOST)
        await until(lambda: not broker.connected)
        with pytest.raises(BrokerUnavailable, match=r"lost its own link to the broker \(1100\)"):
            await broker.connect()
        with pytest.raises(BrokerUnavailable):
            await broker.submit(limit())
        assert here.server.sessions == (session,)


@pytest.mark.parametrize("code", [Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT])
async def test_1101_and_1102_end_the_wait_with_what_happened_meanwhile_booked(code: Code) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await resting(here, order)
        here.server.broadcast(Code.LINK_LOST)
        await until(lambda: not broker.connected)
        here.server.faults = Faults(withhold_fills=True, withhold_acks=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await asyncio.sleep(0.02)
        here.server.faults = Faults()
        waiting = asyncio.ensure_future(broker.connect())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        here.server.broadcast(code)
        await waiting
        assert broker.connected
        assert here.filled(order) == 10, "booked before anybody may send"


@pytest.mark.parametrize("code", [Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT])
async def test_a_link_that_is_back_was_lost_though_nobody_said_so(code: Code) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await resting(here, order)
        here.server.faults = Faults(withhold_fills=True, withhold_acks=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await asyncio.sleep(0.02)
        here.server.faults = Faults()
        assert here.filled(order) == 0
        here.server.broadcast(code)
        await until(lambda: not broker.connected or here.filled(order) == 10)
        await until(lambda: broker.connected)
        assert here.filled(order) == 10, "booked before anybody may send"


async def test_a_gateway_that_is_silent_after_its_link_is_back_is_left_for_a_new_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=0.2)
        old = here.server.sessions[0]
        here.server.broadcast(Code.LINK_LOST)
        await until(lambda: not broker.connected)
        answer = dispatch.HANDLERS[Incoming.REQ_EXECUTIONS]

        def silent_to_the_old(session: Session, fields: Fields) -> None:
            if session is not old:
                answer(session, fields)

        monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_EXECUTIONS, silent_to_the_old)
        here.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)
        await asyncio.sleep(0.3)
        assert not broker.connected, "nobody has said what happened meanwhile"
        await broker.connect()
        assert broker.connected
        assert old not in here.server.sessions


async def test_a_link_lost_again_while_it_is_asked_what_happened_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As over the nightly reset, where 1100 comes many times."""
    async with stage() as here:
        broker = await here.connected()
        asked, answer = 0, dispatch.HANDLERS[Incoming.REQ_EXECUTIONS]

        def flapping(session: Session, fields: Fields) -> None:
            nonlocal asked
            asked += 1
            if asked == 1:
                here.server.broadcast(Code.LINK_LOST)
                here.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)
            answer(session, fields)

        monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_EXECUTIONS, flapping)
        here.server.broadcast(Code.LINK_LOST)
        here.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)
        await until(lambda: asked == 2 and broker.connected)


async def test_a_link_that_ends_with_its_socket_is_followed_by_a_new_login() -> None:
    async with stage() as here:
        broker = await here.connected()
        here.server.broadcast(Code.LINK_LOST)
        await until(lambda: not broker.connected)
        waiting = asyncio.ensure_future(broker.connect())
        await asyncio.sleep(0.02)
        here.server.disconnect_all()
        await waiting
        assert broker.connected


async def test_2110_said_at_the_login_is_not_connected() -> None:
    """A gateway that is up and has no line to the broker answers from memory: no order may go there."""
    async with stage() as here:
        broker, ask = here.broker(request_timeout=0.5), here.exchange.next_order_id

        def with_bad_news(client_id: int) -> int:
            session = here.server._sessions[client_id]
            asyncio.get_running_loop().call_soon(session.error, -1, 2110, "Connectivity is broken.")
            return ask(client_id)

        here.exchange.next_order_id = with_bad_news  # type: ignore[method-assign]
        with pytest.raises(BrokerUnavailable, match="its own link to the broker is lost"):
            await broker.connect()
        assert not broker.connected


async def test_326_is_no_reason_to_give_up_since_the_gateway_lets_go_of_the_dead() -> None:
    async with stage() as here:
        dead = await here.connected()
        heir = here.broker()
        with pytest.raises(BrokerUnavailable, match=r"client id 101 is in use .* that died"):
            await heir.connect()
        await dead.disconnect()
        await until(lambda: not here.server.sessions)
        await heir.connect()
        assert heir.connected


async def test_a_read_only_gateway_is_for_a_person_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """321 about the open orders: trying again would never help."""

    def read_only(session: Session, _fields: Fields) -> None:
        session.error(-1, 321, "Error validating request: The API interface is currently in Read-Only mode.")

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_ALL_OPEN_ORDERS, read_only)
    async with stage() as here:
        broker = here.broker()
        with pytest.raises(ConfigError, match="untick 'Read-Only API'"):
            await broker.connect()
        assert not broker.connected


async def test_322_about_the_open_orders_is_silence_and_not_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(session: Session, _fields: Fields) -> None:
        session.error(-1, 322, "Error processing request")

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_ALL_OPEN_ORDERS, busy)
    async with stage() as here:
        with pytest.raises(BrokerUnavailable, match="322"):
            await here.broker().connect()


async def test_ten_that_wait_for_a_connection_log_in_once() -> None:
    async with stage() as here:
        broker = here.broker()
        logins = 0
        start = here.server._start_api

        def counted(session: Session, values: list[str]) -> None:
            nonlocal logins
            logins += 1
            start(session, values)

        here.server._start_api = counted  # type: ignore[method-assign]
        await asyncio.gather(*(broker.connect() for _ in range(10)))
        assert logins == 1


async def test_ids_that_roll_back_with_a_restart_change_and_double_nothing() -> None:
    """Ids of lost and of ended orders are handed out again; the open order's id is not."""
    async with stage() as here:
        broker, open_order, ended, lost, fresh = await here.connected(), *(limit(attempt=n) for n in (1, 2, 3, 4))
        first = await resting(here, open_order)
        known = await resting(here, ended)
        await broker.cancel(ended.intent_id)
        await here.saw(ended, E.CANCELLED)
        here.exchange.place = lambda *_: None  # type: ignore[method-assign]
        await broker.submit(lost)
        await broker.open_orders()
        del here.exchange.place
        here.server.disconnect_all()
        here.exchange.supervision.forget_order_ids()
        here.exchange.next_order_id = lambda _client: 1  # type: ignore[method-assign]
        await until(lambda: not broker.connected)
        heir = here.broker()
        await heir.connect()
        before = len(here.told(open_order)), len(here.told(ended))
        placed = await resting(here, fresh)
        assert placed.perm_id not in {first.perm_id, known.perm_id}
        assert placed.order_id != first.order_id
        assert here.exchange.open_orders()[0].request == first.request
        assert [o.request.order_ref for o in here.exchange.open_orders()] == [open_order.intent_id, fresh.intent_id]
        with pytest.raises(BrokerError, match="no order with this reference"):
            await heir.cancel(lost.intent_id)
        await heir.cancel(fresh.intent_id)
        await here.saw(fresh, E.CANCELLED)
        assert (len(here.told(open_order)), len(here.told(ended))) == before
        assert [o.request.order_ref for o in here.exchange.open_orders()] == [open_order.intent_id]


async def test_a_process_never_uses_an_id_twice_whatever_the_gateway_counts() -> None:
    """Right after its restart the gateway may not list an order yet whose id it hands out again."""
    async with stage() as here:
        broker, hidden, fresh = await here.connected(), limit(attempt=1), limit(attempt=2)
        known = await resting(here, hidden)
        here.server.disconnect_all()
        await until(lambda: not broker.connected)
        here.exchange.next_order_id = lambda _client: known.order_id  # type: ignore[method-assign]
        listed = here.exchange.open_orders
        here.exchange.open_orders = list  # type: ignore[method-assign, assignment]
        await broker.connect()
        here.exchange.open_orders = listed  # type: ignore[method-assign]
        await resting(here, fresh)
        assert [o.request.order_ref for o in here.exchange.open_orders()] == [hidden.intent_id, fresh.intent_id]


def test_every_code_of_the_list_has_its_place() -> None:
    """What is answered about orders, links and farms is in the tables that the adapter works by."""
    assert {*REFUSED_NEW, *HARMLESS} - {2109, 77777} <= set(ORDER_CODES)
    assert set(FARM_CODES) >= {2103, 2104, 2105, 2106, 2108, 2158}
