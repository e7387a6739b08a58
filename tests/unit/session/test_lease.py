"""The right to trade: one holder at a time, kept alive by a heartbeat, lost in time, taken over after life and grace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.domain.claims import Lease
from robotrading.domain.errors import LedgerError
from robotrading.session.lease import AccountBusy, LeaseTerms, Post, hold

CLOCK = SystemClock()
TERMS = LeaseTerms(life=0.9, margin=0.15, grace=0.3, poll=0.02)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def post(database: Database, holder: str = "one", claims: SqlClaims | None = None) -> Post:
    return Post(claims or SqlClaims(database), CLOCK, "account:DU1", holder, TERMS)


class Weak(SqlClaims):
    """A store whose renewals fail, or do not answer, from the `first` to the `last`."""

    def __init__(self, database: Database, first: int, last: int = 10**6, *, silent: bool = False) -> None:
        super().__init__(database)
        self.calls, self.first, self.last, self.silent = 0, first, last, silent
        self.over = threading.Event()

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            if self.silent:
                self.over.wait(20)
            raise LedgerError("the database is gone")
        return super().renew(lease, now, seconds)


async def test_the_default_terms_leave_time_to_send_and_survive_a_failed_renewal() -> None:
    terms = LeaseTerms()
    assert terms.margin < terms.life - 2 * terms.beat
    assert terms.grace >= terms.margin


async def test_while_one_holds_it_the_other_is_told_who_and_gets_it_once_it_is_given_back(database: Database) -> None:
    async with hold(post(database)):
        with pytest.raises(AccountBusy, match=r"account:DU1 is held by one until .* nothing was started"):
            async with hold(post(database, "two")):
                pass
    async with hold(post(database, "two")) as held:
        assert (held.lease.holder, held.lease.fence) == ("two", 2)


async def test_who_waits_gets_it_when_the_holder_is_done(database: Database) -> None:
    async with hold(post(database)):
        waiting = asyncio.create_task(_take(post(database, "two"), patience=5.0))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting == "two"


async def _take(mine: Post, patience: float) -> str:
    async with hold(mine, patience) as held:
        return held.lease.holder


async def test_a_heartbeat_keeps_it_for_much_longer_than_its_life(database: Database) -> None:
    async with hold(post(database)) as held:
        with pytest.raises(AccountBusy, match="after 2 s of waiting"):
            await _take(post(database, "two"), patience=2.0)
        assert not held.lost.is_set()
        assert held.lease.expires_at > CLOCK.now()


async def test_a_dead_holders_lease_is_taken_over_after_life_and_grace_and_not_before(database: Database) -> None:
    began = time.monotonic()
    assert SqlClaims(database).claim("account:DU1", "dead", CLOCK.now(), TERMS.life) is not None
    assert await _take(post(database, "two"), patience=10.0) == "two"
    assert TERMS.life + TERMS.grace <= time.monotonic() - began < 10


async def test_whose_lease_has_passed_to_another_is_told_at_the_next_beat(database: Database) -> None:
    claims = SqlClaims(database)
    async with hold(post(database)) as held:
        claims.release(held.lease, CLOCK.now())
        assert claims.claim("account:DU1", "two", CLOCK.now(), 60) is not None
        async with asyncio.timeout(TERMS.beat * 3):
            await held.lost.wait()
        assert "two has it since" in held.why
    assert claims.holder("account:DU1").holder == "two", "giving back a lost lease takes nothing from the new holder"


async def test_a_store_that_fails_for_a_moment_costs_nothing(database: Database) -> None:
    weak = Weak(database, 1, 3)
    async with hold(post(database, claims=weak)) as held:
        await asyncio.sleep(2 * TERMS.life)
        assert not held.lost.is_set()
        assert weak.calls > 4


@pytest.mark.parametrize("silent", [False, True])
async def test_a_store_that_is_gone_ends_the_right_before_the_lease_runs_out(database: Database, silent: bool) -> None:
    weak = Weak(database, 2, silent=silent)
    try:
        async with hold(post(database, claims=weak)) as held:
            async with asyncio.timeout(5):
                await held.lost.wait()
            left = (held.lease.expires_at - CLOCK.now()).total_seconds()
            assert 0 < left <= TERMS.margin
            assert "could not be renewed in time: " in held.why
            weak.over.set()
    finally:
        weak.over.set()


async def test_the_loop_goes_on_while_the_store_does_not_answer(database: Database) -> None:
    weak = Weak(database, 1, silent=True)
    try:
        async with hold(post(database, claims=weak)):
            worst, before = 0.0, time.monotonic()
            for _ in range(40):
                await asyncio.sleep(0.01)
                worst, before = max(worst, time.monotonic() - before), time.monotonic()
            weak.over.set()
        assert worst < 0.3
    finally:
        weak.over.set()


class Threadless(SqlClaims):
    """A machine that has no thread left for a renewal."""

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:  # noqa: ARG002
        raise RuntimeError("can't start new thread")


async def test_a_heartbeat_that_dies_of_something_unforeseen_is_no_heartbeat(database: Database) -> None:
    async with hold(post(database, claims=Threadless(database))) as held:
        async with asyncio.timeout(TERMS.life):
            await held.lost.wait()
        assert 'its heartbeat ended with RuntimeError("can\'t start new thread")' in held.why


class Mute(SqlClaims):
    """A store that does not answer when a lease is given back."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.over = threading.Event()

    def release(self, lease: Lease, now: datetime) -> None:  # noqa: ARG002
        self.over.wait(20)


