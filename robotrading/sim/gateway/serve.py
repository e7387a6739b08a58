"""Ways to keep a gateway running: until told to stop, or in a thread beside blocking code.

Entry points: `serve_until`, `GatewayThread`, `GatewayError`.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.sim.gateway.server import GatewayServer

T = TypeVar("T")


class GatewayError(RobotradingError):
    """The gateway cannot serve where it was asked to."""


async def start(server: GatewayServer, host: str, port: int) -> int:
    """Start and return the port.

    Raises `ConfigError` for a host without a name (it would mean every network), `GatewayError` when the address cannot
    be had, `StateError`.
    """
    if not host.strip():
        raise ConfigError(f"--host {host!r} names no address, and would mean all of them; write --host 127.0.0.1")
    try:
        return await server.start(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"{host}:{port} is in use by another program; stop it, or choose another --port (0 takes a free one)"
        else:
            text = f"{host}:{port} cannot be listened on ({error.strerror or error}); choose another --host or --port"
        raise GatewayError(text) from error


async def serve_until(
    server: GatewayServer, host: str, port: int, *, ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set; `ready` is called with the port once clients can connect. Errors as `start`."""
    ready(await start(server, host, port))
    try:
        await stop.wait()
    finally:
        await server.stop()


class GatewayThread:
    """A gateway on a loop of its own in a daemon thread; for programs that block.

    The exchange and the server must be touched through `call` only while it runs.
    """

    def __init__(self, server: GatewayServer, host: str = "127.0.0.1", port: int = 0) -> None:
        self.server = server
        self.port = 0
        self._address = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        """Start; returns when clients can connect. Raises as `start`, TimeoutError after ten seconds."""
        self._thread.start()
        self.port = self._ready.result(timeout=10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the gateway's loop and return what it returns. TimeoutError after ten seconds."""
        if self._loop is None:
            raise RuntimeError("the gateway's thread is not running; use it inside its 'with' block")

        async def inside() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(timeout=10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await serve_until(self.server, *self._address, ready=self._ready.set_result, stop=self._stop)
        except RobotradingError as error:
            self._ready.set_exception(error)
        finally:
            self._loop = None
