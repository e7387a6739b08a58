"""A stand-in for a scheduler: `two_services URL FOLDER NAME COUNT DEED`, racing with its like over the same occurrences.

The way to an occurrence is the product's own; the work is to write a line and a report. `DEED` is what it does in the
middle of occurrence number 60 or later, once: `works`, `hangs` (until it is killed), or `sleeps` (stops itself). It
says `awake` when it is ready, and waits for the file `go`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.bereaved import conclude_claim
from robotrading.session.lease import Held, LeaseTerms, Post
from robotrading.session.occurrence import Done, run_id_of, run_once

ACCOUNT = "account:paper-DU1"
TERMS = LeaseTerms(life=6.0, margin=0.5, grace=1.0, poll=0.01)
FIRST = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
KINDS = tuple(AssetClass)
DEED_AT = 60
GO_SECONDS = 60.0
CLOCK = SystemClock()


def occurrences(count: int) -> list[Occurrence]:
    """All due, of three sessions by turns."""
    return [
        Occurrence(KINDS[i % 3], date(2026, 11, 2) + timedelta(days=i // 30), FIRST + timedelta(minutes=10 * i))
        for i in range(count)
    ]


def report_of(occurrence: Occurrence, at: datetime) -> SessionReport:
    return SessionReport(
        run_id=run_id_of(occurrence),
        kind=occurrence.kind,
        mode="paper",
        trading_date=occurrence.trading_date,
        started_at=at,
        finished_at=at,
        outcome=Outcome.DONE,
        verdict="Nothing to do: a stand-in.",
    )


class Service:
    """One copy."""

    def __init__(self, url: str, folder: Path, name: str, deed: str) -> None:
        database = open_database(url)
        self.ledger, self.claims = SqlLedger(database), SqlClaims(database)
        self.folder, self.name, self.deed = folder, name, deed

    def write(self, word: str, occurrence: Occurrence) -> None:
        """One line, whole, whoever else writes."""
        line = f"{word} {occurrence.key} {self.name}\n".encode()
        file = os.open(self.folder / "lines", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.close(file)

    async def work(self, number: int, occurrence: Occurrence, held: Held) -> Done:
        assert held.lease.name == ACCOUNT
        self.write("began", occurrence)
        if number >= DEED_AT and self.deed != "works":
            deed, self.deed = self.deed, "works"
            self.write(deed, occurrence)
            if deed == "sleeps":
                os.kill(os.getpid(), signal.SIGSTOP)
            else:
                await asyncio.sleep(600)
        await asyncio.sleep(0.001)
        self.ledger.finish_run(report_of(occurrence, CLOCK.now()))
        self.write("ended", occurrence)
        return Done(run_id_of(occurrence), Outcome.DONE)

    async def epitaph(self, claim: Claim) -> Done:
        report = conclude_claim(claim, self.ledger, "paper", CLOCK.now())
        self.write("buried", claim.occurrence)
        return Done(report.run_id, report.outcome)

    async def race(self, count: int) -> None:
        self.write("awake", occurrences(1)[0])
        async with asyncio.timeout(GO_SECONDS):
            while not (self.folder / "go").exists():  # noqa: ASYNC110  a file has no events
                await asyncio.sleep(0.005)
        post = Post(self.claims, CLOCK, ACCOUNT, f"{self.name}:{os.getpid()}", TERMS)
        for number, occurrence in enumerate(occurrences(count)):
            try:
                done = await run_once(post, occurrence, partial(self.work, number), self.epitaph, patience=60.0)
                await asyncio.sleep(2 * TERMS.poll if done else 0)  # who had a turn lets the others look, too
            except LedgerError as error:
                print(f"{occurrence.key}: {error}", flush=True)  # noqa: T201  the test reads it


if __name__ == "__main__":
    url, folder, name, count, deed = sys.argv[1:]
    asyncio.run(Service(url, Path(folder), name, deed).race(int(count)))
