"""The law of a ticket."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.orders import EventKind, OrderEvent, TicketStatus
from robotrading.execution.lifecycle import MOVES, awaits_executions, fold, merge_fill, replay
from tests.unit.execution.histories import MSFT, NOW, D, event, executed, fill, histories, intent, ticket

K, S = EventKind, TicketStatus
BUY = intent(10)


@given(histories(BUY))
def test_no_order_of_arrival_loses_or_doubles_an_execution(history):
    """The fills of a ticket are the highest revision of each execution told, with a commission if one was told."""
    told = [one.fill for one in history if one.fill is not None]
    kept = {one.fill_id: one for one in replay(BUY, history).fills}
    assert kept.keys() == {one.fill_id for one in told}
    for fill_id, one in kept.items():
        same = [other for other in told if other.fill_id == fill_id]
        newest = max(other.revision for other in same)
        assert one.revision == newest
        assert one.price in {other.price for other in same if other.revision == newest}
        own = {other.commission for other in same if other.revision == newest and other.commission is not None}
        any_revision = {other.commission for other in same if other.commission is not None}
        assert one.commission in (own or any_revision or {None})


@given(histories(BUY), st.randoms(use_true_random=False))
def test_executions_add_up_to_the_same_whatever_the_order(history, random):
    shuffled = list(history)
    random.shuffle(shuffled)
    first, second = replay(BUY, history), replay(BUY, shuffled)
    assert first.filled == second.filled
    assert {one.fill_id for one in first.fills} == {one.fill_id for one in second.fills}
    known, too = ({one.fill_id for one in of.fills if one.commission is not None} for of in (first, second))
    assert known == too


@given(histories(BUY))
def test_the_same_event_twice_changes_nothing(history):
    now = replay(BUY, history)
    for one in history:
        once = fold(now, one)
        assert fold(once, one) is once
        now = once


@given(histories(BUY))
def test_only_executions_make_a_ticket_filled(history):
    after = replay(BUY, history)
    assert (after.status is S.FILLED) == (after.filled >= BUY.quantity)


@given(histories(BUY))
def test_nothing_is_called_rejected_or_working_that_has_executions(history):
    after = replay(BUY, history)
    if after.fills:
        assert after.status in {S.PARTIAL, S.FILLED, S.CANCELLED, S.UNKNOWN}


@given(histories(BUY))
def test_nothing_but_an_answer_of_the_broker_leads_out_of_unknown(history):
    own_notes = {K.SENT, K.CANCEL_SENT, K.UNKNOWN}
    now = ticket(BUY, K.SENT, K.UNKNOWN)
    for one in history:
        after = fold(now, one)
        if now.status is S.UNKNOWN and one.kind in own_notes:
            assert after.status is S.UNKNOWN
        now = after


def test_the_table_names_every_status_and_its_moves_stay_inside_it():
    assert set(MOVES) == set(S)
    assert MOVES[S.FILLED] == {}
    for status, moves in MOVES.items():
        assert status not in moves.values(), "a move changes the status"
        assert not {K.FILL, K.FILLED, K.CANCEL_SENT} & moves.keys(), "these are folded by rules of their own"


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), S.PLANNED),
        ((K.SENT,), S.SENT),
        ((K.ACKNOWLEDGED, K.SENT), S.WORKING),
        ((K.SENT, K.ACKNOWLEDGED, K.REJECTED), S.REJECTED),
        ((K.SENT, K.ACKNOWLEDGED, K.CANCEL_SENT, K.CANCELLED), S.CANCELLED),
        ((K.SENT, K.CANCELLED, K.ACKNOWLEDGED), S.WORKING),
        ((K.SENT, K.REJECTED, K.ACKNOWLEDGED), S.WORKING),
        ((K.SENT, K.REJECTED, K.FILLED), S.WORKING),
        ((K.SENT, K.CANCELLED, K.FILLED), S.WORKING),
        ((K.SENT, K.UNKNOWN, K.SENT, K.CANCEL_SENT), S.UNKNOWN),
        ((K.SENT, K.UNKNOWN, K.ACKNOWLEDGED), S.WORKING),
        ((K.SENT, K.CANCELLED, K.UNKNOWN), S.CANCELLED),
    ],
)
def test_words_move_a_ticket_along_the_table(events, status):
    assert ticket(BUY, *events).status is status


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((K.SENT, executed(BUY, 4)), S.PARTIAL),
        ((K.SENT, executed(BUY, 4), executed(BUY, 6, "f2")), S.FILLED),
        ((executed(BUY, 10), K.REJECTED, K.CANCELLED, K.FILLED), S.FILLED),
        ((K.SENT, executed(BUY, 4), K.REJECTED), S.CANCELLED),
        ((K.SENT, K.UNKNOWN, executed(BUY, 4)), S.PARTIAL),
        ((K.SENT, executed(BUY, 4), K.UNKNOWN, K.REJECTED), S.CANCELLED),
        ((K.SENT, executed(BUY, 4), K.UNKNOWN, K.ACKNOWLEDGED), S.PARTIAL),
        ((K.SENT, K.CANCELLED, executed(BUY, 4)), S.CANCELLED),
        ((K.SENT, K.CANCELLED, executed(BUY, 10)), S.FILLED),
        ((K.SENT, K.REJECTED, executed(BUY, 4)), S.PARTIAL),
        ((K.SENT, executed(BUY, 4), K.FILLED), S.PARTIAL),
    ],
)
def test_executions_move_a_ticket_by_their_quantity(events, status):
    assert ticket(BUY, *events).status is status


def test_a_commission_report_does_not_wake_an_order_whose_outcome_is_unknown():
    doubtful = ticket(BUY, K.SENT, executed(BUY, 4), K.UNKNOWN)
    after = fold(doubtful, executed(BUY, 4, commission=D("0.35")))
    assert after.status is S.UNKNOWN
    assert after.commission == D("0.35")


def test_the_word_filled_waits_for_the_executions():
    told = ticket(BUY, K.SENT, K.FILLED)
    assert told.status is S.WORKING
    assert awaits_executions(told)
    assert not awaits_executions(fold(told, executed(BUY, 10)))
    assert not awaits_executions(ticket(BUY, K.SENT))


def test_a_correction_replaces_what_it_corrects_and_an_older_one_comes_too_late():
    corrected = ticket(BUY, executed(BUY, 10), executed(BUY, 10, price="101", revision=2))
    assert corrected.avg_price == D(101)
    assert fold(corrected, executed(BUY, 10)) is corrected


def test_a_ticket_corrected_downwards_stays_ended_with_what_was_really_executed():
    after = ticket(BUY, executed(BUY, 10), executed(BUY, 9, revision=2))
    assert (after.status, after.filled) == (S.FILLED, D(9))


def test_a_commission_is_kept_whichever_revision_brought_it():
    bare, costly = fill(BUY, 5, revision=2), fill(BUY, 5, commission=D(1), commission_currency="USD")
    for first, second in ((bare, costly), (costly, bare)):
        (kept,) = merge_fill((first,), second)
        assert (kept.revision, kept.commission, kept.commission_currency) == (2, D(1), "USD")


def test_the_permanent_id_is_learned_once():
    known = ticket(BUY, event(BUY, K.ACKNOWLEDGED, broker_id=77), event(BUY, K.CANCELLED, broker_id=99))
    assert known.broker_id == 77


def test_the_time_of_a_ticket_is_that_of_the_last_event_that_changed_it():
    later = OrderEvent(BUY.intent_id, K.ACKNOWLEDGED, NOW + timedelta(seconds=9))
    first = ticket(BUY, K.ACKNOWLEDGED)
    assert fold(first, later).updated_at == NOW


def test_an_event_of_another_intent_is_refused():
    with pytest.raises(ValueError, match="MSFT"):
        fold(ticket(BUY), event(intent(of=MSFT), K.SENT))


def test_reason_and_code_are_those_of_the_last_move():
    no = OrderEvent(BUY.intent_id, K.REJECTED, NOW, reason="margin", code=201)
    after = fold(ticket(BUY, K.SENT), no)
    assert (after.reason, after.code) == ("margin", 201)
    filled = fold(after, executed(BUY, Decimal(10)))
    assert (filled.reason, filled.code) == ("", None)
