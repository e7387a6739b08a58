"""The kill drill: sessions killed at each point of `points.POINTS`, and what the next run makes of it.

Entry points: `Drill` (`run` a point to its `Finding`), `python -m tests.drills.kill_drill` (the whole list, written to
docs/reliability-kill-points.md).

A drill is the command itself, with real session processes, the real client library and a gateway in a process of its
own that lives on. The first day's run buys; on the second day prices and weights have moved, so that the killed run
sells three symbols and buys three. The next command recovers. What must hold is in `check_always` and `check_at_end`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session import processes
from robotrading.wiring import runs
from robotrading.wiring.books import Book, Orders, book_for, load_config
from tests.drills.points import POINTS, Point, point
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
USUAL_PATIENCE, SHORT_PATIENCE = 20, 1
HERE = Path(__file__).parents[2]
DOCUMENT = HERE / "docs" / "reliability-kill-points.md"


class NotReached(AssertionError):
    """The session ended before the step at which it was to die."""


@dataclass
class Finding:
    """What a drill found.

    `open_then` are the statuses of the orders that were open at the restart, `executions_found` and `commissions_found`
    what the dead run's orders had at the broker and not in the ledger, `unknown` the order references left in doubt
    that day and the next, `runs` the commands, `wrong` the law that was broken.
    """

    point: Point
    deaths: list[str] = field(default_factory=list)
    open_then: list[str] = field(default_factory=list)
    executions_found: int = 0
    commissions_found: int = 0
    unknown: list[str] = field(default_factory=list)
    unknown_next_day: list[str] = field(default_factory=list)
    outcome: str = ""
    runs: int = 0
    seconds: float = 0.0
    wrong: str = ""


class Drill:
    """Keeps the first day's state and plays points on copies of it. One at a time; `end` when done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._broker = PretendBroker()
        self._first = folder / "first"
        self._serial = 0
        self.reference: dict[str, Decimal] = {}

    def prepare(self) -> None:
        """The first day: the bot buys beside what the person holds. And what the second day comes to undisturbed."""
        stage = Stage(self._first, self._broker)
        stage.configure(FIRST, USUAL_PATIENCE)
        self._broker.open(stage.state, FIRST, 0)
        report = stage.run(FIRST)
        assert report.outcome is Outcome.DONE, report.verdict
        assert len(report.tickets) == len(SYMBOLS)
        self._broker.quiet()
        stage.check_at_end()
        self._broker.close()
        calm = self._stage()
        calm.configure(SECOND, USUAL_PATIENCE)
        self._broker.open(calm.state, SECOND, 0)
        report = calm.run(SECOND)
        assert report.outcome is Outcome.DONE, report.verdict
        sides = Counter(ticket.intent.side[0] for ticket in report.tickets)
        assert sides == {"s": 3, "b": 3}, sides
        calm.check_at_end()
        self.reference = calm.owned()
        self._broker.close()

    def _stage(self) -> Stage:
        """A copy of the first day's end."""
        self._serial += 1
        folder = self._folder / f"{self._serial}"
        shutil.copytree(self._first, folder)
        return Stage(folder, self._broker)

    def run(self, drilled: Point) -> Finding:
        """Never raises for a broken law: it is in the finding."""
        finding, began = Finding(drilled), time.monotonic()
        stage = self._stage()
        try:
            self._play(drilled, stage, finding)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            finding.wrong = f"{type(error).__name__}: {error}"
        finding.seconds = time.monotonic() - began
        if self._broker.alive:
            self._broker.close()
        else:
            self._broker = PretendBroker()
        if not finding.wrong:
            shutil.rmtree(stage.folder)
        return finding

    def _play(self, drilled: Point, stage: Stage, finding: Finding) -> None:
        slow = drilled.liquidity == 1
        stage.configure(SECOND, SHORT_PATIENCE if slow else USUAL_PATIENCE)
        self._broker.open(stage.state, SECOND, drilled.liquidity)
        for number, _ in enumerate(drilled.deaths):
            finding.deaths.append(stage.die(drilled, number))
            stage.check_always()
            if drilled.gateway_dies:
                self._restart_gateway(stage)
            if not drilled.silence:
                self._broker.rules(0)
        finding.open_then = [str(ticket.status) for ticket in stage.open_tickets()]
        dead = stage.ticket_ids()
        before = stage.fills(dead)
        if drilled.silence:
            report = stage.run(SECOND)
            stage.check_always()
            stage.check_told(report)
            assert stage.open_tickets(), "nothing was at work any more: this drill proves nothing"
            self._broker.rules(0)
            self._broker.quiet()
        report = stage.run(SECOND)
        self._broker.quiet()
        stage.check_always()
        stage.check_told(report)
        finding.outcome = str(report.outcome)
        after = stage.fills(dead)
        finding.executions_found = len({fill[0] for fill in after} - {fill[0] for fill in before})
        finding.commissions_found = len(after - before) - finding.executions_found
        finding.unknown = [ticket.intent.intent_id for ticket in stage.open_tickets()]
        if finding.unknown:
            finding.unknown_next_day = self._next_day(stage)
        stage.check_at_end()
        if not finding.unknown:
            assert report.outcome in (Outcome.DONE, Outcome.NOTHING_TO_DO), report.verdict
            assert stage.owned() == self.reference, f"the run came to {stage.owned()}, undisturbed to {self.reference}"
        finding.runs = stage.check_reports()

    def _restart_gateway(self, stage: Stage) -> None:
        """SIGKILL once its memory is on the disk (the broker's own would be), and up again with its ids begun anew."""
        self._broker.saved()
        self._broker.kill()
        self._broker = stage.broker = PretendBroker()
        self._broker.open(stage.state, SECOND, 0, forget=True)

    def _next_day(self, stage: Stage) -> list[str]:
        """What is still unknown after the run of the next day."""
        self._broker.close()
        self._broker.open(stage.state, THIRD, 0)
        stage.run(THIRD)
        self._broker.quiet()
        stage.check_always()
        return [ticket.intent.intent_id for ticket in stage.open_tickets()]

    def end(self) -> None:
        self._broker.end()


