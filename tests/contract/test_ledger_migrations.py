"""Migrations run when a ledger is opened: from nothing, from older versions with data in them, by several at once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from ledgers import AAPL, DAY, NOW, D, event, fill, intent
from sqlalchemy import Engine, create_engine, inspect, make_url, text

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.migrate import HEAD, MIGRATIONS
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.adapters.ledger.tables import metadata
from robotrading.domain.alerts import Finding
from robotrading.domain.claims import Lease
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency, Waiting
from robotrading.domain.orders import EventKind, Side, Ticket, TicketStatus
from robotrading.domain.report import Message, Outcome, SessionReport
from robotrading.execution.lifecycle import replay


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'ledger.db'}"
    return str(request.getfixturevalue("bare_postgres_url"))


@pytest.fixture
def engine(bare_url: str) -> Iterator[Engine]:
    url = make_url(bare_url)
    if url.database and url.get_backend_name() == "sqlite":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    opened = create_engine(url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url)
    yield opened
    opened.dispose()


def migrate_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_from_nothing_the_tables_are_those_that_the_code_expects(bare_url: str, engine: Engine) -> None:
    """Columns, their types and lengths, NULLs, keys and indexes."""
    open_database(bare_url).close()
    inspector = inspect(engine)
    assert set(inspector.get_table_names()) == {*metadata.tables, "alembic_version"}
    for table in metadata.sorted_tables:
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        assert {name: bool(column["nullable"]) for name, column in columns.items()} == {
            column.name: bool(column.nullable) for column in table.columns
        }, table.name
        for column in table.columns:
            made = columns[column.name]["type"].compile(engine.dialect).replace("DOUBLE PRECISION", "FLOAT")
            assert made == column.type.compile(engine.dialect), f"{table.name}.{column.name}"
        key = inspector.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key], table.name
        made = {(index["name"], tuple(index["column_names"])) for index in inspector.get_indexes(table.name)}
        assert made == {(index.name, tuple(column.name for column in index.columns)) for index in table.indexes}
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")) == HEAD


def fill_0001(engine: Engine) -> list[Ticket]:
    """A ledger as the first version wrote it; the tickets that it held."""
    buy, sell = intent(), intent(Side.SELL)
    late = NOW + timedelta(seconds=5)
    history = {
        buy: [event(buy, EventKind.SENT), fill(buy, "6", "100", "zz"), fill(buy, "4", "101", "aa", at=late, commission=D(1), commission_currency="USD")],
        sell: [event(sell, EventKind.SENT), fill(sell, "3", "102", "s")],
    }  # fmt: skip
    tickets = [replay(order, events) for order, events in history.items()]
    with engine.begin() as connection:
        for ticket, events in zip(tickets, history.values(), strict=True):
            _write_0001(connection, ticket, events)
        connection.execute(
            text("INSERT INTO active_positions VALUES ('equities', :key, '7', '703.5', :at, :instrument)"),
            {"key": AAPL.key, "at": NOW.isoformat(), "instrument": msgspec.json.encode(AAPL).decode()},
        )
        connection.execute(text("INSERT INTO halts (reason, halted_at) VALUES ('lunch', :at)"), {"at": NOW.isoformat()})
    return tickets


def _write_0001(connection, ticket: Ticket, events) -> None:
    order = ticket.intent
    body = json.loads(msgspec.json.encode(order))
    row = {"id": order.intent_id, "side": order.side.value, "day": DAY.isoformat(), "key": AAPL.key, "q": str(order.quantity),
           "at": NOW.isoformat(timespec="microseconds"), "body": json.dumps(body), "status": ticket.status.value,
           "updated": ticket.updated_at.isoformat(timespec="microseconds")}  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO intents (intent_id, session_id, kind, trading_date, instrument_key, side, quantity, recorded_at, "
            "body, status, broker_id, reason, cancel_sent, updated_at) "
            "VALUES (:id, 'run-1', 'equities', :day, :key, :side, :q, :at, :body, :status, 0, '', 0, :updated)"
        ),
        row,
    )
    for one in events:
        text_of = msgspec.json.encode(one).decode()
        connection.execute(
            text("INSERT INTO order_events (intent_id, kind, at, body) VALUES (:id, :kind, :at, :body)"),
            {
                "id": one.intent_id,
                "kind": one.kind.value,
                "at": one.at.isoformat(timespec="microseconds"),
                "body": text_of,
            },
        )
    for one in ticket.fills:
        connection.execute(
            text("INSERT INTO fills VALUES (:fill, :id, :key, :at, :body)"),
            {"fill": one.fill_id, "id": one.intent_id, "key": AAPL.key, "at": one.at.isoformat(timespec="microseconds"), "body": msgspec.json.encode(one).decode()},
        )  # fmt: skip


def test_a_first_version_s_ledger_is_carried_over_whole(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0001")
    buy, sell = fill_0001(engine)
    database = open_database(bare_url)
    database.close()
    ledger = open_ledger(bare_url)
    assert ledger.ticket(buy.intent.intent_id) == buy
    assert ledger.ticket(sell.intent.intent_id) == sell
    assert sell.status is TicketStatus.PARTIAL
    assert ledger.open_tickets() == [sell]
    assert [(held.quantity, held.avg_cost) for held in ledger.positions()] == [(D(7), D("100.5"))]
    assert ledger.halted() == "lunch"
    again = replace(event(sell.intent, EventKind.ACKNOWLEDGED), broker_id=2**40)
    assert ledger.append(again).broker_id == 2**40
    ledger.append(fill(sell.intent, "7", "102", "s2"))
    assert ledger.owned(AAPL) == 0
    assert ledger.was_closed(AAPL, DAY)
    database = open_database(bare_url)
    assert check(database, NOW) == ()
    database.close()
    ledger.close()


def fill_0002(engine: Engine) -> None:
    """What the second version keeps and the first does not: a lease and an occurrence."""
    with engine.begin() as connection:
        at = NOW.isoformat(timespec="microseconds")
        connection.execute(text("INSERT INTO leases VALUES ('account:DU1', 'one', 7, :at)"), {"at": at})
        occurrence = (
            "INSERT INTO occurrences VALUES ('eq', 'equities', :day, :at, 'one', 7, :at, 'run-1', 'done', NULL)"
        )
        connection.execute(text(occurrence), {"day": DAY.isoformat(), "at": at})


def test_a_second_version_s_ledger_is_carried_over_and_can_tell(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0001")
    tickets = fill_0001(engine)
    migrate_to(engine, "0002")
    fill_0002(engine)
    with closing(open_database(bare_url)) as database:
        ledger, claims = SqlLedger(database), SqlClaims(database)
        outbox, alert_book = SqlOutbox(database), SqlAlertBook(database)
        assert [ledger.ticket(one.intent.intent_id) for one in tickets] == tickets
        assert claims.holder("account:DU1") == Lease("account:DU1", "one", 7, NOW)
        assert [claim.run_id for claim in claims.occurrences(NOW)] == ["run-1"]
        assert (outbox.waiting(NOW), alert_book.open()) == (Waiting(), [])
        letter = Letter("report:run-1", LetterKind.REPORT, Urgency.NORMAL, NOW, Message("s", "t", "h"))
        assert outbox.post(letter, [Address(Channel.MAIL, "ann@example.org")])
        assert alert_book.begin(Finding("drawdown", Urgency.WARNING, "Low."), NOW) is not None
        assert check(database, NOW) == ()
    with closing(open_database(bare_url)) as database:
        assert SqlOutbox(database).letter("report:run-1") == letter, "opening it again changes nothing"


def test_what_ran_before_plans_were_told_apart_counts_as_a_run(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0003")
    old = SessionReport("old", AssetClass.EQUITIES, "paper", DAY, NOW, NOW, Outcome.DONE, "Done.")
    body = json.loads(msgspec.json.encode(old))
    del body["trade"]
    row = {"day": DAY.isoformat(), "at": NOW.isoformat(timespec="microseconds"), "body": json.dumps(body)}
    into = "INSERT INTO session_runs (run_id, kind, trading_date, mode, started_at, finished_at, outcome, report)"
    with engine.begin() as connection:
        written = " VALUES (:id, 'equities', :day, 'paper', :at, {}"
        connection.execute(text(into + written.format(":at, 'done', :body)")), {**row, "id": "old"})
        connection.execute(text(into + written.format("NULL, NULL, NULL)")), {**row, "id": "dead"})
    with closing(open_ledger(bare_url)) as ledger:
        assert [(one.run_id, one.trade) for one in ledger.ended()] == [("old", True)]
        assert [(one.run_id, one.trade) for one in ledger.unreported(AssetClass.EQUITIES)] == [("dead", True)]
        assert ledger.report("old") == old


def test_a_third_migration_that_fails_leaves_the_second_version_whole(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0002")
    fill_0002(engine)
    with engine.begin() as connection:  # in the way of its last table
        connection.exec_driver_sql("CREATE TABLE alerts (x integer)")
    with pytest.raises(LedgerError, match="cannot be prepared"):
        open_database(bare_url)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0002"
        assert not inspect(connection).has_table("letters")
        connection.exec_driver_sql("DROP TABLE alerts")
    with closing(open_database(bare_url)) as database:
        assert SqlClaims(database).holder("account:DU1") is not None


def open_and_close(url: str) -> str:
    open_database(url, busy_seconds=30).close()
    return "opened"


def test_several_processes_may_open_an_empty_ledger_at_once(bare_url: str) -> None:
    """One migrates, the others wait for it."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(open_and_close, [bare_url] * 4, timeout=60)) == ["opened"] * 4


