"""The Broker contract on the broker that follows a plan, with a plan of nothing."""

from __future__ import annotations

from typing import Any

import pytest
from broker_contract import ACCOUNT, BrokerCase, BrokerContract, MakeCase, make_world

from robotrading.sim.faults.broker import FaultyBroker
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.plan import FaultPlan
from robotrading.sim.faults.script import Script


@pytest.fixture
def broker_case() -> MakeCase:
    async def make(**options: Any) -> BrokerCase:
        world = make_world(**options)
        mishaps = OrderFaults(world.exchange, Script(FaultPlan(), world.clock))
        broker = FaultyBroker(mishaps, world.clock, ACCOUNT)
        await broker.connect()

        async def drop() -> None:
            broker.lose_connection()

        return BrokerCase(broker, world, drop)

    return make


class TestFaultyBroker(BrokerContract):
    """With nothing planned it is a broker like any other."""
