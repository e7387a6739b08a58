"""An occurrence runs at most once, over all copies; each ends in one report, whoever dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome
from robotrading.session.bereaved import conclude_claim
from robotrading.session.lease import AccountBusy, Held, LeaseTerms, Post, hold
from robotrading.session.occurrence import Done, conclude_dead, run_claimed, run_id_of, run_once

CLOCK = SystemClock()
TERMS = LeaseTerms(life=30.0, poll=0.002)
DUE = datetime(2026, 11, 20, 20, 45, tzinfo=UTC)
ONE = Occurrence(AssetClass.EQUITIES, date(2026, 11, 20), DUE)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def post(database: Database, holder: str = "one") -> Post:
    return Post(SqlClaims(database), CLOCK, "account:DU1", holder, TERMS)


async def work(occurrence: Occurrence, _: Held) -> Done:
    return Done(run_id_of(occurrence), "done")


async def nobody_died(claim: Claim) -> Done:
    raise AssertionError(claim)


def stored(database: Database) -> list[tuple[str, str]]:
    claims = SqlClaims(database).occurrences(DUE - timedelta(days=9))
    return [(claim.occurrence.key, claim.outcome) for claim in claims]


def test_its_run_is_named_by_its_content() -> None:
    assert run_id_of(ONE) == "20261120-204500-scheduled-equities"


async def test_it_runs_once_whoever_asks_again(database: Database) -> None:
    assert await run_once(post(database), ONE, work, nobody_died) == Done(run_id_of(ONE), "done")
    assert await run_once(post(database), ONE, work, nobody_died) is None
    assert await run_once(post(database, "two"), ONE, work, nobody_died) is None
    assert stored(database) == [(ONE.key, "done")]


async def test_while_another_copy_works_nothing_is_claimed(database: Database) -> None:
    async with hold(post(database, "two")):
        with pytest.raises(AccountBusy):
            await run_once(post(database), ONE, work, nobody_died)
    assert stored(database) == []
    assert await run_once(post(database), ONE, work, nobody_died) is not None


async def test_twenty_occurrences_and_four_copies_at_once_are_twenty_runs(database: Database) -> None:
    ran: Counter[str] = Counter()
    under_way = 0

    async def counted(occurrence: Occurrence, _: Held) -> Done:
        nonlocal under_way
        under_way += 1
        assert under_way == 1, "two traded the account at the same time"
        await asyncio.sleep(0.001)
        ran[occurrence.key] += 1
        under_way -= 1
        return Done(run_id_of(occurrence), "done")

    async def copy(name: str) -> None:
        for i in range(20):
            one = Occurrence(AssetClass.CRYPTO, date(2026, 11, 20), DUE + timedelta(minutes=i))
            await run_once(post(database, name), one, counted, nobody_died, patience=60)

    async with asyncio.TaskGroup() as group:
        for name in ("one", "two", "three", "four"):
            group.create_task(copy(name))
    assert len(ran) == 20
    assert set(ran.values()) == {1}


async def test_a_run_that_broke_off_is_not_run_again_and_is_concluded_by_the_next_holder(database: Database) -> None:
    async def breaks(occurrence: Occurrence, _: Held) -> Done:
        raise LedgerError(occurrence.key)

    ledger, told = SqlLedger(database), []

    async def epitaph(claim: Claim) -> Done:
        report = conclude_claim(claim, ledger, "paper", CLOCK.now())
        told.append(report)
        return Done(report.run_id, report.outcome)

    with pytest.raises(LedgerError):
        await run_once(post(database), ONE, breaks, nobody_died)
    assert stored(database) == [(ONE.key, "")]
    assert await run_once(post(database, "two"), ONE, work, epitaph) is None
    assert stored(database) == [(ONE.key, "failed")]
    assert await run_once(post(database, "three"), ONE, work, epitaph) is None
    (report,) = told
    assert ledger.last_reports(9) == [report]
    assert report.run_id == run_id_of(ONE)
    assert report.outcome is Outcome.FAILED
    assert "the copy that ran it (one) died after" in report.verdict
    again = conclude_claim(Claim(ONE, "one", DUE), ledger, "paper", CLOCK.now())
    assert again == report, "a report that is there already is the one"


async def test_what_one_runs_oneself_is_not_dead_and_who_lost_the_lease_concludes_nothing(database: Database) -> None:
    mine = post(database)
    other = Occurrence(AssetClass.BONDS, ONE.trading_date, DUE)

    async def epitaph(claim: Claim) -> Done:
        return Done(run_id_of(claim.occurrence), "failed")

    async with hold(mine) as held:
        for occurrence in (ONE, other):
            assert mine.claims.claim_occurrence(occurrence, held.lease, CLOCK.now())
        assert await conclude_dead(mine, held, epitaph, running=[ONE]) == (other,)
        held.lose("somebody else has it")
        assert await conclude_dead(mine, held, nobody_died) == ()
    assert dict(stored(database)) == {ONE.key: "", other.key: "failed"}


async def test_an_end_is_told_once(database: Database) -> None:
    """Who slept through his end changes nothing of what was said of him."""
    mine = post(database)
    async with hold(mine) as held:
        assert await run_claimed(mine, held, ONE, work) is not None
    mine.claims.finish_occurrence(ONE, "another", "failed", CLOCK.now())
    assert stored(database) == [(ONE.key, "done")]
