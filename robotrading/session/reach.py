"""The way to the broker: tried again for as long as the session's time allows, by one login at a time.

Entry points: `Reach` (`connect`, `answer`), `catch_up`.
Invariants: one attempt is under way at most, whoever waits for it; the pauses grow with every failure, at random below
their bound, so that sessions do not knock in step; nobody logs in during a quiet time; a wrong account is not tried
again; after a connection was lost, what happened meanwhile is in the journal before `connect` returns; once the time is
over every further call fails at once. All waits are on the event loop's time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Broker, Clock
from robotrading.execution.quiet import Quiet, QuietTimes
from robotrading.execution.reconcile import outstanding, settle
from robotrading.session.recovery import gather_evidence
from robotrading.session.tickets import TicketBook

T = TypeVar("T")

log = logging.getLogger(__name__)

_NO_TIME = "no answer before the session's time was over"
_REPORT_SECONDS = 60.0
_REPORT_SHARE = 0.25
_ASKED_AT_ALL = 3
_MOST_NOTES = 10


@dataclass(frozen=True, slots=True)
class ReachSettings:
    """Times in seconds. `patience` counts from the start of the run; pauses grow from `first_wait` to `longest_wait`.

    The pauses double and are drawn between nothing and their bound ("full jitter"). A connection that lived for
    `longest_wait` makes the next attempt an immediate one.
    """

    patience: float = 60.0
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def pause(self, failures: int, draw: float) -> float:
        """How long to wait after so many failures; `draw` is from [0, 1)."""
        if failures == 0:
            return 0.0
        return draw * min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 30))


def patience_for(deadline: float) -> float:
    """The part of a session's time in which the broker is tried; the rest is for the report."""
    return deadline - min(_REPORT_SECONDS, _REPORT_SHARE * deadline)


def deadline_for(patience: float) -> float:
    """The shortest deadline of a session that is to have so many seconds before its report; see `patience_for`."""
    return min(patience + _REPORT_SECONDS, patience / (1 - _REPORT_SHARE))


async def _nothing_to_catch_up() -> None:
    """Nobody has sent an order."""


