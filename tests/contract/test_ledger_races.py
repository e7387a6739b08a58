"""Threads and real processes that want the same thing at once: one gets it, nothing is lost; on every engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context

import pytest
from ledgers import AAPL, DAY, EQ, NOW, D, fill, intent

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.claims import Occurrence
from robotrading.domain.errors import LedgerError

ROUNDS = 12
SHARED = intent(quantity="1000", attempt=999)
WORKERS = 3


def recorded(url: str, worker: int) -> list[int]:
    """The attempts whose intent this worker recorded."""
    ledger, mine = open_ledger(url), []
    for attempt in range(1, ROUNDS + 1):
        try:
            ledger.record_intent(replace(intent(attempt=attempt), session_id=f"run-{worker}"), NOW)
        except LedgerError as error:
            assert "exists already" in str(error)  # noqa: PT017
        else:
            mine.append(attempt)
    ledger.close()
    return mine


def appended(url: str, worker: int) -> list[int]:
    """Everybody tells of the same executions, each once more of its own."""
    ledger = open_ledger(url)
    for number in range(ROUNDS):
        ledger.append(fill(SHARED, "1", "100", f"all.{number}"))
        ledger.append(fill(SHARED, "1", "100", f"{worker}.{number}"))
    ledger.close()
    return []


def occurred(url: str, worker: int) -> list[int]:
    """The occurrences that this worker claimed; it renews its own lease meanwhile."""
    database = open_database(url)
    claims = SqlClaims(database)
    lease = claims.claim(f"worker:{worker}", str(worker), NOW, 60)
    assert lease is not None
    mine = []
    for number in range(ROUNDS):
        due = Occurrence(EQ, DAY, NOW + timedelta(minutes=number))
        if claims.claim_occurrence(due, lease, NOW):
            mine.append(number)
            claims.finish_occurrence(due, f"run-{worker}", "done", NOW)
        lease = claims.renew(lease, NOW, 60)
    database.close()
    return mine


def held(url: str, worker: int) -> list[int]:
    """The fences that this worker got of one name, always given back at once."""
    database = open_database(url)
    claims, mine = SqlClaims(database), []
    for _ in range(ROUNDS):
        lease = claims.claim("account:DU1", str(worker), NOW, 60)
        if lease is not None:
            mine.append(lease.fence)
            claims.release(lease, NOW)
    database.close()
    return mine


def pinned(url: str, worker: int) -> list[int]:
    """What each day's capital was said to be."""
    ledger = open_ledger(url)
    found = [int(ledger.pin_capital("DU1", DAY + timedelta(days=day), D(worker + 1), "USD")) for day in range(ROUNDS)]
    ledger.close()
    return found


WORKS = {"intents": recorded, "executions": appended, "occurrences": occurred, "fences": held, "capital": pinned}


def all_of_it(url: str, worker: int) -> dict[str, list[int]]:
    return {name: work(url, worker) for name, work in WORKS.items()}


def in_threads(url: str) -> list[dict[str, list[int]]]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(all_of_it, [url] * WORKERS, range(WORKERS), timeout=60))


def in_processes(url: str) -> list[dict[str, list[int]]]:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return list(pool.map(all_of_it, [url] * WORKERS, range(WORKERS), timeout=60))


@pytest.mark.parametrize("race", [in_threads, in_processes])
def test_whatever_many_want_at_once_one_gets_and_nothing_is_lost(
    database_url: str, race: Callable[[str], list[dict[str, list[int]]]]
) -> None:
    database = open_database(database_url)
    ledger = SqlLedger(database)
    ledger.record_intent(SHARED, NOW)
    found = race(database_url)
    got = {name: sorted(one for worker in found for one in worker[name]) for name in WORKS}
    assert got["intents"] == list(range(1, ROUNDS + 1)), "each intent is recorded by one"
    assert ledger.owned(AAPL) == ROUNDS * (WORKERS + 1), "each execution is booked once"
    assert len(ledger.events(SHARED.intent_id)) == ROUNDS * (WORKERS + 1)
    assert got["occurrences"] == list(range(ROUNDS)), "each occurrence is claimed by one"
    ends = SqlClaims(database).occurrences(NOW)
    assert [(one.run_id, one.outcome) for one in ends] == [(f"run-{one.holder}", "done") for one in ends]
    assert got["fences"] == list(range(1, len(got["fences"]) + 1)), "no fence is given twice"
    assert all(worker["capital"] == found[0]["capital"] for worker in found), "everybody hears the same capital"
    assert check(database, NOW) == ()
    database.close()
