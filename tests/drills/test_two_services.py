"""Two and three services race over 200 due occurrences on one database: each runs once, whoever dies or sleeps."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.report import Outcome
from robotrading.session.occurrence import run_id_of
from tests.drills.two_services import ACCOUNT, FIRST, occurrences

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]
COUNT = 200
ROOT = Path(__file__).parents[2]


class Race:
    """The processes, and the lines that they wrote."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, deed: str = "works") -> None:
        self.children[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.drills.two_services", self.url, str(self.folder), name, str(COUNT), deed),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )

    async def ends(self, *names: str) -> None:
        async with asyncio.timeout(120):
            for name in names:
                said, _ = await self.children[name].communicate()
                assert self.children[name].returncode == 0, said
                self.said = said.decode()

    def lines(self, word: str) -> list[tuple[str, str]]:
        """Occurrence and service of each line that begins with a word."""
        path = self.folder / "lines"
        found = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(key, name) for first, key, name in found if first == word]

    async def until(self, word: str, times: int = 1) -> str:
        """The occurrence of the first line with a word, waited for until there are so many."""
        async with asyncio.timeout(60):
            while len(self.lines(word)) < times:  # noqa: ASYNC110  a file has no events
                await asyncio.sleep(0.02)
        return self.lines(word)[0][0]

    def go(self) -> None:
        """The signal to start, for all who are awake and all who come later."""
        (self.folder / "go").touch()

    async def stop(self) -> None:
        for child in self.children.values():
            if child.returncode is None:
                child.kill()
                await child.wait()

    def assert_each_ran_once(self, *, dead: frozenset[str] = frozenset()) -> None:
        """One beginning, one end, one report for each; the one who died has his from another."""
        every = occurrences(COUNT)
        assert Counter(key for key, _ in self.lines("began")) == Counter(one.key for one in every)
        assert {key for key, _ in self.lines("buried")} == dead
        database = open_database(self.url)
        try:
            found = SqlClaims(database).occurrences(FIRST - timedelta(days=1))
            reports = {report.run_id: report for report in SqlLedger(database).last_reports(COUNT * 2)}
        finally:
            database.close()
        assert [claim.occurrence for claim in found] == every
        assert sorted(reports) == sorted(run_id_of(one) for one in every)
        for claim in found:
            outcome = Outcome.FAILED if claim.occurrence.key in dead else Outcome.DONE
            assert (claim.run_id, claim.outcome) == (run_id_of(claim.occurrence), outcome)
            assert claim.finished_at is not None
            assert reports[claim.run_id].outcome is outcome


@pytest.fixture
async def race(database_url: str, tmp_path: Path):
    racing = Race(database_url, tmp_path)
    yield racing
    await racing.stop()


async def test_three_services_at_once_run_each_of_200_occurrences_once(race: Race) -> None:
    for name in ("one", "two", "three"):
        await race.start(name)
    await race.until("awake", 3)
    race.go()
    await race.ends("one", "two", "three")
    race.assert_each_ran_once()
    assert len({name for _, name in race.lines("began")}) > 1, "one had them all: it was no race"


@pytest.mark.nightly
async def test_a_killed_service_costs_its_occurrence_alone_which_gets_its_one_report_from_the_other(race: Race) -> None:
    race.go()
    await race.start("one", "hangs")
    key = await race.until("hangs")
    await race.start("two")
    await asyncio.sleep(1.0)
    assert not race.lines("buried"), "the holder lives: nobody takes over"
    race.children["one"].kill()
    await race.ends("two")
    race.assert_each_ran_once(dead=frozenset({key}))
    database = open_database(race.url)
    try:
        (dead,) = [report for report in SqlLedger(database).last_reports(COUNT) if report.outcome is Outcome.FAILED]
        assert SqlClaims(database).holder(ACCOUNT).holder == "", "given back"
    finally:
        database.close()
    assert "the copy that ran it (one:" in dead.verdict
    assert "is not run again by itself" in dead.verdict


@pytest.mark.nightly
async def test_a_service_that_slept_through_its_end_changes_nothing_when_it_wakes(race: Race) -> None:
    race.go()
    await race.start("one", "sleeps")
    key = await race.until("sleeps")
    await race.start("two")
    await race.ends("two")
    race.assert_each_ran_once(dead=frozenset({key}))
    race.children["one"].send_signal(signal.SIGCONT)
    await race.ends("one")
    assert "has its report already" in race.said
    race.assert_each_ran_once(dead=frozenset({key}))
