"""What the broker's lists say about a ticket."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from robotrading.domain.orders import EventKind, OrderEvent, TicketStatus
from robotrading.execution.lifecycle import fold, merge_fill, replay
from robotrading.execution.reconcile import outstanding, settle
from tests.unit.execution.histories import NOW, D, evidence, executed, fill, histories, intent, listed, pasts, ticket

K, S = EventKind, TicketStatus
BUY = intent(10)


def settled(of, found):
    for one in settle(of, found):
        of = fold(of, one)
    return of


@given(pasts(BUY))
def test_settling_twice_says_nothing_new(past):
    history, found = past
    after = settled(replay(BUY, history), found)
    if not after.status.terminal:
        assert settle(after, found) == ()


@given(pasts(BUY))
def test_every_execution_that_the_broker_tells_of_is_booked(past):
    history, found = past
    before = replay(BUY, history)
    after = settled(before, found)
    told = before.fills
    for one in found.executions:
        told = merge_fill(told, one)
    assert {one.fill_id: (one.revision, one.quantity, one.price) for one in after.fills} == {
        one.fill_id: (one.revision, one.quantity, one.price) for one in told
    }
    assert outstanding(after, found) == ()


@given(pasts(BUY))
def test_a_ticket_ends_on_evidence_only(past):
    """Enough executions, a completed order, or the knowledge that it never left: nothing else ends a ticket."""
    history, found = past
    before = replay(BUY, history)
    after = settled(before, found)
    if before.status.terminal or not after.status.terminal:
        return
    enough = after.filled >= BUY.quantity
    never_left = before.status is S.PLANNED and not (found.open_orders or found.completed_orders or found.executions)
    assert enough or found.completed_orders or never_left


@given(pasts(BUY))
def test_what_has_more_executions_at_the_broker_than_here_stays_open(past):
    history, found = past
    before = replay(BUY, history)
    after = settled(before, found)
    if before.status.terminal or not found.completed_orders or found.open_orders:
        return
    if found.completed_orders[0].filled > after.filled:
        assert after.status is S.UNKNOWN


@given(histories(BUY))
def test_silence_is_unknown_and_never_an_end(history):
    before = replay(BUY, history)
    after = settled(before, evidence())
    if before.status is S.PLANNED:
        assert after.status is S.CANCELLED
    elif not before.status.terminal:
        assert after.status is S.UNKNOWN


def test_what_was_only_planned_was_never_sent():
    after = settled(ticket(BUY), evidence())
    assert after.status is S.CANCELLED
    assert "never sent" in after.reason


@pytest.mark.parametrize(
    "found",
    [
        evidence((listed(BUY, S.WORKING),)),
        evidence((), (listed(BUY, S.REJECTED),)),
        evidence((), (), (fill(BUY, 4),)),
    ],
)
def test_a_trace_at_the_broker_proves_the_journal_wrong(found):
    """A journal that was set back (a restored disk) does not make a living order 'never sent'."""
    after = settled(ticket(BUY), found)
    assert "never sent" not in after.reason
    assert after.filled == sum(one.quantity for one in found.executions)


@pytest.mark.parametrize(
    ("before", "found", "status"),
    [
        ((K.SENT,), evidence((listed(BUY, S.WORKING),)), S.WORKING),
        ((K.SENT, K.UNKNOWN), evidence((listed(BUY, S.WORKING),)), S.WORKING),
        ((K.SENT,), evidence((), (listed(BUY, S.CANCELLED),)), S.CANCELLED),
        ((K.SENT,), evidence((), (listed(BUY, S.REJECTED),)), S.REJECTED),
        ((K.SENT,), evidence((), (listed(BUY, S.FILLED, 10),)), S.UNKNOWN),
        ((K.SENT,), evidence((), (listed(BUY, S.FILLED, 0),)), S.UNKNOWN),
        ((K.SENT,), evidence((), (listed(BUY, S.CANCELLED, 4),)), S.UNKNOWN),
        ((K.SENT,), evidence((), (listed(BUY, S.CANCELLED, 4),), (fill(BUY, 4),)), S.CANCELLED),
        ((K.SENT,), evidence((), (listed(BUY, S.FILLED, 10),), (fill(BUY, 10),)), S.FILLED),
        ((K.SENT,), evidence((), (), (fill(BUY, 10),)), S.FILLED),
        ((K.SENT,), evidence((), (), (fill(BUY, 4),)), S.UNKNOWN),
        ((K.SENT, executed(BUY, 9)), evidence((), (listed(BUY, S.FILLED, 9),)), S.CANCELLED),
        ((K.SENT, executed(BUY, 9)), evidence((), (listed(BUY, S.FILLED, 0),)), S.UNKNOWN),
    ],
)
def test_the_lists_settle_what_they_prove(before, found, status):
    after = settled(ticket(BUY, *before), found)
    assert after.status is status
    assert after.reason or status in {S.WORKING, S.FILLED}


@pytest.mark.parametrize(
    ("before", "status", "done", "missing"),
    [
        ((K.SENT,), S.CANCELLED, 4, 4),
        ((K.SENT, executed(BUY, 1)), S.CANCELLED, 4, 3),
        ((K.SENT,), S.FILLED, 9, 9),
        ((K.SENT,), S.FILLED, 0, 10),
        ((K.SENT, executed(BUY, 9)), S.FILLED, 0, 1),
    ],
)
def test_what_is_missing_is_what_the_broker_has_executed_and_no_more(before, status, done, missing):
    """A person who is told to confirm ten where four were executed makes six of his own the bot's."""
    found = replace(evidence((), (listed(BUY, status, done),)), at=NOW + timedelta(days=1))
    after = settled(ticket(BUY, *before), found)
    assert after.status is S.UNKNOWN
    assert f"executions for {missing} are missing" in after.reason
    assert f"--filled {missing}@PRICE" in after.reason


