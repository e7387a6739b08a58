"""What people are told while nobody looks: alerts, letters that wait, the week's summary, the heartbeat.

Entry points: `Telling` (`run`), `Couriers`, `TellingSettings`.
Invariants: nothing here sends a mail or a push: short-lived children do, one at a time; whatever fails is tried again
after a pause, and neither delays what trades nor ends the service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from robotrading.domain.errors import LedgerError, RobotradingError
from robotrading.domain.messages import Letter
from robotrading.domain.ports import Clock, Outbox
from robotrading.service.alerts.desk import Desk
from robotrading.service.alerts.figures import figures_of
from robotrading.service.alerts.heartbeat import Heartbeat, all_well
from robotrading.service.alerts.rules import findings, unended
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import Facts
from robotrading.service.weekly import Weekly, due, letter_id, moment

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_POST_SECONDS = 2.0
_WEEK_SECONDS = 15.0
_AFTER_TROUBLE = 60.0


@dataclass(frozen=True, slots=True)
class Couriers:
    """Those who send, each in a process of its own and within a bound; what fails is a `RobotradingError` or OSError.

    `round` tries what is due in the outbox, `direct` hands letters over without it and says whether they went,
    `summary` posts the summary of the week up to a day, once.
    """

    round: Callable[[], Awaitable[None]]
    direct: Callable[[Sequence[Letter]], Awaitable[bool]]
    summary: Callable[[date], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TellingSettings:
    """`weekly` is when the week is summed up."""

    alerts: AlertSettings = field(default_factory=AlertSettings)
    weekly: Weekly = field(default_factory=Weekly)


class Telling:
    """Made and used in one event loop. `facts` is the newest value whenever it is asked for."""

    def __init__(  # noqa: PLR0913, PLR0917  one per part
        self,
        facts: Callable[[], Facts],
        desk: Desk,
        outbox: Outbox,
        couriers: Couriers,
        settings: TellingSettings,
        clock: Clock,
    ) -> None:
        self._facts, self._desk, self._outbox, self._couriers = facts, desk, outbox, couriers
        self._settings, self._clock = settings, clock
        self._poked = asyncio.Event()
        self._heartbeat = Heartbeat(settings.alerts.heartbeat_url, settings.alerts.heartbeat_seconds, self._well)

    async def run(self) -> None:
        """All of it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._carry())
            group.create_task(self._sum_up())
            group.create_task(self._heartbeat.run())

    async def look(self) -> None:
        """Judge the newest facts, once."""
        now, alerts = self._clock.now(), self._settings.alerts
        facts = self._facts()
        if facts.stopping:
            return
        found = findings(facts, figures_of(facts, now, alerts.sharpe_days), alerts, now)
        looked = await self._desk.look(found, unended(facts, found))
        if looked.posted:
            self._poked.set()

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _carry(self) -> None:
        """A round whenever something is due, and at once for a new alert."""
        rested = self._clock.monotonic()  # no wall time: one that is set back would keep all messages
        while True:
            if self._clock.monotonic() < rested:
                await asyncio.sleep(_POST_SECONDS)
                continue
            await _within(self._poked, _POST_SECONDS)
            if not (self._poked.is_set() or await self._is_due()):
                continue
            self._poked.clear()
            try:
                await self._couriers.round()
            except (RobotradingError, OSError) as error:
                log.error("messages are tried again in a minute: %s", error)  # noqa: TRY400  told, with its way out
                rested = self._clock.monotonic() + _AFTER_TROUBLE
                self._poked.set()

    async def _is_due(self) -> bool:
        """Asked of the outbox itself only when the facts, which are a little older, say that something may be."""
        known = self._facts().waiting.due_at
        if known is None or known > self._clock.now():
            return False
        now = self._clock.now()
        try:
            waiting = await asyncio.to_thread(self._outbox.waiting, now)
        except LedgerError:  # an alert of its own
            return False
        return waiting.due_at is not None and waiting.due_at <= now

    async def _sum_up(self) -> None:
        posted: date | None = None
        while True:
            day = due(self._settings.weekly, self._clock.now(), posted)
            if day is not None and self._has_history(day):
                posted = await self._summed_up(day, posted)
            await asyncio.sleep(_WEEK_SECONDS)

    def _has_history(self, day: date) -> bool:
        """Whether the account was looked at before that moment: a new service has nothing to sum up."""
        points = self._facts().book.equity
        return bool(points) and points[0].at < moment(self._settings.weekly, day)

    async def _summed_up(self, day: date, posted: date | None) -> date | None:
        """The newest day that is posted."""
        try:
            if await asyncio.to_thread(self._outbox.letter, letter_id(day)) is None:
                await self._couriers.summary(day)
                self._poked.set()
        except (RobotradingError, OSError) as error:
            log.warning("the week's summary is tried again in a minute: %s", error)
            return posted
        return day

    def _well(self) -> bool:
        return all_well(self._facts(), self._settings.alerts, self._clock.now(), self._desk.silent_since)


async def _within(poked: asyncio.Event, seconds: float) -> None:
    """Until it is set, or the time has passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await poked.wait()
