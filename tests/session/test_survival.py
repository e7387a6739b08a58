"""Days after a crash: what positions settle, what they leave to a person, and what is noticed beside the bot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.orders import BrokerOrder, EventKind, Fill, OrderEvent, Side, TicketStatus
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import Outcome
from robotrading.session.recovery import recover
from tests.session.bench import ACCOUNT, ALPHA, BO, BRAVO, BRAVO_AS_BOND, EQ, Bench, Failing, build, forget

D = Decimal
SEVEN = D(7)
DAYS_ON = timedelta(days=3).total_seconds()  # from Friday over the weekend


@pytest.fixture
def bench(make_bench):
    return make_bench({ALPHA: D(7)})


def lose_an_order(bench: Bench, protected: Decimal | None = SEVEN, of=ALPHA, kind=EQ) -> str:
    """A ticket of which the broker knows nothing at all, from a run that died while sending it."""
    plan = bench.run(kind, trade=False).plan
    lost = next(intent for intent in plan.intents if intent.instrument == of)
    now = bench.clock.now()
    bench.ledger.record_intent(lost, now)
    bench.ledger.append(OrderEvent(lost.intent_id, EventKind.SENT, now, protected=protected))
    return lost.intent_id


def next_week(bench: Bench) -> None:
    bench.clock.advance(DAYS_ON)


def notes(report) -> str:
    return "\n".join(report.notes)


def test_an_order_that_was_lost_on_its_way_is_cancelled_when_its_day_is_over_and_nothing_moved(bench):
    intent_id = lose_an_order(bench)
    next_week(bench)
    report = bench.run(EQ)
    ticket = bench.ledger.ticket(intent_id)
    assert ticket.status is TicketStatus.CANCELLED
    assert "the account holds 7, the bot's own are 0" in ticket.reason
    assert f"{intent_id} (cancelled)" in notes(report)
    assert bench.owned(ALPHA) > 0, "the instrument is free again"
    bench.assert_sound()


def test_an_order_that_seems_executed_stays_in_doubt_and_tells_how_to_confirm_it(bench):
    intent_id = lose_an_order(bench)
    quantity = bench.ledger.ticket(intent_id).intent.quantity
    bench.trade_as_person(Side.BUY, ALPHA, quantity)  # what an unseen execution looks like
    next_week(bench)
    report = bench.run(EQ)
    assert bench.ledger.ticket(intent_id).status is TicketStatus.UNKNOWN
    told = "\n".join(skip.reason for skip in report.skips)
    assert "probably executed" in told
    assert f"robotrading resolve {intent_id} --filled {quantity.normalize():f}@PRICE" in told
    assert report.outcome is Outcome.PARTLY
    assert bench.owned(ALPHA) == 0


def test_a_silent_account_proves_nothing(bench):
    intent_id = lose_an_order(bench)
    next_week(bench)
    broker = Failing(bench.broker(), "account", BrokerUnavailable("no answer"), once=True)
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert bench.ledger.ticket(intent_id).status is TicketStatus.UNKNOWN
    assert "not to be had" in "\n".join(skip.reason for skip in report.skips)


def test_an_account_that_forgets_its_positions_proves_nothing(bench):
    """Worth more than its cash and without a position: that an order was not executed cannot be seen in it."""
    intent_id = lose_an_order(bench, D(0))
    next_week(bench)
    broker = bench.broker()
    ask = broker.account

    async def emptied():
        found = await ask()
        return replace(found, positions=(), net_liquidation=found.net_liquidation * 2)

    broker.account = emptied  # type: ignore[method-assign]
    bench.run(EQ, world=bench.world(broker=broker))
    assert bench.ledger.ticket(intent_id).status is TicketStatus.UNKNOWN


def recovered(bench: Bench) -> list[str]:
    """What the broker was asked for, in order."""
    broker, asked = bench.broker(), []

    def noting(name, ask):
        def noted():
            asked.append(name)
            return ask()

        return noted

    for name in ("open_orders", "completed_orders", "executions", "account"):
        setattr(broker, name, noting(name, getattr(broker, name)))

    async def work():
        await broker.connect()
        await recover(EQ, broker, bench.ledger, bench.clock)

    bench.virtually(work())
    return asked


def test_positions_are_asked_after_the_lists_and_only_where_a_day_is_over(bench):
    assert recovered(bench) == ["open_orders", "executions"]
    lost = lose_an_order(bench)
    assert recovered(bench) == ["open_orders", "completed_orders", "executions"]
    assert bench.ledger.ticket(lost).status is TicketStatus.UNKNOWN
    next_week(bench)
    assert recovered(bench) == ["open_orders", "completed_orders", "executions", "account"]


def test_an_order_that_ended_for_us_and_lives_at_the_broker_blocks_its_instrument(bench):
    """A person's word that was wrong, or a journal from an older disk."""
    intent_id = lose_an_order(bench)
    bench.ledger.append(OrderEvent(intent_id, EventKind.CANCELLED, bench.clock.now(), reason="says ann"))
    broker = bench.broker()
    ticket = bench.ledger.ticket(intent_id)
    of = ticket.intent

    async def alive():
        return [BrokerOrder(of.intent_id, 99, of.instrument, of.side, of.quantity, D(0), TicketStatus.WORKING)]

    broker.open_orders = alive  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert bench.ledger.ticket(intent_id).status is TicketStatus.WORKING
    assert any("still working" in skip.reason for skip in report.skips)
    assert bench.owned(ALPHA) == 0


