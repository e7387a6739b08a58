"""What the gateway and the libraries are known to do to orders, played over the wire against the adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from broker_worlds import AAPL, ACCOUNT, NOON, Stage, limit, stage, until

from robotrading.adapters.ibkr import desk
from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.domain.errors import BrokerUnavailable, LedgerError, OrderRejected
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Side, TicketStatus
from robotrading.domain.skip import Skip
from robotrading.sim.exchange_types import AccountSeed, ExchangeOrder, ExchangeSettings, OrderStatus
from robotrading.sim.gateway import order_answers
from robotrading.sim.gateway.settings import DataAccess, Faults, GatewayServerSettings

pytestmark = pytest.mark.wire
D = Decimal
HELD = AccountSeed(ACCOUNT, {"USD": D(100_000)}, holdings=((AAPL, D(10), D(90)),))

BY_HAND = GatewayServerSettings(step_interval=1000.0)
"""Nothing is matched but when a test says so."""


async def resting(here: Stage, order: Intent) -> ExchangeOrder:
    """A submitted order that works, as the exchange has it."""
    broker = here.brokers[0]
    await broker.submit(order)
    await here.saw(order, EventKind.ACKNOWLEDGED)
    return here.exchange.open_orders()[0]


def say_status(here: Stage, order: ExchangeOrder, status: str) -> None:
    """The gateway says something about an order that the exchange knows nothing of."""
    here.server.sessions[0].send(order_answers.order_status(order, status))


async def answered(broker: IbkrBroker) -> None:
    """Everything that was sent before has been heard, and doubts about it are settled."""
    await broker.open_orders()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("with_status", [True, False])
async def test_a_rejection_arrives_as_inactive_or_as_its_error_alone(with_status: bool) -> None:
    async with stage(GatewayServerSettings(reject_status=with_status)) as here:
        broker, order = await here.connected(), limit(D(100), quantity=D(5000))
        await broker.submit(order)
        event = await here.saw(order, EventKind.REJECTED)
        assert event.code == 201
        assert event.reason
        await answered(broker)
        assert here.told(order).count(EventKind.REJECTED) == 1


async def test_inactive_without_any_code_is_asked_before_it_is_told() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        say_status(here, known, "Inactive")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]


async def test_10349_does_not_end_a_living_order() -> None:
    """Both libraries show it as cancelled; whoever believes that buys twice."""
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.sessions[0].error(known.order_id, 10349, "Order TIF was set to DAY based on order preset.")
        say_status(here, known, "Cancelled")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await here.saw(order, EventKind.FILLED)


async def test_a_refused_change_does_not_end_a_working_order() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.sessions[0].error(known.order_id, 201, "Order rejected - reason: cannot modify")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]


@pytest.mark.parametrize("code", [399, 404, 2109])
async def test_warnings_end_nothing(code: int) -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.sessions[0].error(known.order_id, code, "Warning: your order will not be placed until the open")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]


async def test_a_cancel_refused_because_it_is_filled_is_settled_by_asking() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.faults = Faults(withhold_fills=True, withhold_acks=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        here.server.faults = Faults()
        here.server.sessions[0].error(known.order_id, 10148, "OrderId that needs to be cancelled can not be cancelled")
        await here.saw(order, EventKind.FILLED)
        assert here.filled(order) == 10
        await broker.account()


async def test_a_doubt_that_nobody_answers_is_unknown() -> None:
    async with stage() as here:
        await here.connected(request_timeout=0.2)
        order = limit()
        known = await resting(here, order)
        here.server.sessions[0].error(known.order_id, 10147, "not found")
        here.server.sessions[0].flush()
        here.server.faults = Faults(frozen=True)
        assert "no answer" in (await here.saw(order, EventKind.UNKNOWN)).reason


async def test_a_question_that_the_gateway_swallows_costs_one_connection_and_not_every_later_answer() -> None:
    async with stage() as here:
        broker, order = await here.connected(request_timeout=0.2), limit()
        await resting(here, order)
        client = broker._connection._client
        ask, client.reqAllOpenOrders = client.reqAllOpenOrders, lambda: None
        with pytest.raises(BrokerUnavailable, match="no answer"):
            await broker.open_orders()
        client.reqAllOpenOrders = ask
        assert broker.connected, "its answer may still come"
        with pytest.raises(BrokerUnavailable, match="owed to an earlier question"):
            await broker.open_orders()
        await until(lambda: not broker.connected)
        await broker.connect()
        assert [one.intent_id for one in await broker.open_orders()] == [order.intent_id]


async def test_filled_before_its_executions_is_told_with_all_of_them_after() -> None:
    async with stage(GatewayServerSettings(status_before_executions=True)) as here:
        broker, order = await here.connected(), limit(D(101))
        await broker.submit(order)
        await here.saw(order, EventKind.FILL)
        kinds = here.told(order)
        assert kinds.index(EventKind.FILLED) < kinds.index(EventKind.FILL)
        assert here.filled(order) == 10


async def test_executions_that_never_come_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """'Filled' says how much; what is missing after a while is asked."""
    monkeypatch.setattr(desk, "EXECUTION_GRACE", 0.05)
    async with stage() as here:
        await here.connected()
        order = limit()
        known = await resting(here, order)
        here.server.faults = Faults(withhold_fills=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await asyncio.sleep(0.02)
        here.server.faults = Faults()
        done = here.exchange.order(known.perm_id)
        assert done is not None
        say_status(here, done, "Filled")
        await here.saw(order, EventKind.FILL)
        assert here.filled(order) == 10


async def test_a_part_whose_execution_was_not_heard_is_told_before_the_cancel() -> None:
    """An end without it would be the last word of the run, and the next one may be too late to hear of it."""
    async with stage(BY_HAND, ExchangeSettings(liquidity=D(4))) as here:
        broker, order = await here.connected(), limit(quantity=D(100))
        known = await resting(here, order)
        here.server.faults = Faults(withhold_fills=True)
        here.market.set_price(AAPL, D(89))
        here.exchange.step()
        await asyncio.sleep(0.02)
        here.server.faults = Faults()
        assert here.filled(order) == 0
        await broker.cancel(order.intent_id)
        await here.saw(order, EventKind.CANCELLED)
        kinds = here.told(order)
        assert kinds.index(EventKind.FILL) < kinds.index(EventKind.CANCELLED)
        ended = here.exchange.order(known.perm_id)
        assert ended is not None
        assert 0 < here.filled(order) == ended.filled < 100


async def test_disconnecting_does_not_wait_for_missing_executions() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        filled = replace(known, filled=D(10), status=OrderStatus.FILLED)
        say_status(here, filled, "Filled")
        await here.saw(order, EventKind.FILLED)
        assert broker._desk._waiting
        await broker.disconnect()
        assert not broker._desk._waiting


async def test_a_part_filled_and_the_rest_cancelled_add_up() -> None:
    async with stage(exchange_settings=ExchangeSettings(liquidity=D(4))) as here:
        broker, order = await here.connected(), limit(D(101))
        await broker.submit(order)
        await until(lambda: here.filled(order) >= 4)
        await broker.cancel(order.intent_id)
        await until(lambda: {EventKind.CANCELLED, EventKind.FILLED} & set(here.told(order)))
        done = [o for o in await broker.completed_orders() if o.intent_id == order.intent_id]
        assert [o.filled for o in done] == [here.filled(order)]
        assert (await broker.account()).holding(AAPL) == here.filled(order)


async def test_a_new_client_object_learns_executions_once_with_corrections_replaced() -> None:
    async with stage() as here:
        first, order = await here.connected(), limit(D(101))
        await first.submit(order)
        await here.saw(order, EventKind.FILLED)
        here.exchange.correct(here.exchange.executions()[0].exec_id, D("99.5"))
        await first.disconnect()
        second = await here.connected()
        fills = await second.executions()
        assert [(f.intent_id, f.quantity, f.price, f.revision) for f in fills] == [
            (order.intent_id, D(10), D("99.5"), 2)
        ]
        assert fills == await second.executions()
        assert [(o.intent_id, o.quantity, o.filled, o.status) for o in await second.completed_orders()] == [
            (order.intent_id, D(10), D(10), TicketStatus.FILLED)
        ]
        assert here.told(order).count(EventKind.FILL) == 3, "execution, commission, correction; nothing told twice"


@pytest.mark.parametrize("zone", ["US/Eastern", "Asia/Tokyo", "UTC"])
async def test_execution_times_are_utc_whatever_the_gateway_shows(zone: str) -> None:
    async with stage(GatewayServerSettings(time_zone=zone)) as here:
        broker, order = await here.connected(), limit(D(101))
        await broker.submit(order)
        await here.saw(order, EventKind.FILLED)
        assert [fill.at for fill in await broker.executions()] == [NOON]


async def test_the_same_status_ten_times_is_told_once() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        for _ in range(10):
            say_status(here, known, "Submitted")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]


async def test_a_cancel_is_told_only_when_it_is_confirmed() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        say_status(here, known, "PendingCancel")
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]
        await broker.cancel(order.intent_id)
        await here.saw(order, EventKind.CANCELLED)
        await broker.cancel(order.intent_id)
        await answered(broker)
        assert here.told(order).count(EventKind.CANCELLED) == 1


async def test_a_cancel_after_reconnecting_finds_what_has_ended() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await resting(here, order)
        here.server.disconnect_all()
        await until(lambda: not broker.connected)
        here.exchange.cancel_all()
        await broker.connect()
        await broker.cancel(order.intent_id)
        assert (await here.saw(order, EventKind.CANCELLED)).broker_id


async def test_two_orders_for_one_intent_never_reach_the_exchange() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await asyncio.gather(broker.submit(order), broker.submit(order), broker.submit(order))
        await here.saw(order, EventKind.ACKNOWLEDGED)
        await answered(broker)
        assert len(here.exchange.open_orders()) == 1


async def test_fractions_of_shares_do_not_leave() -> None:
    async with stage() as here:
        broker = await here.connected()
        with pytest.raises(OrderRejected, match="whole number"):
            await broker.submit(limit(quantity=D("0.5")))
        refined = (await broker.refine([AAPL]))[AAPL]
        assert isinstance(refined, Instrument)
        assert refined.lot == 1


async def test_what_cannot_be_booked_stops_the_next_order() -> None:
    """The library would swallow what a listener raises."""

    def no_journal(_: OrderEvent) -> None:
        raise LedgerError("disk full")

    async with stage() as here:
        broker, order = await here.connected(), limit()
        broker.subscribe(no_journal)
        await broker.submit(order)
        await here.saw(order, EventKind.ACKNOWLEDGED)
        with pytest.raises(BrokerUnavailable, match="could not be booked") as caught:
            await broker.submit(limit(attempt=2))
        assert isinstance(caught.value.__cause__, LedgerError)
        assert len(here.exchange.open_orders()) == 1


async def test_a_fund_held_is_what_the_session_calls_it() -> None:
    async with stage(seeds=[HELD]) as here:
        broker = await here.connected()
        fund = Instrument(AAPL.symbol, AssetClass.BONDS)
        await broker.refine([fund])
        assert (await broker.account()).holding(fund) == 10


async def test_a_sale_is_told_as_a_sale() -> None:
    async with stage(seeds=[HELD]) as here:
        broker, order = await here.connected(), limit(D(99), side=Side.SELL)
        await broker.submit(order)
        event = await here.saw(order, EventKind.FILL)
        assert event.fill is not None
        assert event.fill.side is Side.SELL


@pytest.mark.parametrize(("access", "kind"), [(DataAccess.DELAYED, 3), (DataAccess.LIVE, 1)])
async def test_delayed_quotes_are_taken_and_said_so(access: DataAccess, kind: int) -> None:
    async with stage(GatewayServerSettings(data_access=access)) as here:
        broker = await here.connected(market_data_type=kind)
        quote = (await broker.quotes([AAPL]))[AAPL]
        assert not isinstance(quote, Skip)
        assert quote.delayed is (access is DataAccess.DELAYED)
        assert quote.price


async def test_no_subscription_and_unknown_symbols_are_skips_with_their_reason() -> None:
    async with stage(GatewayServerSettings(data_access=DataAccess.NONE)) as here:
        broker, unknown = await here.connected(), Instrument("NOSUCH", AssetClass.EQUITIES)
        answer = await broker.quotes([AAPL, unknown])
        rules = [answer[one].rule for one in (AAPL, unknown) if isinstance(answer[one], Skip)]  # type: ignore[union-attr]
        assert rules == ["not_subscribed", "unknown_contract"]


async def test_quotes_and_details_of_many_come_in_batches() -> None:
    async with stage() as here:
        broker = await here.connected(market_data_lines=3)
        many = [AAPL, *(Instrument(f"NO{number}", AssetClass.EQUITIES) for number in range(8))]
        assert list(await broker.quotes(many)) == many
        assert sum(isinstance(item, Skip) for item in (await broker.refine(many)).values()) == 8


async def test_a_status_nobody_knows_decides_nothing() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        known = await resting(here, order)
        here.server.sessions[0].send(order_answers.order_status(known, "Wondering"))
        await answered(broker)
        assert here.told(order) == [EventKind.ACKNOWLEDGED]
