"""A run that dies at any moment, and the run after it: nothing is sent twice, no fill is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.orders import EventKind, OrderEvent, Side, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.session.pipeline import run_session
from robotrading.session.recovery import recover
from tests.session.bench import ALPHA, BO, BRAVO, EQ, Bench, Failing, Fate, Killed, Mortal, build, forget, set_rules

pytestmark = pytest.mark.timeout(300)
D = Decimal
REBALANCED = {"ALPHA": "0.7", "BRAVO": "0.2"}
"""Sells one and buys the other, seen from the usual weights."""


@pytest.fixture
def bench(make_bench):
    return make_bench({ALPHA: D(7)})


def dies(bench: Bench, fate: Fate) -> bool:
    """A run that meets its fate; whether it did before it was through."""
    try:
        mortal = bench.world(broker=Mortal(bench.broker(), fate), ledger=Mortal(bench.ledger, fate))
        bench.run(EQ, REBALANCED, mortal)
    except BaseException as death:
        if not isinstance(death, Killed) and not (
            isinstance(death, BaseExceptionGroup) and death.subgroup(Killed) is not None
        ):
            raise
        return True
    return False


@pytest.mark.parametrize(("after", "liquidity", "stride"), [(False, None, 1), (True, D(40), 4)])
def test_whenever_a_run_dies_the_next_one_sets_it_right(
    tmp_path: Path, after: bool, liquidity: Decimal | None, stride: int
):
    """Killed before each single call to ledger and broker; after every fourth where orders fill in part only."""
    for at in itertools.count(1, stride):
        bench = build(tmp_path / f"{at}", {ALPHA: D(7)})
        bench.run(EQ)
        set_rules(bench, liquidity=liquidity)
        died = dies(bench, Fate(at, after))
        bench.assert_sound()
        bench.run(EQ, REBALANCED)
        set_rules(bench)
        bench.exchange.step()  # what the dead run left at work ends now
        report = bench.run(EQ, REBALANCED)
        bench.assert_settled()
        at_exchange = {order.request.order_ref for order in bench.orders()}
        for ticket in bench.ledger.tickets_of(report.trading_date):
            # Journalled as sent, killed before the socket: nobody can tell it from an order that was lost on its way.
            assert ticket.status.terminal or ticket.intent.intent_id not in at_exchange, at
            assert ticket.status.terminal or ticket.status is TicketStatus.UNKNOWN, at
        forget(bench)
        if not died:
            break
    assert at > 40, "the run was never killed in its middle"


def test_an_order_that_was_filled_while_the_process_was_dead_is_booked_once(bench):
    broker = bench.broker()
    broker.faults.lose_after_submit = True
    dead = Failing(broker, "connect", BrokerUnavailable("no gateway"), at=2)
    first = bench.run(EQ, world=bench.world(broker=dead))
    assert first.outcome is not Outcome.DONE
    bench.run(EQ)
    report = bench.run(EQ)
    assert report.outcome is Outcome.NOTHING_TO_DO
    bench.assert_settled()
    assert len(bench.orders()) == 2


def _unknown(bench: Bench) -> str:
    """Leave a ticket behind of which the broker knows nothing at all."""
    plan = bench.run(EQ, trade=False).plan
    assert plan is not None
    lost = next(intent for intent in plan.intents if intent.instrument == ALPHA)
    bench.ledger.record_intent(lost, bench.clock.now())
    bench.ledger.append(OrderEvent(lost.intent_id, EventKind.SENT, bench.clock.now()))
    return lost.intent_id


def test_an_unknown_outcome_blocks_its_instrument_alone_and_is_told(bench):
    intent_id = _unknown(bench)
    for _ in range(2):
        report = bench.run(EQ)
        ticket = bench.ledger.ticket(intent_id)
        assert ticket is not None
        assert ticket.status is TicketStatus.UNKNOWN
        assert report.outcome is Outcome.PARTLY
        assert any(skip.step == "recover" and intent_id in skip.reason for skip in report.skips)
        assert bench.owned(ALPHA) == 0
        assert bench.owned(BRAVO) > 0
    bench.assert_sound()


def test_only_the_brokers_answer_ends_an_unknown_outcome(bench):
    intent_id = _unknown(bench)
    bench.run(EQ)
    bench.clock.advance(timedelta(hours=1).total_seconds())
    bench.run(EQ)
    assert bench.ledger.ticket(intent_id).status is TicketStatus.UNKNOWN
    bench.ledger.append(OrderEvent(intent_id, EventKind.REJECTED, bench.clock.now(), reason="it never came, says IBKR"))
    assert bench.run(EQ).outcome is Outcome.DONE
    assert bench.owned(ALPHA) > 0


def test_a_silent_broker_stops_the_run_before_anything_is_planned(bench):
    _unknown(bench)
    broker = Failing(bench.broker(), "completed_orders", BrokerUnavailable("completed orders: no answer"))
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.FAILED
    assert [step.name for step in report.steps] == ["recover"]
    assert bench.orders() == []


def test_an_order_still_at_work_is_left_alone_and_blocks_its_instrument(bench):
    """A dead run's order that rests at the broker: nothing new is sent, and its late fill is booked."""
    set_rules(bench, liquidity=D(0))
    with contextlib.suppress(Killed, BaseExceptionGroup):
        bench.run(EQ, world=bench.world(broker=Mortal(bench.broker(), Fate(10))))
    resting = len(bench.orders())
    assert resting
    report = bench.run(EQ, trade=True)
    assert len([order for order in bench.orders() if not order.status.done]) >= 1
    assert any("still" in skip.reason for skip in report.skips)
    set_rules(bench)
    bench.exchange.step()
    bench.run(EQ)
    bench.run(EQ)
    bench.assert_settled()


