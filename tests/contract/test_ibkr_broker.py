"""The Broker contract over the TWS socket protocol: the installed client library on a gateway of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from broker_contract import ACCOUNT, BrokerCase, BrokerContract, MakeCase, make_world

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings


@pytest.fixture
async def broker_case() -> AsyncIterator[MakeCase]:
    """Each case has a gateway and a connection of its own; both are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> BrokerCase:
            world = make_world(**options)
            server = GatewayServer(world.exchange, world.clock, GatewayServerSettings(account_delay=0.0))
            port = await server.start()
            stack.push_async_callback(server.stop)
            broker = IbkrBroker(GatewaySettings(port=port, account=ACCOUNT, request_timeout=5.0), world.clock)
            stack.push_async_callback(broker.disconnect)
            await broker.connect()

            async def drop() -> None:
                server.disconnect_all()

            return BrokerCase(broker, world, drop)

        yield make


@pytest.mark.wire
class TestIbkrBroker(BrokerContract):
    """The shared laws."""
