"""The embedded gateway: a pretend exchange on this machine's loopback, speaking the broker's own protocol."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from robotrading.config.demo import DEMO_HOLDINGS
from robotrading.config.model import Config
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway.drill import Drill
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.market import FeedMarket
from robotrading.wiring.books import Book
from robotrading.wiring.feeds import feed_for, universe_for
from robotrading.wiring.routing import Routed

EMBEDDED_ACCOUNT = "DU1000001"
_CASH = Decimal(1_000_000)
_HISTORY_DAYS = 40
"""Enough for a quote and the close before it; the sessions take their history from the sources themselves."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def embedded_gateway(  # noqa: PLR0913  a world's parts, and two that have their defaults
    config: Config,
    book: Book,
    kinds: Sequence[AssetClass],
    clock: Clock,
    calendar: Calendar,
    *,
    account: AccountSeed | None = None,
    drill: Callable[[Exchange], Drill] = lambda _: Drill(),
    port: int = 0,
) -> AsyncIterator[int]:
    """Serve the sessions' instruments while the block runs; yields the port. The account's state stays in the book.

    `account` is how the account is opened where there is no state yet; `drill` is made for the exchange.
    """
    feed = Routed({kind: feed_for(config, kind, calendar) for kind in AssetClass})
    instruments = _instruments(config, book, kinds)
    market = FeedMarket(feed, clock, instruments, calendar=calendar, history_days=_HISTORY_DAYS)
    exchange = Exchange(market, clock, [account or _account(config, book)], calendar=calendar)
    settings = GatewayServerSettings(market_name=book.mode)
    with StateFile(book.gateway_state) as state:
        server = GatewayServer(exchange, clock, settings, calendar=calendar, state=state, drill=drill(exchange))
        bound = await server.start("127.0.0.1", port)
        try:
            yield bound
        finally:
            await server.stop()


def _instruments(config: Config, book: Book, kinds: Sequence[AssetClass]) -> list[Instrument]:
    """Everything the sessions may want, and everything the bot owns, in a universe or not any more."""
    wanted = [instrument for kind in kinds for instrument in _wanted(config, kind)]
    with book.ledger() as ledger:
        owned = [position.instrument for position in ledger.positions()]
    return list(dict.fromkeys([*wanted, *owned]))


def _wanted(config: Config, kind: AssetClass) -> Sequence[Instrument]:
    """A universe that cannot be had is that session's to report; the others' market opens all the same."""
    try:
        return universe_for(config, kind).instruments
    except FeedUnavailable as error:
        log.warning("the embedded gateway serves no %s: %s", kind, error)
        return ()


def _account(config: Config, book: Book) -> AccountSeed:
    """A million in cash; the demo's account also holds something that is not the bot's, to show that it stays."""
    holdings = DEMO_HOLDINGS if book.mode == "demo" else ()
    currency = config.capital.currency
    return AccountSeed(EMBEDDED_ACCOUNT, {currency: _CASH}, holdings, base_currency=currency)
