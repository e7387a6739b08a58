"""A gateway with set prices, and the brokers connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.orders import EventKind, Intent, OrderEvent, OrderType, Side, intent_id_for
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.market import FeedMarket

NOON = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
ACCOUNT = "DU1234567"
PRICE = Decimal(100)


class NoFeed:
    """All prices are set."""

    name = "set"

    def daily(self, _asked: Sequence[Instrument], _first: date, _last: date) -> Mapping[Instrument, Bars | Skip]:
        return {}


def limit(price: Decimal = Decimal(90), attempt: int = 1, side: Side = Side.BUY, **terms: Any) -> Intent:
    """Ten AAPL that rest below the market unless the price says otherwise."""
    fields: dict[str, Any] = {
        "intent_id": intent_id_for(AAPL.asset_class, NOON.date(), AAPL, side, attempt),
        "session_id": "test",
        "kind": AAPL.asset_class,
        "trading_date": NOON.date(),
        "instrument": AAPL,
        "side": side,
        "quantity": Decimal(10),
        "order_type": OrderType.LIMIT,
        "arrival_price": PRICE,
        "reason": "test",
        "limit_price": price,
    }
    return Intent(**{**fields, **terms})


class Stage:
    """A running gateway, the brokers made for it, and all that they told."""

    def __init__(self, server: GatewayServer, port: int, clock: VirtualClock, market: FeedMarket) -> None:
        self.server = server
        self.exchange = server.exchange
        self.market = market
        self.port = port
        self.clock = clock
        self.brokers: list[IbkrBroker] = []
        self.events: list[OrderEvent] = []

    def broker(self, **terms: Any) -> IbkrBroker:
        settings = {"port": self.port, "account": ACCOUNT, "request_timeout": 5.0, "connect_timeout": 5.0, **terms}
        broker = IbkrBroker(GatewaySettings(**settings), self.clock)
        broker.subscribe(self.events.append)
        self.brokers.append(broker)
        return broker

    async def connected(self, **terms: Any) -> IbkrBroker:
        broker = self.broker(**terms)
        await broker.connect()
        return broker

    def told(self, intent: Intent) -> list[EventKind]:
        return [event.kind for event in self.events if event.intent_id == intent.intent_id]

    def filled(self, intent: Intent) -> Decimal:
        fills = {e.fill.fill_id: e.fill for e in self.events if e.intent_id == intent.intent_id and e.fill is not None}
        return sum((fill.quantity for fill in fills.values()), Decimal(0))

    async def saw(self, intent: Intent, kind: EventKind) -> OrderEvent:
        await until(lambda: kind in self.told(intent))
        return next(e for e in reversed(self.events) if e.intent_id == intent.intent_id and e.kind is kind)


@asynccontextmanager
async def stage(
    settings: GatewayServerSettings | None = None,
    exchange_settings: ExchangeSettings | None = None,
    seeds: Sequence[AccountSeed] = (),
) -> AsyncIterator[Stage]:
    """A gateway on a free port; everything is closed at the end."""
    clock = VirtualClock(NOON)
    market = FeedMarket(NoFeed(), clock, [AAPL])
    market.set_price(AAPL, PRICE)
    seeds = seeds or [AccountSeed(ACCOUNT, {"USD": Decimal(100_000)})]
    server = GatewayServer(Exchange(market, clock, list(seeds), exchange_settings), clock, settings)
    here = Stage(server, await server.start(), clock, market)
    try:
        yield here
    finally:
        for broker in here.brokers:
            await broker.disconnect()
        await server.stop()


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until it holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  anything may make it hold
            await asyncio.sleep(0.005)
