"""The way to the broker, question by question: an open port says nothing about being able to trade.

The client id is one that no session and no service uses, so that nothing that runs is disturbed; no order is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from robotrading.adapters.ibkr.accounts import account_of, positions_of, require_flat
from robotrading.adapters.ibkr.asker import MarketAsker
from robotrading.adapters.ibkr.connection import Connection
from robotrading.adapters.ibkr.requests import ReadOnlyGateway, Topic
from robotrading.adapters.ibkr.rules import RuleBook
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.config.model import Config
from robotrading.domain.book import Account
from robotrading.domain.errors import BrokerError, ConfigError
from robotrading.domain.instrument import Instrument
from robotrading.domain.ports import Calendar, Clock
from robotrading.domain.skip import Skip
from robotrading.wiring.books import Book
from robotrading.wiring.doctor.clock import compared
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning
from robotrading.wiring.gateway import EMBEDDED_ACCOUNT, embedded_gateway

PART = "gateway"
CLIENT_ID_OFFSET = 20
"""Above the base: the sessions have one to three, their prices ten more."""
CONNECT_SECONDS = 6.0
REQUEST_SECONDS = 12.0
"""A snapshot of prices outside of market hours takes the gateway eleven."""
_LOGGED_IN = "look at the gateway's own window: is it logged in, and 'Enable ActiveX and Socket Clients' ticked?"
_REMEDIES = (
    ("is in use at the gateway", "end the other robotrading doctor, or wait a minute and try again"),
    ("did not complete the handshake", _LOGGED_IN),
    ("closed the connection", "let this machine's address in: API settings, 'Trusted IPs'; then restart the gateway"),
    ("refused the connection", _LOGGED_IN),
)


def settings_for(config: Config) -> GatewaySettings:
    """Under an id of its own, and with short waits."""
    usual = config.gateway()
    return replace(
        usual,
        client_id=usual.client_id + CLIENT_ID_OFFSET,
        connect_timeout=min(usual.connect_timeout, CONNECT_SECONDS),
        request_timeout=min(usual.request_timeout, REQUEST_SECONDS),
    )


async def external(
    config: Config, settings: GatewaySettings, instruments: Sequence[Instrument], clock: Clock
) -> AsyncIterator[Finding]:
    """The configured gateway; in its quiet times nobody asks."""
    quiet = config.quiet.now(clock.now())
    if quiet is not None:
        yield left_out(PART, f"not asked now: {quiet}", "try again after that")
        return
    if not await _listens(settings):
        found = f"nothing listens at {settings.host}:{settings.port}"
        usual = "usual ports: IB Gateway 4002 paper, 4001 live; TWS 7497 paper, 7496 live"
        yield broken(PART, found, f"start the gateway and log in, or correct broker.host and broker.port ({usual})")
        return
    async for one in asked(settings, config.capital.currency, instruments, clock):
        yield one


async def _listens(settings: GatewaySettings) -> bool:
    try:
        async with asyncio.timeout(settings.connect_timeout):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def embedded(config: Config, book: Book, clock: Clock, calendar: Calendar) -> AsyncIterator[Finding]:
    """The one inside this program, on a state of its own; its prices are those of the sources, asked elsewhere."""
    cache = replace(config.feeds.cache, directory=str(book.root / "cache"))
    apart = replace(config, feeds=replace(config.feeds, cache=cache))
    async with embedded_gateway(apart, book, (), clock, calendar) as port:
        settings = replace(settings_for(config), host="127.0.0.1", port=port, account=EMBEDDED_ACCOUNT, paper=True)
        async for one in asked(settings, config.capital.currency, (), clock):
            if one.part != "clock":  # it has ours
                yield one


async def asked(
    settings: GatewaySettings, currency: str, instruments: Sequence[Instrument], clock: Clock
) -> AsyncIterator[Finding]:
    """Log in and ask everything that a run asks, but for orders."""
    connection = Connection(settings)
    try:
        await connection.open()
        yield fine(PART, await _greeting(connection))
        async for one in _questions(connection, settings, currency, instruments, clock):
            yield one
    except ReadOnlyGateway:
        found = "its API is read-only: it takes no order and tells of none"
        yield broken(PART, found, "API settings of the gateway: untick 'Read-Only API'")
    except ConfigError as error:
        yield broken("account", str(error), "correct broker.account and broker.mode, or log in to the other account")
    except BrokerError as error:
        yield broken(PART, str(error), _remedy(str(error)))
    finally:
        await connection.close()


def _remedy(said: str) -> str:
    return next((remedy for words, remedy in _REMEDIES if words in said), f"restart the gateway; {_LOGGED_IN}")


async def _greeting(connection: Connection) -> str:
    said: list[Any] = []
    await connection.send(lambda client: said.append(client.serverVersion()))
    return f"logged in at {connection.address}, server version {said[0]}"


async def _questions(
    connection: Connection,
    settings: GatewaySettings,
    currency: str,
    instruments: Sequence[Instrument],
    clock: Clock,
) -> AsyncIterator[Finding]:
    """In the order in which a run needs the answers: the first that does not come ends it."""
    account = await _account(connection, settings, clock)
    yield _money(account, currency)
    held = f"{len(account.positions)} positions" if len(account.positions) != 1 else "1 position"
    orders = await connection.ask_topic(Topic.OPEN_ORDERS, lambda client: client.reqAllOpenOrders())
    working = len({key for kind, key, _ in orders if kind == "order"})
    yield fine("orders allowed", f"the API is not read-only; {held}, {working} open orders")
    if not connection.lines.up:
        yield broken(PART, "its own line to the broker is lost (1100)", "wait; if it lasts, restart the gateway")
    times = await connection.ask_topic(Topic.TIME, lambda client: client.reqCurrentTime())
    there = datetime.fromtimestamp(times[0], UTC)
    yield compared((clock.now() - there).total_seconds() - 0.5, "the gateway's")
    if farms := connection.lines.broken_farms():
        yield warning("market data", farms, "it mends itself: see the broker's system status page")
    if instruments:
        yield await _quote(connection, settings, instruments, clock)


async def _account(connection: Connection, settings: GatewaySettings, clock: Clock) -> Account:
    account = connection.account
    rows = await connection.ask_topic(Topic.POSITIONS, lambda client: client.reqPositions())
    await connection.send(lambda client: client.cancelPositions())
    values = await connection.ask_topic(
        Topic.ACCOUNT,
        lambda client: client.reqAccountUpdates(True, account),  # noqa: FBT003
    )
    await connection.send(lambda client: client.reqAccountUpdates(False, account))  # noqa: FBT003
    positions, others = positions_of(rows, account, {})
    if not positions and not others:
        require_flat(values, account)
    return account_of(values, positions, account, clock.now(), paper=settings.paper)


def _money(account: Account, currency: str) -> Finding:
    kind = "paper" if account.paper else "LIVE: real money"
    found = f"{account.account_id} ({kind}), worth {account.net_liquidation:,.2f} {account.base_currency}"
    if account.net_liquidation <= 0:
        return warning("account", f"{found}: there is nothing to trade with", "fund it, or name another account")
    if currency not in account.cash:
        return warning("account", f"{found}; it has no cash in {currency}", "see capital.currency")
    return fine("account", found)


async def _quote(
    connection: Connection, settings: GatewaySettings, instruments: Sequence[Instrument], clock: Clock
) -> Finding:
    """Of one instrument for all; the rules are asked first, since they know the exchange."""

    def nothing_required() -> None:
        """The connection's own errors say enough."""

    asker = MarketAsker(connection, settings, clock, RuleBook(clock), nothing_required)
    wanted = instruments[0]
    refined = (await asker.refine([wanted]))[wanted]
    if isinstance(refined, Skip):
        return warning(
            "market data", f"{wanted}: {refined.reason}", "is the symbol right, and tradable in this account?"
        )
    try:
        quote = (await asker.quotes([refined]))[refined]
    except BrokerError as error:
        return warning(
            "market data", f"{wanted}: {error}", "outside market hours that may be; else restart the gateway"
        )
    if isinstance(quote, Skip):
        remedy = "subscribe to the data in the account's settings, or set broker.market_data_type to 3 (delayed)"
        return warning("market data", quote.reason, remedy)
    kind = "delayed" if quote.delayed else "live"
    return fine("market data", f"{wanted}: {quote.price} {wanted.currency} ({kind})")


def scratch_book(folder: Path) -> Book:
    """A book that nobody keeps."""
    return Book(folder / "books" / "doctor", "doctor")