def test_threads_may_open_different_empty_ledgers_at_once(tmp_path: Path) -> None:
    """Alembic's context is one for the whole process."""
    with ThreadPoolExecutor(4) as pool:
        urls = [f"sqlite:///{tmp_path / str(number) / 'ledger.db'}" for number in range(6)]
        assert set(pool.map(open_and_close, urls, timeout=60)) == {"opened"}


def test_a_database_of_a_newer_version_is_refused(bare_url: str, engine: Engine) -> None:
    open_database(bare_url).close()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="newer than this program"):
        open_database(bare_url)


def test_a_ledger_that_a_newer_version_migrated_while_this_one_waited_is_refused(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0002")
    begins = {"postgresql": ["SELECT pg_advisory_xact_lock(1919902319)"],
              "sqlite": ["PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE"]}  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as newer:
            for begin in begins[engine.dialect.name]:
                newer.exec_driver_sql(begin)
            opening = pool.submit(open_database, bare_url)
            time.sleep(1)
            newer.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
            newer.commit()
        with pytest.raises(LedgerError, match="newer than this program"):
            opening.result(20)


def test_a_migration_that_fails_leaves_the_older_version_whole(bare_url: str, engine: Engine) -> None:
    migrate_to(engine, "0001")
    tickets = fill_0001(engine)
    with engine.begin() as connection:  # in the way of 0002's own table, late in its work
        connection.exec_driver_sql("CREATE TABLE audit_log (x integer)")
    with pytest.raises(LedgerError, match="cannot be prepared"):
        open_database(bare_url)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0001"
        assert not inspect(connection).has_table("commissions")
        connection.exec_driver_sql("DROP TABLE audit_log")
    ledger = open_ledger(bare_url)
    assert ledger.ticket(tickets[0].intent.intent_id) == tickets[0]
    ledger.close()


def test_a_file_that_is_no_database_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(LedgerError, match=r"cannot be prepared: .* 'The ledger is damaged' in docs/runbook.md"):
        open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_a_file_that_is_damaged_in_the_middle_says_where_the_way_out_is(sqlite_url: str) -> None:
    path = Path(str(make_url(sqlite_url).database))
    with closing(sqlite3.connect(path)) as link:
        (page,) = link.execute("SELECT rootpage FROM sqlite_master WHERE name = 'halts'").fetchone()
    sound = path.read_bytes()
    path.write_bytes(sound[: (page - 1) * 4096] + b"\xff" * 4096 + sound[page * 4096 :])
    with closing(open_ledger(sqlite_url)) as ledger, pytest.raises(LedgerError, match=r"malformed.*docs/runbook.md"):
        ledger.halted()
    assert "## The ledger is damaged" in (Path(__file__).parents[2] / "docs/runbook.md").read_text("utf-8")


def test_a_folder_that_cannot_be_made_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="folder cannot be made"):
        open_ledger(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")


def test_a_ledger_up_to_date_is_opened_without_the_migrations_library(sqlite_url: str) -> None:
    import subprocess
    import sys

    script = (
        f"import sys; from robotrading.adapters.ledger.store import open_ledger; open_ledger({sqlite_url!r}).close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_a_file_in_use_by_another_writer_is_waited_for_and_then_named(sqlite_url: str) -> None:
    path = make_url(sqlite_url).database
    assert path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger = open_ledger(sqlite_url, busy_seconds=0.2)
        assert ledger.halted() == "", "a reader waits for nobody"
        with pytest.raises(LedgerError, match="database is locked; nothing was written"):
            ledger.halt("reason", NOW, "ann")
        other.execute("ROLLBACK")
    ledger.halt("reason", NOW, "ann")
    assert ledger.halted() == "reason"
    ledger.close()