def test_an_order_of_another_session_blocks_the_instrument_in_the_plan_and_at_the_door(bench):
    """BRAVO is traded by two sessions; the other one settles its own order."""
    intent_id = lose_an_order(bench, D(0), BRAVO_AS_BOND, BO)
    report = bench.run(EQ)
    assert bench.ledger.ticket(intent_id).status is TicketStatus.SENT
    assert {r.rule for r in report.plan.refusals if r.instrument == BRAVO} == {RefusalRule.OPEN_ORDER}
    assert not [skip for skip in report.skips if skip.step == "recover"], "it is not this session's to settle"
    assert bench.owned(ALPHA) > 0


# Beside the bot -------------------------------------------------------------------------------------------------------


def test_what_the_person_trades_is_noticed_once_and_never_traded_on(bench):
    bench.run(EQ)
    bought = bench.owned(ALPHA)
    next_week(bench)
    bench.trade_as_person(Side.BUY, ALPHA, D(5))
    report = bench.run(EQ)
    assert "ALPHA: 5 more are held than on 2025-09-26" in notes(report)
    next_week(bench)
    assert "ALPHA" not in notes(bench.run(EQ))
    assert bench.owned(ALPHA) == bought
    bench.assert_settled()


def test_a_plan_looks_and_does_not_use_up_what_there_is_to_tell(bench):
    bench.run(EQ)
    next_week(bench)
    bench.trade_as_person(Side.BUY, ALPHA, D(5))
    for trade in (False, False, True):
        assert "ALPHA: 5 more are held" in notes(bench.run(EQ, trade=trade))


def test_the_bots_own_trades_are_never_noticed(bench):
    for weights in ({"ALPHA": "0.4", "BRAVO": "0.5"}, {"ALPHA": "0.7", "BRAVO": "0.2"}, {"ALPHA": "0.9"}):
        assert "held" not in notes(bench.run(EQ, weights))
        next_week(bench)


def altered(bench: Bench, change):
    broker = bench.broker()
    ask = broker.account

    async def other():
        found = await ask()
        return replace(found, positions=change(found.positions))

    broker.account = other  # type: ignore[method-assign]
    return bench.world(broker=broker)


def doubled(positions):
    return tuple(replace(one, quantity=one.quantity * 2) if one.instrument == BRAVO else one for one in positions)


def test_a_split_blocks_the_instrument_until_a_person_says_what_is_the_bots(bench):
    bench.run(EQ)
    owned = bench.owned(BRAVO)
    next_week(bench)
    for _ in range(2):
        report = bench.run(EQ, {"ALPHA": "0.8"}, altered(bench, doubled))
        assert "looks like a 2:1 split" in notes(report)
        assert {r.rule for r in report.plan.refusals if r.instrument == BRAVO} == {RefusalRule.OPEN_ORDER}
        assert bench.owned(BRAVO) == owned
        bench.clock.advance(600)


