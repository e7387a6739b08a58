"""What the service does so that people hear: a round when something is due, a summary once, and again after trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.domain.errors import RobotradingError
from robotrading.domain.messages import Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.service import telling
from robotrading.service.alerts.desk import Desk, Voice
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import BookFacts, EquityPoint, Facts
from robotrading.service.telling import Couriers, Telling, TellingSettings
from robotrading.service.weekly import letter_id, parse
from tests.unit.alerts.desks import BEGIN, HERE, PEOPLE, HandClock

FRIDAY = date(2025, 9, 26)  # BEGIN is its noon in UTC
OLD = EquityPoint(BEGIN - timedelta(days=3), Decimal(100))


@dataclass
class Office:
    """A service's telling over a real ledger; its couriers are counted and fail when they are told to."""

    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    facts: Facts = field(default_factory=lambda: Facts(BEGIN, BEGIN, "1", "paper", "here"))
    rounds: int = 0
    summaries: list[date] = field(default_factory=list)
    trouble: bool = False

    def __post_init__(self) -> None:
        database = open_database(f"sqlite:///{self.folder / 'ledger.db'}")
        self.close = database.close
        self.outbox, self.alerts = SqlOutbox(database), SqlAlertBook(database)

    def post(self, name: str) -> None:
        letter = Letter(name, LetterKind.REPORT, Urgency.NORMAL, self.clock.now(), Message("s", "t", "<p>"))
        self.outbox.post(letter, PEOPLE)
        self.facts = replace(self.facts, waiting=self.outbox.waiting(self.clock.now()))

    async def round(self) -> None:
        self.rounds += 1
        self._may()
        for one in self.outbox.due(self.clock.now()):
            self.outbox.sent(one, self.clock.now())

    async def direct(self, _letters: object) -> bool:
        return True

    async def summary(self, day: date) -> None:
        self._may()
        self.summaries.append(day)
        self.post(letter_id(day))

    def _may(self) -> None:
        if self.trouble:
            raise RobotradingError("the child ended with 1")

    @asynccontextmanager
    async def open(self, weekly: str = "") -> AsyncIterator[None]:
        settings = TellingSettings(AlertSettings(), parse(weekly))
        desk = Desk(self.alerts, self.outbox, settings.alerts, Voice(HERE, PEOPLE), self.clock)
        couriers = Couriers(self.round, self.direct, self.summary)
        work = Telling(lambda: self.facts, desk, self.outbox, couriers, settings, self.clock)
        task = asyncio.create_task(work.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    for name in ("_LOOK_SECONDS", "_POST_SECONDS", "_WEEK_SECONDS"):
        monkeypatch.setattr(telling, name, 0.01)
    one = Office(tmp_path)
    yield one
    one.close()


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  what is waited for sets no event
            await asyncio.sleep(0.01)


async def passing(seconds: float = 0.3) -> None:
    await asyncio.sleep(seconds)


async def test_nothing_is_started_while_nothing_is_due(office: Office) -> None:
    async with office.open():
        await passing()
    assert office.rounds == 0


async def test_what_is_due_is_carried_once(office: Office) -> None:
    async with office.open():
        office.post("report:1")
        await until(lambda: office.rounds)
        await passing()
    assert office.rounds == 1


async def test_a_new_alert_is_carried_at_once_whatever_the_facts_say(office: Office) -> None:
    async with office.open():
        office.facts = replace(office.facts, book=BookFacts(read_at=BEGIN, halted="by hand"))
        await until(lambda: office.rounds)
    assert [one.rule for one in office.alerts.open()] == ["halted"]


async def test_a_round_that_failed_is_made_again_a_minute_later_and_not_before(office: Office) -> None:
    office.trouble = True
    async with office.open():
        office.post("report:1")
        await until(lambda: office.rounds)
        await passing()
        assert office.rounds == 1
        office.trouble = False
        office.clock.forward(61)
        await until(lambda: office.rounds == 2)


async def test_a_clock_that_is_set_back_keeps_no_alert_from_being_carried(office: Office) -> None:
    office.trouble = True
    async with office.open():
        office.facts = replace(office.facts, book=BookFacts(read_at=BEGIN, halted="by hand"))
        await until(lambda: office.rounds)
        office.clock.set_to(BEGIN - timedelta(hours=5))
        office.trouble = False
        office.clock.forward(61)
        await until(lambda: office.rounds == 2)


async def test_the_week_is_summed_up_once_over_restarts_and_trouble(office: Office) -> None:
    office.facts = replace(office.facts, book=BookFacts(read_at=BEGIN, equity=(OLD,)))
    office.trouble = True
    async with office.open("Fri 07:00"):
        await passing()
        assert office.summaries == []
        office.trouble = False
        await until(lambda: office.summaries)
    async with office.open("Fri 07:00"):
        await passing()
    assert office.summaries == [FRIDAY]


async def test_a_new_service_has_no_week_to_sum_up(office: Office) -> None:
    async with office.open("Fri 07:00"):
        await passing()
        young = EquityPoint(BEGIN - timedelta(minutes=10), Decimal(100))
        office.facts = replace(office.facts, book=BookFacts(read_at=BEGIN, equity=(young,)))
        await passing()
    assert office.summaries == []


async def test_a_service_that_stops_judges_nothing_any_more(office: Office) -> None:
    office.facts = replace(office.facts, stopping=True, book=BookFacts(read_at=BEGIN, halted="by hand"))
    async with office.open():
        await passing()
    assert not office.alerts.open()
