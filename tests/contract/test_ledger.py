"""The Ledger port's contract, on every engine it is built for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from robotrading.adapters.ledger.migrate import HEAD, MIGRATIONS
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.adapters.ledger.tables import metadata
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import (
    EventKind,
    Fill,
    Intent,
    OrderEvent,
    OrderType,
    Side,
    TicketStatus,
    intent_id_for,
)
from robotrading.domain.planning import Plan
from robotrading.domain.report import Outcome, SessionReport

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'deep' / 'ledger.db'}")
    yield opened
    opened.close()


def intent(side: Side = Side.BUY, quantity: str = "10", attempt: int = 1, instrument: Instrument = AAPL) -> Intent:
    return Intent(
        intent_id=intent_id_for(AssetClass.EQUITIES, DAY, instrument, side, attempt),
        session_id="run-1",
        kind=AssetClass.EQUITIES,
        trading_date=DAY,
        instrument=instrument,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        arrival_price=Decimal("100.00"),
        limit_price=Decimal("100.30"),
        reason="below target",
    )


def fill(of: Intent, quantity: str, price: str, fill_id: str = "0001.a.01", **more: object) -> OrderEvent:
    execution = Fill(fill_id, of.intent_id, of.instrument, of.side, Decimal(quantity), Decimal(price), NOW, **more)
    return OrderEvent(of.intent_id, EventKind.FILL, NOW, fill=execution)


def event(of: Intent, kind: EventKind, reason: str = "") -> OrderEvent:
    return OrderEvent(of.intent_id, kind, NOW, reason=reason)


def test_an_intent_is_sent_once(ledger: SqlLedger) -> None:
    ledger.record_intent(intent(), NOW)
    with pytest.raises(LedgerError, match="rt-eq-20250926-AAPL-B-1 exists already"):
        ledger.record_intent(intent(), NOW)


def test_an_event_without_its_intent_is_refused_and_leaves_nothing(ledger: SqlLedger) -> None:
    with pytest.raises(LedgerError, match="is not in the ledger"):
        ledger.append(fill(intent(), "10", "100"))
    assert ledger.positions() == []


def test_a_ticket_read_back_is_the_ticket_that_append_returned(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(event(order, EventKind.SENT))
    ledger.append(OrderEvent(order.intent_id, EventKind.ACKNOWLEDGED, NOW, broker_id=77))
    returned = ledger.append(fill(order, "4", "100.1"))
    assert ledger.ticket(order.intent_id) == returned
    assert returned.status is TicketStatus.PARTIAL
    assert returned.broker_id == 77
    assert ledger.open_tickets() == ledger.open_tickets(AAPL) == [returned]
    assert ledger.open_tickets(Instrument("MSFT", AssetClass.EQUITIES)) == []


def test_the_same_event_again_changes_nothing(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    for _ in range(3):
        ledger.append(event(order, EventKind.SENT))
        ledger.append(fill(order, "4", "100.1"))
    assert ledger.positions("equities")[0].quantity == 4
    assert len(ledger.events(order.intent_id)) == 2


def test_a_correction_replaces_what_it_corrects_in_the_position_too(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "10", "100"))
    ledger.append(fill(order, "10", "101", revision=2))
    ledger.append(fill(order, "10", "101", revision=2, commission=Decimal(1), commission_currency="USD"))
    [position] = ledger.positions()
    assert (position.quantity, position.avg_cost) == (Decimal(10), Decimal("101.1"))


def test_selling_takes_from_the_owner_and_leaves_no_empty_position(ledger: SqlLedger) -> None:
    buy, sell = intent(), intent(Side.SELL)
    for order, fill_id in ((buy, "b.01"), (sell, "s.01")):
        ledger.record_intent(order, NOW)
        ledger.append(fill(order, "10", "100", fill_id))
    assert ledger.positions() == []


def test_positions_belong_to_their_owner(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "10", "100"))
    assert ledger.positions("bonds") == []
    assert ledger.owned(AAPL) == 10
    assert ledger.owned(Instrument("MSFT", AssetClass.EQUITIES)) == 0
    assert [p.owner for p in ledger.positions("equities")] == ["equities"]


def test_attempts_count_intents_of_the_day_by_side(ledger: SqlLedger) -> None:
    ledger.record_intent(intent(), NOW)
    ledger.record_intent(intent(attempt=2), NOW)
    ledger.record_intent(intent(Side.SELL), NOW)
    assert ledger.attempts(AssetClass.EQUITIES, DAY) == {(AAPL.key, "buy"): 2, (AAPL.key, "sell"): 1}
    assert ledger.attempts(AssetClass.BONDS, DAY) == {}


def test_a_run_ends_in_exactly_one_report(ledger: SqlLedger) -> None:
    ledger.start_run("run-1", AssetClass.EQUITIES, DAY, "paper", NOW)
    report = SessionReport("run-1", AssetClass.EQUITIES, "paper", DAY, NOW, NOW, Outcome.DONE, "all is well")
    ledger.finish_run(report)
    with pytest.raises(LedgerError, match="finished once"):
        ledger.finish_run(report)
    assert ledger.last_reports() == [report]


def test_a_run_that_never_reached_its_start_still_gets_its_report(ledger: SqlLedger) -> None:
    report = SessionReport("run-2", AssetClass.BONDS, "paper", DAY, NOW, NOW, Outcome.FAILED, "killed")
    ledger.finish_run(report)
    assert ledger.last_reports() == [report]


def test_the_newest_reports_come_first(ledger: SqlLedger) -> None:
    for number in range(4):
        at = NOW + timedelta(minutes=number)
        ledger.finish_run(SessionReport(f"run-{number}", AssetClass.BONDS, "paper", DAY, at, at, Outcome.DONE, ""))
    assert [report.run_id for report in ledger.last_reports(2)] == ["run-3", "run-2"]


def test_a_plan_is_found_by_an_unambiguous_beginning(ledger: SqlLedger) -> None:
    plan = Plan("abc123", AssetClass.EQUITIES, "DU1", DAY, NOW, "USD", Decimal(1), Decimal(1), (intent(),), ())
    ledger.save_plan(plan)
    ledger.save_plan(plan)
    ledger.save_plan(replace(plan, plan_id="abd999"))
    assert ledger.plan("abc") == plan
    assert ledger.plan("zzz") is None
    with pytest.raises(LedgerError, match="several plans"):
        ledger.plan("ab")


def test_the_day_starts_with_its_first_equity_and_survives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    first = open_ledger(url)
    first.save_equity(NOW - timedelta(days=1), "DU1", Decimal(90), "USD")
    first.save_equity(NOW, "DU1", Decimal(100), "USD")
    first.save_equity(NOW, "DU1", Decimal(100), "USD")
    first.save_equity(NOW + timedelta(hours=1), "DU1", Decimal(80), "USD")
    first.close()
    again = open_ledger(url)
    assert again.day_start_equity("DU1", NOW - timedelta(hours=2)) == Decimal(100)
    assert again.day_start_equity("DU2", NOW) is None
    again.close()


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_ledger(url).close()

    def write(number: int) -> None:
        ledger = open_ledger(url)
        order = intent(attempt=number)
        ledger.record_intent(order, NOW)
        ledger.append(fill(order, "1", "100", f"{number}.01"))
        ledger.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(24)))
    ledger = open_ledger(url)
    assert ledger.positions()[0].quantity == 24
    ledger.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_ledger(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(LedgerError, match="newer than this program"):
        open_ledger(url)


def test_a_damaged_file_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(LedgerError, match="cannot be prepared"):
        open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_a_folder_that_cannot_be_made_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="folder cannot be made"):
        open_ledger(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")


def test_nothing_is_halted_at_first(ledger: SqlLedger) -> None:
    assert ledger.halted() == ""


def test_the_migrations_make_the_tables_the_code_expects(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_ledger(url).close()
    engine = create_engine(url)
    inspector = inspect(engine)
    for table in metadata.sorted_tables:
        made = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert made == {column.name: bool(column.nullable) for column in table.columns}, table.name
    engine.dispose()
    newest = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert newest == HEAD


def test_the_first_capital_of_a_day_holds_for_all_its_sessions(ledger: SqlLedger) -> None:
    assert ledger.pin_capital("DU1", DAY, Decimal(100), "USD") == 100
    assert ledger.pin_capital("DU1", DAY, Decimal(70), "USD") == 100
    assert ledger.pin_capital("DU1", DAY + timedelta(days=1), Decimal(70), "USD") == 70
