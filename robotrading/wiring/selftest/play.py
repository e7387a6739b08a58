"""Drills are played: the day before once, then each drill in a folder of its own, some side by side.

Entry points: `rehearse`, `Result`, `Verdict`.
Invariants: every wait is bounded; nothing of the caller's environment configures a drill; whatever ends the caller
ends what it has started.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path

import msgspec

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.config.demo import DEMO_DAY
from robotrading.config.environment import VARIABLES
from robotrading.config.model import Config
from robotrading.config.show import show
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.session.lock import AlreadyRunning, session_lock
from robotrading.sim.faults.plan import FaultPlan, plan_to_json
from robotrading.wiring.books import Book
from robotrading.wiring.selftest.checks import FIRST, SECOND, Ended, Played, breaches
from robotrading.wiring.selftest.command import Answer, Order
from robotrading.wiring.selftest.drills import Drill
from robotrading.wiring.selftest.record import read_record
from robotrading.wiring.selftest.settings import PREPARE, Prepared

DAY = DEMO_DAY
_DAY_BEFORE = DAY - timedelta(days=1)
_BEYOND_DEADLINE = 30.0
"""Seconds that a run may take beyond the sessions' deadline: for its start, and for the reports of the dead."""
_ORPHANS_SECONDS = 40.0
_LAST_WORDS = 200


class Verdict(StrEnum):
    HELD = "held"
    BROKE = "broke"
    NOT_REACHED = "not reached"
    """The misfortune never came, e.g. because the settings ordered nothing: nothing is proved."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a drill. `broke` has a sentence for each thing that did not hold; `orders` counts those sent."""

    drill: Drill
    verdict: Verdict
    seconds: float
    kinds: tuple[AssetClass, ...]
    orders: int = 0
    broke: tuple[str, ...] = ()
    folder: str = ""


Tell = Callable[[Drill, str], None]
"""Hears of a drill that it is being played, and its verdict in the end."""


async def rehearse(prepared_: Prepared, drills: Sequence[Drill], folder: Path, jobs: int, tell: Tell) -> list[Result]:
    """Play them, `jobs` side by side, each below `folder`; results in the order given. `prepared_` has its state there.

    Raises `RobotradingError` when the day before does not work.
    """
    await _the_day_before(prepared_, folder / PREPARE)
    gate = asyncio.Semaphore(jobs)

    async def one(number: int, drill: Drill) -> Result:
        async with gate:
            tell(drill, "")
            kinds = prepared_.kinds if drill.everyone else (prepared_.kinds[number % len(prepared_.kinds)],)
            result = await _Stage(prepared_, folder, drill, kinds).play()
            tell(drill, result.verdict)
            return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, drill)) for number, drill in enumerate(drills)]
    return [task.result() for task in tasks]


async def _the_day_before(prepared_: Prepared, folder: Path) -> None:
    """Something is bought, models are fitted and prices cached, so that every drill begins with a running account."""
    order = _order(prepared_, prepared_.first, folder, 0, prepared_.kinds)
    (ended,) = await _run([replace(order, day=_DAY_BEFORE)], prepared_.first)
    if ended.reports is None:
        raise RobotradingError(
            f"the run before the drills did not end as it should ({ended.trouble or 'killed'}); its log: {order.log}"
        )


class _Stage:
    """One drill in its folder."""

    def __init__(self, prepared_: Prepared, folder: Path, drill: Drill, kinds: tuple[AssetClass, ...]) -> None:
        self._before = folder / PREPARE
        self._folder = folder / drill.name
        self._state = self._folder / "state"
        self._config = replace(
            prepared_.then,
            state_dir=self._state,
            feeds=replace(
                prepared_.then.feeds, cache=replace(prepared_.then.feeds.cache, directory=str(self._state / "cache"))
            ),
        )
        self._prepared = prepared_
        self._drill = drill
        self._kinds = kinds

    async def play(self) -> Result:
        began = SystemClock().monotonic()
        await asyncio.to_thread(self._set_up)
        orders = [self._order(FIRST), self._order(SECOND)]
        runs = await _run(orders, self._config)
        played = await asyncio.to_thread(self._seen, runs, orders[-1])
        return self._result(played, SystemClock().monotonic() - began)

    def _set_up(self) -> None:
        self._folder.mkdir(parents=True)
        shutil.copytree(self._before / "state", self._state)
        shutil.copy(self._before / "record.jsonl", self._folder)
        (self._folder / "plan.json").write_bytes(plan_to_json(self._drill.plan))

    def _order(self, number: int) -> Order:
        order = _order(self._prepared, self._config, self._folder, number, self._kinds)
        if number == FIRST:
            order = replace(order, plan=self._drill.plan, stroke=self._drill.stroke)
        return order

    def _seen(self, runs: Sequence[Ended], last: Order) -> Played:
        book = _book(self._config)
        left = last.left()
        with book.ledger() as ledger:
            tickets = [*ledger.tickets_of(_DAY_BEFORE), *ledger.tickets_of(DAY)]
            positions = tuple(ledger.positions())
        return Played(
            drill=self._drill,
            runs=runs,
            lines=read_record(last.record),
            tickets={ticket.intent.intent_id: ticket for ticket in tickets},
            positions=positions,
            held=left.held if left else (),
            still_open=left.still_open if left else (),
            own=[(instrument, quantity) for instrument, quantity, _ in self._prepared.account.holdings],
            stored=_stored(book),
            ledger_findings=_findings(book),
            bounds={kind: self._config.sessions[kind].limits.max_order_value for kind in self._kinds},
        )

    def _result(self, played: Played, seconds: float) -> Result:
        broke = tuple(breaches(played))
        orders = sum(1 for line in played.lines if line.placed and line.run == FIRST)
        verdict = Verdict.BROKE if broke else Verdict.HELD if played.took_place else Verdict.NOT_REACHED
        return Result(self._drill, verdict, seconds, self._kinds, orders, broke, str(self._folder))


