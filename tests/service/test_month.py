"""A month of the service on virtual time: two copies on one ledger, each run at its minute, once, and memory flat.

November 2026 has the end of daylight saving, Thanksgiving, a half day, and crypto at weekends. Scheduler, occasions,
leases, claims and ledger are the real ones; sessions are stand-ins that take a minute and leave a report.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.service.occasions import Helpers, Occasions, Trade
from robotrading.service.scheduler import Entry, Scheduler
from robotrading.session.bereaved import conclude_claim
from robotrading.session.due import CatchUp, Missed, interrupted
from robotrading.session.lease import Post
from robotrading.session.schedule import parse_schedule
from robotrading.session.timetable import occurrences
from robotrading.sim.clock import VirtualClock, VirtualLoop

EQUITIES, BONDS, CRYPTO = AssetClass
WORDS = {EQUITIES: "15 minutes before the close", BONDS: "at 15:00", CRYPTO: "cron 0 */6 * * *"}
CALENDAR = ExchangeCalendar(date(2026, 1, 1), date(2027, 12, 31))
START, END = datetime(2026, 10, 30, 12, 30, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC)
RULES = CatchUp()


class InlineLoop(VirtualLoop):
    """Virtual time does not wait for threads: what belongs into one is done at once."""

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  as an executor does
            done.set_exception(error)
        return done


@dataclass
class World:
    """One database, one clock, any number of copies."""

    database: Database
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    started: list[tuple[Occurrence | str, datetime, str]] = field(default_factory=list)
    alarms: list[Missed] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    length: float = 60.0

    def occasions(self, holder: str) -> Occasions:
        ledger = SqlLedger(self.database)
        post = Post(SqlClaims(self.database), self.clock, "account:month", holder)

        async def run(trade: Trade) -> SessionReport:
            now = self.clock.now()
            self.started.append((trade.run_id, now, holder))
            ledger.start_run(trade.run_id, trade.kind, now.date(), "paper", now)
            await asyncio.sleep(self.length)
            assert not trade.held.lost.is_set()
            report = SessionReport(
                trade.run_id, trade.kind, "paper", now.date(), now, self.clock.now(), Outcome.DONE, "all done"
            )
            ledger.finish_run(report)
            return report

        async def settled(_kind: AssetClass) -> None:
            return

        async def deliver(report: SessionReport) -> Sequence[str]:
            self.delivered.append(report.run_id)
            return ()

        async def alarm(missed: Missed) -> Sequence[str]:
            self.alarms.append(missed)
            return ()

        def epitaph(claim: Claim) -> SessionReport:
            return conclude_claim(claim, ledger, "paper", self.clock.now())

        def untold(ended: Sequence[Claim]) -> Sequence[SessionReport]:
            reports = (ledger.report(one.run_id) for one in ended if one.run_id not in self.delivered)
            return [report for report in reports if report is not None]

        return Occasions(post, list(WORDS), Helpers(run, settled, ledger.report, epitaph, deliver, alarm, untold))

    async def copy(self, holder: str, seconds: float) -> None:
        """One service for so long, then ended in peace; it looks after what others have left, too."""
        occasions = self.occasions(holder)
        entries = [Entry(kind, parse_schedule(words, kind), RULES) for kind, words in WORDS.items()]
        scheduler = Scheduler(entries, CALENDAR, self.clock, occasions.duties, 600.0)

        async def look_after() -> None:
            while True:
                await asyncio.sleep(1800)
                with suppress(LedgerError):
                    await occasions.take_over(lambda claims: interrupted(claims, self.clock.now(), RULES, CALENDAR))

        tasks = [asyncio.create_task(scheduler.run()), asyncio.create_task(look_after())]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await scheduler.drain(3600)
        await occasions.drain(3600)
        await occasions.told(60)

    def play(self, scene: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=lambda: InlineLoop(self.clock)) as runner:
            runner.run(scene)


def expected() -> list[Occurrence]:
    found = []
    for kind, words in WORDS.items():
        every = occurrences(parse_schedule(words, kind), kind, CALENDAR, START.date(), END.date())
        found += [one for one in every if START < one.due_at <= END]
    return found


def test_each_run_of_the_month_at_its_minute_once_over_two_copies_and_memory_flat(tmp_path: Path) -> None:
    world = World(open_database(f"sqlite:///{tmp_path / 'month.db'}", durable=False))
    sizes: list[int] = []

    async def scene() -> None:
        seconds = (END - START).total_seconds()
        copies = [asyncio.create_task(world.copy(name, seconds)) for name in ("first", "second")]
        await asyncio.sleep(86400.0 * 6)
        for _ in range(2):
            gc.collect()
            sizes.append(sys.getallocatedblocks())
            await asyncio.sleep(86400.0 * 12)
        await asyncio.gather(*copies)

    world.play(scene())
    claims = SqlClaims(world.database).occurrences(START)
    wanted = expected()
    assert {claim.occurrence for claim in claims} == set(wanted)
    assert {claim.outcome for claim in claims} == {"done"}
    assert len(world.started) == len(wanted) == len(set(world.delivered))
    dues = {claim.run_id: claim.occurrence.due_at for claim in claims}
    late = [(at - dues[run_id]).total_seconds() for run_id, at, _ in world.started if isinstance(run_id, str)]
    assert min(late) >= 0
    assert max(late) < 60
    assert not world.alarms
    counted = Counter(claim.occurrence.kind for claim in claims)
    assert counted == {EQUITIES: 21, BONDS: 20, CRYPTO: 4 * 32}  # Thanksgiving; a half day that closes before 15:00
    instants = {claim.occurrence.due_at for claim in claims if claim.occurrence.kind is EQUITIES}
    assert datetime(2026, 10, 30, 19, 45, tzinfo=UTC) in instants
    assert datetime(2026, 11, 2, 20, 45, tzinfo=UTC) in instants
    assert datetime(2026, 11, 27, 17, 45, tzinfo=UTC) in instants
    assert sizes[1] - sizes[0] < 20_000, sizes  # blocks; measuring the coverage takes some thousand by itself
    world.database.close()


def test_what_a_dead_copy_was_in_is_taken_over_by_the_living_one(tmp_path: Path) -> None:
    """It stops renewing in the middle of a run: its occurrence ends once, within the hour, under the living copy."""
    world = World(open_database(f"sqlite:///{tmp_path / 'month.db'}", durable=False))
    claims = SqlClaims(world.database)
    due = datetime(2026, 10, 30, 19, 45, tzinfo=UTC)
    dead = Occurrence(EQUITIES, due.date(), due)

    async def scene() -> None:
        living = asyncio.create_task(world.copy("living", 86400.0))
        await asyncio.sleep((due - START).total_seconds() - 10)
        lease = claims.claim("account:month", "dead", world.clock.now(), 60.0)
        assert lease is not None
        assert claims.claim_occurrence(dead, lease, world.clock.now())
        await living

    world.play(scene())
    (claim,) = [one for one in claims.occurrences(due) if one.occurrence == dead]
    assert claim.finished_at is not None
    assert claim.finished_at - due < timedelta(hours=1)
    assert claim.run_id
    assert len({one.occurrence for one in claims.occurrences(START)}) == len(claims.occurrences(START))
    world.database.close()


def test_while_another_copy_trades_a_session_waits_and_then_runs(tmp_path: Path) -> None:
    """A person's command has the account when a session is due: nothing is claimed, and it starts afterwards."""
    world = World(open_database(f"sqlite:///{tmp_path / 'month.db'}", durable=False))
    claims = SqlClaims(world.database)
    due = datetime(2026, 10, 30, 18, tzinfo=UTC)

    async def scene() -> None:
        living = asyncio.create_task(world.copy("living", 86400.0))
        await asyncio.sleep((due - START).total_seconds() - 10)
        lease = claims.claim("account:month", "a person", world.clock.now(), 700.0)
        assert lease is not None
        await asyncio.sleep(660)
        claims.release(lease, world.clock.now())
        await living

    world.play(scene())
    (claim,) = [one for one in claims.occurrences(due) if one.occurrence.due_at == due]
    assert claim.outcome == "done"
    assert timedelta(minutes=10) < claim.claimed_at - due < timedelta(minutes=21)
    world.database.close()
