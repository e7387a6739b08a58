"""A person's word on an order, and the broker's own executions after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.orders import EventKind, OrderEvent, TicketStatus
from robotrading.execution.lifecycle import by_person, fold, person_fill_id, replay
from tests.unit.execution.histories import NOW, D, event, executed, fill, histories, intent, ticket

K, S = EventKind, TicketStatus
BUY = intent(10)


def word(of, quantity, number=1):
    """What the command records when a person says that `quantity` was executed."""
    told = replace(fill(BUY, quantity, f"person-{BUY.intent_id}-{number}"))
    return OrderEvent(BUY.intent_id, K.FILL, NOW, fill=told, reason="said by ann")


def in_doubt(*events):
    return ticket(BUY, K.SENT, K.UNKNOWN, *events)


def test_a_persons_word_fills_an_order_in_doubt_and_the_ticket_says_whose_it_was():
    after = fold(in_doubt(), word(BUY, 10))
    assert (after.status, after.filled, after.reason) == (S.FILLED, D(10), "said by ann")


def test_the_id_of_a_persons_execution_counts_up():
    before = in_doubt()
    assert person_fill_id(before) == f"person-{BUY.intent_id}-1"
    assert person_fill_id(fold(before, word(BUY, 4))) == f"person-{BUY.intent_id}-2"


@pytest.mark.parametrize("parts", [(10,), (4, 6), (1, 2, 7)])
def test_the_brokers_executions_take_the_place_of_the_persons(parts):
    now = fold(in_doubt(), word(BUY, 10))
    for number, part in enumerate(parts):
        now = fold(now, executed(BUY, part, f"f{number}", price="101"))
        assert (now.status, now.filled) == (S.FILLED, D(10))
    assert now.avg_price == D(101)
    assert [one.quantity for one in now.fills if by_person(one)] == [D(0)]


def test_the_broker_may_tell_of_more_than_the_person_knew():
    now = fold(fold(in_doubt(), word(BUY, 4)), event(BUY, K.CANCELLED, "the rest was not filled"))
    assert (now.status, now.filled) == (S.CANCELLED, D(4))
    now = fold(now, executed(BUY, 10))
    assert (now.status, now.filled) == (S.FILLED, D(10))


def test_what_was_booked_before_the_word_does_not_use_it_up():
    """A commission of an execution that is known says nothing about the part the person told of."""
    now = fold(in_doubt(executed(BUY, 4)), word(BUY, 6))
    now = fold(now, executed(BUY, 4, commission=D(1)))
    assert now.filled == 10
    now = fold(now, executed(BUY, 6, "f2"))
    assert now.filled == 10


def test_a_correction_upwards_uses_up_the_word_too():
    now = fold(in_doubt(executed(BUY, 4)), word(BUY, 6))
    now = fold(now, executed(BUY, 7, revision=2))
    assert now.filled == 10


def test_a_word_that_came_too_late_adds_nothing():
    """The broker answered while the person was typing."""
    done = in_doubt(executed(BUY, 10))
    assert fold(done, word(BUY, 10)) is done
    assert fold(in_doubt(executed(BUY, 7)), word(BUY, 10)).filled == 10


@given(histories(BUY), st.integers(1, 10), st.integers(0, 20))
def test_a_persons_word_never_doubles_an_execution_whatever_the_order(history, told, where):
    """In the end the order has what the broker told, or what the person told where that is more; never both."""
    rest = BUY.quantity - replay(BUY, history[:where]).filled
    counted = replay(BUY, history[:where]).filled + min(rest, D(told))
    with_word = replay(BUY, [*history[:where], word(BUY, told), *history[where:]])
    without = replay(BUY, history)
    assert with_word.filled == max(without.filled, counted)
    theirs = [one for one in with_word.fills if not by_person(one)]
    assert sum(one.quantity for one in theirs) == without.filled
    once_more = fold(with_word, word(BUY, told))
    assert once_more.filled == with_word.filled


def test_the_newest_reason_of_a_doubt_is_kept():
    now = in_doubt()
    better = fold(now, event(BUY, K.UNKNOWN, "the account holds 10 more"))
    assert (better.status, better.reason) == (S.UNKNOWN, "the account holds 10 more")
    assert fold(better, event(BUY, K.UNKNOWN)) is better
    assert fold(better, event(BUY, K.UNKNOWN, "the account holds 10 more")) is better
