"""Whole runs as a person starts them: processes, the embedded gateway, the real client library, the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.config.demo import DEMO_DAY, DEMO_HOLDINGS
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.job import Job
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.runs import carry_out
from tests.wire.session_config import write_config

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]
ALL = tuple(AssetClass)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def book_of(orders: Orders) -> Book:
    return book_for(load_config(orders), orders)


def owned(book: Book) -> dict[str, Decimal]:
    with book.ledger() as ledger:
        return {p.instrument.key: ledger.owned(p.instrument) for p in ledger.positions()}


def held(book: Book) -> dict[str, Decimal]:
    """What the embedded gateway's own memory says that the account holds."""
    state = json.loads(book.gateway_state.read_text(encoding="utf-8"))
    found: dict[str, Decimal] = {}

    def collect(node: object) -> None:
        if isinstance(node, dict):
            lots = node.get("lots")
            if isinstance(lots, dict):
                found.update({key: Decimal(str(lot["quantity"])) for key, lot in lots.items()})
            for inner in node.values():
                collect(inner)
        elif isinstance(node, list):
            for inner in node:
                collect(inner)

    collect(state)
    return {key: quantity for key, quantity in found.items() if quantity}


async def run(orders: Orders, kinds: Sequence[AssetClass] = ALL) -> tuple[list[SessionReport], list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []

    def progress(job: Job, step: str, _done: int, _total: int) -> None:
        told.append((job.kind, step))

    return await carry_out(orders, kinds, progress), told


async def test_the_demo_trades_all_three_sessions_over_the_wire_and_leaves_the_keepsake_alone() -> None:
    orders = Orders(demo=True)
    reports, told = await run(orders)
    assert [report.kind for report in reports] == list(ALL)
    assert [report.outcome for report in reports] == [Outcome.DONE] * 3, [report.verdict for report in reports]
    book = book_of(orders)
    keepsakes = {instrument.key: quantity for instrument, quantity, _ in DEMO_HOLDINGS}
    mine = owned(book)
    assert mine
    there = held(book)
    assert {key: there[key] - keepsakes.get(key, 0) for key in mine} == mine
    assert all(there[key] - mine.get(key, 0) == quantity for key, quantity in keepsakes.items())
    assert {kind for kind, step in told if step == "buys"} == set(ALL)
    with book.ledger() as ledger:
        assert {one.run_id: one for one in ledger.last_reports(9)} == {one.run_id: one for one in reports}


async def test_a_second_run_of_the_day_trades_nothing_and_a_plan_orders_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (planned,), _ = await run(Orders(config, as_of=DEMO_DAY, trade=False), [AssetClass.EQUITIES])
    book = book_of(Orders(config, as_of=DEMO_DAY))
    assert owned(book) == {}
    plan = planned.plan
    assert plan is not None
    orders = Orders(config, as_of=DEMO_DAY, plan_id=plan.plan_id)
    (equities,), _ = await run(orders, [AssetClass.EQUITIES])
    assert [ticket.intent.intent_id for ticket in equities.tickets] == [intent.intent_id for intent in plan.intents]
    first, _ = await run(Orders(config, as_of=DEMO_DAY))
    assert [report.outcome for report in first] == [Outcome.NOTHING_TO_DO, Outcome.DONE, Outcome.DONE]
    mine = owned(book)
    assert mine == held(book)
    second, _ = await run(Orders(config, as_of=DEMO_DAY))
    assert [report.outcome for report in second] == [Outcome.NOTHING_TO_DO] * 3, [r.verdict for r in second]
    assert all(not report.tickets for report in second)
    assert owned(book) == mine == held(book)


async def test_no_enabled_session_is_told_before_anything_starts(tmp_path: Path) -> None:
    config = write_config(tmp_path, bonds="enabled: false")
    with pytest.raises(ConfigError, match="bonds disabled"):
        await run(Orders(config, as_of=DEMO_DAY), [AssetClass.BONDS])
