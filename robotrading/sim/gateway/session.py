"""One connected client: who it is, what it has subscribed to, and the bytes on their way to it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code, notice_text
from robotrading.sim.gateway.contracts import ContractBook, Listing
from robotrading.sim.gateway.drill import Drill, Login
from robotrading.sim.gateway.settings import DropAt, Faults, GatewayServerSettings
from robotrading.sim.gateway.wire import Fields, frame


class Desk(Protocol):
    """What all sessions share."""

    @property
    def exchange(self) -> Exchange: ...

    @property
    def contracts(self) -> ContractBook: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def calendar(self) -> Calendar | None: ...

    @property
    def settings(self) -> GatewayServerSettings: ...

    @property
    def zone(self) -> ZoneInfo: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def drill(self) -> Drill: ...

    def wake(self) -> None:
        """There may be something to match."""
        ...

    def history_too_soon(self, request: tuple[object, ...]) -> bool:
        """Whether a request for history breaks the pacing rules."""
        ...

    def deliver(self) -> None:
        """Tell at once what has happened."""
        ...

    def take_drop(self) -> DropAt:
        """The fault that waits for an order, which it disarms."""
        ...


@dataclass(slots=True)
class TickerFeed:
    """A market data line: the values last sent, by tick type. `delayed` shifts the tick types."""

    req_id: int
    listing: Listing
    delayed: bool
    sent: dict[int, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Subscriptions:
    """What a client wants to be told without asking again; keyed by request id."""

    account_updates: str = ""
    positions: bool = False
    positions_multi: dict[int, str] = field(default_factory=dict)
    updates_multi: dict[int, str] = field(default_factory=dict)
    summaries: dict[int, frozenset[str]] = field(default_factory=dict)
    tickers: dict[int, TickerFeed] = field(default_factory=dict)
    bars: dict[int, Listing] = field(default_factory=dict)
    history: dict[int, Listing] = field(default_factory=dict)
    pnl: dict[int, tuple[str, int]] = field(default_factory=dict)
    data_type: int = 1
    told_positions: dict[tuple[str, int], tuple[Decimal, Decimal]] = field(default_factory=dict)
    told_values: dict[tuple[str, str, str], str] = field(default_factory=dict)
    told_portfolio: dict[tuple[str, int], tuple[object, ...]] = field(default_factory=dict)


class Session:
    """A client from its handshake to its end.

    Output is collected and written once per turn of the loop. A client that does not read is cut off when
    `max_backlog` bytes wait for it; nobody else notices.
    """

    def __init__(self, desk: Desk, writer: asyncio.StreamWriter, version: int, login: Login) -> None:
        self.desk = desk
        self.login = login
        self.version = version
        self.client_id: int | None = None
        self.subscriptions = Subscriptions()
        self.seen_working: set[int] = set()
        """Perm ids whose first 'Submitted' has been told."""
        self._writer = writer
        self._pending = bytearray()
        self._scheduled = False
        self._arrivals: deque[float] = deque()

    @property
    def ready(self) -> bool:
        """It has said who it is."""
        return self.client_id is not None

    @property
    def id(self) -> int:
        """The client id; only asked of ready sessions."""
        if self.client_id is None:
            raise RuntimeError("the session has no client id before startApi")
        return self.client_id

    def send(self, message: answers.Message) -> None:
        """Queue one message. A closed session swallows it."""
        if self._writer.is_closing():
            return
        self._pending += frame(message)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hand what waits to the socket, unless the gateway is frozen."""
        self._scheduled = False
        backlog = len(self._pending) + self._writer.transport.get_write_buffer_size()
        if backlog > self.desk.settings.max_backlog:
            self.abort()
        elif self._pending and not self.desk.faults.frozen and not self._writer.is_closing():
            self._writer.write(bytes(self._pending))
            self._pending.clear()

    def notice(self, code: Code) -> None:
        """Tell of the gateway's own connections."""
        self.error(-1, code, notice_text(code))

    def error(self, req_id: int, code: Code | int, text: str) -> None:
        self.send(answers.error(self.version, req_id, code, text))

    def abort(self) -> None:
        """Cut the connection without another byte."""
        self._pending.clear()
        self._writer.transport.abort()

    def close(self) -> None:
        """Send what waits, then end the connection."""
        self.flush()
        self._writer.close()

    def over_rate(self, now: float) -> int:
        """Messages in the last second when they are more than allowed, else 0; counts one arrival."""
        allowed = self.desk.settings.messages_per_second
        self._arrivals.append(now)
        while self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        return len(self._arrivals) if len(self._arrivals) > allowed else 0


class Handler(Protocol):
    """Serves one kind of message; the message id has been read from `fields` already."""

    def __call__(self, session: Session, fields: Fields) -> None: ...
