"""The law of restarts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robotrading.service.restarts import AT_ONCE, WITHIN_HALF_A_MINUTE, Record, RestartPolicy, decide

POLICIES = st.builds(
    RestartPolicy,
    first=st.sampled_from([0.0, 0.5, 5.0, 30.0]),
    growth=st.sampled_from([1.0, 1.5, 2.0]),
    longest=st.sampled_from([30.0, 300.0]),
    give_up_after=st.integers(0, 10),
)


@given(POLICIES, st.integers(1, 40))
def test_pauses_never_shrink_and_never_exceed_their_bound(policy: RestartPolicy, failures: int) -> None:
    pause = policy.pause(failures)
    assert 0 <= pause <= policy.pause(failures + 1) <= policy.longest


@given(POLICIES, st.lists(st.floats(0, 59), max_size=30))
def test_a_program_that_keeps_failing_is_given_up_or_tried_for_ever(policy: RestartPolicy, lives: list[float]) -> None:
    record = Record()
    for number, lived in enumerate(lives, start=1):
        record, pause = decide(policy, record, lived, 1)
        assert record.failures == number
        assert record.given_up == (pause is None) == bool(policy.give_up_after and number >= policy.give_up_after)
        if record.given_up:
            return


def test_what_protects_is_started_again_at_once_even_after_a_long_life() -> None:
    for lived in (0.1, 1e6):
        assert decide(AT_ONCE, Record(), lived, -9)[1] == 0.0


def test_what_earns_is_started_again_within_half_a_minute() -> None:
    assert all(WITHIN_HALF_A_MINUTE.pause(failures) <= 30 for failures in range(1, 50))


def test_a_long_life_forgives_earlier_failures() -> None:
    record, _ = decide(AT_ONCE, Record(failures=5), 61, 1)
    assert record.failures == 1


def test_a_clean_end_is_a_wish_only_where_the_policy_says_so() -> None:
    assert decide(RestartPolicy(only_failures=True), Record(failures=3), 1, 0) == (Record(), None)
    assert decide(RestartPolicy(), Record(), 1, 0)[1] == 0.0


def test_a_persons_word_forgets_the_past() -> None:
    assert Record(failures=8, starts=9, given_up=True).asked_for() == Record(starts=9)
    assert Record().started().starts == 1
