"""A session ends with the command that started it: whatever it does, nothing leaves any more, and the report is written."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from robotrading.domain.errors import LeaseLost
from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.lease import SEND_SECONDS
from robotrading.session.leash import GONE, Leash, follow
from robotrading.session.pipeline import run_session
from tests.session.bench import Bench, Failing, build, forget, set_rules

LONG = 3600.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = build(tmp_path / "bench")
    yield made
    forget(made)


async def test_while_it_holds_work_is_work() -> None:
    leash = Leash()

    async def fails() -> None:
        raise TimeoutError("of its own")

    assert await leash.during(lambda: asyncio.sleep(0, "done")) == "done"
    with pytest.raises(TimeoutError, match="of its own"):
        await leash.during(fails)


async def test_when_it_snaps_what_is_under_way_ends_and_nothing_new_begins() -> None:
    leash, ended = Leash(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.set()

    task = asyncio.create_task(leash.during(work))
    await asyncio.sleep(0)
    leash.snap()
    with pytest.raises(LeaseLost, match="nothing more is sent"):
        await task
    assert ended.is_set()
    with pytest.raises(LeaseLost):
        await leash.during(lambda: asyncio.sleep(LONG))
    leash.snap("for another reason")
    assert leash.why == GONE, "the first reason stays"


async def test_a_cancel_from_outside_stays_a_cancel() -> None:
    task = asyncio.create_task(Leash().during(lambda: asyncio.sleep(LONG)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_end_of_the_pipe_snaps_it_and_what_comes_through_it_does_not() -> None:
    reading, writing = os.pipe()
    leash = Leash()
    follow(reading, leash, parting=LONG)
    os.write(writing, b"something")
    task = asyncio.create_task(leash.during(lambda: asyncio.sleep(LONG)))
    await asyncio.sleep(0.1)
    assert not task.done()
    os.close(writing)
    with pytest.raises(LeaseLost):
        async with asyncio.timeout(5):
            await task
    os.close(reading)


STUCK = """
import asyncio, threading
from robotrading.session.leash import Leash, follow

async def main():
    follow(0, Leash(), parting=0.3)
    print("here", flush=True)
    threading.Event().wait(60)  # a loop that never turns again

asyncio.run(main())
"""


def test_a_session_that_is_stuck_is_ended_all_the_same() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"here\n"
        child.stdin.close()
        assert child.wait(20) == -signal.SIGKILL


# In a session ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.5, 4.5, 7.0])
def test_a_run_that_is_let_go_sends_nothing_more_reports_and_is_settled_by_the_next(
    bench: Bench, seconds: float
) -> None:
    """At any time: before its first order, between two, while one waits for its turn, and while fills are awaited."""
    set_rules(bench, liquidity=Decimal(1))
    leash, broker = Leash(), bench.broker()
    slow = Slow(broker, "submit", bench, 2.0, waiting=True)
    spec, world = bench.spec(), replace(bench.world(broker=broker), broker=slow, leash=leash)

    async def program() -> SessionReport:
        asyncio.get_running_loop().call_later(seconds, leash.snap)
        return await run_session(spec, world)

    report = bench.virtually(program())
    assert bench.clock.monotonic() <= seconds + 10, "it does not wait for fills"
    assert report.outcome in {Outcome.FAILED, Outcome.PARTLY}
    assert "nothing more is sent" in report.verdict
    assert bench.ledger.last_reports(1)[0] == report
    assert len(bench.orders()) <= seconds // 2
    bench.assert_sound()
    set_rules(bench)
    bench.run()
    bench.assert_settled()


class Snapping:
    """A ledger in whose `name` the leash snaps."""

    def __init__(self, port: Any, name: str, leash: Leash) -> None:
        self._port, self._name, self._leash = port, name, leash

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name != self._name:
            return found

        def call(*args: Any) -> Any:
            answer = found(*args)
            self._leash.why = GONE  # as the watching thread does: the loop has not heard of it
            return answer

        return call


def test_what_is_journalled_when_the_leash_snaps_is_not_sent(bench: Bench) -> None:
    leash = Leash()
    report = bench.run(world=replace(bench.world(), ledger=Snapping(bench.ledger, "record_intent", leash), leash=leash))
    (ticket,) = report.tickets
    assert ticket.status is TicketStatus.REJECTED
    assert ticket.reason == GONE
    assert bench.orders() == []


def test_a_lost_lease_ends_the_run_at_its_first_order(bench: Bench) -> None:
    lost = LeaseLost("account:DU1: the right to act has passed from one; two has it since; nothing is sent")
    report = bench.run(world=replace(bench.world(), ledger=Failing(bench.ledger, "record_intent", lost)))
    assert report.outcome is Outcome.FAILED
    assert "two has it since" in report.verdict
    assert bench.orders() == []


class Slow:
    """A port whose method `name` takes `seconds` of the clock, before it or (a broker) on the loop's time."""

    def __init__(self, port: Any, name: str, bench: Bench, seconds: float, *, waiting: bool = False) -> None:
        self._port, self._name, self._bench, self._seconds, self._waiting = port, name, bench, seconds, waiting

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name != self._name:
            return found
        return self._later(found) if self._waiting else self._stopped(found)

    def _stopped(self, found: Any) -> Any:
        def call(*args: Any) -> Any:
            self._bench.clock.advance(self._seconds)
            return found(*args)

        return call

    def _later(self, found: Any) -> Any:
        async def call(*args: Any) -> Any:
            await asyncio.sleep(self._seconds)
            return await found(*args)

        return call


def test_an_order_whose_journal_was_too_slow_is_not_sent_and_counts_as_refused(bench: Bench) -> None:
    slow = Slow(bench.ledger, "record_intent", bench, SEND_SECONDS + 1)
    report = bench.run(world=replace(bench.world(), ledger=slow))
    assert bench.orders() == []
    assert report.tickets
    assert {ticket.status for ticket in report.tickets} == {TicketStatus.REJECTED}
    assert "could not be handed over within 10 s" in report.tickets[0].reason
    bench.run()
    bench.assert_settled()
    assert bench.orders()


def test_an_order_whose_turn_does_not_come_in_time_never_leaves(bench: Bench) -> None:
    broker = bench.broker()
    slow = Slow(broker, "submit", bench, SEND_SECONDS + 1, waiting=True)
    report = bench.run(world=replace(bench.world(broker=broker), broker=slow))
    assert bench.orders() == []
    assert all(ticket.fills == () and ticket.filled == Decimal(0) for ticket in report.tickets)
    bench.assert_sound()


def test_a_broker_that_takes_its_time_within_the_bound_gets_the_order(bench: Bench) -> None:
    broker = bench.broker()
    slow = Slow(broker, "submit", bench, SEND_SECONDS - 1, waiting=True)
    report = bench.run(world=replace(bench.world(broker=broker), broker=slow))
    assert report.outcome is Outcome.DONE
    bench.assert_settled()
