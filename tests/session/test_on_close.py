"""Orders on close: awaited until the close where `fill_timeout` reaches it, and what does not go by then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from robotrading.domain.orders import OrderType, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.session.pipeline import run_session
from robotrading.session.settings import ExecutionSettings
from tests.session.bench import ALPHA, BRAVO, Bench, settings
from tests.session.bench import EQ as KIND

D = Decimal
BEFORE_CLOSE = datetime(2025, 9, 26, 20, 40, tzinfo=UTC)
"""Twenty minutes."""
CLOSE = datetime(2025, 9, 26, 21, 0, tzinfo=UTC)


@pytest.fixture
def bench(make_bench):
    return make_bench(at=BEFORE_CLOSE)


def run(bench: Bench, kind: OrderType, fill_timeout: float, **weights: str):
    execution = ExecutionSettings(order_type=kind, fill_timeout=fill_timeout, cancel_timeout=5.0)
    rules = replace(settings(KIND, **weights), execution=execution, deadline=fill_timeout + 120)
    spec, world = bench.spec(settings=rules), bench.world()

    async def until_after_the_close():
        sent = asyncio.Event()
        end = bench.exchange.subscribe(lambda _: sent.set())
        session = asyncio.create_task(run_session(spec, world))
        await sent.wait()
        await asyncio.wait({session}, timeout=(CLOSE - bench.clock.now()).total_seconds() + 1)
        bench.exchange.step()
        end()
        return await session

    return bench.virtually(until_after_the_close())


@pytest.mark.parametrize("kind", [OrderType.MOC, OrderType.LOC])
def test_orders_on_close_fill_at_the_close_where_the_wait_reaches_it(bench: Bench, kind: OrderType) -> None:
    report = run(bench, kind, 1260.0, ALPHA="0.5")
    assert report.outcome is Outcome.DONE
    assert bench.owned(ALPHA) > 0
    assert bench.clock.now() >= CLOSE
    bench.assert_settled()


def test_orders_on_close_are_cancelled_where_the_wait_ends_before(bench: Bench) -> None:
    """What the configuration's rule spares a person."""
    report = run(bench, OrderType.MOC, 120.0, ALPHA="0.5")
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.CANCELLED]
    assert bench.owned(ALPHA) == 0


def test_buys_behind_sells_on_close_come_too_late_and_are_named(bench: Bench) -> None:
    """As docs/sessions.md says: the sells' cash comes when the market is closed."""
    assert run(bench, OrderType.LIMIT, 30.0, ALPHA="0.8").outcome is Outcome.DONE
    held = bench.owned(ALPHA)
    report = run(bench, OrderType.MOC, 1260.0, ALPHA="0.2", BRAVO="0.5")
    assert 0 < bench.owned(ALPHA) < held
    assert bench.owned(BRAVO) == 0
    assert report.outcome is Outcome.PARTLY
    assert [(skip.subject, skip.rule) for skip in report.skips if skip.step == "door"] == [("BRAVO", "trading_hours")]
