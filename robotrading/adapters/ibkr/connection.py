"""One connection to a TWS or IB Gateway: handshake, checks, paced sending, bounded asking.

Entry point: `Connection`. Invariants: after `open` the account is the configured one and of the promised kind; every
wait is bounded; nothing of an earlier connection is believed in a later one (each `open` builds a new client, because
the library empties or keeps stale state at a drop, depending on which of the two it is); no event of the library, and
none of its blocking calls, is used, since those fail for every connection of the process when one of them drops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from robotrading.adapters.ibkr.callbacks import Callbacks, CarefulDecoder, DeafEars, OrderEars
from robotrading.adapters.ibkr.codes import CLIENT_ID_IN_USE, REFUSED_LOGINS
from robotrading.adapters.ibkr.library import Client
from robotrading.adapters.ibkr.link import Lines
from robotrading.adapters.ibkr.pacing import SendPacer
from robotrading.adapters.ibkr.requests import EarlyEnd, OutOfStep, Requests, Rows
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.adapters.ibkr.times import require_zones
from robotrading.domain.errors import BrokerUnavailable, ConfigError

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
"""How long a closing socket may flush before it is cut."""
PAPER_PREFIX = "D"


class Connection:
    """See the module. `ears` hears of orders; `account` is '' until `open` has returned.

    `on_lost` and `on_restored` are called when the gateway's own link goes and comes back: fills may have happened
    unseen.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        ears: OrderEars | None = None,
        on_lost: Callable[[], None] = lambda: None,
        on_restored: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self.lines = Lines(on_lost, on_restored)
        self._ears = ears or DeafEars()
        self._pacer = SendPacer(settings.messages_per_second)
        self._client: Any = None
        self._requests = Requests()
        self._gone = asyncio.Event()
        self._refusal: asyncio.Future[str] | None = None
        self.account = ""

    @property
    def open_and_known(self) -> bool:
        """The socket is up and the handshake done."""
        return bool(self._client is not None and self._client.isReady() and self.account)

    @property
    def ready(self) -> bool:
        """Open, and the gateway has not said that its own link is lost."""
        return self.open_and_known and self.lines.up

    async def open(self) -> None:
        """Connect anew. `BrokerUnavailable` when nobody answers, `ConfigError` when it is the wrong account."""
        require_zones(self._settings.timezone)
        await self.close()
        asyncio.set_event_loop(asyncio.get_running_loop())  # ib_insync asks the policy for the loop that runs
        self._requests = Requests()
        self._gone = asyncio.Event()
        self.lines.begin()
        self._client = self._new_client()
        async with AsyncExitStack() as otherwise:
            otherwise.push_async_callback(self.close)
            await self._handshake()
            self.account = check_account(self._client.getAccounts(), self._settings)
            await self.send(lambda client: client.reqMarketDataType(self._settings.market_data_type))
            otherwise.pop_all()

    async def close(self) -> None:
        """Leave no socket and no task behind; fine when not connected."""
        client, self._client, self.account = self._client, None, ""
        self.lines.end()
        if client is None:
            return
        transport = client.conn.transport
        client.disconnect()
        self._requests.fail_all("the connection was closed by us")
        if transport is None:
            return
        if not await self._is_gone():
            transport.abort()  # a frozen gateway does not read what is left to flush
            await self._is_gone()

    async def send(self, action: Callable[[Any], None]) -> None:
        """Wait for a turn, then hand one message to the socket. `BrokerUnavailable` means that nothing was sent."""
        await self._pacer.turn()
        if self._client is None or not self._client.isReady():
            raise BrokerUnavailable(f"not connected to the gateway at {self.address}")
        try:
            action(self._client)
        except ConnectionError as error:
            raise BrokerUnavailable(f"the gateway at {self.address} is gone: {error}") from error

    def reserve_ids(self, used: int) -> None:
        """Never hand out an id that an open order has: it would change that order instead of placing a new one.

        Ids of lost orders come again otherwise. Orders and requests share the sequence, so that messages about them are
        never mixed up.
        """
        if self._client is not None:
            self._client.updateReqId(used + 1)

    async def ask(self, subject: str, action: Callable[[Any, int], None], early_end: EarlyEnd | None = None) -> Rows:
        """Ask under a new id. `RequestRefused` for an answer by code, `BrokerUnavailable` for silence."""
        req_id = self._next_id()
        seconds = self._settings.request_timeout
        return await self._requests.numbered(
            req_id, lambda: self.send(lambda client: action(client, req_id)), subject, seconds, early_end
        )

    async def ask_topic(self, topic: str, action: Callable[[Any], None]) -> Rows:
        """Ask what has no id; one at a time per topic. A connection whose answers are out of step is given up."""
        try:
            return await self._requests.streamed(topic, lambda: self.send(action), self._settings.request_timeout)
        except OutOfStep as error:
            log.warning("%s; the connection is given up", error)
            self._give_up()
            raise

    def _next_id(self) -> int:
        if self._client is None or not self._client.isReady():
            raise BrokerUnavailable(f"not connected to the gateway at {self.address}")
        return int(self._client.getReqId())

    @property
    def address(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _new_client(self) -> Any:
        callbacks = Callbacks(self._requests, self._ears, self._on_message, self._on_closed, self._on_damage)
        client = Client(callbacks)
        client.decoder = CarefulDecoder(callbacks, self._settings.timezone)
        client.MaxRequests = 0  # our pacer stands before every message; a second queue would lose orders at a drop
        return client

    async def _handshake(self) -> None:
        """Until the gateway has named its accounts, or said no, or the time is up."""
        settings = self._settings
        self._refusal = asyncio.get_running_loop().create_future()
        dial = asyncio.ensure_future(self._client.connectAsync(settings.host, settings.port, settings.client_id, 0))
        try:
            await asyncio.wait(
                {dial, self._refusal}, timeout=settings.connect_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if self._refusal.done():
                raise BrokerUnavailable(self._refusal.result())
            if not dial.done():
                raise BrokerUnavailable(
                    f"the gateway at {self.address} did not complete the handshake within "
                    f"{settings.connect_timeout:g} s: it may be frozen or not logged in"
                )
            dial.result()
        except OSError as error:
            raise BrokerUnavailable(f"no gateway at {self.address}: {error}") from error
        finally:
            self._refusal = None
            await _end(dial)

    async def _is_gone(self) -> bool:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    def _on_message(self, code: int, text: str) -> None:
        """A numbered message about no request and no order."""
        self.lines.heard(code, text)
        if code == CLIENT_ID_IN_USE:
            self._refuse(
                f"client id {self._settings.client_id} is in use at the gateway {self.address}: another program has "
                "it, or the gateway still holds it for one that died; end that program, or set another client_id"
            )
        elif code in REFUSED_LOGINS:
            self._refuse(f"the gateway at {self.address} refused the connection: {code} {text}")

    def _on_closed(self, reason: str) -> None:
        self._refuse(f"the gateway at {self.address} closed the connection during the handshake")
        self.lines.end()
        self._gone.set()
        self._requests.fail_all(f"{reason} ({self.address})")

    def _on_damage(self, _reason: str) -> None:
        """What was not understood may have been a fill: connect again and ask for the executions."""
        self._give_up()

    def _give_up(self) -> None:
        if self._client is not None and self._client.conn.transport is not None:
            self._client.conn.transport.abort()

    def _refuse(self, text: str) -> None:
        if self._refusal is not None and not self._refusal.done():
            self._refusal.set_result(text)


def check_account(accounts: list[str], settings: GatewaySettings) -> str:
    """The account to trade; `ConfigError` when it is not among the login's, or paper where live was promised."""
    if settings.account and settings.account not in accounts:
        raise ConfigError(
            f"account {settings.account} is not one of this login's ({', '.join(accounts)}): "
            "correct the account's id in the configuration, or log in to the other account"
        )
    if not settings.account and not settings.paper:
        raise ConfigError("a live account must be named: set the account's id in the configuration")
    if not settings.account and len(accounts) != 1:
        raise ConfigError(f"this login has {len(accounts)} accounts ({', '.join(accounts)}): name the one to trade")
    account = settings.account or accounts[0]
    if account.startswith(PAPER_PREFIX) != settings.paper:
        found, promised = ("paper", "live") if settings.paper is False else ("live", "paper")
        raise ConfigError(
            f"account {account} is a {found} account, but the configuration says {promised}: "
            "nothing is done until the two agree"
        )
    return account


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel what still runs, and take its outcome so that no exception is reported as lost."""
    if not task.done():
        task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
