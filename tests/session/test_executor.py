"""From intents to confirmed fills, with every misfortune a broker has to offer; on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from robotrading.domain.errors import BrokerError, BrokerUnavailable, LedgerError
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import EventKind, Intent, OrderEvent, OrderType, Side, TicketStatus, intent_id_for
from robotrading.session.account import standing
from robotrading.session.door import Door
from robotrading.session.executor import Executed, Executor
from robotrading.session.settings import ExecutionSettings
from robotrading.session.steps import Draft
from robotrading.session.tickets import TicketBook
from tests.session.bench import (
    ALPHA,
    BO,
    BRAVO,
    DAY,
    DISK_FULL,
    EQ,
    OPEN,
    PRICES,
    Bench,
    Failing,
    set_rules,
)

D, S = Decimal, TicketStatus
QUICK = ExecutionSettings(fill_timeout=30.0, cancel_timeout=5.0)


def intent(
    of: Instrument = ALPHA, quantity: int = 10, side: Side = Side.BUY, limit: str = "0", number: int = 1
) -> Intent:
    price = PRICES[of]
    return Intent(
        intent_id=intent_id_for(EQ, DAY, of, side, number),
        session_id="run-1",
        kind=EQ,
        trading_date=DAY,
        instrument=of,
        side=side,
        quantity=D(quantity),
        order_type=OrderType.LIMIT,
        arrival_price=price,
        limit_price=D(limit) or price * (1 + D("0.003") * side.sign),
        reason="the test wants it",
    )


def execute(bench: Bench, *intents: Intent, settings: ExecutionSettings = QUICK, meanwhile=None, **ports) -> Executed:
    """A batch through the door; `meanwhile` runs beside it."""
    world = bench.world(**ports)
    spec = bench.spec()
    book = TicketBook(world.ledger)

    async def work() -> Executed:
        world.broker.subscribe(book)
        await world.broker.connect()
        door = Door(spec, world, book)
        door.look((await standing(world, Draft(spec, bench.clock, bench.clock.now()), [ALPHA, BRAVO])).sight)
        beside = asyncio.create_task(meanwhile()) if meanwhile else None
        try:
            return await Executor(door, world.broker, book, bench.clock, settings).execute(intents)
        finally:
            if beside:
                beside.cancel()

    return bench.virtually(work())


def test_what_fills_is_filled_with_its_commission(bench):
    done = execute(bench, intent(), intent(BRAVO))
    assert [ticket.status for ticket in done.tickets] == [S.FILLED, S.FILLED]
    assert all(ticket.commission > 0 and ticket.slippage is not None for ticket in done.tickets)
    assert done.skips == ()
    bench.assert_settled()


def test_what_is_late_is_cancelled_and_keeps_its_part(bench):
    set_rules(bench, liquidity=D(4))
    done = execute(bench, intent())
    (ticket,) = done.tickets
    assert (ticket.status, ticket.filled, ticket.cancel_sent) == (S.CANCELLED, D(4), True)
    assert done.skips == ()
    assert bench.clock.monotonic() == pytest.approx(30.0, abs=5)
    bench.assert_settled()


def test_what_fills_just_before_its_time_is_over_is_filled(bench):
    set_rules(bench, liquidity=D(4))

    async def later() -> None:
        await asyncio.sleep(29.9)
        set_rules(bench)
        bench.exchange.step()

    (ticket,) = execute(bench, intent(), meanwhile=later).tickets
    assert ticket.status is S.FILLED
    assert not ticket.cancel_sent


def test_what_fills_while_its_cancel_is_on_the_way_is_filled(bench):
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()

    async def fills_first(_intent_id: str) -> None:
        set_rules(bench)
        bench.exchange.step()

    broker.cancel = fills_first  # type: ignore[method-assign]
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED
    bench.assert_settled()


def test_an_unanswered_cancel_is_looked_up_before_it_is_unknown(bench):
    """The events are lost and the lists know: that is an answer."""
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()
    ask = broker.cancel

    async def unheard(intent_id: str) -> None:
        broker.faults.withhold = True
        await ask(intent_id)

    broker.cancel = unheard  # type: ignore[method-assign]
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert (ticket.status, ticket.filled) == (S.CANCELLED, D(4))


def test_an_unanswered_cancel_of_an_order_at_work_is_unknown(bench):
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()

    async def ignored(_intent_id: str) -> None:
        return

    broker.cancel = ignored  # type: ignore[method-assign]
    done = execute(bench, intent(), broker=broker)
    (ticket,) = done.tickets
    assert (ticket.status, ticket.filled) == (S.UNKNOWN, D(4))
    assert [skip.rule for skip in done.skips] == ["unknown_order"]
    assert "not confirmed within 5 s" in done.skips[0].reason


def test_a_cancel_that_was_lost_with_the_connection_is_asked_again(bench):
    """It was handed to the socket and never arrived: the order would be at work long after the session."""
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()
    ask, asked = broker.cancel, []

    async def lost(intent_id: str) -> None:
        asked.append(bench.clock.monotonic())
        if len(asked) == 1:
            broker.lose_connection()
        else:
            await ask(intent_id)

    broker.cancel = lost  # type: ignore[method-assign]
    done = execute(bench, intent(), broker=broker)
    assert [(one.status, one.filled) for one in done.tickets] == [(S.CANCELLED, D(4))]
    assert not bench.exchange.open_orders()
    assert len(asked) == 2
    assert asked[1] - asked[0] < QUICK.cancel_timeout, "as soon as the connection is back"
    bench.assert_settled()


def test_a_connection_that_is_lost_with_every_cancel_ends_in_doubt_and_not_in_a_circle(bench):
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()
    asked = []

    async def lost(intent_id: str) -> None:
        asked.append(intent_id)
        broker.lose_connection()

    broker.cancel = lost  # type: ignore[method-assign]
    done = execute(bench, intent(), broker=broker)
    assert [(one.status, one.filled) for one in done.tickets] == [(S.UNKNOWN, D(4))]
    assert 1 < len(asked) < 10


def test_a_refused_cancel_proves_nothing_and_is_looked_up(bench):
    set_rules(bench, liquidity=D(4))
    gone = Failing(bench.broker(), "cancel", BrokerError("10147: not found"))
    (ticket,) = execute(bench, intent(), broker=gone).tickets
    assert ticket.status is S.UNKNOWN
    assert "10147" in ticket.reason


def test_a_cancel_without_an_answer_from_the_lists_is_unknown(bench):
    set_rules(bench, liquidity=D(4))
    broker = bench.broker()

    async def ignored(_intent_id: str) -> None:
        return

    broker.cancel = ignored  # type: ignore[method-assign]
    silent = Failing(broker, "completed_orders", BrokerUnavailable("completed orders: no answer"))
    (ticket,) = execute(bench, intent(), broker=silent).tickets
    assert ticket.status is S.UNKNOWN
    assert "completed orders: no answer" in ticket.reason


def test_a_rejection_ends_the_ticket_and_harms_no_other(bench):
    poor = intent(BRAVO, quantity=100)
    broker = bench.broker()
    submit = broker.submit

    async def poorer(one: Intent) -> None:
        if one is poor:
            bench.exchange._book("DU1").cash["USD"] = D(10)
        await submit(one)

    broker.submit = poorer  # type: ignore[method-assign]
    first, second = execute(bench, intent(), poor, broker=broker).tickets
    assert second.status is S.REJECTED
    assert second.code == 201
    assert second.reason
    assert first.status in {S.FILLED, S.REJECTED}


def test_what_the_broker_refuses_to_take_is_a_skip_and_nothing_was_sent(bench):
    broker = bench.broker()
    broker.faults.refuse = "no trading permission"
    done = execute(bench, intent(), broker=broker)
    assert [ticket.status for ticket in done.tickets] == [S.REJECTED]
    assert [(skip.step, skip.rule) for skip in done.skips] == [("submit", "broker")]
    assert bench.orders() == []


def test_what_the_door_refuses_is_a_skip_and_leaves_no_trace(bench):
    done = execute(bench, intent(side=Side.SELL), intent(BRAVO))
    assert [ticket.intent.instrument for ticket in done.tickets] == [BRAVO]
    assert [(skip.step, skip.rule) for skip in done.skips] == [("door", "ownership")]
    assert bench.ledger.ticket(intent(side=Side.SELL).intent_id) is None


def test_nothing_is_journalled_or_sent_while_the_connection_is_lost(bench):
    broker = bench.broker()

    class Cut:
        connected = False

        def __getattr__(self, name):
            return getattr(broker, name)

    done = execute(bench, intent(), broker=Cut())
    assert [skip.step for skip in done.skips] == ["submit"]
    assert done.tickets == ()
    assert bench.ledger.ticket(intent().intent_id) is None


def test_a_connection_lost_before_the_order_left_is_a_rejection_of_ours(bench):
    broker = Failing(bench.broker(), "submit", BrokerUnavailable("the socket is closed"))
    done = execute(bench, intent(), broker=broker)
    assert [ticket.status for ticket in done.tickets] == [S.REJECTED]
    assert bench.orders() == []


def test_a_connection_lost_after_the_order_left_is_mended_and_asked(bench):
    broker = bench.broker()
    broker.faults.lose_after_submit = True
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED
    bench.assert_settled()


def test_a_connection_that_stays_lost_leaves_the_order_unknown(bench):
    broker = bench.broker()
    broker.faults.lose_after_submit = True
    dead = Failing(broker, "connect", BrokerUnavailable("no gateway at 127.0.0.1:4002"), at=3)
    done = execute(bench, intent(), broker=dead)
    (ticket,) = done.tickets
    assert ticket.status is S.UNKNOWN
    assert "no gateway" in ticket.reason
    assert [skip.rule for skip in done.skips] == ["unknown_order"]


def test_an_answer_may_come_before_submit_returns(bench):
    broker = bench.broker()
    submit = broker.submit

    async def slow(one: Intent) -> None:
        await submit(one)
        await asyncio.sleep(3)

    broker.submit = slow  # type: ignore[method-assign]
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED


def test_late_events_are_waited_for(bench):
    broker = bench.broker()
    broker.faults.delay = 20.0
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED
    assert not ticket.cancel_sent


def test_the_word_filled_without_executions_is_looked_up_not_cancelled(bench):
    broker = bench.broker()
    subscribe = broker.subscribe
    broker.subscribe = lambda hear: subscribe(lambda event: hear(event) if event.fill is None else None)  # type: ignore[method-assign]
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED
    assert not ticket.cancel_sent
    assert bench.clock.monotonic() < 20


def test_commissions_that_never_come_do_not_hold_up_the_run(bench):
    broker = bench.broker()
    subscribe = broker.subscribe

    def bare(event: OrderEvent) -> bool:
        return event.fill is None or event.fill.commission is None

    broker.subscribe = lambda hear: subscribe(lambda event: hear(event) if bare(event) else None)  # type: ignore[method-assign]
    (ticket,) = execute(bench, intent(), broker=broker).tickets
    assert ticket.status is S.FILLED
    assert bench.clock.monotonic() < 10


def test_no_more_orders_are_open_than_allowed(bench):
    broker = bench.broker()
    broker.faults.delay = 5.0
    most = 0
    submit = broker.submit

    async def counted(one: Intent) -> None:
        nonlocal most
        await submit(one)
        most = max(most, len(bench.ledger.open_tickets()))

    broker.submit = counted  # type: ignore[method-assign]
    batch = [intent(instrument) for instrument in (ALPHA, BRAVO)]
    done = execute(bench, *batch, broker=broker, settings=replace(QUICK, max_open_orders=1))
    assert most == 1
    assert [ticket.status for ticket in done.tickets] == [S.FILLED, S.FILLED]


def test_progress_counts_every_intent(bench):
    seen = []
    world, spec = bench.world(), bench.spec()
    book = TicketBook(world.ledger)

    async def work() -> None:
        world.broker.subscribe(book)
        await world.broker.connect()
        door = Door(spec, world, book)
        door.look((await standing(world, Draft(spec, bench.clock, OPEN), [ALPHA, BRAVO])).sight)
        executor = Executor(door, world.broker, book, bench.clock, QUICK)
        await executor.execute([intent(), intent(BRAVO)], seen.append)
        with pytest.raises(LedgerError, match="sent once"):
            await executor.execute([intent()])

    bench.virtually(work())
    assert seen == [1, 2]


@pytest.mark.parametrize("method", ["append", "record_intent"])
@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_failing_journal_stops_trading_at_once(bench, method, at, once):
    """From the failure on no order leaves, also when the journal would work again; the error is the journal's own."""
    ledger = Failing(bench.ledger, method, DISK_FULL, at, once=once)
    broker = bench.broker()
    submit = broker.submit
    sent = []

    async def noted(one: Intent) -> None:
        assert ledger.calls < at, "an order left after the journal had failed"
        sent.append(one)
        await submit(one)

    broker.submit = noted  # type: ignore[method-assign]
    batch = [intent(ALPHA, 1), intent(BRAVO, 1)]
    failed = None
    try:
        execute(bench, *batch, ledger=ledger, broker=broker, settings=replace(QUICK, max_open_orders=1))
    except LedgerError as error:
        failed = error
    assert failed is (None if ledger.calls < at else DISK_FULL)
    for order in bench.orders():
        assert bench.ledger.ticket(order.request.order_ref) is not None


