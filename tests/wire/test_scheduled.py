"""A scheduled session as a service starts it: once, over the wire, with its one report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from robotrading.config.demo import DEMO_DAY
from robotrading.domain.claims import Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome
from robotrading.session.occurrence import run_id_of
from robotrading.wiring.books import Orders, book_for, load_config
from robotrading.wiring.runs import run_occurrence
from tests.wire.session_config import write_config

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]


async def test_an_occurrence_is_a_session_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    orders = Orders(write_config(tmp_path), as_of=DEMO_DAY)
    occurrence = Occurrence(AssetClass.BONDS, DEMO_DAY, datetime(2025, 9, 26, 19, 45, tzinfo=UTC))
    report = await run_occurrence(orders, occurrence, lambda *_: None)
    assert report is not None
    assert (report.run_id, report.outcome) == (run_id_of(occurrence), Outcome.DONE)
    assert await run_occurrence(orders, occurrence, lambda *_: None) is None
    book = book_for(load_config(orders), orders)
    with book.ledger() as ledger, book.claims() as claims:
        assert ledger.last_reports(9) == [report]
        (claim,) = claims.occurrences(occurrence.due_at)
        lease = claims.holder(book.account)
    assert (claim.run_id, claim.outcome, claim.holder) == (report.run_id, "done", "this machine")
    assert lease is not None
    assert lease.holder == ""
