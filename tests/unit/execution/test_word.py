"""What a person says about an order in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from robotrading.domain.errors import ConfigError
from robotrading.domain.orders import EventKind, TicketStatus
from robotrading.execution.lifecycle import fold
from robotrading.execution.word import Word, events_of, parse_filled
from tests.unit.execution.histories import NOW, D, event, executed, intent, ticket

K, S = EventKind, TicketStatus
BUY = intent(10)
SENT = event(BUY, K.SENT)
LATER = NOW + timedelta(days=1)


def settled(before, word):
    for one in events_of(before, word, [SENT], LATER):
        before = fold(before, one)
    return before


def test_all_of_it_fills_the_order_at_the_time_it_left():
    after = settled(ticket(BUY, SENT, K.UNKNOWN), Word("ann", D(10), D("101.5"), "statement of Friday"))
    assert (after.status, after.filled, after.avg_price) == (S.FILLED, D(10), D("101.5"))
    assert after.reason == "filled 10 at 101.5, says ann: statement of Friday"
    assert after.fills[0].at == NOW


def test_a_part_of_it_ends_the_order_with_that_part():
    after = settled(ticket(BUY, SENT, executed(BUY, 2), K.UNKNOWN), Word("ann", D(3), D(100)))
    assert (after.status, after.filled, after.reason) == (S.CANCELLED, D(5), "filled 3 at 100, says ann")


def test_nothing_of_it_ends_the_order_with_what_is_booked():
    after = settled(ticket(BUY, SENT, executed(BUY, 2), K.UNKNOWN), Word("ann", reason="the broker's hotline"))
    assert (after.status, after.filled, after.reason) == (
        S.CANCELLED,
        D(2),
        "not filled, says ann: the broker's hotline",
    )


def test_a_word_without_a_journal_is_dated_now():
    (told,) = events_of(ticket(BUY), Word("ann", D(10), D(100)), [], LATER)
    assert told.fill.at == LATER


def test_more_than_is_left_is_refused():
    with pytest.raises(ConfigError, match="only 8 of 10 are not booked"):
        settled(ticket(BUY, SENT, executed(BUY, 2)), Word("ann", D(9), D(100)))


def test_what_has_ended_needs_no_word():
    with pytest.raises(ConfigError, match="is filled and not in doubt"):
        settled(ticket(BUY, SENT, executed(BUY, 10)), Word("ann"))


@pytest.mark.parametrize("text", ["10", "10@", "@10", "x@1", "0@1", "-1@1", "1@0", "nan@1", "1@inf", "1@2@3"])
def test_words_that_are_no_quantity_at_a_price_are_refused(text):
    with pytest.raises(ConfigError, match=r"--filled 10@101\.55"):
        parse_filled(text)


def test_a_quantity_at_a_price_is_read():
    assert parse_filled("0.25@101.55") == (D("0.25"), D("101.55"))
