"""The pretend gateway of a drill: it follows the plan, strikes from outside, and has everything written down.

Entry points: `drilled_gateway`, `Scene`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, OrderRequest
from robotrading.sim.faults.gateway import PlannedDrill
from robotrading.sim.faults.plan import FaultPlan
from robotrading.sim.faults.script import Script
from robotrading.sim.gateway.session import Session
from robotrading.wiring.books import Book
from robotrading.wiring.gateway import embedded_gateway
from robotrading.wiring.selftest.drills import Stroke, Struck
from robotrading.wiring.selftest.record import Recorder


@dataclass(frozen=True, slots=True)
class Scene:
    """One run of a drill: which one it is, what goes wrong in it, and the file that all is written to."""

    number: int
    record: Path
    account: AccountSeed
    plan: FaultPlan
    stroke: Stroke | None = None


class DrilledGateway:
    """Makes the gateway of one scene: a `Gateway` as `carry_out` wants it."""

    def __init__(self, scene: Scene, clock: Clock) -> None:
        self.scene = scene
        self.script = Script(scene.plan, clock)
        self.exchange: Exchange | None = None

    def __call__(
        self, config: Config, book: Book, kinds: Sequence[AssetClass], clock: Clock, calendar: Calendar
    ) -> AbstractAsyncContextManager[int]:
        def drill(exchange: Exchange) -> PlannedDrill:
            self.exchange = exchange
            recorder = Recorder(self.scene.record, self.scene.number, book.root / "ledger.db")
            recorder.listen(exchange, clock)
            return _Struck(exchange, self.script, _Striker(self.scene.stroke, book, kinds, exchange, recorder))

        return embedded_gateway(config, book, kinds, clock, calendar, account=self.scene.account, drill=drill)


class _Struck(PlannedDrill):
    """The plan's gateway, with a blow at one of its orders."""

    def __init__(self, exchange: Exchange, script: Script, striker: _Striker) -> None:
        super().__init__(exchange, script)
        self._striker = striker

    def place(self, session: Session, order_id: int, request: OrderRequest) -> bool:
        self._striker.order(accepted=False)
        taken = super().place(session, order_id, request)
        self._striker.order(accepted=True)
        return taken


class _Striker:
    """Counts orders and strikes once."""

    def __init__(
        self, stroke: Stroke | None, book: Book, kinds: Sequence[AssetClass], exchange: Exchange, recorder: Recorder
    ) -> None:
        self._stroke = stroke
        self._book = book
        self._kinds = kinds
        self._exchange = exchange
        self._recorder = recorder
        self._orders = 0

    def order(self, *, accepted: bool) -> None:
        """An order has arrived, or the exchange has it."""
        self._orders += not accepted
        stroke = self._stroke
        if stroke is not None and stroke.nth == self._orders and stroke.accepted == accepted:
            self._stroke = None
            self._recorder.happened(f"{stroke.what} struck at order {stroke.nth}")
            self._strike(stroke)

    def _strike(self, stroke: Stroke) -> None:
        match stroke.what:
            case Struck.SESSION:
                self._kill_sessions()
            case Struck.COMMAND:
                self._die()
            case Struck.EVERYTHING:
                self._kill_sessions()
                self._die()
            case Struck.DISK:
                self._fill_disk()
            case Struck.LEDGER:
                self._lock_ledger(stroke.seconds)

    def _kill_sessions(self) -> None:
        for pid in self._sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _sessions(self) -> list[int]:
        """Each session leaves its process id in its lock."""
        files = [self._book.root / "locks" / f"{kind}.lock" for kind in self._kinds]
        return [int(file.read_text(encoding="utf-8")) for file in files if file.exists()]

    def _die(self) -> None:
        """The broker itself remembers what it has accepted, so that is on the disk first."""
        state = {"market": self._book.mode, "exchange": self._exchange.snapshot()}
        self._book.gateway_state.write_bytes(msgspec.json.encode(state))
        os.kill(os.getpid(), signal.SIGKILL)

    def _fill_disk(self) -> None:
        """No file of the session grows any more beyond what its ledger's journal has now."""
        journal = self._book.root / "ledger.db-wal"
        size = journal.stat().st_size if journal.exists() else 0
        for pid in self._sessions():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))

    def _lock_ledger(self, seconds: float) -> None:
        held = ExitStack()
        other = sqlite3.connect(self._book.root / "ledger.db", isolation_level=None, timeout=1.0)
        held.callback(other.close)
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(seconds, held.close)
