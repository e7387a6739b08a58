"""The gateway: sockets, the sessions on them, and the exchange behind.

Entry point: `GatewayServer`. Everything runs on one event loop; the exchange is only ever touched from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountChanged, ExchangeEvent
from robotrading.sim.gateway import answers, orders
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.contracts import ContractBook
from robotrading.sim.gateway.dispatch import serve
from robotrading.sim.gateway.drill import Drill, Login
from robotrading.sim.gateway.history import HistoryPacing
from robotrading.sim.gateway.rounds import Rounds
from robotrading.sim.gateway.session import Session
from robotrading.sim.gateway.settings import DropAt, Faults, GatewayServerSettings, Pacing
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.gateway.wire import (
    GREETING,
    Fields,
    MalformedMessage,
    frame,
    negotiate,
    parse_versions,
    read_frame,
    split,
)

_LOG = logging.getLogger(__name__)
_START_API = 71
_GREETINGS = (Code.DATA_FARM_OK, Code.HISTORY_FARM_OK, Code.DEFINITIONS_FARM_OK)


class GatewayServer:
    """Serves an exchange over the TWS socket protocol.

    `faults` may be replaced at any time, from the loop's thread. With a `state` file the exchange takes over its last
    snapshot at `start` and every change is on the disk soon after it happened; the caller closes the file.
    """

    def __init__(  # noqa: PLR0913  the parts of a world
        self,
        exchange: Exchange,
        clock: Clock,
        settings: GatewayServerSettings | None = None,
        *,
        calendar: Calendar | None = None,
        state: StateFile | None = None,
        drill: Drill | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.calendar = calendar
        self.settings = settings or GatewayServerSettings()
        self.contracts = ContractBook(exchange.market)
        self.zone = ZoneInfo(self.settings.time_zone)
        self.drill = drill or Drill()
        self._faults = Faults()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._sessions: dict[int, Session] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._events: list[ExchangeEvent] = []
        self._history_pacing = HistoryPacing()
        self._rounds = Rounds(self, state)
        self._unsubscribe: Callable[[], None] | None = None

    # Life --------------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen and return the port (0 takes a free one). Raises OSError when the address is taken, StateError."""
        self._rounds.restore()
        await self._rounds.warm()
        self._server = await asyncio.start_server(self._connected, host, port)
        self._unsubscribe = self.exchange.subscribe(self._happened)
        self._rounds.start()
        self.drill.start(self)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End all connections and save what is unsaved."""
        if self._server is None:
            return
        self.drill.stop()
        self._server.close()
        self._thawed.set()
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        if self._unsubscribe is not None:
            self._unsubscribe()
        await self._rounds.stop()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The clients that have said who they are."""
        return tuple(self._sessions.values())

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        if faults.frozen:
            self._thawed.clear()
            return
        self._thawed.set()
        for session in self.sessions:
            session.flush()

    def broadcast(self, code: Code) -> None:
        """Tell every client of the gateway's connections: 1100 lost, 1101 and 1102 restored, 2103 and 2105 broken."""
        for session in self.sessions:
            session.notice(code)

    def disconnect_all(self) -> None:
        """Cut every connection at once."""
        for session in self.sessions:
            session.abort()

    # What sessions share ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        self._rounds.wake()

    def take_drop(self) -> DropAt:
        drop = self._faults.drop_at
        if drop is not DropAt.NEVER:
            self._faults = replace(self._faults, drop_at=DropAt.NEVER)
        return drop

    def history_too_soon(self, request: tuple[object, ...]) -> bool:
        return self._history_pacing.violates(asyncio.get_running_loop().time(), request)

    def _happened(self, event: ExchangeEvent) -> None:
        """Called by the exchange, in the middle of its work: only takes note."""
        self._rounds.changed(account=isinstance(event, AccountChanged))
        if isinstance(event, AccountChanged):
            return
        if not self._events:
            asyncio.get_running_loop().call_soon(self.deliver)
        self._events.append(event)

    def deliver(self) -> None:
        events, self._events = self._events, []
        for event in orders.in_wire_order(events, status_first=self.settings.status_before_executions):
            self.tell(self.drill.told(event))

    def tell(self, events: Iterable[ExchangeEvent]) -> None:
        """Tell the owners of orders, where they are connected."""
        for event in events:
            owner = self._sessions.get(orders.owner(event))
            if owner is not None:
                orders.tell(owner, event)

    # Connections -----------------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        login = self.drill.login()
        refused = login.refused or self._faults.refuse_connections
        if task is None or refused or len(self._connections) >= self.settings.max_clients:
            writer.transport.abort()
            return
        self._connections[task] = writer
        try:
            await self._serve(reader, writer, login)
        except (MalformedMessage, asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            _LOG.debug("a client's connection ended: %s", error)
        finally:
            del self._connections[task]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, login: Login) -> None:
        version = await asyncio.wait_for(self._greet(reader, writer), self.settings.handshake_timeout)
        session = Session(self, writer, version, login)
        try:
            while True:
                payload = await read_frame(reader, self.settings.max_frame)
                await self._thawed.wait()
                await self._handle(session, split(payload))
        finally:
            session.flush()
            if session.ready and self._sessions.get(session.id) is session:
                del self._sessions[session.id]

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """The handshake; returns the version that both sides speak."""
        if await reader.readexactly(len(GREETING)) != GREETING:
            raise MalformedMessage("the connection does not begin with the greeting 'API'")
        version = negotiate(*parse_versions(await read_frame(reader, self.settings.max_frame)))
        await self._thawed.wait()
        writer.write(frame((version, answers.stamp(self.clock.now(), self.zone))))
        return version

    async def _handle(self, session: Session, values: list[str]) -> None:
        if self._paced(session):
            return
        if session.ready:
            self.drill.arrived(int(values[0]) if values and values[0].isdecimal() else -1)
            await self._thawed.wait()
            serve(session, values)
        elif values and values[0] == str(_START_API):
            self._start_api(session, values)
        else:
            session.error(-1, 504, "Not connected: the first message must be startApi")

    def _paced(self, session: Session) -> bool:
        """Count a message; True when it came too soon and is dropped."""
        if self.settings.pacing is Pacing.OFF:
            return False
        count = session.over_rate(asyncio.get_running_loop().time())
        allowed = self.settings.messages_per_second
        if count == allowed + 1 or (count and self.settings.pacing is Pacing.DROP):
            text = f"Max rate of messages per second has been exceeded: max={allowed} rec={count}"
            session.error(-1, Code.MAX_RATE, text)
        return bool(count) and self.settings.pacing is Pacing.DROP

    def _start_api(self, session: Session, values: list[str]) -> None:
        fields = Fields(values)
        fields.skip(2)
        client_id = fields.integer()
        if client_id in self._sessions or session.login.id_in_use:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            session.error(-1, Code.CLIENT_ID_IN_USE, text)
            session.close()
            return
        session.client_id = client_id
        self._sessions[client_id] = session
        session.send(answers.managed_accounts(session.login.accounts or self.exchange.account_ids))
        session.send(answers.next_valid_id(self.exchange.next_order_id(client_id)))
        for code in _GREETINGS:
            session.notice(code)
        self.drill.logged_in(session)