class Stage:
    """One account with its ledger, its gateway and the commands on it."""

    def __init__(self, folder: Path, broker: PretendBroker) -> None:
        self.folder = folder
        self.broker = broker
        self.state = folder / "gateway.json"
        self._commands: list[str] = []

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
        with _environment("ROBOTRADING_STATE_DIR", str(self.folder / "state")), outlived_gateway(self.broker.port):
            (report,) = asyncio.run(runs.carry_out(Orders(self._config, as_of=day), [KIND], lambda *_: None))
        self._commands.append(report.run_id)
        return report

    def die(self, drilled: Point, number: int) -> str:
        """The command, its session killed; how it died. Raises `NotReached`."""
        with mortal_sessions(drilled, number):
            report = self.run(SECOND)
        note = self._book.run_folder(report.run_id) / "died"
        if not note.exists():
            raise NotReached(f"death {number + 1} was not met; the run said: {report.verdict}")
        return note.read_text(encoding="utf-8")

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

    def check_reports(self) -> int:
        """Each command's run has one report, stored once."""
        with self.ledger() as ledger:
            stored = Counter(report.run_id for report in ledger.last_reports(99))
        for run_id in self._commands:
            assert stored[run_id] == 1, f"run {run_id} has {stored[run_id]} reports"
        connection = sqlite3.connect(self._book.root / "ledger.db")
        try:
            (bare,) = connection.execute("select count(*) from session_runs where report is null").fetchone()
        finally:
            connection.close()
        assert bare == 0, f"{bare} runs have no report"
        return len(self._commands)


def _owned(ledger: Ledger) -> dict[str, Decimal]:
    return {p.instrument.symbol: ledger.owned(p.instrument) for p in ledger.positions()}


def _held(exchange: dict[str, Any]) -> dict[str, Decimal]:
    (account,) = exchange["accounts"]
    return {lot["instrument"]["symbol"]: Decimal(lot["quantity"]) for lot in account["lots"].values()}


@contextmanager
def outlived_gateway(port: int) -> Iterator[None]:
    """The command finds a gateway that is there already, where it would begin one of its own."""

    @asynccontextmanager
    async def found(*_: object) -> AsyncIterator[int]:
        yield port

    with _in_place_of(runs, "embedded_gateway", found):
        yield


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


def main(names: list[str]) -> int:
    """All points, or those named; 1 when a law was broken."""
    from tests.drills.kill_table import write_table

    with tempfile.TemporaryDirectory(prefix="kill-drill-", ignore_cleanup_errors=True) as folder:
        drill = Drill(Path(folder))
        findings = []
        began = time.monotonic()
        try:
            drill.prepare()
            for one in [point(name) for name in names] or POINTS:
                finding = drill.run(one)
                findings.append(finding)
                print(f"{finding.seconds:5.1f} s  {one.name}: {finding.wrong or finding.outcome}", flush=True)  # noqa: T201
        finally:
            drill.end()
            if not names:
                write_table(findings, time.monotonic() - began, DOCUMENT)
    return int(any(finding.wrong for finding in findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
