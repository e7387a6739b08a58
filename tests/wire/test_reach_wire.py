"""The way to the broker over the real wire: gateways that are away, restart, hold a dead client's id or freeze."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from broker_worlds import AAPL, Stage, limit, stage, until

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.orders import EventKind
from robotrading.session.reach import Reach, ReachSettings
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.settings import Faults

pytestmark = pytest.mark.wire
QUICK = ReachSettings(patience=5.0, first_wait=0.02, longest_wait=0.1)


def way(here: Stage, broker: IbkrBroker, settings: ReachSettings = QUICK) -> Reach:
    return Reach(broker, here.clock, settings, seed="wire")


async def test_a_gateway_that_refuses_for_a_while_is_reached_when_it_does_not() -> None:
    async with stage() as here:
        here.server.faults = Faults(refuse_connections=True)
        broker = here.broker()
        waiting = asyncio.ensure_future(way(here, broker).connect())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        here.server.faults = Faults()
        await waiting
        assert broker.connected


async def test_a_client_id_of_a_dead_process_is_waited_for() -> None:
    async with stage() as here:
        dead = await here.connected()
        heir = here.broker()
        reach = way(here, heir)
        waiting = asyncio.ensure_future(reach.connect())
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await dead.disconnect()
        await waiting
        assert heir.connected
        assert "client id 101 is in use" in reach.notes[0]


async def test_a_client_id_that_stays_taken_is_named_in_the_end() -> None:
    async with stage() as here:
        await here.connected()
        reach = way(here, here.broker(), ReachSettings(0.5, 0.02, 0.1))
        with pytest.raises(BrokerUnavailable, match=r"attempts in \d s.*client id 101 is in use"):
            await reach.connect()


async def test_a_wrong_account_ends_it_at_once() -> None:
    async with stage() as here:
        with pytest.raises(ConfigError, match="DU9"):
            await way(here, here.broker(account="DU9")).connect()


async def test_a_frozen_gateway_is_left_and_asked_again_over_a_new_connection() -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=0.3, connect_timeout=0.3)
        reach = way(here, broker)
        here.server.faults = Faults(frozen=True)
        asked = asyncio.ensure_future(reach.answer(broker.account))
        await asyncio.sleep(0.5)
        here.server.faults = Faults()
        assert (await asked).account_id == "DU1234567"


async def test_a_link_that_stays_lost_is_not_connected_until_it_is_back() -> None:
    async with stage() as here:
        broker = await here.connected(request_timeout=0.1)
        reach = way(here, broker)
        here.server.broadcast(Code.LINK_LOST)
        await until(lambda: not broker.connected)
        waiting = asyncio.ensure_future(reach.connect())
        await asyncio.sleep(0.4)
        assert not waiting.done()
        here.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)
        await waiting
        assert broker.connected


async def test_what_filled_during_a_drop_is_told_before_the_connection_counts_again() -> None:
    async with stage() as here:
        broker, order = await here.connected(), limit()
        await broker.submit(order)
        await here.saw(order, EventKind.ACKNOWLEDGED)
        here.server.disconnect_all()
        here.market.set_price(AAPL, Decimal(89))
        here.exchange.step()
        await until(lambda: not broker.connected)
        await way(here, broker).connect()
        assert here.filled(order) == 10
        assert here.told(order).count(EventKind.FILL) <= 2, "the execution, and its commission"
