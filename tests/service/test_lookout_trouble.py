"""The lookout when its ledger cannot be read: trouble is told once, what was known stays, and recovery is seen."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.service.facts import BrokerFacts, LinkState
from robotrading.service.folders import OpenFile
from robotrading.service.health import judge
from robotrading.service.lookout import Hearers, Lookout, Place, Reader, Sources
from robotrading.sim.clock import VirtualClock

NOW = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
ACCOUNT = "DU1234567"


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    found = open_database(sqlite_url)
    yield found
    found.close()


def world(database: Database, folder: Path) -> tuple[Lookout, Reader, SqlLedger, VirtualClock]:
    clock = VirtualClock(NOW)
    place = Place(
        version="test", mode="paper", place="ledger.db", holder="here", lease="account:test", folder=folder,
        path=folder / "ledger.db", account_id=ACCOUNT, currency="USD", started_at=NOW,
        sessions={AssetClass.CRYPTO: (True, "at 14:00", 600.0)},
    )  # fmt: skip
    sources = Sources(
        running=dict,
        upcoming=dict,
        programs=tuple,
        broker=lambda: BrokerFacts(LinkState.UP, ACCOUNT, since=NOW, seen_at=NOW),
        breakers=dict,
        calendar=lambda: None,
        trouble=lambda: "",
    )
    ledger = SqlLedger(database)
    reader = Reader(place, clock, ledger, SqlPositionBook(database), SqlClaims(database))
    hearers = Hearers(lambda _: None, lambda *_: None)
    return Lookout(place, clock, sources, hearers), reader, ledger, clock


def ledger_level(lookout: Lookout, clock: VirtualClock) -> str:
    checks = judge(lookout.facts, clock.now()).checks
    return next(check.level.value for check in checks if check.name == "ledger")


def spoil(database: Database, *, away: bool) -> None:
    """Take a table that every look needs out of reach, or bring it back; other users' doings look the same."""
    old, new = ("halts", "halts_away") if away else ("halts_away", "halts")
    with database.transaction() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


async def test_trouble_is_told_once_what_was_known_stays_and_recovery_is_seen(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "robotrading.service.lookout")
    lookout, reader, ledger, clock = world(database, tmp_path)
    assert "not read yet" in judge(lookout.facts, clock.now()).sentence
    ledger.save_equity(NOW, ACCOUNT, Decimal(1000), "USD")
    ledger.halt("for the test", NOW, "test")
    await lookout.look(reader)
    before = lookout.facts.book
    assert before.halted == "for the test"
    assert [point.value for point in before.equity] == [Decimal(1000)]
    assert ledger_level(lookout, clock) == "fine"

    spoil(database, away=True)
    clock.advance(30)
    for _ in range(3):
        await lookout.look(reader)
    facts = lookout.facts
    assert "halts" in facts.book.trouble
    assert facts.book.equity == before.equity
    assert facts.book.halted == before.halted
    assert facts.book.read_at == NOW
    assert facts.at == clock.now()
    assert ledger_level(lookout, clock) == "critical"
    assert len([record for record in caplog.records if "cannot be read" in record.message]) == 1

    spoil(database, away=False)
    ledger.save_equity(clock.now(), ACCOUNT, Decimal(1001), "USD")
    await lookout.look(reader)
    after = lookout.facts.book
    assert after.trouble == ""
    assert after.read_at == clock.now()
    assert [point.value for point in after.equity] == [Decimal(1000), Decimal(1001)]
    assert ledger_level(lookout, clock) == "fine"

    spoil(database, away=True)
    await lookout.look(reader)
    assert len([record for record in caplog.records if "cannot be read" in record.message]) == 2


async def test_a_ledger_that_was_taken_away_or_replaced_is_trouble_until_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    lookout, reader, _, clock = world(database, tmp_path)
    path, aside = tmp_path / "ledger.db", tmp_path / "aside.db"
    await lookout.look(reader)
    assert ledger_level(lookout, clock) == "fine"
    path.rename(aside)
    await lookout.look(reader)
    assert "was taken away or replaced" in lookout.facts.book.trouble
    assert ledger_level(lookout, clock) == "critical"
    path.write_bytes(aside.read_bytes())  # a copy is another file: what is written goes to the first one
    await lookout.look(reader)
    assert ledger_level(lookout, clock) == "critical"
    aside.replace(path)
    await lookout.look(reader)
    assert ledger_level(lookout, clock) == "fine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what nobody may")
def test_a_file_that_may_not_be_written_is_trouble_until_it_may(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    file = OpenFile(path)
    file.require()
    path.chmod(0o400)
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be written: its disk is read-only"):
        file.require()
    path.chmod(0o600)
    file.require()


def test_a_file_that_never_was_there_is_not_missed(tmp_path: Path) -> None:
    for path in (None, tmp_path / "ledger.db"):
        OpenFile(path).require()
