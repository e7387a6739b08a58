"""The Claims port's contract: leases with fencing numbers, and occurrences that run once, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import AAPL, DAY, EQ, NOW, intent

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.errors import LeaseLost, LedgerError

NAME = "account:DU1"
DUE = Occurrence(EQ, DAY, NOW)
NUMBERS = count()
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def claims(database: Database) -> SqlClaims:
    return SqlClaims(database)


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def taken(claims: SqlClaims, holder: str, seconds: float = 0, *, length: float = 60, grace: float = 0) -> Lease:
    lease = claims.claim(NAME, holder, after(seconds), length, grace)
    assert lease is not None
    return lease


def test_one_holder_at_a_time(claims: SqlClaims) -> None:
    first = taken(claims, "one")
    assert claims.claim(NAME, "two", after(59), 60) is None
    assert claims.holder(NAME) == first == Lease(NAME, "one", 1, after(60))
    assert claims.holder("account:DU2") is None
    assert taken(claims, "two", 60) == Lease(NAME, "two", 2, after(120))


def test_after_a_dead_holder_comes_a_pause(claims: SqlClaims) -> None:
    taken(claims, "one")
    assert claims.claim(NAME, "two", after(69), 60, grace=10) is None
    assert taken(claims, "two", 70, grace=10).fence == 2


def test_the_same_holder_gets_it_again_at_once_and_its_older_self_is_fenced_off(claims: SqlClaims) -> None:
    first, second = taken(claims, "one"), taken(claims, "one", 1, grace=10)
    assert (first.fence, second.fence) == (1, 2)
    with pytest.raises(LeaseLost, match="has passed from one"):
        claims.renew(first, after(2), 60)


def test_what_is_given_back_is_free_at_once(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    claims.release(lease, after(5))
    assert taken(claims, "two", 5, grace=10).fence == 2


def test_what_is_given_back_is_not_had_any_more_even_when_the_clock_goes_back(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    claims.release(lease, after(5))
    with pytest.raises(LeaseLost, match="nobody holds it"):
        claims.renew(lease, after(1), 60)


def test_giving_back_a_lost_lease_takes_nothing_from_the_new_holder(claims: SqlClaims) -> None:
    old = taken(claims, "one")
    new = taken(claims, "two", 60)
    claims.release(old, after(61))
    assert claims.holder(NAME) == new


def test_renewing_makes_it_longer_and_never_shorter(claims: SqlClaims) -> None:
    lease = claims.renew(taken(claims, "one"), after(30), 60)
    assert lease.expires_at == after(90)
    assert claims.renew(lease, after(31), 5).expires_at == after(90)
    assert claims.claim(NAME, "two", after(89), 60) is None


def test_what_has_run_out_is_not_renewed(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    with pytest.raises(LeaseLost, match=r"ran out at 19:46:00 UTC"):
        claims.renew(lease, after(60), 60)


def test_a_lease_has_a_holder(claims: SqlClaims) -> None:
    with pytest.raises(LedgerError, match="needs a holder"):
        claims.claim(NAME, "", NOW, 60)


def test_a_lease_that_ends_absurdly_late_calls_a_person(claims: SqlClaims) -> None:
    claims.claim(NAME, "wrong clock", after(10 * 86400), 60)
    with pytest.raises(LedgerError, match="one of the two clocks is wrong"):
        claims.claim(NAME, "two", NOW, 60)


def test_a_database_is_the_home_of_one_account(claims: SqlClaims) -> None:
    for _ in range(2):
        claims.dedicate(NAME, NOW)
    with pytest.raises(LedgerError, match="accounts never share a database"):
        claims.dedicate("account:DU2", NOW)
    assert taken(claims, "one").fence == 1


def test_an_intent_needs_a_valid_lease_where_there_is_one(claims: SqlClaims, database: Database) -> None:
    lease = taken(claims, "one")
    ledger = SqlLedger(database, lease)
    ledger.record_intent(intent(attempt=1), after(59))
    with pytest.raises(LeaseLost):
        ledger.record_intent(intent(attempt=2), after(60))
    taken(claims, "two", 60)
    with pytest.raises(LeaseLost, match="two has it since"):
        ledger.record_intent(intent(attempt=3), after(10))
    assert [ticket.intent.intent_id for ticket in ledger.open_tickets(AAPL)] == [intent(attempt=1).intent_id]


def test_an_intent_needs_more_of_the_lease_than_the_way_to_the_broker_takes(
    claims: SqlClaims, database: Database
) -> None:
    """By the clock of the moment of writing, whatever time the intent carries."""
    lease = taken(claims, "one")
    SqlLedger(database, lease, FixedClock(after(49.9)), margin=10).record_intent(intent(attempt=1), after(55))
    late = SqlLedger(database, lease, FixedClock(after(50)), margin=10)
    with pytest.raises(LeaseLost, match=r"runs out at 19:46:00 UTC"):
        late.record_intent(intent(attempt=2), NOW)


def test_a_lease_that_was_never_given_is_nobodys(claims: SqlClaims) -> None:
    with pytest.raises(LeaseLost, match="nobody holds it"):
        claims.renew(Lease("account:DU9", "one", 1, after(60)), NOW, 60)


def test_an_occurrence_is_claimed_once_ever(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    assert claims.claim_occurrence(DUE, lease, after(1))
    assert not claims.claim_occurrence(DUE, lease, after(2))
    other = taken(claims, "two", 60)
    assert not claims.claim_occurrence(DUE, other, after(61))
    [claim] = claims.occurrences(NOW)
    assert claim == Claim(DUE, "one", after(1))


def test_an_occurrence_is_one_instant_however_its_zone_is_written(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    in_new_york = replace(DUE, due_at=NOW.astimezone(ZoneInfo("America/New_York")))
    assert claims.claim_occurrence(DUE, lease, NOW)
    assert not claims.claim_occurrence(in_new_york, lease, NOW)


def test_an_occurrence_needs_a_valid_lease(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    with pytest.raises(LeaseLost):
        claims.claim_occurrence(DUE, lease, after(60))
    assert claims.occurrences(NOW) == []


def test_what_came_of_an_occurrence_is_said_once(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    with pytest.raises(LedgerError, match="was never claimed"):
        claims.finish_occurrence(DUE, "run-1", "done", after(5))
    claims.claim_occurrence(DUE, lease, after(1))
    claims.finish_occurrence(DUE, "run-1", "done", after(5))
    claims.finish_occurrence(DUE, "run-2", "failed", after(6))
    assert claims.occurrences(NOW) == [Claim(DUE, "one", after(1), "run-1", "done", after(5))]


def test_occurrences_are_listed_from_an_instant_oldest_first(claims: SqlClaims) -> None:
    lease = taken(claims, "one")
    due = [replace(DUE, due_at=after(seconds)) for seconds in (20, 0, 10)]
    for one in due:
        claims.claim_occurrence(one, lease, NOW)
    assert [claim.occurrence for claim in claims.occurrences(after(10))] == [due[2], due[0]]


def test_this_host_s_clock_is_compared_with_the_server_s(claims: SqlClaims) -> None:
    """Ahead is above zero; a file has no clock of its own."""
    ahead = claims.clock_offset(datetime.now(UTC) + timedelta(hours=1))
    assert ahead == (0 if claims.place.endswith(".db") else pytest.approx(3600, abs=300))


STEP = st.tuples(
    st.sampled_from(["claim", "renew", "release"]),
    st.sampled_from(["one", "two", "three"]),
    st.integers(-5, 30),
    st.integers(1, 60),
)


@FEW
@given(st.lists(STEP, max_size=25))
def test_at_most_one_lease_is_valid_at_any_time_and_fences_only_grow(database: Database, steps) -> None:
    """Under any mixture of claims, renewals and returns, by holders who forget nothing, with a clock that may go back."""
    claims, name = SqlClaims(database), f"account:{next(NUMBERS)}"
    seconds, mine, fence = 0, {}, 0
    for what, who, passed, length in steps:
        seconds = max(seconds + passed, 0)
        try:
            if what == "claim":
                lease = claims.claim(name, who, after(seconds), length)
                if lease is not None:
                    assert lease.fence > fence
                    fence, mine[who] = lease.fence, lease
            elif who in mine and what == "renew":
                mine[who] = claims.renew(mine[who], after(seconds), length)
            elif who in mine:
                claims.release(mine.pop(who), after(seconds))
        except LeaseLost:
            del mine[who]
        assert len([lease for lease in mine.values() if _is_valid(claims, lease, seconds)]) <= 1


def _is_valid(claims: SqlClaims, lease: Lease, seconds: int) -> bool:
    try:
        claims.renew(lease, after(seconds), 0.001)
    except LeaseLost:
        return False
    return True
