"""uvicorn inside the daemon's own loop.

Entry points: `serving`, `CannotServe`.
Invariants: signals stay the daemon's; the port is bound before anything answers; a client that is slow to ask or slow
to read is cut, and one too many is not let in; leaving takes a bounded time and leaves no connection behind.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from robotrading.domain.errors import RobotradingError
from robotrading.service.settings import ServiceSettings
from robotrading.service.web.limits import Limits

log = logging.getLogger(__name__)

_START_SECONDS = 5.0
_SPARE_SECONDS = 2.0
_LISTENERS = 128


class CannotServe(RobotradingError):
    """The address cannot be used; the text names the key and the way out."""


@asynccontextmanager
async def serving(app: ASGIApp, settings: ServiceSettings, limits: Limits | None = None) -> AsyncIterator[int]:
    """Answer on the configured address until the block ends; the port, which the system chooses where it is 0.

    Raises `CannotServe`.
    """
    bounds = limits or Limits()
    listening = await _bind(settings.host, settings.port)
    port = int(listening.getsockname()[1])
    server = _Server(_config(app, bounds))
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    task.add_done_callback(_tell)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await server.answering.wait()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        log.info("health, metrics and the status page are served on http://%s:%d/", host, port)
        yield port
    finally:
        await _leave(server, task, bounds)
        listening.close()


async def _bind(host: str, port: int) -> socket.socket:
    """A bound socket."""
    where = f"service.host {host!r} and service.port {port}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotServe(f"{where}: no such address ({error}); set service.host to 127.0.0.1 or 0.0.0.0") from error
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_LISTENERS)
    except OSError as error:
        listening.close()
        raise CannotServe(f"{where}: {_way_out(error)}") from error
    listening.setblocking(False)  # noqa: FBT003  takes no keyword
    return listening


def _way_out(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there (perhaps this service runs already); end it or set another service.port"
    if error.errno == errno.EACCES:
        return "this user may not listen there; set service.port above 1023"
    return f"cannot listen there ({error.strerror}); set service.host to an address of this machine"


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_bounded(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.head,
        timeout_graceful_shutdown=max(1, round(limits.goodbye)),
    )


def _bounded(limits: Limits) -> type[asyncio.Protocol]:
    class Bounded(BoundedProtocol):
        bounds = limits

    return Bounded


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with the bounds that it lacks.

    Its own timeout begins after the first answer, so a client that never finishes asking would stay for ever; and it
    waits for ever for a client that does not read.
    """

    bounds = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = self.bounds.keep_alive  # type: ignore[assignment]  # it only goes to call_later
        self._end: asyncio.TimerHandle | None = None
        self._idle = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            transport.abort()
        else:
            self._allow_time()

    def data_received(self, data: bytes) -> None:
        if self._idle:
            self._allow_time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._allow_time()
        self._idle = True
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_end()
        super().connection_lost(exc)

    def _allow_time(self) -> None:
        self._no_end()
        self._idle = False
        self._end = self.loop.call_later(self.bounds.patience, self.transport.abort)

    def _no_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


class _Server(uvicorn.Server):
    """A server that leaves signals to the daemon, and says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _leave(server: uvicorn.Server, task: asyncio.Task[None], limits: Limits) -> None:
    """End answering, within `goodbye` and little more."""
    server.should_exit = True
    _, late = await asyncio.wait([task], timeout=limits.goodbye + _SPARE_SECONDS)
    for connection in list(server.server_state.connections):
        transport = connection.transport
        if transport is not None:
            transport.abort()
    if late:
        task.cancel()
        await asyncio.wait([task], timeout=_SPARE_SECONDS)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("the HTTP side has ended by itself", exc_info=task.exception())
