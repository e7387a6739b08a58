"""What the service reads again and again: runs without their reports, one report, the equity curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.bereaved import conclude_begun

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str) -> Iterator[SqlLedger]:
    opened = open_ledger(database_url)
    yield opened
    opened.close()


def report(number: int, outcome: Outcome = Outcome.DONE) -> SessionReport:
    at = AT + timedelta(minutes=number)
    kind = list(AssetClass)[number % 3]
    return SessionReport(
        f"run-{number}", kind, "paper", date(2026, 11, 20), at, at + timedelta(seconds=5), outcome, "so"
    )


def test_runs_that_have_ended_are_told_newest_first_without_their_reports(ledger: SqlLedger) -> None:
    for number in range(5):
        ledger.finish_run(report(number, Outcome.FAILED if number == 3 else Outcome.DONE))
    ledger.start_run("run-9", AssetClass.CRYPTO, date(2026, 11, 20), "paper", AT + timedelta(hours=1))
    found = ledger.ended(3)
    assert [one.run_id for one in found] == ["run-4", "run-3", "run-2"]
    assert [one.outcome for one in found] == [Outcome.DONE, Outcome.FAILED, Outcome.DONE]
    assert found[0].finished_at == report(4).finished_at


def test_a_plan_is_told_from_a_run_from_its_beginning_on(ledger: SqlLedger) -> None:
    """While it goes on, when it has ended, and when somebody else had to end it; what an older version wrote is a run."""
    day = date(2026, 11, 20)
    ledger.start_run("plan", AssetClass.CRYPTO, day, "paper", AT, trade=False)
    ledger.start_run("run", AssetClass.CRYPTO, day, "paper", AT + timedelta(minutes=1))
    begun = {one.run_id: one for one in ledger.unreported(AssetClass.CRYPTO)}
    assert {name: one.trade for name, one in begun.items()} == {"plan": False, "run": True}
    conclude_begun(begun["plan"], ledger, AT + timedelta(hours=1))
    ledger.finish_run(replace(report(3), run_id="direct", trade=False))
    assert {one.run_id: one.trade for one in ledger.ended()} == {"plan": False, "direct": False}
    found = ledger.report("plan")
    assert found is not None
    assert not found.trade


def test_a_run_has_its_report_or_none(ledger: SqlLedger) -> None:
    ledger.finish_run(report(1))
    ledger.start_run("run-9", AssetClass.CRYPTO, date(2026, 11, 20), "paper", AT)
    assert ledger.report("run-1") == report(1)
    assert ledger.report("run-9") is None
    assert ledger.report("run-7") is None


def test_the_equity_curve_is_the_account_s_own_oldest_first_and_bounded(ledger: SqlLedger) -> None:
    for hour in range(6):
        ledger.save_equity(AT + timedelta(hours=hour), "DU1", Decimal(1000 + hour), "USD")
    ledger.save_equity(AT + timedelta(hours=2), "DU2", Decimal(5), "USD")
    curve = ledger.equity("DU1", AT + timedelta(hours=1), 3)
    assert curve == [(AT + timedelta(hours=hour), Decimal(1000 + hour)) for hour in (3, 4, 5)]
    assert ledger.equity("DU3", AT) == []