async def test_a_store_that_does_not_answer_keeps_nobody_from_ending(database: Database) -> None:
    mute = Mute(database)
    try:
        async with asyncio.timeout(TERMS.life * 3):
            async with hold(post(database, claims=mute)):
                pass
    finally:
        mute.over.set()
    assert SqlClaims(database).holder("account:DU1").holder == "one", "it runs out by itself"


# The store's side -----------------------------------------------------------------------------------------------------


def test_a_database_is_one_accounts_home(database_url: str) -> None:
    database = open_database(database_url)
    try:
        claims = SqlClaims(database)
        for _ in range(2):
            claims.dedicate("account:paper-DU1", CLOCK.now())
        assert claims.holder("account:paper-DU1").holder == ""
        with pytest.raises(
            LedgerError, match=r"keeps the books of account:paper-DU1, not of account:live-U1"
        ) as caught:
            claims.dedicate("account:live-U1", CLOCK.now())
        assert "secret" not in str(caught.value)
        assert claims.claim("account:paper-DU1", "one", CLOCK.now(), 60).fence == 1
    finally:
        database.close()


def test_a_lease_that_ends_absurdly_late_is_named_instead_of_waited_for(database: Database) -> None:
    claims = SqlClaims(database)
    assert claims.claim("account:DU1", "one", CLOCK.now() + timedelta(days=3), 60) is not None
    with pytest.raises(LedgerError, match=r"the lease of one ends at .* one of the two clocks is wrong"):
        claims.claim("account:DU1", "two", CLOCK.now(), 60)


def test_the_hosts_clock_is_compared_with_the_servers(database_url: str) -> None:
    database = open_database(database_url)
    try:
        claims, now = SqlClaims(database), CLOCK.now()
        assert abs(claims.clock_offset(now)) < 5
        ahead = claims.clock_offset(now + timedelta(minutes=5))
        assert ahead == 0 if database_url.startswith("sqlite") else 295 < ahead < 305
    finally:
        database.close()


def test_a_wrong_clock_keeps_a_host_out(tmp_path: Path) -> None:
    from robotrading.wiring.books import _require_right_time

    _require_right_time(-9.0)
    with pytest.raises(LedgerError, match="clock is 11 s behind the database server's, more than 10 s"):
        _require_right_time(-11.0)


async def test_terms_are_values() -> None:
    assert replace(TERMS, life=9.0).beat == 3.0