# What is left on the disk ---------------------------------------------------------------------------------------------


def _book(config: Config) -> Book:
    return Book(config.state_dir / "books" / "rehearsal", "rehearsal")


def _stored(book: Book) -> dict[str, int]:
    """Reports by run: of every run that the ledger knows, and of every one that has a folder."""
    with closing(sqlite3.connect(book.root / "ledger.db")) as rows:
        known = dict(rows.execute("SELECT run_id, report IS NOT NULL FROM session_runs"))
    folders = {one.name: 0 for one in (book.root / "runs").iterdir()}
    return folders | known


def _findings(book: Book) -> list[str]:
    database = open_database(book.database)
    try:
        found = check(database, datetime.combine(DAY, time.max, UTC))
    finally:
        database.close()
    return [f"ledger: {one.what}: {one.subject}: {one.detail}" for one in found]


# One run in a process of its own --------------------------------------------------------------------------------------


def _order(prepared_: Prepared, config: Config, folder: Path, number: int, kinds: tuple[AssetClass, ...]) -> Order:
    """An order without any misfortune; its configuration is written beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("config.yaml" if number else "config-before.yaml")
    path.write_text(show(config, origins=False), encoding="utf-8")
    return Order(str(folder), number, str(path), DAY, kinds, prepared_.account, FaultPlan())


async def _run(orders: Sequence[Order], config: Config) -> list[Ended]:
    """Carry them out in one process; one that is killed on the way is followed by another for the rest."""
    ended: list[Ended] = []
    while len(ended) < len(orders):
        rest = orders[len(ended) :]
        end = await _process(rest, config)
        done = [_done(order, left) for order in rest if (left := order.left()) is not None]
        ended += done
        if len(done) < len(rest):
            ended.append(replace(end, number=rest[len(done)].number))
            await _until_alone(config, rest[0].kinds)
    return ended


def _done(order: Order, left: Answer) -> Ended:
    return Ended(order.number, left.seconds, len(order.kinds), left.reports)


async def _process(orders: Sequence[Order], config: Config) -> Ended:
    """How a process for these orders came to its end, no later than its bound."""
    began = SystemClock().monotonic()
    for order in orders:
        order.path.write_bytes(msgspec.json.encode(order))
    first = orders[0]
    with first.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"{__package__}.command",
            *(str(order.path) for order in orders),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(os.environ),
            start_new_session=True,
        )
    late = False
    deadline = max(config.sessions[kind].deadline for kind in first.kinds)
    try:
        async with asyncio.timeout(len(orders) * (deadline + _BEYOND_DEADLINE)):
            await process.wait()
    except TimeoutError:
        late = True
    finally:
        if process.returncode is None:
            await _end(process, signal.SIGKILL if late else signal.SIGTERM)
            await _until_alone(config, first.kinds)
    killed = process.returncode == -signal.SIGKILL and first.stroke is not None
    trouble = "" if late or killed or process.returncode == 0 else _last_words(first, process.returncode)
    seconds = SystemClock().monotonic() - began
    return Ended(first.number, seconds, len(first.kinds), None, late, trouble)


async def _end(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=_BEYOND_DEADLINE)


async def _until_alone(config: Config, kinds: Sequence[AssetClass]) -> None:
    """The sessions of a killed command notice it and end; a person does not start the next run in that second."""
    end = SystemClock().monotonic() + _ORPHANS_SECONDS
    while SystemClock().monotonic() < end:
        try:
            for kind in kinds:
                with session_lock(_book(config).root / "locks", kind):
                    pass
        except AlreadyRunning:
            await asyncio.sleep(0.1)
        else:
            return


def _last_words(order: Order, code: int | None) -> str:
    lines = order.log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line.strip()[:_LAST_WORDS] for line in reversed(lines) if any(map(str.isalpha, line))), "no word")
    return f"exit code {code}; {said}"


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What a drill's processes see: nothing that configures us, and no secret."""
    ours = {name for one in VARIABLES for name in (one.name, f"{one.name}_FILE")}
    ours |= {"CREDENTIALS_DIRECTORY", "ROBOTRADING_CONFIG"}
    return {name: value for name, value in given.items() if name not in ours}
