"""When a message is tried again: laws over every rule, attempt and setting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.adapters.notify.trouble import FOR_GOOD, HOLDS_FOR_ALL, NO_CONNECTION
from robotrading.domain.messages import Address, Channel, Delivery, DeliveryState, LetterKind, Urgency
from robotrading.service.post.policy import (
    GREYLISTED,
    GiveUp,
    TryAgain,
    for_one_alone,
    holds_for_all,
    next_step,
    pause,
)
from robotrading.service.post.settings import OutboxSettings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SETTINGS = OutboxSettings()
RULES = sorted({*NO_CONNECTION, "put_off", "in_doubt", "not_sent", "full", "quota", "busy", "sender", "push_busy"})


def way(attempts: int = 1, name: str = "report:1", age: timedelta = timedelta(0)) -> Delivery:
    return Delivery(
        letter_id=name,
        address=Address(Channel.MAIL, "ann@example.com"),
        kind=LetterKind.REPORT,
        urgency=Urgency.NORMAL,
        subject="s",
        created_at=NOW - age,
        state=DeliveryState.WAITING,
        attempts=attempts,
        next_at=NOW,
        changed_at=NOW,
    )


@given(st.integers(0, 2000), st.sampled_from(RULES), st.text(max_size=20))
def test_a_pause_is_within_its_bounds_and_always_the_same(attempts: int, rule: str, name: str):
    found = pause(way(attempts, name), rule, SETTINGS)
    assert found >= 0.75 * SETTINGS.first_retry
    assert found <= SETTINGS.longest_retry
    assert found == pause(way(attempts, name), rule, SETTINGS)


@given(st.integers(1, 60), st.sampled_from(RULES), st.text(max_size=20))
def test_pauses_never_shrink_by_more_than_their_spread(attempts: int, rule: str, name: str):
    assert pause(way(attempts + 1, name), rule, SETTINGS) >= 0.75 * pause(way(attempts, name), rule, SETTINGS)


@given(st.sampled_from(["put_off", "quota", "busy", "push_busy"]), st.integers(0, 50), st.floats(1.0, 1e4))
def test_who_asks_us_to_wait_is_left_alone_for_five_minutes(rule: str, attempts: int, first: float):
    assert pause(way(attempts), rule, OutboxSettings(first_retry=first, longest_retry=first)) >= GREYLISTED


def test_letters_do_not_march_in_step():
    assert len({pause(way(5, f"report:{number}"), "connection", SETTINGS) for number in range(20)}) == 20


@given(st.sampled_from(RULES), st.integers(1, 200), st.timedeltas(timedelta(0), timedelta(days=10)))
def test_it_is_tried_until_the_end_of_its_days_and_not_beyond(rule: str, attempts: int, age: timedelta):
    one = way(attempts, age=age)
    end = one.created_at + timedelta(days=SETTINGS.give_up_days)
    step = next_step(one, rule, NOW, SETTINGS)
    if end <= NOW:
        assert isinstance(step, GiveUp)
    else:
        assert isinstance(step, TryAgain)
        assert NOW < step.at <= end


@pytest.mark.parametrize("rule", sorted({*FOR_GOOD, "no_such_push", "forgotten"}))
def test_a_refusal_for_good_is_final_at_the_first_attempt(rule: str):
    assert isinstance(next_step(way(), rule, NOW, SETTINGS), GiveUp)
    assert for_one_alone(rule)
    assert not holds_for_all(rule)


def test_troubles_of_the_account_hold_for_all_and_of_a_recipient_do_not():
    assert all(holds_for_all(rule) for rule in HOLDS_FOR_ALL)
    assert not any(holds_for_all(rule) for rule in ("put_off", "full", "in_doubt", "not_sent", *FOR_GOOD))


def test_attempts_are_counted_in_the_words_of_the_giving_up():
    old = timedelta(days=3)
    assert next_step(way(1, age=old), "timeout", NOW, SETTINGS) == GiveUp("1 attempt within 3 days")
    assert next_step(way(9, age=old), "timeout", NOW, SETTINGS) == GiveUp("9 attempts within 3 days")