class Reach:
    """See the module. Made in the loop it works in; `uniform` draws from [0, 1), from `seed` unless it is given.

    `catch_up` is done after a lost connection is back, before anybody goes on. `told` hears the number of each attempt
    after the first.
    """

    def __init__(  # noqa: PLR0913  the last ones have their defaults
        self,
        broker: Broker,
        clock: Clock,
        settings: ReachSettings | None = None,
        *,
        quiet: QuietTimes | None = None,
        seed: str = "",
        uniform: Callable[[], float] | None = None,
        catch_up: Callable[[], Awaitable[None]] = _nothing_to_catch_up,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._settings = settings or ReachSettings()
        self._quiet = quiet or QuietTimes()
        self._uniform = uniform or random.Random(seed).random
        self._catch_up = catch_up
        self._told = told
        self._one_at_a_time = asyncio.Lock()
        self._until = asyncio.get_running_loop().time() + self._settings.patience
        self._failures = 0
        self._reached: float | None = None
        self._behind = False
        self._given_up = ""
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to tell of connections that were not there at once."""
        more = len(self._notes) - _MOST_NOTES
        said = tuple(self._notes[:_MOST_NOTES])
        return said if more <= 0 else (*said, f"the connection was mended {more} times more")

    async def connect(self) -> None:
        """Return when the broker is connected and the journal knows what happened meanwhile.

        Raises `ConfigError` at once, and `BrokerUnavailable` with the whole story when the time is over.
        """
        if self._ready:
            return
        async with self._one_at_a_time:
            if not self._ready:
                await self._until_ready()

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask what may be asked twice; again over a new connection when the old one broke or fell silent.

        Only for times when no order is at work: a silent connection is given up. Raises as `connect` does.
        """
        for _ in range(_ASKED_AT_ALL - 1):
            await self.connect()
            try:
                return await ask()
            except BrokerUnavailable as error:
                log.warning("the broker did not answer (%s); connecting anew", error)
                await self._broker.disconnect()
        await self.connect()
        return await ask()

    @property
    def _ready(self) -> bool:
        return self._broker.connected and not self._behind

    @property
    def _left(self) -> float:
        return self._until - asyncio.get_running_loop().time()

    async def _until_ready(self) -> None:
        now = asyncio.get_running_loop().time
        began, attempts, first = now(), 0, ""
        if self._reached is not None and began - self._reached >= self._settings.longest_wait:
            self._failures = 0
        trouble = ""
        while not self._ready:
            self._behind = self._reached is not None  # also where it was lost again as soon as it was caught up
            await self._pause(attempts, now() - began, trouble)
            attempts += 1
            if attempts > 1:
                self._told(attempts)
            said = await self._attempt()
            # A wait that only the session's end cut short hides no better reason.
            trouble = trouble if said == _NO_TIME and trouble else said
            first = first or trouble
        self._remember(attempts, now() - began, first)

    async def _pause(self, attempts: int, seconds: float, trouble: str) -> None:
        """Wait as long as the failures, and then a quiet time, make it; give up when the time does not suffice."""
        if self._given_up:
            raise BrokerUnavailable(self._given_up)
        wait = self._settings.pause(self._failures, self._uniform())
        if wait >= self._left:
            self._give_up(
                f"the broker could not be reached: {_times(attempts)} in {seconds:.0f} s, and the session has no time "
                f"for more; the last: {trouble or 'the connection was lost again'}"
            )
        await asyncio.sleep(wait)
        while (quiet := self._quiet.now(self._clock.now())) is not None:
            await self._wait_out(quiet)

    async def _wait_out(self, quiet: Quiet) -> None:
        # A little later than its end, and not all sessions at once.
        wait = (quiet.ends - self._clock.now()).total_seconds() + self._settings.first_wait * (1 + self._uniform())
        if wait >= self._left:
            self._give_up(
                f"nobody logs in to the broker now: {quiet}; the session's time is over before that, so run it again "
                "afterwards, or raise its deadline"
            )
        log.info("waiting for the end of %s", quiet)
        self._notes.append(f"waited {wait:.0f} s for the end of {quiet}")
        await asyncio.sleep(wait)

    def _give_up(self, story: str) -> None:
        self._given_up = story
        raise BrokerUnavailable(story)

    async def _attempt(self) -> str:
        """Log in once, and learn what happened since the last time; why that failed, '' when it did not."""
        self._failures += 1
        try:
            async with asyncio.timeout_at(self._until):
                await self._broker.connect()
                if not self._broker.connected:
                    return "the gateway answers, but it is not, or no longer, connected to the broker"
                if self._behind:
                    await self._caught_up()
        except BrokerUnavailable as error:
            log.warning("the broker is not reached: %s", error)
            return str(error)
        except TimeoutError:
            return _NO_TIME
        self._behind = False
        return ""

    async def _caught_up(self) -> None:
        """A connection that seems to be there and does not say what happened meanwhile is given up for another."""
        try:
            await self._catch_up()
        except BrokerUnavailable:
            if self._broker.connected:
                await self._broker.disconnect()
            raise

    def _remember(self, attempts: int, seconds: float, first: str) -> None:
        """What a person should know of a connection that was not there at once."""
        again, self._reached = self._reached is not None, asyncio.get_running_loop().time()
        why = f"; at first: {first}" if first else ""
        if again:
            self._notes.append(
                f"the connection to the broker was lost and came back after {seconds:.0f} s, {_times(attempts)}{why}"
            )
        elif first:
            self._notes.append(f"the broker was reached after {seconds:.0f} s, {_times(attempts)}{why}")


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


async def catch_up(broker: Broker, book: TicketBook, clock: Clock, kind: AssetClass) -> None:
    """Book what happened to this session's orders while nobody could hear it. Raises `BrokerUnavailable`.

    Orders that were heard of while the lists were on their way are newer than the lists, and are left alone.
    """
    before = [ticket for ticket in book.everything() if ticket.intent.kind is kind]
    evidence = await gather_evidence(broker, clock)
    for ticket in before:
        known = book[ticket.intent.intent_id]
        judged = settle if known is ticket and not known.status.terminal else outstanding
        for event in judged(known, evidence):
            book.append(event)
