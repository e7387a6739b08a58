"""How an outside service is asked: retries, own limits, a circuit breaker and one bound over all of it.

Entry points: `Policy` (one per service), `ServiceError`, `SubjectRefused`, `Attempt`, `retry_after_seconds`.
Invariants: a call ends within `RetrySettings.total` seconds as long as the function keeps to the seconds it is given;
what cannot become better is asked once; while the breaker is open, and for as long as the service itself asked for,
nothing is sent; after `breaker_seconds` exactly one call may try. Every attempt, sent or not, leaves one `Attempt`.
Retries are tenacity's, the breaker's states and counters are pybreaker's. pybreaker's own clock and lock are not used:
it holds its lock during the call, which would put all callers in one line.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from typing import NoReturn, TypeVar

import pybreaker
from tenacity import RetryCallState, Retrying, retry_if_exception

from robotrading.adapters.feeds.settings import RetrySettings
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.ports import Clock

T = TypeVar("T")
MINUTE = 60.0
DAY = 86400.0


class ServiceError(FeedUnavailable):
    """A service did not answer, or not with what was asked for.

    `status` is its HTTP status where there was one; `rule` the failure's short name, for metrics and skips.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str = "unavailable",
        status: int | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after=retry_after)
        self.rule = rule
        self.status = status


class SubjectRefused(ServiceError):
    """The service is well and has nothing for this one subject (a symbol it does not know). Never retried."""

    def __init__(self, message: str, *, rule: str, status: int | None = None) -> None:
        super().__init__(message, rule=rule, status=status, retryable=False)


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """Sent, and worth another try."""
    REFUSED = "refused"
    """Sent, and no use asking again."""
    HELD_BACK = "held_back"
    """Not sent: the breaker is open, the service asked for a pause, or our own limit is used up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What happened to one attempt. `number` counts from 1; `seconds` is its duration; `wait` the pause before it."""

    service: str
    outcome: Outcome
    status: int | None
    seconds: float
    number: int
    wait: float
    breaker: str
    reason: str = ""


def pause(seconds: float) -> None:
    """Wait that long, and no longer."""
    threading.Event().wait(seconds)


def ignore(_: Attempt) -> None:
    """The hook of somebody who does not want to know."""


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as an HTTP date; None when absent or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second for years and zones of twenty digits
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


class RateLimit:
    """At most `count` sends in any `window` seconds, by reserving moments ahead; a count of 0 is no limit."""

    def __init__(self, count: int, window: float) -> None:
        self.count = count
        self.window = window
        self._sent: deque[float] = deque()

    def delay(self, now: float) -> float:
        """Seconds until the next send would be allowed."""
        while self._sent and self._sent[0] <= now - self.window:
            self._sent.popleft()
        if not self.count or len(self._sent) < self.count:
            return 0.0
        return self._sent[-self.count] + self.window - now

    def reserve(self, at: float) -> None:
        if self.count:
            self._sent.append(at)


