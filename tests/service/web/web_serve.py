"""The application behind real sockets on loopback, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
from web_worlds import NOW

from robotrading.domain.instrument import AssetClass
from robotrading.service.facts import Facts
from robotrading.service.metrics import Meters
from robotrading.service.settings import ServiceSettings
from robotrading.service.web.actions import Actions, Refused
from robotrading.service.web.app import make_app
from robotrading.service.web.limits import Limits
from robotrading.service.web.server import serving
from robotrading.service.web.stored import Pages

TOKEN = "a-token-that-nobody-guesses"


class Hand:
    """A clock that is set by hand."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


class Book:
    """Actions that are written down; what it is told to refuse, it refuses."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self.refuse = ""

    async def run(self, kind: AssetClass, who: str) -> str:
        return self._did("run", kind.value, who)

    async def halt(self, reason: str, who: str) -> str:
        return self._did("halt", reason, who)

    async def resume(self, who: str) -> str:
        return self._did("resume", who)

    async def start_program(self, name: str, who: str) -> str:
        return self._did("start", name, who)

    def _did(self, *words: str) -> str:
        if self.refuse:
            raise Refused(self.refuse)
        self.done.append(words)
        return f"{words[0]} done"


class Served:
    """A running service: a client of it, and what it stands on, to be changed."""

    def __init__(self, client: httpx.AsyncClient, port: int, facts: Facts, clock: Hand) -> None:
        self.client = client
        self.port = port
        self.facts = facts
        self.clock = clock


@asynccontextmanager
async def served(  # noqa: PLR0917  one per thing that tests change
    facts: Facts,
    actions: Actions | None = None,
    token: str = "",
    limits: Limits | None = None,
    host: str = "127.0.0.1",
    pages: Pages | None = None,
) -> AsyncIterator[Served]:
    clock = Hand()
    settings = ServiceSettings(host=host, port=0, token=token)
    state: list[Served] = []
    meters = Meters("0.1.0", facts.mode)
    app = make_app(lambda: state[0].facts, meters, clock, settings, actions, pages)
    async with (
        serving(app, settings, limits) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client,
    ):
        state.append(Served(client, port, facts, clock))
        yield state[0]
