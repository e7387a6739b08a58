"""The pipeline's laws, on a pretend world in one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome
from robotrading.session.pipeline import run_session
from robotrading.sim.feed import DEMO_UNIVERSE
from tests.session.worlds import ACCOUNT, Stage, build, spec


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = build(tmp_path)
    yield made
    made.ledger.close()


async def test_a_run_buys_what_it_planned_and_the_ledger_equals_the_account(stage: Stage) -> None:
    report = await run_session(spec(), stage.world())
    print(report.verdict, [(s.name, s.error, s.seconds) for s in report.steps], report.skips)
    assert report.outcome is Outcome.DONE, report.verdict
    owned = {position.instrument.key: position.quantity for position in stage.ledger.positions()}
    held = {holding.instrument.key: holding.quantity for holding in stage.exchange.positions(ACCOUNT)}
    assert owned == held
    assert owned