class Policy:
    """The one way to ask a service. Thread-safe; share one object among everybody who asks that service.

    `per_day` is the most sends in any 24 hours of this process. `wait`, `uniform` (a number in [0, 1)) and the clock
    are given, so that tests need not wait. `on_attempt` receives every `Attempt` and must not raise.
    """

    def __init__(  # noqa: PLR0913  the last three are there for tests and metrics, and have their defaults
        self,
        service: str,
        settings: RetrySettings,
        clock: Clock,
        *,
        per_day: int = 0,
        wait: Callable[[float], None] = pause,
        uniform: Callable[[], float] = random.random,
        on_attempt: Callable[[Attempt], None] = ignore,
    ) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self._wait = wait
        self._uniform = uniform
        self._on_attempt = on_attempt
        self._lock = threading.Lock()
        self._limits = (RateLimit(settings.per_minute, MINUTE), RateLimit(per_day, DAY))
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=settings.breaker_failures, exclude=[_service_is_well], throw_new_error_on_trip=False
        )
        self._opened = 0.0
        self._not_before = 0.0
        self._trial = False
        self._last_failure = ""

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`, for health and metrics."""
        return str(self._breaker.current_state)

    def call(self, function: Callable[[float], T]) -> T:
        """The function's result; it is given the seconds it may take, and raises `ServiceError`.

        Raises the last `ServiceError` when it could not be had, with `retry_after` where a pause is known.
        """
        deadline = self.clock.monotonic() + self.settings.total
        retrying = Retrying(
            retry=retry_if_exception(_worth_retrying),
            wait=self._wait_before_next,
            stop=partial(self._must_stop, deadline=deadline),
            sleep=self._wait,
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                state = attempt.retry_state
                return self._attempt(function, state.attempt_number, float(state.idle_for), deadline)
        raise AssertionError("tenacity ended without a result or an error")

    def _attempt(self, function: Callable[[float], T], number: int, waited: float, deadline: float) -> T:
        with self._recorded(number, waited) as started:
            waited_for_slot = self._take_slot(deadline)
            if waited_for_slot:
                self._wait(waited_for_slot)
            trial = self._admit()
            started()
            try:
                result = function(max(0.0, min(self.settings.timeout, deadline - self.clock.monotonic())))
            except ServiceError as error:
                self._settle(error)
                raise
            else:
                self._settle(None)
                return result
            finally:
                if trial:
                    self._trial = False

    @contextmanager
    def _recorded(self, number: int, waited: float) -> Iterator[Callable[[], None]]:
        """Emit the attempt's fact, however it ends; the yielded function marks the moment of sending."""
        sent: list[float] = []
        error: ServiceError | None = None
        done = False
        try:
            yield lambda: sent.append(self.clock.monotonic())
            done = True
        except ServiceError as caught:
            error = caught
            raise
        finally:
            self._on_attempt(
                Attempt(
                    service=self.service,
                    outcome=_outcome(error, done=done) if sent else Outcome.HELD_BACK,
                    status=error.status if error else None,
                    seconds=self.clock.monotonic() - sent[0] if sent else 0.0,
                    number=number,
                    wait=waited,
                    breaker=self.state,
                    reason=str(error) if error else "",
                )
            )

    def _take_slot(self, deadline: float) -> float:
        """Reserve the next moment our own limits allow; seconds until it."""
        with self._lock:
            now = self.clock.monotonic()
            self._refuse_if_shut(now)
            delay = max(limit.delay(now) for limit in self._limits)
            if now + delay > deadline:
                rule = "daily_limit" if self._limits[1].delay(now) >= delay else "rate_limit"
                raise ServiceError(
                    f"{self.service}: our own limit of calls is used up; the next is allowed in {delay:.0f} s, "
                    f"beyond the {self.settings.total:.0f} s that a call may take; wait, or raise the limit",
                    rule=rule,
                    retryable=False,
                    retry_after=delay,
                )
            for limit in self._limits:
                limit.reserve(now + delay)
            return delay

    def _admit(self) -> bool:
        """Let the call through, or refuse it while the service is shut; True when it is the half-open trial."""
        with self._lock:
            self._refuse_if_shut(self.clock.monotonic())
            if self.state == pybreaker.STATE_CLOSED:
                return False
            self._breaker.half_open()
            self._trial = True
            return True

    def _refuse_if_shut(self, now: float) -> None:
        if now < self._not_before:
            self._refuse(self._not_before - now, f"it asked for a pause ({self._last_failure})")
        if self.state == pybreaker.STATE_CLOSED:
            return
        left = self._opened + self.settings.breaker_seconds - now
        if left > 0:
            self._refuse(left, f"too many failures in a row, the last one: {self._last_failure}")
        if self._trial:
            self._refuse(self.settings.timeout, "one call is trying whether it is back")

    def _refuse(self, left: float, why: str) -> NoReturn:
        raise ServiceError(
            f"{self.service} is not asked for another {left:.0f} s: {why}",
            rule="held_back",
            retryable=False,
            retry_after=left,
        )

    def _settle(self, error: ServiceError | None) -> None:
        """Tell the breaker how a sent call ended, and remember a pause that the service asked for."""
        with self._lock:
            now = self.clock.monotonic()
            if error is not None and error.retryable:
                self._last_failure = str(error)
            if error is not None and (error.retry_after or 0.0) > self.settings.max_wait:
                self._not_before = max(self._not_before, now + min(error.retry_after or 0.0, DAY))
            if self.state == pybreaker.STATE_OPEN:
                return  # opened by another call meanwhile; only the trial may close it again
            try:
                self._breaker.call(_raise_if, error)
            except ServiceError:
                if self.state == pybreaker.STATE_OPEN:
                    self._opened = now

    def _wait_before_next(self, state: RetryCallState) -> float:
        """What the service asked for, else full jitter: uniform in [0, min(max_wait, base_wait * 2**n)]."""
        asked = _error_of(state).retry_after
        if asked is not None:
            return asked
        ceiling = self.settings.base_wait * 2.0 ** min(state.attempt_number, 60)
        return self._uniform() * min(self.settings.max_wait, ceiling)

    def _must_stop(self, state: RetryCallState, *, deadline: float) -> bool:
        too_long = state.upcoming_sleep > self.settings.max_wait
        too_late = self.clock.monotonic() + state.upcoming_sleep >= deadline
        return state.attempt_number >= self.settings.attempts or too_long or too_late


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, ServiceError) and error.retryable


def _service_is_well(error: BaseException) -> bool:
    """A refusal is an answer: it does not count towards opening the breaker."""
    return not _worth_retrying(error)


def _outcome(error: ServiceError | None, *, done: bool) -> Outcome:
    if done:
        return Outcome.OK
    return Outcome.REFUSED if error is not None and not error.retryable else Outcome.FAILED


def _raise_if(error: ServiceError | None) -> None:
    if error is not None:
        raise error


def _error_of(state: RetryCallState) -> ServiceError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, ServiceError):
        raise TypeError(f"a retry after something other than a ServiceError: {error!r}")
    return error
