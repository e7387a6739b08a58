"""`integrity.check` finds each kind of damage, and nothing in a ledger that is sound; on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from ledgers import AAPL, DAY, EQ, MSFT, NOW, D, event, fill, intent
from sqlalchemy import text

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.integrity import Finding, check
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.alerts import Finding as AlertFinding
from robotrading.domain.book import Position
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.orders import EventKind, Side
from robotrading.domain.report import Message

ANN = Address(Channel.MAIL, "ann@example.org")
DRAWDOWN = AlertFinding("drawdown", Urgency.WARNING, "The account is 16 % below its best.")
BUY, SELL = intent(), intent(Side.SELL)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Ten bought with a commission, four sold, a run without a report, a halt, letters in a digest, an alert."""
    opened = open_database(database_url)
    ledger = SqlLedger(opened)
    ledger.start_run("run-1", EQ, DAY, "paper", NOW)
    for order in (BUY, SELL):
        ledger.record_intent(order, NOW)
        ledger.append(event(order, EventKind.SENT))
    ledger.append(fill(BUY, "10", "100", "b", commission=D(1), commission_currency="USD"))
    ledger.append(fill(SELL, "4", "101", "s"))
    ledger.halt("lunch", NOW, "ann")
    outbox, alert_book = SqlOutbox(opened), SqlAlertBook(opened)
    for name in ("one", "two"):
        outbox.post(Letter(name, LetterKind.REPORT, Urgency.NORMAL, NOW, Message(name, name, name)), [ANN])
    digest = Letter("digest", LetterKind.DIGEST, Urgency.NORMAL, NOW, Message("both", "one, two", ""))
    assert outbox.merge(digest, outbox.due(NOW), NOW)
    alert_book.begin(DRAWDOWN, NOW)
    yield opened
    opened.close()


def do(database: Database, statement: str) -> None:
    with database.transaction() as connection:
        assert connection.execute(text(statement)).rowcount != 0


def found(database: Database, hours: float = 0) -> list[tuple[str, str]]:
    return [(one.what, one.subject) for one in check(database, NOW + timedelta(hours=hours))]


def test_a_sound_ledger_has_no_finding(database: Database) -> None:
    assert check(database, NOW) == ()


BUY_ID, SELL_ID, KEY = BUY.intent_id, SELL.intent_id, f"equities {AAPL.key}"
FILL_GONE = [("ticket_not_its_events", SELL_ID)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"UPDATE intents SET status = 'cancelled' WHERE intent_id = '{BUY_ID}'", [("ticket_not_its_events", BUY_ID)]),  # noqa: S608
        (f"UPDATE intents SET broker_id = 7 WHERE intent_id = '{BUY_ID}'", [("ticket_not_its_events", BUY_ID)]),  # noqa: S608
        ("DELETE FROM fills WHERE fill_id = 's'", FILL_GONE),
        ("UPDATE active_positions SET quantity = '7'", [("position_not_its_executions", KEY)]),
        ("UPDATE active_positions SET cost = '601.60'", [("position_not_its_executions", KEY)]),
        ("DELETE FROM active_positions", [("position_not_its_executions", KEY)]),
        ("UPDATE active_positions SET owner = 'bonds'", [("position_not_its_executions", f"bonds {AAPL.key}"), ("position_not_its_executions", KEY)]),
        ("DELETE FROM commissions", [("commission_missing", "b")]),
        ("UPDATE commissions SET fill_id = 'x'", [("commission_missing", "b"), ("commission_without_fill", "x")]),
        ("INSERT INTO halts (reason, halted_at, halted_by, resumed_by) SELECT reason, halted_at, '', '' FROM halts", [("several_halts", "trading")]),
        ("UPDATE intents SET body = '{' WHERE side = 'sell'", [("unreadable", SELL_ID), ("event_without_intent", SELL_ID), ("event_without_intent", SELL_ID), ("position_not_its_executions", KEY), ("fill_without_intent", SELL_ID)]),
        ("UPDATE fills SET intent_id = 'nobody' WHERE fill_id = 's'", [*FILL_GONE, ("fill_without_intent", "nobody")]),
        ("DELETE FROM letters WHERE letter_id = 'one'", [("delivery_without_letter", "one")]),
        ("DELETE FROM deliveries WHERE letter_id = 'digest'", [("merged_without_digest", "one"), ("merged_without_digest", "two")]),
        ("UPDATE deliveries SET recipient = 'bob@example.org' WHERE letter_id = 'two'", [("merged_without_digest", "two")]),
        ("INSERT INTO alerts SELECT key, '2025-09-27T00:00:00.000000+00:00', rule, urgency, found, remedy, seen_at, times, told_at, resolved_at FROM alerts", [("several_alerts", "drawdown")]),
        ("DELETE FROM order_events WHERE kind = 'fill'", [("ticket_not_its_events", BUY_ID), ("ticket_not_its_events", SELL_ID), ("position_not_its_executions", KEY)]),
    ],
)  # fmt: skip
def test_each_damage_is_found_and_named(database: Database, statement: str, expected: list[tuple[str, str]]) -> None:
    do(database, statement)
    assert found(database) == expected


def test_a_letter_that_cannot_be_read_is_found_and_one_whose_body_was_forgotten_is_none(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE letters SET body = :none WHERE letter_id = 'one'"), {"none": b""})
        connection.execute(text("UPDATE letters SET body = :bad WHERE letter_id = 'two'"), {"bad": b"\xc1"})
    assert found(database) == [("unreadable", "two")]


def test_a_table_that_is_missing_is_named(bare_postgres_url: str) -> None:
    database = open_database(bare_postgres_url)
    do(database, "DROP TABLE signals")
    assert check(database, NOW) == (Finding("missing_table", "signals", "the table is not there; restore a backup"),)
    database.close()


def test_a_run_without_a_report_is_found_after_a_day(database: Database) -> None:
    assert found(database, 24) == []
    assert found(database, 24.1) == [("run_without_report", "run-1")]


def test_a_person_s_word_counts_from_where_it_was_said(database: Database) -> None:
    book, ledger = SqlPositionBook(database), SqlLedger(database)
    book.update(Position(AAPL, D(12), D("50.123456789"), "equities"), NOW, "ann")
    book.add(Position(MSFT, D("0.5"), D(3), "equities"), NOW, "ann")
    ledger.append(fill(SELL, "6", "101", "s", revision=2))
    assert ledger.owned(AAPL) == 10
    assert check(database, NOW) == ()
    book.remove(AAPL, "equities", NOW, "ann")
    book.remove(MSFT, "equities", NOW, "ann")
    assert check(database, NOW) == ()
    late = intent(attempt=2)
    ledger.record_intent(late, NOW)
    ledger.append(fill(late, "3", "99", "late"))
    assert check(database, NOW) == ()
    do(database, "UPDATE active_positions SET quantity = '4'")
    assert found(database) == [("position_not_its_executions", KEY)]


def test_a_file_with_bad_pages_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database = open_database(f"sqlite:///{path}")
    ledger = SqlLedger(database)
    for number in range(1, 60):
        ledger.record_intent(intent(attempt=number), NOW)
    database.close()
    pages = bytearray(path.read_bytes())
    size = 4096
    for page in range(8, len(pages) // size - 1):
        pages[page * size : page * size + 100] = b"\xff" * 100
    path.write_bytes(bytes(pages))
    try:
        again = open_database(f"sqlite:///{path}")
        what = {one.what for one in check(again, NOW)}
        again.close()
    except LedgerError as error:
        what = {"damaged"} if "malformed" in str(error) else set()
    assert what == {"damaged"}
