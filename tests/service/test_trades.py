"""Closed trades for the win rate: from a real ledger, read again only when a run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side
from robotrading.domain.report import Outcome, SessionReport
from robotrading.service.trades import RecentTrades, checkpoint

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
EQ = AssetClass.EQUITIES


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    found = open_database(sqlite_url)
    yield found
    found.close()


def trade(ledger: SqlLedger, side: Side, symbol: str, price: str, days_ago: int) -> None:
    at, day = NOW - timedelta(days=days_ago), DAY - timedelta(days=days_ago)
    name, what = f"{symbol}-{side}-{days_ago}", Instrument(symbol, EQ)
    intent = Intent(name, "run", EQ, day, what, side, Decimal(10), OrderType.MARKET, Decimal(price), "")
    ledger.record_intent(intent, at)
    fill = Fill(name, name, what, side, Decimal(10), Decimal(price), at)
    ledger.append(OrderEvent(name, EventKind.SENT, at))
    ledger.append(OrderEvent(name, EventKind.FILL, at, fill=fill))


def ran(ledger: SqlLedger, run_id: str, at: datetime) -> SessionReport:
    ledger.start_run(run_id, EQ, at.date(), "paper", at)
    report = SessionReport(run_id, EQ, "paper", at.date(), at, at, Outcome.DONE, "done")
    ledger.finish_run(report)
    return report


def test_trades_of_a_day_are_known_once_a_run_has_ended(database: Database) -> None:
    ledger = SqlLedger(database)
    trades = RecentTrades(ledger)
    trade(ledger, Side.BUY, "AAPL", "100", 20)
    trade(ledger, Side.BUY, "MSFT", "100", 3)
    trade(ledger, Side.SELL, "MSFT", "90", 2)
    assert trades(NOW - timedelta(days=1)) == []
    ran(ledger, "one", NOW)
    trade(ledger, Side.SELL, "AAPL", "110", 0)
    assert [(one.symbol, one.gain) for one in trades(NOW - timedelta(days=1))] == [("AAPL", Decimal(100))]
    assert [(one.symbol, one.gain) for one in trades(NOW - timedelta(days=3))] == [
        ("MSFT", Decimal(-100)), ("AAPL", Decimal(100))
    ]  # fmt: skip
    trade(ledger, Side.BUY, "IBM", "100", 1)
    trade(ledger, Side.SELL, "IBM", "99", 0)
    assert len(trades(NOW - timedelta(days=1))) == 1
    ran(ledger, "two", NOW)
    assert len(trades(NOW - timedelta(days=1))) == 2


def test_a_sale_of_unknown_cost_is_left_out(database: Database) -> None:
    ledger = SqlLedger(database)
    trade(ledger, Side.BUY, "AAPL", "100", 60)
    trade(ledger, Side.SELL, "AAPL", "110", 0)
    ran(ledger, "one", NOW)
    assert RecentTrades(ledger)(NOW - timedelta(days=1)) == []


def test_a_run_without_an_account_is_no_checkpoint(database: Database) -> None:
    assert checkpoint(replace(ran(SqlLedger(database), "one", NOW), account=None)) is None
