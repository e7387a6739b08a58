"""A session that is asked to stop: nothing new leaves, what is at work gets an end, and the report tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.leash import Leash, Stopped
from robotrading.session.pipeline import run_session
from tests.session.bench import ALPHA, EQ, build


def test_orders_at_work_are_cancelled_and_confirmed(tmp_path):
    """Little fills: without the wish the session would wait for its fill timeout of 30 s."""
    bench, leash = build(tmp_path, liquidity=Decimal(4)), Leash()
    asked = []

    async def ask() -> None:
        while not bench.ledger.open_tickets():  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.5)
        await asyncio.sleep(3)
        asked.append(bench.clock.now())
        leash.wind_down()

    async def scene() -> SessionReport:
        asking = asyncio.create_task(ask())
        report = await run_session(bench.spec(), replace(bench.world(), leash=leash))
        await asking
        return report

    report = bench.virtually(scene())
    assert (bench.clock.now() - asked[0]).total_seconds() < 10
    assert {ticket.status for ticket in report.tickets} == {TicketStatus.CANCELLED}
    assert all(0 < ticket.filled < ticket.intent.quantity for ticket in report.tickets)
    assert report.outcome is Outcome.PARTLY
    assert not bench.ledger.open_tickets()
    assert bench.ledger.report(report.run_id) == report
    bench.assert_settled()
    bench.ledger.close()


def test_before_the_first_order_nothing_is_sent(tmp_path):
    bench = build(tmp_path)
    leash = Leash()
    leash.wind_down()
    report = bench.run(world=replace(bench.world(), leash=leash))
    assert report.outcome is Outcome.FAILED
    assert not report.tickets
    assert "asked to stop" in report.steps[-1].error
    assert bench.held(ALPHA) == Decimal(0)
    assert EQ is report.kind
    bench.ledger.close()


async def test_work_without_orders_ends_and_work_with_orders_is_left_its_time():
    leash = Leash()
    asyncio.get_running_loop().call_later(0.01, leash.wind_down)

    async def work() -> str:
        await asyncio.sleep(0.05)
        return "done"

    careful = asyncio.create_task(leash.during(work, orders=True))
    with pytest.raises(Stopped, match="asked to stop"):
        await leash.during(work)
    assert await careful == "done"
    with pytest.raises(Stopped):
        await leash.during(work, orders=True)
