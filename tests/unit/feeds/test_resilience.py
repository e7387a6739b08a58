"""Laws of `Policy`: when it asks again, when it stops asking, and what it says about it. No test waits for real."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_http import ManualClock

from robotrading.adapters.feeds.settings import RetrySettings
from robotrading.adapters.resilience import (
    Attempt,
    Outcome,
    Policy,
    RateLimit,
    ServiceError,
    SubjectRefused,
    pause,
    retry_after_seconds,
)


class World:
    """A policy over a clock that only moves by waiting, and a service that does what the script says."""

    def __init__(self, settings: RetrySettings | None = None, *, per_day=0, uniform=lambda: 1.0, script=()):
        self.clock = ManualClock()
        self.facts: list[Attempt] = []
        self.policy = Policy(
            "svc", settings or RetrySettings(), self.clock, per_day=per_day, wait=self.clock.wait, uniform=uniform,
            on_attempt=self.facts.append,
        )  # fmt: skip
        self.script = list(script)
        self.given: list[float] = []

    def ask(self):
        return self.policy.call(self._service)

    def _service(self, seconds: float):
        self.given.append(seconds)
        step = self.script.pop(0) if self.script else "fine"
        if isinstance(step, Exception):
            raise step
        return step


def down(**options) -> ServiceError:
    return ServiceError("svc answered HTTP 503", status=503, rule="server_error", **options)


def test_the_first_success_is_the_answer():
    world = World(script=[down(), down(), "data"])
    assert world.ask() == "data"
    assert [fact.outcome for fact in world.facts] == [Outcome.FAILED, Outcome.FAILED, Outcome.OK]
    assert [fact.number for fact in world.facts] == [1, 2, 3]
    assert world.facts[0].status == 503
    assert world.facts[0].service == "svc"


def test_backoff_doubles_up_to_the_ceiling():
    world = World(RetrySettings(attempts=6, base_wait=1, max_wait=10, breaker_failures=99), script=[down()] * 6)
    with pytest.raises(ServiceError):
        world.ask()
    assert world.clock.waits == [2, 4, 8, 10, 10]


@given(st.floats(0, 1, exclude_max=True), st.floats(0.1, 5), st.floats(0.1, 40))
def test_jitter_is_full(share, base, ceiling):
    """Each wait is the drawn share of [0, min(max_wait, base * 2**n)]: it reaches down to nothing."""
    settings = RetrySettings(attempts=4, base_wait=base, max_wait=ceiling, total=10_000, breaker_failures=99)
    world = World(settings, uniform=lambda: share, script=[down()] * 4)
    with pytest.raises(ServiceError):
        world.ask()
    assert world.clock.waits == pytest.approx([share * min(ceiling, base * 2**n) for n in (1, 2, 3)])


def test_the_last_error_comes_out_when_attempts_end():
    world = World(RetrySettings(attempts=2), script=[down(), ServiceError("second", rule="timeout")])
    with pytest.raises(ServiceError, match="second") as caught:
        world.ask()
    assert caught.value.retryable
    assert len(world.facts) == 2


def test_retry_after_within_max_wait_is_waited_exactly():
    world = World(script=[down(retry_after=7.5), "data"])
    assert world.ask() == "data"
    assert world.clock.waits == [7.5]
    assert world.facts[1].wait == 7.5


def test_retry_after_beyond_max_wait_ends_the_call_and_holds_everybody_back_until_then():
    world = World(script=[ServiceError("slow down", status=429, retry_after=900.0), "data"])
    with pytest.raises(ServiceError, match="slow down") as caught:
        world.ask()
    assert caught.value.retry_after == 900.0
    assert world.clock.waits == []
    with pytest.raises(ServiceError, match=r"not asked for another 900 s: it asked for a pause \(slow down\)") as held:
        world.ask()
    assert (held.value.rule, held.value.retry_after) == ("held_back", 900.0)
    assert world.facts[-1].outcome is Outcome.HELD_BACK
    world.clock.wait(900)
    assert world.ask() == "data"


def test_a_pause_longer_than_max_wait_is_not_waited_even_when_there_is_time():
    world = World(RetrySettings(max_wait=30, total=1000), script=[down(retry_after=31.0), "data"])
    with pytest.raises(ServiceError) as caught:
        world.ask()
    assert caught.value.retry_after == 31.0
    assert world.clock.waits == []


def test_what_cannot_become_better_is_asked_once():
    world = World(script=[ServiceError("bad key", rule="bad_key", retryable=False)])
    with pytest.raises(ServiceError, match="bad key"):
        world.ask()
    assert [fact.outcome for fact in world.facts] == [Outcome.REFUSED]


def test_refusals_never_open_the_breaker():
    world = World(script=[SubjectRefused(f"unknown {n}", rule="unknown_symbol") for n in range(20)])
    for _ in range(20):
        with pytest.raises(SubjectRefused):
            world.ask()
    assert world.policy.state == "closed"


def test_the_breaker_opens_after_five_failures_in_a_row():
    world = World(RetrySettings(attempts=1), script=[down()] * 4 + ["fine"] + [down()] * 5)
    for n in range(10):
        if n == 4:
            world.ask()
            continue
        assert world.policy.state == "closed", "a success in between starts the count again"
        with pytest.raises(ServiceError):
            world.ask()
    assert world.policy.state == "open"


def test_an_open_breaker_sends_nothing_and_says_why_and_until_when():
    world = World(RetrySettings(attempts=9, base_wait=0.0), script=[down()] * 5)
    with pytest.raises(ServiceError, match="HTTP 503") as caught:
        world.ask()
    assert caught.value.rule == "held_back", "the sixth attempt of the same call is held back too"
    sent = len(world.given)
    assert sent == 5
    world.clock.wait(20)
    with pytest.raises(ServiceError, match=r"not asked for another 40 s: too many failures.*HTTP 503") as caught:
        world.ask()
    assert caught.value.retry_after == pytest.approx(40)
    assert not caught.value.retryable
    assert len(world.given) == sent
    assert world.facts[-1].breaker == "open"


def opened(script=()) -> World:
    world = World(RetrySettings(attempts=1), script=[down()] * 5 + list(script))
    for _ in range(5):
        with pytest.raises(ServiceError):
            world.ask()
    world.clock.wait(60)
    return world


def test_after_sixty_seconds_a_successful_trial_closes_it():
    world = opened(["back"])
    assert world.policy.state == "open"
    assert world.ask() == "back"
    assert world.policy.state == "closed"


def test_a_failed_trial_shuts_it_for_another_sixty_seconds():
    world = opened([down(), "back"])
    with pytest.raises(ServiceError, match="HTTP 503"):
        world.ask()
    world.clock.wait(59)
    with pytest.raises(ServiceError, match="not asked for another 1 s"):
        world.ask()
    world.clock.wait(1)
    assert world.ask() == "back"


def test_only_one_call_tries_while_half_open():
    world = opened()
    inside, go = threading.Event(), threading.Event()

    def slow(seconds: float) -> str:
        inside.set()
        assert go.wait(5)
        return "back"

    got: list[str] = []
    trial = threading.Thread(target=lambda: got.append(world.policy.call(slow)))
    trial.start()
    assert inside.wait(5)
    with pytest.raises(ServiceError, match="one call is trying"):
        world.ask()
    go.set()
    trial.join(5)
    assert got == ["back"]
    assert world.policy.state == "closed"


def test_an_error_that_is_no_service_error_passes_through_and_frees_the_trial():
    world = opened([ZeroDivisionError("a bug"), "back"])
    with pytest.raises(ZeroDivisionError):
        world.ask()
    assert world.facts[-1].outcome is Outcome.FAILED
    assert world.ask() == "back"


def test_a_late_success_does_not_close_a_breaker_that_others_opened():
    world = World(RetrySettings(attempts=1), script=[down()] * 5)

    def late(seconds: float) -> str:
        for _ in range(5):
            with pytest.raises(ServiceError):
                world.ask()
        return "late"

    assert world.policy.call(late) == "late"
    assert world.policy.state == "open"


def test_calls_do_not_wait_for_each_other():
    """Four calls that need each other to be under way all end: nothing is locked during a call."""
    world = World()
    together = threading.Barrier(4)

    def meet(seconds: float) -> int:
        return together.wait(5)

    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(world.policy.call(meet))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sorted(got) == [0, 1, 2, 3]


def test_the_whole_call_is_bounded():
    """Attempts end before `total`, and an attempt is never given more than what is left."""
    settings = RetrySettings(attempts=50, base_wait=10, max_wait=30, timeout=20, total=100, breaker_failures=99)
    world = World(settings, script=[down()] * 50)
    with pytest.raises(ServiceError):
        world.ask()
    assert world.clock.elapsed <= 100
    assert world.given[0] == 20
    assert world.given[-1] == pytest.approx(min(20, 100 - world.clock.elapsed))


def test_no_more_than_per_minute_are_sent_in_any_sixty_seconds():
    world = World(RetrySettings(per_minute=5))
    sent = []
    for _ in range(12):
        world.ask()
        sent.append(world.clock.elapsed)
    assert sent == [0] * 5 + [60] * 5 + [120] * 2


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 7))
def test_any_pattern_of_asking_keeps_to_the_limit(gaps, count):
    limit, now, sends = RateLimit(count, 60.0), 0.0, []
    for gap in gaps:
        now += gap
        at = now + limit.delay(now)
        limit.reserve(at)
        sends.append(at)
    assert all(late >= early - 1e-6 for early, late in pairwise(sends))
    for early, late in zip(sends, sends[count:], strict=False):
        assert late - early >= 60.0 - 1e-6


def test_a_used_up_day_is_refused_at_once():
    world = World(per_day=3)
    for _ in range(3):
        world.ask()
    with pytest.raises(ServiceError, match="own limit of calls is used up") as caught:
        world.ask()
    assert caught.value.rule == "daily_limit"
    assert caught.value.retry_after == pytest.approx(86400)
    assert world.clock.waits == []
    assert world.facts[-1].outcome is Outcome.HELD_BACK
    world.clock.wait(86400)
    assert world.ask() == "fine"


def test_a_slot_too_far_away_is_refused_and_not_reserved():
    world = World(RetrySettings(per_minute=1, total=30))
    world.ask()
    for _ in range(3):
        with pytest.raises(ServiceError) as caught:
            world.ask()
        assert (caught.value.rule, caught.value.retry_after) == ("rate_limit", 60)
    world.clock.wait(60)
    assert world.ask() == "fine"


def test_retry_after_is_read_as_seconds_or_as_a_date():
    now = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    assert retry_after_seconds("120", now) == 120.0
    assert retry_after_seconds(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90.0
    assert retry_after_seconds("Mon, 02 Mar 2026 15:00:30 -0000", now) == 30.0
    assert retry_after_seconds(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0.0
    assert retry_after_seconds(None, now) is None
    assert retry_after_seconds("soon", now) is None


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 02 Mar 99999999999999999999 15:00:30 GMT",
        "Mon, 02 Mar 2026 15:00:30 +99999999999999999999",
        "Mon, 99 Mar 2026 15:00:30 GMT",
        "Mon, 02 Mar 2026 99:00:30 GMT",
    ],
)
def test_a_date_that_cannot_be_is_no_pause(text):
    assert retry_after_seconds(text, datetime(2026, 3, 2, tzinfo=UTC)) is None


@given(st.text(max_size=40))
def test_no_header_makes_it_fall_over(text):
    seconds = retry_after_seconds(text, datetime(2026, 3, 2, tzinfo=UTC))
    assert seconds is None or seconds >= 0


def test_the_real_pause_ends():
    pause(0.001)
