"""Closed trades and payments, for alerts: from a real ledger, read again only when a run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side
from robotrading.domain.planning import Line, Plan
from robotrading.domain.report import Outcome, SessionReport
from robotrading.service.alerts.figures import figures_of
from robotrading.service.alerts.rules import findings
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import BookFacts, EquityPoint, Facts, PaidFlows
from robotrading.service.recent import Recent, checkpoint

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
    trades = Recent(ledger).trades
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
    trade(ledger, Side.BUY, "AAPL", "100", 160)
    trade(ledger, Side.SELL, "AAPL", "110", 0)
    ran(ledger, "one", NOW)
    assert Recent(ledger).trades(NOW - timedelta(days=1)) == []


def test_a_run_without_an_account_is_no_checkpoint(database: Database) -> None:
    assert checkpoint(replace(ran(SqlLedger(database), "one", NOW), account=None)) is None


# Payments


def looked(ledger: SqlLedger, days_ago: int, worth: int, cash: int, shares: int = 500, *, price: str = "") -> None:
    """A run that saw the account; what it is worth is kept a minute later, before the run ends."""
    at, name = NOW - timedelta(days=days_ago), "DU1"
    held = (Position(Instrument("AAPL", EQ), Decimal(shares), Decimal(100)),)
    account = Account(name, "USD", Decimal(worth), Decimal(worth), {"USD": Decimal(cash)}, held, at)
    ledger.save_equity(at + timedelta(minutes=1), name, Decimal(worth), "USD")
    run_id, end = f"{name}-{days_ago}", at + timedelta(minutes=2)
    none = Decimal(0)
    lines = (Line(held[0].instrument, Decimal(price), none, none, none, none),) if price else ()
    plan = Plan("1", EQ, name, at.date(), at, "USD", none, none, (), (), lines)
    report = SessionReport(run_id, EQ, "paper", at.date(), at, end, Outcome.DONE, "done", account=account, plan=plan)
    ledger.start_run(run_id, EQ, at.date(), "paper", at)
    ledger.finish_run(report)


def alarms(ledger: SqlLedger, flows: PaidFlows) -> dict[str, str]:
    """What is said of money, by rule."""
    points = tuple(EquityPoint(at, value) for at, value in ledger.equity("DU1", NOW - timedelta(days=120)))
    facts = Facts(NOW, NOW, "1", "paper", "here", book=BookFacts(read_at=NOW, equity=points, flows=flows))
    settings = AlertSettings(sharpe=0.5)
    found = findings(facts, figures_of(facts, NOW, settings.sharpe_days), settings, NOW)
    return {one.rule: one.found for one in found if one.rule in {"drawdown", "sharpe"}}


@pytest.mark.parametrize("paid", [-30_000, 30_000])
def test_a_payment_is_no_gain_and_no_loss(paid: int, database: Database) -> None:
    ledger = SqlLedger(database)
    for day, gain in enumerate((0, 100, 150, 300, 310, 500, 520)):
        more = paid if day >= 4 else 0
        looked(ledger, 10 - day, 100_000 + gain + more, 50_000 + more)
    recent = Recent(ledger)
    flows = recent.flows("DU1")
    assert [flow.amount for flow in flows.found] == [paid]
    assert alarms(ledger, flows) == {}
    assert ("drawdown" in alarms(ledger, PaidFlows())) == (paid < 0), "without reports it would be an alarm"
    assert recent.flows("DU2") == PaidFlows()


def test_a_loss_beside_a_deposit_is_a_loss(database: Database) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000)
    looked(ledger, 2, 140_000, 110_000)
    looked(ledger, 1, 140_000, 110_000)
    flows = Recent(ledger).flows("DU1")
    said = alarms(ledger, flows)["drawdown"]
    assert said == "the account has lost 20.0% since its best day, 2025-09-23, deposits and withdrawals aside"
    assert alarms(ledger, PaidFlows()) == {}


@pytest.mark.parametrize(("before", "after", "paid"), [("100", "80", [15_000]), ("", "", []), ("100", "", [])])
def test_a_payment_that_a_loss_almost_hides_is_seen_by_prices(
    before: str, after: str, paid: list[int], database: Database
) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000, price=before)
    looked(ledger, 2, 105_000, 65_000, price=after)
    flows = Recent(ledger).flows("DU1")
    assert [flow.amount for flow in flows.found] == paid
    assert flows.unclear == 1 - len(paid)


def test_what_is_not_known_counts_and_is_said(database: Database) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000)
    recent = Recent(ledger)
    ledger.save_equity(NOW, "DU1", Decimal(80_000), "USD")
    flows = recent.flows("DU1")
    assert flows == PaidFlows()
    assert alarms(ledger, flows)["drawdown"] == (
        "the account is 20.0% below its highest value, 100,000 USD"
        " (deposits and withdrawals are not known and count as well)"
    )


def test_a_value_is_judged_when_the_run_that_saw_it_has_ended(database: Database) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000)
    looked(ledger, 2, 100_000, 50_000)
    recent = Recent(ledger)
    ledger.save_equity(NOW - timedelta(hours=25), "DU1", Decimal(70_000), "USD")
    assert alarms(ledger, recent.flows("DU1")) == {}
    looked(ledger, 1, 70_000, 50_000)
    lost = alarms(ledger, recent.flows("DU1"))["drawdown"]
    assert lost == "the account is 30.0% below its highest value, 100,000 USD"


def test_an_unclear_change_counts_and_is_said(database: Database) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000)
    looked(ledger, 2, 60_000, 10_000, 499)
    said = alarms(ledger, Recent(ledger).flows("DU1"))["drawdown"]
    assert said.endswith("100,000 USD (a change of cash may have been paid in or out and counts as well)")


def test_a_peak_before_the_first_look_is_said_to_be_of_unknown_payments(database: Database) -> None:
    ledger = SqlLedger(database)
    ledger.save_equity(NOW - timedelta(days=20), "DU1", Decimal(200_000), "USD")
    looked(ledger, 3, 100_000, 50_000)
    looked(ledger, 2, 100_000, 50_000)
    said = alarms(ledger, Recent(ledger).flows("DU1"))["drawdown"]
    assert said.endswith("(deposits and withdrawals before 2025-09-23 are not known and count as well)")


def test_a_long_history_is_read_bit_by_bit_and_judged_when_it_is_known(database: Database) -> None:
    ledger = SqlLedger(database)
    for day in range(5):
        looked(ledger, 10 - day, 70_000 if day > 2 else 100_000, 20_000 if day > 2 else 50_000)
    recent = Recent(ledger, at_once=2)
    for _ in range(2):
        flows = recent.flows("DU1")
        assert flows.reading
        assert alarms(ledger, flows) == {}
    flows = recent.flows("DU1")
    assert not flows.reading
    assert [flow.amount for flow in flows.found] == [-30_000]


def test_a_run_that_began_earlier_and_ended_later_is_read_too(database: Database) -> None:
    ledger = SqlLedger(database)
    looked(ledger, 3, 100_000, 50_000)
    looked(ledger, 1, 100_000, 50_000)
    recent = Recent(ledger)
    assert recent.flows("DU1").found == ()
    looked(ledger, 2, 70_000, 20_000)
    assert [flow.amount for flow in recent.flows("DU1").found] == [-30_000, 30_000]