def test_a_commission_that_came_too_late_is_learned_by_the_next_run(bench):
    class Deaf:
        """Hears executions without their commissions."""

        def __init__(self, listener):
            self._listener = listener

        def __call__(self, event):
            if event.fill is None or event.fill.commission is None:
                self._listener(event)

    broker = bench.broker()
    subscribe = broker.subscribe
    broker.subscribe = lambda listener: subscribe(Deaf(listener))
    first = bench.run(EQ, world=bench.world(broker=broker))
    assert all(fill.commission is None for ticket in first.tickets for fill in ticket.fills)
    bench.run(EQ)
    for ticket in first.tickets:
        known = bench.ledger.ticket(ticket.intent.intent_id)
        assert all(fill.commission for fill in known.fills)


def test_other_sessions_tickets_and_unknown_references_are_left_alone(bench):
    intent_id = _unknown(bench)
    broker = bench.broker()

    async def of_bonds():
        await broker.connect()
        return await recover(BO, broker, bench.ledger, bench.clock)

    found = bench.virtually(of_bonds())
    assert (found.settled, found.blocked) == ((), {})
    assert bench.ledger.ticket(intent_id).status is TicketStatus.SENT


@pytest.fixture
def lost(bench, make_bench):
    """The same account and market with a ledger that knows nothing, as after a loss or of an old copy."""
    made = make_bench({})
    made.exchange, made.market, made.clock, made.beliefs = bench.exchange, bench.market, bench.clock, bench.beliefs
    return made


def test_what_an_unknown_order_of_ours_bought_today_is_not_bought_again(bench, lost):
    """Not that day, by this session or another one; it is told with the way out, and the others are traded as usual."""
    bench.run(EQ, {"ALPHA": "0.5"})
    before = len(bench.orders())
    report = lost.run(EQ)
    assert [order.request.instrument.symbol for order in bench.orders()[before:]] == ["BRAVO"]
    (told,) = (skip for skip in report.skips if skip.rule == "unknown_order")
    assert told.subject == "ALPHA"
    assert "-ALPHA-B-1, which the broker has as orders of this program; ALPHA: bought" in told.reason
    assert "positions set ALPHA QUANTITY --owner equities" in told.reason
    assert report.outcome is Outcome.PARTLY
    assert lost.owned(ALPHA) == 0

    async def of_bonds():
        broker = lost.broker()
        await broker.connect()
        return await recover(BO, broker, lost.ledger, lost.clock)

    found = lost.virtually(of_bonds())
    assert (list(found.forbidden), found.skips) == ([ALPHA.key], ())


def test_nothing_is_ordered_beside_an_unknown_order_of_ours_that_is_at_work(bench, lost):
    set_rules(bench, liquidity=D(0))
    with contextlib.suppress(Killed, BaseExceptionGroup):
        bench.run(EQ, world=bench.world(broker=Mortal(bench.broker(), Fate(10))))
    alive = {order.request.instrument for order in bench.orders() if not order.status.done}
    assert alive
    before = len(bench.orders())
    report = lost.run(EQ)
    told = {skip.subject: skip.reason for skip in report.skips if skip.rule == "unknown_order"}
    assert set(told) == {instrument.symbol for instrument in alive}
    assert all("is at work: cancel it in TWS" in reason for reason in told.values())
    assert not alive & {order.request.instrument for order in bench.orders()[before:]}


def test_an_order_is_never_sent_by_a_run_that_was_cancelled(bench):
    """Ctrl-C: what was sent is in the journal, and the next run settles it."""

    async def interrupted():
        task = asyncio.ensure_future(run_session(spec, world))
        while not bench.orders():  # noqa: ASYNC110  the exchange has no events for tests
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    set_rules(bench, liquidity=D(1))
    spec, world = bench.spec(EQ), bench.world(EQ)
    bench.virtually(interrupted())
    bench.assert_sound()
    set_rules(bench)
    bench.exchange.step()
    bench.run(EQ)
    bench.run(EQ)
    bench.assert_settled()
    assert all(order.request.side is Side.BUY for order in bench.orders())
