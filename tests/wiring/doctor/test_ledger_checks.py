"""The ledger is looked at and never changed: sound or damaged, older or newer, halted, in doubt, of another account."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.clock import FixedClock, SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.migrate import HEAD
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Intent, OrderEvent, OrderType, Side
from robotrading.domain.report import Outcome, SessionReport
from robotrading.wiring.doctor import ledger
from robotrading.wiring.doctor.finding import Finding, Level

D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
ALPHA = Instrument("ALPHA", AssetClass.EQUITIES)
BUY = Intent("rt-1", "run-1", AssetClass.EQUITIES, AT.date(), ALPHA, Side.BUY, D(10), OrderType.LIMIT, D(100), "why")


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def looked(path: Path, tmp_path: Path, now: datetime = AT) -> dict[str, Finding]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return {one.part: one for one in ledger.file(path, scratch, now)}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_ledger_yet_is_fine_and_none_is_made(tmp_path: Path):
    assert "first run" in looked(tmp_path / "ledger.db", tmp_path)["ledger"].found
    assert not (tmp_path / "ledger.db").exists()


def test_a_sound_ledger_is_fine(path: Path, tmp_path: Path):
    found = looked(path, tmp_path)
    assert {one.level for one in found.values()} == {Level.FINE}
    assert "sound" in found["ledger"].found


def test_a_damaged_ledger_is_broken_and_the_runbook_is_named(path: Path, tmp_path: Path):
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 8] = b"\xff" * 4096 * 5
    path.write_bytes(content)
    found = looked(path, tmp_path)["ledger"]
    assert found.level is Level.BROKEN
    assert "docs/runbook.md" in found.remedy


def test_a_file_that_is_no_database_is_broken(tmp_path: Path):
    path = tmp_path / "ledger.db"
    path.write_text("not a database, though it is long enough to be looked at" * 50)
    assert "cannot be read" in looked(path, tmp_path)["ledger"].found


def test_a_locked_ledger_says_who_to_wait_for(path: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ledger, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("PRAGMA journal_mode=DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        found = looked(path, tmp_path)["ledger"]
    assert found.level is Level.BROKEN
    assert "wait for" in found.remedy


def test_a_newer_ledger_is_not_touched(path: Path, tmp_path: Path):
    with closing(sqlite3.connect(path)) as link, link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in looked(path, tmp_path)["ledger"].found


def test_an_older_ledger_is_brought_up_in_a_copy(tmp_path: Path):
    """So that the version before can still read the file when this one is taken back."""
    path = tmp_path / "ledger.db"
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    with closing(sqlite3.connect(path)) as link, link:
        link.execute("CREATE TABLE something (a)")
    before = digest(path)
    found = looked(path, tmp_path)["ledger"]
    assert found.level is Level.FINE
    assert f"to version {HEAD}" in found.found
    assert digest(path) == before


def test_a_large_older_ledger_is_not_copied(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ledger, "_MOST_COPIED", 10)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as link, link:
        link.execute("CREATE TABLE something (a)")
    assert "next run brings it" in looked(tmp_path / "ledger.db", tmp_path)["ledger"].found
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_older_ledger_that_cannot_be_brought_up_is_broken(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as link, link:
        link.execute("CREATE TABLE session_runs (a)")
    assert looked(tmp_path / "ledger.db", tmp_path)["ledger"].level is Level.BROKEN


def test_what_waits_for_a_person_is_a_warning(path: Path, sqlite_url: str, tmp_path: Path):
    book = open_ledger(sqlite_url)
    book.halt("I want to look", AT, "ann")
    book.record_intent(BUY, AT)
    book.append(OrderEvent("rt-1", EventKind.SENT, AT))
    assert looked(path, tmp_path)["orders"].level is Level.FINE
    book.append(OrderEvent("rt-1", EventKind.UNKNOWN, AT, reason="silence"))
    book.start_run("run-dead", AssetClass.BONDS, AT.date(), "paper", AT)
    book.close()
    found = looked(path, tmp_path, AT + timedelta(days=2))
    assert "I want to look" in found["halt"].found
    assert "ALPHA" in found["orders"].found
    assert "run-dead" in found["runs"].found
    assert {found[part].level for part in ("halt", "orders", "runs")} == {Level.WARNING}


def test_a_run_of_tomorrow_means_a_wrong_clock(path: Path, sqlite_url: str, tmp_path: Path):
    book = open_ledger(sqlite_url)
    book.finish_run(SessionReport("r", AssetClass.EQUITIES, "paper", AT.date(), AT, AT, Outcome.DONE, "Done."))
    book.close()
    assert "clock" not in looked(path, tmp_path, AT)
    assert looked(path, tmp_path, AT - timedelta(days=1))["clock"].level is Level.BROKEN


def test_a_value_that_cannot_be_read_is_broken(path: Path, sqlite_url: str, tmp_path: Path):
    book = open_ledger(sqlite_url)
    book.finish_run(SessionReport("r", AssetClass.EQUITIES, "paper", AT.date(), AT, AT, Outcome.DONE, "Done."))
    book.close()
    with closing(sqlite3.connect(path)) as link, link:
        link.execute("UPDATE session_runs SET report = '{'")
    assert looked(path, tmp_path)["ledger"].level is Level.BROKEN


# A shared database -----------------------------------------------------------------------------------------------------


def asked(url: str, account: str = "account:paper-DU1", clock=None) -> dict[str, Finding]:
    return {one.part: one for one in ledger.database(url, account, clock or SystemClock())}


def test_a_database_in_time_and_of_this_account_is_fine(postgres_url: str):
    database = open_database(postgres_url)
    SqlClaims(database).dedicate("account:paper-DU1", AT)
    SqlLedger(database).halt("look", AT, "ann")
    database.close()
    found = asked(postgres_url)
    assert found["ledger"].level is Level.FINE
    assert found["clock"].level is Level.FINE
    assert found["halt"].level is Level.WARNING


def test_a_database_of_another_account_is_broken_and_stays_so(postgres_url: str):
    database = open_database(postgres_url)
    SqlClaims(database).dedicate("account:live-U9", AT)
    database.close()
    found = asked(postgres_url)["database"]
    assert found.level is Level.BROKEN
    assert "account:live-U9" in found.found


def test_a_host_whose_clock_differs_from_the_databases_is_broken(postgres_url: str):
    fast = FixedClock(SystemClock().now() + timedelta(minutes=5))
    assert asked(postgres_url, clock=fast)["clock"].level is Level.BROKEN


def test_an_empty_database_is_left_empty(bare_postgres_url: str):
    for _ in range(2):
        assert "empty" in asked(bare_postgres_url)["database"].found


@pytest.mark.parametrize(("version", "words"), [("9999", "newer"), ("0000", "next run brings")])
def test_a_databases_version_is_told(bare_postgres_url: str, version: str, words: str):
    import psycopg

    with psycopg.connect(bare_postgres_url) as link:
        link.execute("CREATE TABLE alembic_version (version_num text)")
        link.execute("INSERT INTO alembic_version VALUES (%s)", (version,))
    (found,) = asked(bare_postgres_url).values()
    assert words in found.found


def test_an_unreachable_database_tells_no_secret():
    found = asked("postgresql://bot:hunter2@127.0.0.1:1/ledger")["database"]
    assert found.level is Level.BROKEN
    assert "hunter2" not in found.found
    assert "refused" in found.found
    assert asked("postgresql://[nonsense")["database"].level is Level.BROKEN