def test_an_account_without_any_position_stops_the_run_with_one_sentence_and_buys_nothing(bench):
    bench.run(EQ)
    sent = len(bench.orders())
    next_week(bench)
    report = bench.run(EQ, {"ALPHA": "0.1", "BRAVO": "0.8"}, altered(bench, lambda _: ()))
    assert report.outcome is Outcome.FAILED
    assert "unknown, not flat" in report.verdict
    assert "ALPHA, BRAVO" in report.verdict
    assert len(bench.orders()) == sent
    assert not [skip for skip in report.skips if skip.rule == "shortfall"]


def test_positions_that_are_gone_in_the_end_are_unknown_too(bench):
    """The account comes whole before the orders and empty after them."""
    broker = bench.broker()
    ask = broker.account

    async def emptied():
        found = await ask()
        return replace(found, positions=()) if bench.ledger.positions() else found

    broker.account = emptied  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.PARTLY
    assert [skip.rule for skip in report.skips if skip.step == "compare"] == ["positions_unknown"]


# The rest of the day --------------------------------------------------------------------------------------------------


def richer(bench: Bench, factor: str):
    broker = bench.broker()
    ask = broker.account

    async def other():
        found = await ask()
        return replace(found, net_liquidation=found.net_liquidation * D(factor))

    broker.account = other  # type: ignore[method-assign]
    return bench.world(broker=broker)


def test_a_day_that_was_lost_once_stays_without_entries_when_it_recovers(bench):
    bench.run(EQ, trade=False)
    bench.run(EQ, trade=False, world=richer(bench, "0.9"))
    report = bench.run(EQ)
    assert bench.orders() == []
    assert {r.rule for r in report.plan.refusals} == {RefusalRule.DAY_STOPPED}
    assert "no entry for the rest of 2025-09-26: the day has lost 10" in notes(report)
    assert "the day has lost" in bench.ledger.day_stopped(ACCOUNT, report.trading_date)
    next_week(bench)
    assert bench.run(EQ).outcome is Outcome.DONE


def test_a_stored_plan_is_refused_once_the_day_is_lost(bench):
    plan_id = bench.run(EQ, trade=False).plan.plan_id
    bench.run(EQ, trade=False, world=richer(bench, "0.9"))
    report = bench.run(EQ, plan_id=plan_id)
    assert "no entry for the rest of the day" in report.verdict
    assert bench.orders() == []


def test_what_was_closed_today_is_not_bought_again_today(bench):
    bench.run(EQ)
    bench.run(EQ, {"ALPHA": "0.9"})
    assert bench.owned(BRAVO) == 0
    report = bench.run(EQ, {"ALPHA": "0.4", "BRAVO": "0.5"})
    assert {r.rule for r in report.plan.refusals if r.instrument == BRAVO} == {RefusalRule.REENTRY}
    assert bench.owned(BRAVO) == 0
    next_week(bench)
    bench.run(EQ, {"ALPHA": "0.4", "BRAVO": "0.5"})
    assert bench.owned(BRAVO) > 0


def test_a_stored_plan_does_not_enter_again_what_was_closed_since(bench):
    bench.run(EQ, {"BRAVO": "0.3"})
    plan_id = bench.run(EQ, {"BRAVO": "0.5"}, trade=False).plan.plan_id
    at = bench.clock.now()
    SqlPositionBook(bench.ledger._database).add_closed(BRAVO, "equities", at.date(), at)
    report = bench.run(EQ, {"BRAVO": "0.5"}, plan_id=plan_id)
    assert "closed it today" in report.verdict


def test_a_halt_stops_every_order_and_is_told_in_the_plan(bench):
    bench.ledger.halt("I want to look first", bench.clock.now(), "ann")
    report = bench.run(EQ)
    assert bench.orders() == []
    assert "I want to look first" in notes(report)
    assert report.outcome is Outcome.FAILED
    assert bench.ledger.resume(bench.clock.now(), "ann")
    assert bench.run(EQ).outcome is Outcome.DONE


