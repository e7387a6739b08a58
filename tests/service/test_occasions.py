"""Who may start what, and when: one run of a session at a time, and one session's wait is nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.service.occasions import CannotRun, Occasions
from robotrading.service.scheduler import Entry, Scheduler
from robotrading.session.due import Due, Missed, interrupted
from robotrading.session.schedule import parse_schedule
from tests.service.test_month import BONDS, CALENDAR, CRYPTO, EQUITIES, RULES, START, World

DUE = Occurrence(EQUITIES, START.date(), START.replace(hour=15, minute=0))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(open_database(f"sqlite:///{tmp_path / 'occasions.db'}", durable=False))
    yield found
    found.database.close()


def ran(world: World) -> list[str]:
    return [str(run_id).rpartition("-")[2] for run_id, _, _ in world.started]


async def ended(occasions: Occasions) -> None:
    await occasions.drain(3600)
    await occasions.told(60)


def claimed_by(world: World, holder: str, occurrence: Occurrence, seconds: float = 60.0) -> None:
    """What a copy leaves that dies in a run."""
    claims = SqlClaims(world.database)
    lease = claims.claim("account:month", holder, world.clock.now(), seconds)
    assert lease is not None
    assert claims.claim_occurrence(occurrence, lease, world.clock.now())


def open_claims(world: World) -> list[Claim]:
    every = SqlClaims(world.database).occurrences(START - timedelta(days=1))
    return [claim for claim in every if claim.finished_at is None]


def test_two_who_ask_at_once_get_one_run(world: World) -> None:
    """In real threads, since both wait for the lease at the same time."""
    world.length = 0.01

    async def scene() -> None:
        occasions = world.occasions("one")
        asked = await asyncio.gather(*(occasions.run_now(EQUITIES) for _ in range(2)), return_exceptions=True)
        assert [isinstance(one, CannotRun) for one in asked] == [False, True]
        assert "runs already" in str(asked[1])
        await ended(occasions)

    asyncio.run(scene())
    assert ran(world) == ["equities"]


def test_who_asks_while_a_run_that_is_due_is_being_claimed_is_told_to_wait(world: World) -> None:
    world.length = 0.01

    async def scene() -> None:
        occasions = world.occasions("one")
        claiming = asyncio.create_task(occasions.claim(DUE))
        asking = asyncio.create_task(_asked(occasions))
        assert await claiming
        assert await asking == "no"
        assert await _asked(occasions) == "no"
        await occasions.start(DUE)
        assert await _asked(occasions) == "yes"
        await ended(occasions)

    asyncio.run(scene())
    assert ran(world) == ["equities", "equities"]


async def _asked(occasions: Occasions) -> str:
    try:
        await occasions.run_now(EQUITIES)
    except CannotRun:
        return "no"
    return "yes"


def test_who_cannot_be_served_leaves_nothing_behind(world: World) -> None:
    """Another copy has the account: nothing runs, nothing is claimed, and later it works."""

    async def scene() -> None:
        occasions = world.occasions("one")
        claims = SqlClaims(world.database)
        lease = claims.claim("account:month", "other", world.clock.now(), 600.0)
        assert lease is not None
        assert await _asked(occasions) == "no"
        with pytest.raises(LedgerError, match="waits"):
            await occasions.claim(DUE)
        assert occasions.running == {}
        claims.release(lease, world.clock.now())
        assert await occasions.claim(DUE)
        await occasions.start(DUE)
        await ended(occasions)

    world.play(scene())
    assert ran(world) == ["equities"]


def test_a_person_s_run_of_one_session_holds_up_no_other_and_is_no_trouble(world: World) -> None:
    """Equities were started by hand and take their time; at three all are due: the others start on the minute."""
    world.length = 1200.0
    words = {EQUITIES: "at 11:00", BONDS: "at 11:00", CRYPTO: "at 15:00"}  # all at 15:00 UTC
    troubles: set[str] = set()

    async def scene() -> None:
        occasions = world.occasions("one")
        entries = [Entry(kind, parse_schedule(said, kind), RULES) for kind, said in words.items()]
        scheduler = Scheduler(entries, CALENDAR, world.clock, occasions.duties)
        keeping = asyncio.create_task(scheduler.run())
        await asyncio.sleep((DUE.due_at - START).total_seconds() - 60)
        await occasions.run_now(EQUITIES)
        for _ in range(60):
            await asyncio.sleep(60)
            troubles.add(scheduler.trouble)
        keeping.cancel()
        await asyncio.wait([keeping])
        await scheduler.drain(3600)
        await ended(occasions)

    world.play(scene())
    at = {str(run_id): at for run_id, at, _ in world.started}
    assert ran(world)[0] == "equities"
    assert sorted(ran(world)[1:3]) == ["bonds", "crypto"]
    assert ran(world)[3:] == ["equities"]
    late = sorted((when - DUE.due_at).total_seconds() for when in at.values())
    assert late[1:3] == [0.0, 0.0]
    assert 1140 <= late[3] <= 1200
    assert troubles == {""}


def test_what_cannot_be_named_while_another_has_the_account_is_named_later(world: World) -> None:
    """A rival comes between the look and the word: that is the ledger's trouble for now, and nothing is forgotten."""
    claimed_by(world, "dead", DUE)

    def decide(claims: list[Claim]) -> Due:
        return interrupted(claims, DUE.due_at + timedelta(hours=3), RULES, CALENDAR)

    async def scene() -> None:
        occasions = world.occasions("one")
        await asyncio.sleep(120)
        missed = Missed(DUE, "interrupted_late", "too late")
        claims = SqlClaims(world.database)
        rival = claims.claim("account:month", "rival", world.clock.now(), 60.0)
        assert rival is not None
        with pytest.raises(LedgerError, match="held by rival"):
            await occasions.miss(missed)
        claims.release(rival, world.clock.now())
        await occasions.take_over(decide)  # type: ignore[arg-type]
        await ended(occasions)

    world.play(scene())
    assert open_claims(world) == []
    assert [one.occurrence for one in world.alarms] == [DUE]


def test_a_dead_run_of_a_session_that_is_switched_off_here_is_not_started(world: World) -> None:
    claimed_by(world, "dead", DUE)

    async def scene() -> None:
        occasions = world.occasions("one")
        here = Occasions(occasions._post, [CRYPTO], occasions._helpers)
        await asyncio.sleep(120)
        await here.take_over(lambda claims: interrupted(claims, DUE.due_at, RULES, CALENDAR))
        await ended(here)
        assert ran(world) == []
        await here.run_now(CRYPTO)
        await ended(here)

    world.play(scene())
    assert ran(world) == ["crypto"]


def test_a_report_that_an_earlier_life_had_no_time_to_post_is_delivered_by_the_next(world: World) -> None:
    """The run and its occurrence have ended; what draws and posts was killed with the service."""

    async def scene() -> None:
        first = world.occasions("one")
        assert await first.claim(DUE)
        await first.start(DUE)
        await ended(first)
        assert len(world.delivered) == 1
        world.delivered.clear()
        second = world.occasions("one")
        await second.tell_again()
        await second.told(60)
        await second.tell_again()
        await second.told(60)
        assert world.delivered == [str(world.started[0][0])], "once, and not again"
        await asyncio.sleep(2 * 86_400.0)
        world.delivered.clear()
        await second.tell_again()
        await second.told(60)
        assert not world.delivered, "it is history by now"

    world.play(scene())
