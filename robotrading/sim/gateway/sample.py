"""A gateway on the built-in sample market."""

from __future__ import annotations

from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.feed import SAMPLE_BONDS, SAMPLE_CRYPTO, SAMPLE_EQUITIES, SyntheticFeed
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.market import FeedMarket

SAMPLE_ACCOUNT = "DU1000001"


def sample_gateway(
    clock: Clock, calendar: Calendar, seed: int, state: StateFile | None = None, *, always_open: bool = False
) -> GatewayServer:
    """One paper account and every instrument of the sample market; `always_open` fills outside market hours too."""
    feed = SyntheticFeed(calendar, clock, seed)
    instruments = [*SAMPLE_EQUITIES, *SAMPLE_BONDS, *SAMPLE_CRYPTO]
    market = FeedMarket(feed, clock, instruments, calendar=calendar)
    exchange = Exchange(market, clock, [AccountSeed(SAMPLE_ACCOUNT)], calendar=None if always_open else calendar)
    settings = GatewayServerSettings(market_name=f"synthetic, seed {seed}")
    return GatewayServer(exchange, clock, settings, calendar=calendar, state=state)