def test_the_lists_answer_for_a_session_that_another_has_traded_beside(bench):
    """Executions of another session's ended order that nobody booked yet make the positions mute, not wrong."""
    alike = next(intent for intent in bench.run(EQ, trade=False).plan.intents if intent.instrument == BRAVO)
    held_back = replace(alike, intent_id="rt-bo-1", kind=BO, instrument=BRAVO_AS_BOND)
    bench.ledger.record_intent(held_back, bench.clock.now())
    bench.ledger.append(OrderEvent("rt-bo-1", EventKind.CANCELLED, bench.clock.now()))
    lost = lose_an_order(bench, D(0), BRAVO)
    next_week(bench)
    broker = bench.broker()

    async def told():
        return [Fill("f1", "rt-bo-1", BRAVO_AS_BOND, Side.BUY, D(3), D(50), bench.clock.now())]

    broker.executions = told  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert bench.ledger.ticket(lost).status is TicketStatus.UNKNOWN
    assert any("rt-bo-1 moves the same holding" in skip.reason for skip in report.skips)
    assert bench.owned(BRAVO) == 0, "the other session's executions are its own to book"


def test_late_executions_of_an_ended_order_are_booked_before_positions_are_read(bench):
    """An order of last week that had ended, and one in doubt since, in one instrument: each unit is counted once."""
    lost = lose_an_order(bench, D(0), BRAVO)
    ended = replace(bench.ledger.ticket(lost).intent, intent_id="rt-eq-0", quantity=D(3))
    bench.ledger.record_intent(ended, bench.clock.now())
    bench.ledger.append(OrderEvent("rt-eq-0", EventKind.CANCELLED, bench.clock.now()))
    bench.trade_as_person(Side.BUY, BRAVO, D(3))  # what the account shows of the late execution
    next_week(bench)
    broker = bench.broker()

    async def told():
        return [Fill("f1", "rt-eq-0", BRAVO, Side.BUY, D(3), D(50), bench.clock.now())]

    broker.executions = told  # type: ignore[method-assign]
    bench.run(EQ, trade=False, world=bench.world(broker=broker))
    assert bench.ledger.ticket(lost).status is TicketStatus.CANCELLED
    assert bench.owned(BRAVO) == 3


def test_positions_that_lag_behind_an_order_just_ended_are_not_taken_for_a_persons_trade(bench):
    bench.run(EQ, {"ALPHA": "0.1"})
    first = bench.owned(ALPHA)
    bench.clock.advance(600)
    bench.run(EQ, {"ALPHA": "0.3"})
    world = altered(bench, lambda there: tuple(replace(one, quantity=first + 7) for one in there))
    assert "ALPHA:" not in notes(bench.run(EQ, {"ALPHA": "0.3"}, world, trade=False))


def test_order_ids_that_roll_back_confuse_nothing(bench):
    """The gateway's counter begins anew after the first run; the second one's orders get the same numbers."""
    bench.run(EQ, {"ALPHA": "0.3"})
    bench.exchange.supervision.forget_order_ids()
    bench.run(EQ, {"ALPHA": "0.2", "BRAVO": "0.3"})
    bench.run(EQ, {"ALPHA": "0.2", "BRAVO": "0.3"})
    bench.assert_settled()


def test_in_an_account_that_was_empty_a_look_between_an_execution_and_its_booking_is_no_split(tmp_path: Path):
    """Another session sees the units before the ledger has them, in its first look: they are not the person's."""
    bench = build(tmp_path / "empty")
    bought = bench.ledger.ticket(lose_an_order(bench, D(0))).intent
    bench.trade_as_person(Side.BUY, ALPHA, bought.quantity)
    bench.run(BO)
    now = bench.clock.now()
    done = Fill("f1", bought.intent_id, ALPHA, Side.BUY, bought.quantity, D(100), now)
    bench.ledger.append(OrderEvent(bought.intent_id, EventKind.FILL, now, fill=done))
    next_week(bench)
    report = bench.run(EQ)
    forget(bench)
    assert "split" not in notes(report)
    assert ALPHA not in {r.instrument for r in report.plan.refusals if r.rule is RefusalRule.OPEN_ORDER}
