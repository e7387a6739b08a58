"""The Broker contract on the in-process broker, and what that broker adds: faults on demand."""

from __future__ import annotations

from typing import Any

import pytest
from broker_contract import (
    ACCOUNT,
    NOON,
    BrokerCase,
    BrokerContract,
    MakeCase,
    World,
    eventually,
    intent,
    limit,
    make_world,
)

from robotrading.domain.errors import BrokerUnavailable, OrderRejected
from robotrading.domain.orders import EventKind
from robotrading.sim.broker import SimBroker
from robotrading.sim.clock import VirtualClock, run_virtual


def sim_broker(world: World) -> SimBroker:
    return SimBroker(world.exchange, world.clock, ACCOUNT, client_id=101)


@pytest.fixture
def broker_case() -> MakeCase:
    async def make(**options: Any) -> BrokerCase:
        world = make_world(**options)
        broker = sim_broker(world)
        await broker.connect()

        async def drop() -> None:
            broker.lose_connection()

        return BrokerCase(broker, world, drop)

    return make


class TestSimBroker(BrokerContract):
    """The shared laws."""


async def test_withheld_events_arrive_in_their_order_on_release(broker_case: MakeCase) -> None:
    case = await broker_case()
    assert isinstance(case.broker, SimBroker)
    case.broker.faults.withhold = True
    order = intent()
    await case.broker.submit(order)
    await eventually(lambda: bool(case.exchange.executions()), "the fill at the exchange")
    assert not case.events
    case.broker.release()
    await case.saw(order, EventKind.FILLED)
    assert case.events[0].kind is EventKind.ACKNOWLEDGED


async def test_a_refusal_is_raised_and_nothing_was_sent(broker_case: MakeCase) -> None:
    case = await broker_case()
    assert isinstance(case.broker, SimBroker)
    case.broker.faults.refuse = "no trading permission"
    with pytest.raises(OrderRejected, match="no trading permission"):
        await case.broker.submit(intent())
    assert not case.exchange.open_orders()


async def test_a_connection_lost_after_submit_leaves_the_order_at_work(broker_case: MakeCase) -> None:
    case = await broker_case()
    assert isinstance(case.broker, SimBroker)
    case.broker.faults.lose_after_submit = True
    await case.broker.submit(limit(limit_price := intent().arrival_price - 5))
    await eventually(lambda: bool(case.exchange.open_orders()), "the order at the exchange")
    assert not case.broker.connected
    assert not case.events
    assert case.exchange.open_orders()[0].request.limit_price == limit_price


async def test_a_mute_account_is_unavailable_never_empty(broker_case: MakeCase) -> None:
    case = await broker_case()
    assert isinstance(case.broker, SimBroker)
    case.broker.faults.mute_account = True
    with pytest.raises(BrokerUnavailable, match="no answer"):
        await case.broker.account()


async def test_a_login_without_the_account_does_not_connect() -> None:
    world = make_world()
    broker = SimBroker(world.exchange, world.clock, "U0000001")
    with pytest.raises(BrokerUnavailable, match="U0000001"):
        await broker.connect()
    assert not broker.connected


async def test_after_disconnecting_nothing_is_told(broker_case: MakeCase) -> None:
    case = await broker_case()
    order = limit(intent().arrival_price - 5)
    await case.broker.submit(order)
    await case.saw(order, EventKind.ACKNOWLEDGED)
    await case.broker.disconnect()
    told = len(case.events)
    case.exchange.cancel_all()
    await eventually(lambda: not case.exchange.open_orders(), "the cancel at the exchange")
    assert len(case.events) == told


def test_delayed_events_take_virtual_time_only() -> None:
    """A minute's delay passes on the clock of the loop, not on ours."""
    clock = VirtualClock(NOON)

    async def play() -> float:
        world = make_world()
        broker = sim_broker(world)
        await broker.connect()

        async def drop() -> None:
            broker.lose_connection()

        case = BrokerCase(broker, world, drop)
        broker.faults.delay = 60.0
        order = intent()
        await broker.submit(order)
        await eventually(lambda: EventKind.FILLED in case.kinds(order), "the fill", seconds=120)
        return clock.monotonic()

    assert run_virtual(play(), clock) == pytest.approx(60.0, abs=0.1)
