"""Two copies of the service on one PostgreSQL ledger, in one state folder: both answer, one of them works."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.occurrence import run_id_of
from tests.service.copies import PretendGateway, make_copy, write_prices
from tests.service.services import Service

pytestmark = [pytest.mark.timeout(300)]
GOOD = {"done", "nothing_to_do"}
Make = Callable[[str], tuple[Service, Service]]


class Books:
    """What the shared ledger holds."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url)
        self.began = SystemClock().now()

    def claims(self) -> list[Claim]:
        return list(SqlClaims(self._database).occurrences(self.began - timedelta(minutes=2)))

    def reports(self) -> list[SessionReport]:
        return list(SqlLedger(self._database).last_reports(50))

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def books(postgres_url: str) -> Iterator[Books]:
    found = Books(postgres_url)
    yield found
    found.close()


@pytest.fixture
def copies(tmp_path: Path, trading_days: Path, postgres_url: str) -> Iterator[Make]:
    (tmp_path / "state").mkdir()
    shutil.copy(trading_days, tmp_path / "state" / "calendar.json")
    write_prices(tmp_path / "prices.csv")
    made: list[Service] = []
    with PretendGateway(tmp_path) as gateway:

        def make(schedule: str) -> tuple[Service, Service]:
            made.extend(make_copy(tmp_path, name, gateway, postgres_url, schedule) for name in ("one", "two"))
            for copy in made:
                copy.start()
            for copy in made:
                copy.until_ready()
            return made[0], made[1]

        yield make
        for copy in made:
            copy.close()


def able(copy: Service) -> bool:
    """Logged in beside the other copy, and nothing else missing."""
    status, said = copy.get("/health/detailed")
    return status == 200 and "logged in to" in said


def last(copy: Service) -> dict[str, Any]:
    return copy.session().get("last") or {}


def stopped(*copies: Service) -> None:
    for copy in copies:
        copy.signal(signal.SIGTERM)
    for copy in copies:
        assert copy.ended() == 0, copy.output
        assert copy.left() == []


def test_both_answer_and_a_session_that_is_asked_for_runs_once(copies: Make, books: Books) -> None:
    one, two = copies("at 03:00")
    for copy in (one, two):
        assert copy.get("/ping") == (200, "pong\n"), copy.output
        copy.until(lambda copy=copy: able(copy), what="health")  # type: ignore[misc]
    one.run_crypto()
    one.until(lambda: one.session().get("running_run"), what="the session")
    status, said = two.post("/run/crypto")
    assert status == 409
    assert "is held by" in said
    for copy in (one, two):
        copy.until(lambda copy=copy: last(copy).get("outcome") in GOOD, what="the report")  # type: ignore[misc]
    (report,) = books.reports()
    assert last(one)["run_id"] == last(two)["run_id"] == report.run_id
    assert report.tickets
    stopped(one, two)
    log = (one.folder.parent / "state" / "logs" / "service.log").read_text().splitlines()
    assert sum('"message": "ready: ' in line for line in log) == 2
    assert all(json.loads(line)["at"] for line in log)


@pytest.mark.nightly
def test_what_is_due_runs_once_whoever_is_quicker(copies: Make, books: Books) -> None:
    _until_second(lambda second: 5 <= second <= 40)
    one, two = copies("cron * * * * *")
    one.until(lambda: any(claim.outcome in GOOD for claim in books.claims()), 100, what="a run that was due")
    stopped(one, two)
    ran = [claim for claim in books.claims() if claim.run_id]
    assert len({claim.occurrence for claim in ran}) == len(ran)
    assert sorted(claim.run_id for claim in ran) == sorted(report.run_id for report in books.reports())


@pytest.mark.nightly
def test_the_other_copy_takes_over_what_a_killed_one_left(copies: Make, books: Books) -> None:
    """Killed (-9) in a session: its children end with it; the other concludes the run and makes it anew, once."""
    due = SystemClock().now() + timedelta(seconds=100)
    both = copies(f"cron {due.minute} {due.hour} * * *")
    both[0].until(lambda: any(copy.session().get("running_run") for copy in both), 120, what="the session")
    victim = next(copy for copy in both if copy.session().get("running_run"))
    other = both[1] if victim is both[0] else both[0]
    victim.signal(signal.SIGKILL)
    victim.ended()
    victim.until(lambda: not any(f"{victim.folder}/" in line for line in victim.left()), what="the end of its children")
    assert other.get("/ping")[0] == 200
    other.until(lambda: [claim.outcome for claim in books.claims() if claim.outcome in GOOD], 150, what="the new run")
    stopped(other)
    (claim,) = books.claims()
    reports = {report.run_id: report for report in books.reports()}
    dead, anew = run_id_of(claim.occurrence), claim.run_id
    assert reports.keys() == {dead, anew}
    assert anew.startswith(f"{dead}-")
    assert reports[dead].outcome is Outcome.FAILED  # told by the session itself, or by who found that it had died
    assert _bought(reports) == len({ticket.intent.instrument for one in reports.values() for ticket in one.tickets})


def _bought(reports: dict[str, SessionReport]) -> int:
    """Orders that were filled: none twice, whatever the killed run had sent."""
    return sum(ticket.filled > 0 for report in reports.values() for ticket in report.tickets)


def _until_second(fits: Callable[[int], bool]) -> None:
    while not fits(SystemClock().now().second):
        time.sleep(0.5)