def test_no_order_passes_a_journal_that_failed_in_the_background(bench):
    world, spec = bench.world(ledger=Failing(bench.ledger, "append", DISK_FULL)), bench.spec()
    book = TicketBook(world.ledger)

    async def work() -> None:
        await world.broker.connect()
        door = Door(spec, world, book)
        door.look((await standing(world, Draft(spec, bench.clock, OPEN), [ALPHA])).sight)
        bench.ledger.record_intent(intent(BRAVO), OPEN)
        book(OrderEvent(intent(BRAVO).intent_id, EventKind.SENT, OPEN))
        with pytest.raises(LedgerError, match="failed earlier"):
            await door.submit(intent())
        with pytest.raises(LedgerError, match="full"):
            await book.until(lambda: True, 1.0)

    bench.virtually(work())
    assert bench.ledger.ticket(intent().intent_id) is None


def test_a_session_cannot_sell_what_another_session_owns(bench):
    bench.run(BO)
    assert bench.owned(BRAVO) > 0
    done = execute(bench, intent(BRAVO, 1, Side.SELL))
    assert [skip.rule for skip in done.skips] == ["ownership"]


def test_nothing_leaves_before_the_account_was_looked_at(bench):
    world = bench.world()

    async def blind() -> None:
        await world.broker.connect()
        door = Door(bench.spec(), world, TicketBook(world.ledger))
        with pytest.raises(Exception, match="not looked at"):
            await door.submit(intent())

    bench.virtually(blind())