@pytest.mark.parametrize(
    ("status", "done", "after"),
    [(S.CANCELLED, 0, S.CANCELLED), (S.CANCELLED, 4, S.UNKNOWN), (S.FILLED, 10, S.UNKNOWN)],
)
def test_an_order_that_is_dead_among_the_open_ones_does_not_work(status, done, after):
    """'Still working' would not be true, and would block its instrument."""
    found = settled(ticket(BUY, K.SENT), evidence((listed(BUY, status, done),)))
    assert found.status is after
    assert found.reason


@pytest.mark.parametrize("days", [0, 1])
def test_an_inactive_order_among_the_open_ones_may_come_alive_and_stays_in_doubt(days):
    """Who takes it for rejected orders the same again, and has both when TWS is told to send it on."""
    found = replace(evidence((listed(BUY, S.REJECTED),)), at=NOW + timedelta(days=days))
    after = settled(ticket(BUY, K.SENT), found)
    assert after.status is S.UNKNOWN
    assert "may come alive" in after.reason
    assert "--not-filled" in after.reason
    assert settled(after, evidence((), (listed(BUY, S.REJECTED),))).status is S.REJECTED, (
        "among the completed it is over"
    )


def test_a_dead_order_among_the_open_ones_gives_way_to_its_completed_self():
    found = evidence((listed(BUY, S.REJECTED),), (listed(BUY, S.CANCELLED),))
    assert settled(ticket(BUY, K.SENT), found).status is S.CANCELLED


def test_other_orders_prove_nothing():
    other = intent(10, number=2)
    found = evidence((listed(other, S.WORKING),), (listed(other, S.CANCELLED),), (fill(other, 10),))
    assert settled(ticket(BUY, K.SENT), found).status is S.UNKNOWN


def test_a_late_commission_of_an_ended_order_is_outstanding():
    done = ticket(BUY, executed(BUY, 10))
    costly = fill(BUY, 10, commission=D(1))
    assert outstanding(done, evidence((), (), (costly,))) == (OrderEvent(BUY.intent_id, K.FILL, NOW, fill=costly),)


def test_a_correction_counts_before_a_new_execution_can_end_the_ticket():
    before = ticket(BUY, K.SENT, executed(BUY, 6))
    found = evidence((listed(BUY, S.WORKING, 8),), (), (fill(BUY, 5, "f2"), fill(BUY, 3, revision=2)))
    after = settled(before, found)
    assert (after.status, after.filled) == (S.PARTIAL, D(8))


def test_of_two_corrections_the_newest_counts_though_the_older_one_would_fill_the_order():
    before = ticket(BUY, K.SENT, executed(BUY, 6))
    found = evidence((listed(BUY, S.WORKING, 3),), (), (fill(BUY, 10, revision=2), fill(BUY, 3, revision=3)))
    after = settled(before, found)
    assert (after.status, after.filled) == (S.PARTIAL, D(3))


@pytest.mark.parametrize("status", [S.CANCELLED, S.REJECTED])
def test_an_end_that_the_executions_bear_out_has_the_brokers_own_reason(status):
    ended = replace(listed(BUY, status, 4), reason="margin")
    after = settled(ticket(BUY, K.SENT), evidence((), (ended,), (fill(BUY, 4),)))
    assert (after.status, after.reason) == (S.CANCELLED, "margin")


def test_on_its_own_day_nobody_is_asked_for_executions_that_may_still_be_told():
    after = settled(ticket(BUY, K.SENT), evidence((), (listed(BUY, S.FILLED, 10),)))
    assert after.status is S.UNKNOWN
    assert "robotrading resolve" not in after.reason
