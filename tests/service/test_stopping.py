"""How a daemon ends when one of its parts is in trouble: within its time, with a word, and nothing left running."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from robotrading.adapters.calendar_table import CalendarUnusable, TableCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.book import Account
from robotrading.domain.claims import Claim
from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.report import SessionReport
from robotrading.execution.quiet import QuietTimes
from robotrading.service.alerts.desk import Voice
from robotrading.service.alerts.words import Whence
from robotrading.service.daemon import GAVE_UP, serve
from robotrading.service.lookout import Place, Reader, Shelves
from robotrading.service.manager import ServiceManager
from robotrading.service.occasions import Helpers, Trade
from robotrading.service.settings import ServiceSettings
from robotrading.service.setup import Hooks, Opened, Setup, Speech
from robotrading.service.telling import Couriers, TellingSettings
from robotrading.session.lease import Post


class NoBroker:
    """A gateway that nobody started."""

    connected = False

    async def connect(self) -> None:
        raise BrokerUnavailable("nobody listens")

    async def disconnect(self) -> None:
        return

    async def account(self) -> Account:
        raise BrokerUnavailable("nobody listens")


@dataclass
class Deaf:
    """A database that answers until `gone` is set, and then not before `back` is."""

    gone: threading.Event = field(default_factory=threading.Event)
    back: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def answer(self) -> None:
        self.asked += 1
        if self.gone.is_set():
            self.waiting.set()
            self.back.wait(30)


@dataclass
class World:
    """A daemon's parts, without sessions, programs and HTTP."""

    folder: Path
    deaf: Deaf = field(default_factory=Deaf)
    manager: ServiceManager = field(default_factory=ServiceManager)

    def setup(self) -> Setup:
        place = Place(
            version="test", mode="paper", place="ledger.db", holder="here", lease="account:test", folder=self.folder,
            path=None, account_id="DU1", currency="USD", started_at=SystemClock().now(), sessions={},
        )  # fmt: skip
        return Setup(
            settings=ServiceSettings(port=0, stop_seconds=3.0),
            clock=SystemClock(),
            place=place,
            entries=[],
            programs=[],
            quiet=QuietTimes(),
            broker=NoBroker,  # type: ignore[arg-type]
            calendar=_no_calendar,
            open=lambda: self._open(place),
            staff=_nobody,
            speech=Speech(TellingSettings(), Voice(Whence("paper")), Couriers(_nothing, _no_letters, _nothing)),
            manager=self.manager,
        )

    @contextmanager
    def _open(self, place: Place) -> Iterator[Opened]:
        database = open_database(f"sqlite:///{self.folder / 'ledger.db'}", durable=False)
        ledger, claims, deaf = SqlLedger(database), SqlClaims(database), self.deaf

        class Slow(Reader):
            def read(self, *words: Any) -> Any:
                deaf.answer()
                return super().read(*words)

        outbox, alerts = SqlOutbox(database), SqlAlertBook(database)
        reader = Slow(place, SystemClock(), ledger, SqlPositionBook(database), claims, Shelves(outbox, alerts))
        yield Opened(Post(claims, SystemClock(), "account:test", "here"), reader, ledger, outbox, alerts)
        database.close()


async def _no_calendar(_day: date) -> TableCalendar:
    raise CalendarUnusable("none in this test")


async def _nothing(*_: object) -> None:
    return


async def _no_letters(_: object) -> bool:
    return True


def _nobody(_opened: Opened, _hooks: Hooks) -> Helpers:
    async def run(trade: Trade) -> SessionReport:
        raise AssertionError(trade)

    async def silent(_: object) -> tuple[str, ...]:
        return ()

    def epitaph(claim: Claim) -> SessionReport:
        raise AssertionError(claim)

    return Helpers(run, _nothing, lambda _: None, epitaph, silent, silent)


async def test_a_ledger_that_does_not_answer_does_not_hold_up_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    serving = asyncio.create_task(serve(world.setup()))
    async with asyncio.timeout(20):
        while world.deaf.asked < 2:  # noqa: ASYNC110  it is at work from the second look on
            await asyncio.sleep(0.01)
    world.deaf.gone.set()
    assert await asyncio.to_thread(world.deaf.waiting.wait, 20)
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        assert await asyncio.wait_for(serving, 12) == 0
        assert time.monotonic() - began < 5
    finally:
        world.deaf.back.set()


async def test_nor_does_one_that_does_not_answer_from_the_start(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.deaf.gone.set()
    serving = asyncio.create_task(serve(world.setup()))
    assert await asyncio.to_thread(world.deaf.waiting.wait, 20)
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        assert await asyncio.wait_for(serving, 12) == 0
    finally:
        world.deaf.back.set()


PROCESS = """
import asyncio, os, signal, sys, threading
from pathlib import Path
from robotrading.wiring.serve import serve_to_the_end
from tests.service.test_stopping import World

world = World(Path(sys.argv[1]))
world.deaf.gone.set()

def stop():
    world.deaf.waiting.wait()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=stop, daemon=True).start()
sys.exit(asyncio.run(serve_to_the_end(world.setup(), 1.0)))
"""


def test_the_process_ends_though_a_thread_still_waits(tmp_path: Path) -> None:
    """A thread cannot be cancelled, and Python would wait for it without end."""
    began = time.monotonic()
    words = [sys.executable, "-c", PROCESS, str(tmp_path)]
    ended = subprocess.run(words, check=False, cwd=Path(__file__).parents[2], timeout=40)
    assert ended.returncode == 0
    assert time.monotonic() - began < 20  # the thread waits for 30 s


@dataclass(frozen=True, slots=True)
class Broken(ServiceManager):
    """Somebody made a mistake there."""

    def alive(self) -> None:
        raise LookupError("a mistake")


async def test_a_heartbeat_that_fails_ends_the_service_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And not a minute later as if it were frozen."""
    caplog.set_level(logging.CRITICAL)
    world = World(tmp_path, manager=Broken())
    assert await asyncio.wait_for(serve(world.setup()), 20) == GAVE_UP
    (said,) = [record for record in caplog.records if "gives up" in record.message]
    assert said.exc_info is not None
    assert "a mistake" in str(said.exc_info[1])
