"""The embedded gateway: a pretend exchange on this machine's loopback, speaking the broker's own protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from robotrading.config.model import Config
from robotrading.domain.instrument import Instrument
from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.market import FeedMarket
from robotrading.wiring.books import Book
from robotrading.wiring.feeds import feed_for, universe_for
from robotrading.wiring.routing import Routed

EMBEDDED_ACCOUNT = "DU1000001"
_CASH = Decimal(1_000_000)


@asynccontextmanager
async def embedded_gateway(
    config: Config, book: Book, clock: Clock, calendar: Calendar, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    """Serve the configured instruments while the block runs; yields the port. The account's state stays in the book."""
    feed = Routed({kind: feed_for(config, kind, calendar) for kind in config.enabled})
    market = FeedMarket(feed, clock, _instruments(config, book), calendar=calendar)
    exchange = Exchange(market, clock, [_account(config)], calendar=calendar)
    settings = GatewayServerSettings(market_name=book.mode)
    with StateFile(book.gateway_state) as state:
        server = GatewayServer(exchange, clock, settings, calendar=calendar, state=state)
        bound = await server.start(host, port)
        try:
            yield bound
        finally:
            await server.stop()


def _instruments(config: Config, book: Book) -> Sequence[Instrument]:
    """Everything a session may want, and everything the bot owns, in the universe or not any more."""
    wanted = [instrument for kind in config.enabled for instrument in universe_for(config, kind).instruments]
    with book.ledger() as ledger:
        owned = [position.instrument for position in ledger.positions()]
    return list(dict.fromkeys([*wanted, *owned]))


def _account(config: Config) -> AccountSeed:
    return AccountSeed(EMBEDDED_ACCOUNT, {config.capital.currency: _CASH}, base_currency=config.capital.currency)
