"""The stage of a kill drill: one account, its ledger, its gateway, and the commands on it.

Entry points: `Stage` (`configure`, `run`, `die`, and what must hold: `check_always`, `check_told`, `check_at_end`,
`check_reports`), `mortal_command`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport
from robotrading.session import processes
from robotrading.wiring import runs
from robotrading.wiring.books import Book, Orders, book_for, load_config
from tests.drills.points import Point, point
from tests.drills.pretend_broker import PERSON, SYMBOLS, PretendBroker

FIRST, SECOND, THIRD = date(2025, 9, 25), date(2025, 9, 26), date(2025, 9, 29)
KIND = AssetClass.EQUITIES
WEIGHTS = {
    FIRST: ("0.30", "0.25", "0.20", "0.05", "0.05", "0.05"),
    SECOND: ("0.12", "0.10", "0.08", "0.20", "0.20", "0.20"),
}
CONFIG = """
capital: {{amount: 40000}}
log: {{level: warning}}
sessions:
  equities:
    share: 1.0
    universe: {{symbols: [{symbols}]}}
    sources: [synthetic]
    history_days: 300
    signal: {{chain: [moving_average, hold], hmm: {{lookback_days: 260}}}}
    construct: {{scheme: fixed, fixed: {{{weights}}}, scale_min: 1, scale_max: 1, max_weight: 0.5}}
    limits: {{max_position_share: 0.5}}
    execution: {{fill_timeout: {patience}, cancel_timeout: 5}}
    deadline: 60
  bonds: {{enabled: false, share: 0}}
  crypto: {{enabled: false, share: 0}}
"""
HERE = Path(__file__).parents[2]


class NotReached(AssertionError):
    """The session ended before the step at which it was to die."""


class Stage:
    """One account with its ledger, its gateway and the commands on it."""

    def __init__(self, folder: Path, broker: PretendBroker) -> None:
        self.folder = folder
        self.broker = broker
        self.state = folder / "gateway.json"
        self.commands: list[str] = []

    def configure(self, day: date, patience: int) -> None:
        """The person's configuration on that day."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = ", ".join(f"{symbol}: {w}" for symbol, w in zip(SYMBOLS, WEIGHTS[day], strict=True))
        text = CONFIG.format(symbols=", ".join(SYMBOLS), weights=weights, patience=patience)
        self._config.write_text(text, encoding="utf-8")

    @property
    def _config(self) -> Path:
        return self.folder / "config.yaml"

    def run(self, day: date) -> SessionReport:
        """The command, to its report."""
        with _environment("ROBOTRADING_STATE_DIR", str(self.folder / "state")):
            report = asyncio.run(carry_out(Orders(self._config, as_of=day), self.broker.port))
        self.commands.append(report.run_id)
        return report

    def die(self, drilled: Point, number: int) -> str:
        """The command, its session killed; how it died. Raises `NotReached`."""
        if drilled.command_dies:
            return self._die_whole(drilled, number)
        with mortal_sessions(drilled, number):
            report = self.run(SECOND)
        note = self._book.run_folder(report.run_id) / "died"
        if not note.exists():
            raise NotReached(f"death {number + 1} was not met; the run said: {report.verdict}")
        return note.read_text(encoding="utf-8")

    def _die_whole(self, drilled: Point, number: int) -> str:
        """The command in a process of its own, which is killed with its session."""
        words = [str(self._config), SECOND.isoformat(), str(self.broker.port), drilled.name, str(number)]
        code = "import sys; from tests.drills.stage import mortal_command; mortal_command(*sys.argv[1:])"
        with _environment("ROBOTRADING_STATE_DIR", str(self.folder / "state")):
            ended = subprocess.run([sys.executable, "-c", code, *words], cwd=HERE, timeout=60, check=False)
        folder = max(self._book.run_folder("").iterdir(), key=lambda one: one.name)
        if ended.returncode != -signal.SIGKILL or not (folder / "died").exists():
            raise NotReached(f"death {number + 1} was not met; the command ended with {ended.returncode}")
        self.commands.append(folder.name)
        return (folder / "died").read_text(encoding="utf-8") + ", with the command"

    # What is there -----------------------------------------------------------------------------------------------

    @property
    def _book(self) -> Book:
        orders = Orders(self._config, as_of=SECOND)
        return book_for(load_config(orders), orders)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with self._book.ledger() as ledger:
            yield ledger

    def open_tickets(self) -> list[Ticket]:
        with self.ledger() as ledger:
            return list(ledger.open_tickets())

    def owned(self) -> dict[str, Decimal]:
        with self.ledger() as ledger:
            return {symbol: q for symbol, q in _owned(ledger).items() if q}

    def _tickets(self) -> list[Ticket]:
        with self.ledger() as ledger:
            return [ticket for day in (FIRST, SECOND, THIRD) for ticket in ledger.tickets_of(day)]

    def ticket_ids(self) -> set[str]:
        """Every order reference in the ledger."""
        return {ticket.intent.intent_id for ticket in self._tickets()}

    def fills(self, of: set[str] | None = None) -> set[tuple[Any, ...]]:
        """(execution, reference, units, price, commission) of every fill in the ledger, or of those of some orders."""
        executed = [fill for ticket in self._tickets() for fill in ticket.fills]
        return {
            (fill.fill_id, fill.intent_id, fill.quantity, fill.price, fill.commission)
            for fill in executed
            if of is None or fill.intent_id in of
        }

    # What must hold ----------------------------------------------------------------------------------------------

    def check_always(self) -> None:
        """After every death and every run: nothing doubled, nothing of the person's touched, nothing unjournalled."""
        exchange = self.broker.snapshot()
        references = Counter(order["request"]["order_ref"] for order in exchange["orders"])
        doubled = [reference for reference, count in references.items() if count > 1]
        assert not doubled, f"sent twice: {doubled}"
        net: defaultdict[str, Decimal] = defaultdict(Decimal)
        for execution in exchange["executions"]:
            sign = 1 if execution["side"] == "buy" else -1
            net[execution["instrument"]["symbol"]] += sign * Decimal(execution["quantity"])
        for symbol, held in _held(exchange).items():
            theirs = held - net[symbol]
            assert theirs == PERSON.get(symbol, 0), (
                f"{theirs} {symbol} of the person's {PERSON.get(symbol, 0)} are left"
            )
            assert net[symbol] >= 0, f"more {symbol} was sold than the bot had"
        with self.ledger() as ledger:
            unknown = [reference for reference in references if ledger.ticket(reference) is None]
        assert not unknown, f"orders that no intent tells of: {unknown}"

    def check_told(self, report: SessionReport) -> None:
        """What the run left open is blocked and named in its report."""
        told = " ".join([skip.reason for skip in report.skips])
        ordered = Counter(ticket.intent.instrument for ticket in report.tickets)
        for ticket in self.open_tickets():
            assert ticket.intent.intent_id in told, (
                f"{ticket.intent.intent_id} is {ticket.status} and not in the report"
            )
            blocked = ticket.intent.session_id != report.run_id
            assert not (blocked and ordered[ticket.intent.instrument]), f"{ticket.intent.instrument} was ordered anew"

    def check_at_end(self) -> None:
        """The ledger is the gateway: each execution once with its price and commission, and the positions."""
        exchange = self.broker.snapshot()
        paid = {one["exec_id"]: Decimal(one["amount"]) for one in exchange["commissions"]}
        there = Counter(
            (
                e["exec_id"].rpartition(".")[0],
                e["order_ref"],
                Decimal(e["quantity"]),
                Decimal(e["price"]),
                paid[e["exec_id"]],
            )
            for e in exchange["executions"]
        )
        here = self.fills()
        assert set(there) == here, f"lost: {sorted(set(there) - here)}; invented: {sorted(here - set(there))}"
        with self.ledger() as ledger:
            mine = _owned(ledger)
            assert all(t.status is TicketStatus.UNKNOWN and not t.fills for t in ledger.open_tickets())
        held = _held(exchange)
        for symbol in SYMBOLS:
            assert held.get(symbol, 0) - PERSON.get(symbol, 0) == mine.get(symbol, 0), f"{symbol} differs"

    def check_reports(self) -> None:
        """Each command's run has one report, stored once; that of a command that died too comes from the next."""
        with self.ledger() as ledger:
            stored = Counter(report.run_id for report in ledger.last_reports(99))
        with contextlib.closing(sqlite3.connect(self._book.root / "ledger.db")) as connection:
            bare = [row[0] for row in connection.execute("select run_id from session_runs where report is null")]
        for run_id in self.commands:
            assert stored[run_id] == 1, f"run {run_id} has {stored[run_id]} reports"
        assert not bare, f"runs without a report: {bare}"


