"""A run that died together with its command still gets its one report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from robotrading.adapters.ledger.store import open_ledger
from robotrading.domain.errors import LedgerError
from robotrading.domain.report import Outcome
from robotrading.session.bereaved import conclude_begun
from tests.session.bench import ALPHA, BO, BRAVO, DAY, DISK_FULL, EQ, OPEN, Bench, Failing


def test_a_run_is_unreported_from_its_beginning_to_its_report(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.start_run("b", EQ, DAY, "paper", OPEN + timedelta(hours=1))
    ledger.start_run("a", EQ, DAY, "paper", OPEN)
    assert [begun.run_id for begun in ledger.unreported(EQ)] == ["a", "b"]
    assert ledger.unreported(BO) == []
    first = ledger.unreported(EQ)[0]
    assert (first.kind, first.mode, first.trading_date, first.started_at) == (EQ, "paper", DAY, OPEN)
    report = conclude_begun(first, ledger, OPEN + timedelta(hours=2))
    assert report.outcome is Outcome.FAILED
    assert "begun at 2025-09-26 15:00 UTC failed: its process ended without a word" in report.verdict
    assert [begun.run_id for begun in ledger.unreported(EQ)] == ["b"]
    assert list(ledger.last_reports()) == [report]
    with pytest.raises(LedgerError, match="finished once"):
        conclude_begun(first, ledger, OPEN)
    ledger.close()


def test_the_late_report_tells_what_the_dead_run_had_ordered(bench: Bench) -> None:
    with pytest.raises(LedgerError, match="full"):
        bench.run(EQ, world=bench.world(ledger=Failing(bench.ledger, "finish_run", DISK_FULL)))
    (begun,) = bench.ledger.unreported(EQ)
    report = conclude_begun(begun, bench.ledger, bench.clock.now())
    assert report.outcome is Outcome.PARTLY
    assert {ticket.intent.session_id for ticket in report.tickets} == {begun.run_id}
    assert {position.instrument for position in report.owned} == {ALPHA, BRAVO}
