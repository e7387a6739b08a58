"""A small market behind a gateway, and the client library that is installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np

try:
    import ib_insync as ibapi
except ImportError:  # the other environment of the two
    import ib_async as ibapi  # type: ignore[no-redef]

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.market import FeedMarket

INSYNC = ibapi.__name__ == "ib_insync"
NOW = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
AAPL = Instrument("AAPL", AssetClass.EQUITIES, name="Apple Inc.")
BRK = Instrument("BRK-B", AssetClass.EQUITIES, exchange="NYSE", name="Berkshire Hathaway")
TLT = Instrument("TLT", AssetClass.BONDS, exchange="NASDAQ", name="20+ Year Treasury")
BTC = Instrument(
    "BTC-USD", AssetClass.CRYPTO, exchange="PAXOS", tick=Decimal("0.25"), lot=Decimal("0.0001"),
    min_quantity=Decimal("0.0002"), name="Bitcoin",
)  # fmt: skip
VOID = Instrument("VOID", AssetClass.EQUITIES, name="No price is known")
PRICES = {AAPL: 250.0, BRK: 495.0, TLT: 89.0, BTC: 109_000.0}
ACCOUNT = "DU1234567"


class SteadyFeed:
    """Ten flat weekdays up to the day asked; `adj_close` is half of `close`."""

    name = "steady"
    broken = False

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        del first
        if self.broken:
            raise FeedUnavailable("steady: the feed is out of order")
        days = np.busday_offset(np.datetime64(last, "D"), np.arange(-29, 1), roll="backward")
        return {
            one: Bars.from_closes(
                one, days, np.full(30, PRICES[one]), adj_close=np.full(30, PRICES[one] / 2), as_of=NOW, source="steady"
            )
            for one in instruments
            if one in PRICES
        }


def make_exchange(clock: VirtualClock | None = None, feed: SteadyFeed | None = None, **settings: object) -> Exchange:
    """An exchange with 100,000 USD, 5,000 EUR and 10 BRK-B that nobody bought here."""
    clock = clock or VirtualClock(NOW)
    seed = AccountSeed(
        ACCOUNT,
        cash={"USD": Decimal(100_000), "EUR": Decimal(5_000)},
        holdings=((BRK, Decimal(10), Decimal(400)),),
        exchange_rates={"EUR": Decimal("1.1")},
    )
    market = FeedMarket(feed or SteadyFeed(), clock, (*PRICES, VOID))
    return Exchange(market, clock, (seed,), ExchangeSettings(**settings))


class World:
    """A running gateway and the clients made for it."""

    def __init__(self, server: GatewayServer, port: int, clock: VirtualClock) -> None:
        self.server = server
        self.exchange = server.exchange
        self.port = port
        self.clock = clock
        self.clients: list[ibapi.IB] = []

    async def client(self, client_id: int = 1, patience: float = 5.0) -> ibapi.IB:
        """A connected client, disconnected with the world."""
        ib = ibapi.IB()
        self.clients.append(ib)
        await ib.connectAsync("127.0.0.1", self.port, clientId=client_id, timeout=patience)
        return ib


@asynccontextmanager
async def world(
    exchange: Exchange | None = None,
    settings: GatewayServerSettings | None = None,
    state: StateFile | None = None,
    clock: VirtualClock | None = None,
) -> AsyncIterator[World]:
    """A gateway on a free port of the loopback for the length of the block."""
    clock = clock or VirtualClock(NOW)
    server = GatewayServer(exchange or make_exchange(clock), clock, settings, state=state)
    port = await server.start()
    here = World(server, port, clock)
    try:
        yield here
    finally:
        for ib in here.clients:
            ib.disconnect()
        await server.stop()


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds; AssertionError when it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not holds():
        assert loop.time() < end, "what was waited for did not happen"
        await asyncio.sleep(0.005)


def errors_of(ib: ibapi.IB) -> list[tuple[int, int]]:
    """A list that fills with the errors to come: request id and code."""
    seen: list[tuple[int, int]] = []

    def heard(req_id: int, code: int, *_: object) -> None:
        seen.append((req_id, code))

    ib.errorEvent += heard
    return seen