def _owned(ledger: Ledger) -> dict[str, Decimal]:
    return {p.instrument.symbol: ledger.owned(p.instrument) for p in ledger.positions()}


def _held(exchange: dict[str, Any]) -> dict[str, Decimal]:
    (account,) = exchange["accounts"]
    return {lot["instrument"]["symbol"]: Decimal(lot["quantity"]) for lot in account["lots"].values()}


async def carry_out(orders: Orders, port: int) -> SessionReport:
    """The command, which finds a gateway that is there already, where it would begin one of its own."""

    @asynccontextmanager
    async def found(*_: object) -> AsyncIterator[int]:
        yield port

    (report,) = await runs.carry_out(orders, [KIND], lambda *_: None, gateway=found)
    return report


@contextmanager
def mortal_sessions(drilled: Point, number: int) -> Iterator[None]:
    """The command's session processes are mortal ones."""

    def mortal(*words: str) -> list[str]:
        return [sys.executable, "-m", "tests.drills.mortal_session", drilled.name, str(number), *words]

    with _environment("PYTHONPATH", str(HERE)), _in_place_of(processes, "command", mortal):
        yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """For the processes that are started meanwhile."""
    usual = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if usual is None:
            del os.environ[name]
        else:
            os.environ[name] = usual


@contextmanager
def _in_place_of(module: Any, name: str, other: Any) -> Iterator[None]:
    usual = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, usual)


def mortal_command(config: str, day: str, port: str, name: str, number: str) -> None:
    """The command, whose session takes it along when it dies."""
    orders = Orders(Path(config), as_of=date.fromisoformat(day))
    with mortal_sessions(point(name), int(number)):
        asyncio.run(carry_out(orders, int(port)))
