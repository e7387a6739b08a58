"""What the lookout knows of a session's last run: also before its calendar is there, and behind many runs of others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar
from robotrading.domain.report import Outcome, SessionReport, Source
from robotrading.service.facts import BrokerFacts, SessionFacts
from robotrading.service.health import Level, judge
from robotrading.service.lookout import HISTORY, Hearers, Lookout, Place, Reader, Sources
from robotrading.sim.clock import VirtualClock

EQUITIES, CRYPTO = AssetClass.EQUITIES, AssetClass.CRYPTO
NOW = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
OLD = date(2025, 9, 17)
SOURCE = Source("AAPL", "yahoo", OLD)


class World:
    """A ledger and who looks at it; the calendar comes when somebody sets it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.calendar: Calendar | None = None
        self.counted: list[str] = []
        self.clock = VirtualClock(NOW)
        self.ledger = SqlLedger(database)
        self.place = Place(
            version="test", mode="paper", place="ledger.db", holder="here", lease="account:test", folder=folder,
            path=None, account_id="DU1", currency="USD", started_at=NOW,
            sessions=dict.fromkeys((EQUITIES, CRYPTO), (True, "at 14:00", 600.0)),
        )  # fmt: skip
        self.database = database
        sources = Sources(dict, dict, tuple, BrokerFacts, dict, lambda: self.calendar, lambda: "")
        hearers = Hearers(lambda report: self.counted.append(report.run_id), lambda *_: None)
        self.lookout = Lookout(self.place, self.clock, sources, hearers)

    def reader(self) -> Reader:
        return Reader(self.place, self.clock, self.ledger, SqlPositionBook(self.database), SqlClaims(self.database))

    def ran(self, kind: AssetClass, ago: float, outcome: Outcome = Outcome.DONE, *, trade: bool = True) -> None:
        """A run that began so many hours ago; a mere plan without `trade`."""
        at = NOW - timedelta(hours=ago)
        sources = (SOURCE,) if kind is EQUITIES else ()
        run_id = f"{kind}-{ago}"
        self.ledger.start_run(run_id, kind, at.date(), "paper", at, trade=trade)
        self.ledger.finish_run(
            SessionReport(run_id, kind, "paper", at.date(), at, at, outcome, "said", sources=sources, trade=trade)
        )

    def session(self, kind: AssetClass) -> SessionFacts:
        return next(one for one in self.lookout.facts.sessions if one.kind is kind)

    def level(self, name: str) -> Level:
        return next(one.level for one in judge(self.lookout.facts, self.clock.now()).checks if one.name == name)


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    database = open_database(sqlite_url, durable=False)
    yield World(database, tmp_path)
    database.close()


async def test_prices_are_as_old_after_a_restart_as_before(world: World) -> None:
    """The first look comes before the table of trading days does."""
    world.ran(EQUITIES, 20)
    reader = world.reader()
    await world.lookout.look(reader)
    last = world.session(EQUITIES).last
    assert last is not None
    assert last.bars_behind is None
    world.calendar = ExchangeCalendar(date(2025, 1, 1), date(2025, 12, 31))
    await world.lookout.look(reader)
    last = world.session(EQUITIES).last
    assert last is not None
    assert last.bars_behind == 5
    assert world.level("data equities") is Level.CRITICAL


async def test_a_run_that_failed_is_not_forgotten_behind_many_of_another_session(world: World) -> None:
    world.ran(EQUITIES, 70, Outcome.FAILED)
    reader = world.reader()
    await world.lookout.look(reader)
    assert world.level("session equities") is Level.CRITICAL
    for number in range(HISTORY + 10):
        world.ran(CRYPTO, 60 - number / 10)
    for again in (reader, world.reader()):  # and a service that starts now knows of it, too
        await world.lookout.look(again)
        assert world.level("session equities") is Level.CRITICAL
        assert world.session(CRYPTO).last_good_at is not None
        assert len(world.lookout.facts.book.ended) == HISTORY
    world.ran(EQUITIES, 1)
    await world.lookout.look(reader)
    assert world.level("session equities") is Level.FINE
    assert world.counted == []


@pytest.mark.parametrize("began", [1, -1], ids=["before the service", "while the service ran"])
@pytest.mark.parametrize(
    ("run", "plan", "level"),
    [(Outcome.FAILED, Outcome.DONE, Level.CRITICAL), (Outcome.DONE, Outcome.FAILED, Level.FINE)],
    ids=["a failed run stays one", "a failed plan is none"],
)
async def test_a_plan_made_beside_the_service_is_no_run(
    world: World, run: Outcome, plan: Outcome, level: Level, began: float
) -> None:
    """Health, alerts, metrics and the page go by these facts; the list of reports shows the plan, marked."""
    world.ran(EQUITIES, 20, run)
    world.ran(EQUITIES, began, plan, trade=False)
    world.ran(CRYPTO, began, plan, trade=False)
    await world.lookout.look(world.reader())
    facts = world.session(EQUITIES)
    assert facts.last is not None
    assert facts.last.run_id == f"{EQUITIES}-20"
    assert (facts.last_good_at is None) is (run is Outcome.FAILED)
    assert world.level("session equities") is level
    assert world.session(CRYPTO).last is None
    assert world.counted == []
    assert [one.trade for one in world.lookout.facts.book.ended] == [False, False, True]


async def test_the_ledger_is_read_by_one_thread_at_a_time(world: World) -> None:
    """The last look of a stop comes while another may be under way."""
    inside: list[int] = []
    most: list[int] = []

    class Slow(Reader):
        def read(self, *words: object) -> object:  # type: ignore[override]
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()
            return super().read(*words)  # type: ignore[arg-type]

    reader = Slow(world.place, world.clock, world.ledger, SqlPositionBook(world.database), SqlClaims(world.database))
    await asyncio.gather(*(world.lookout.look(reader) for _ in range(3)))
    assert most == [1, 1, 1]
