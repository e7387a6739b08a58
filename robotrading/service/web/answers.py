"""The bodies of all answers, made once for as long as they hold.

Entry points: `Answers`, `Meters`.
Invariants: nothing is asked of the outside; what takes longer than a moment (page, status) is made in a thread, once
for everybody who waits for it, and again in the background while the last one is still good: two seconds, or four.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from robotrading.domain.ports import Clock
from robotrading.service.facts import Facts
from robotrading.service.health import Health, judge
from robotrading.service.web.page import render_page, render_reports
from robotrading.service.web.status import Hidden, status_document

_HOLD_SECONDS = 2.0


class Meters(Protocol):
    """What is told to Prometheus."""

    def saw_facts(self, facts: Facts, health: Health) -> None: ...

    def render(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Facts and what to think of them, at a second; `number` counts them, since a clock may be set back."""

    number: int
    facts: Facts
    now: datetime
    health: Health

    @property
    def look(self) -> str:
        """What may not be shown late: each check's name and level, and the mode."""
        return "|".join((self.facts.mode, *(f"{check.name}={check.level}" for check in self.health.checks)))


class Answers:
    """Used in one event loop."""

    def __init__(self, look: Callable[[], Facts], meters: Meters, clock: Clock) -> None:
        self._look = look
        self._meters = meters
        self._clock = clock
        self._moment: Moment | None = None
        self._bodies: dict[str, bytes] = {}
        self._slow: dict[str, _Kept] = {}
        self._making: dict[str, asyncio.Task[bytes]] = {}

    def health(self) -> tuple[bool, bytes]:
        """Whether it is able to trade, and that in a sentence."""
        moment = self._current()
        hide = Hidden(moment.facts)
        return self._made("health", moment, lambda: {"sentence": hide(moment.health.sentence)})

    def detailed(self) -> tuple[bool, bytes]:
        """Every check, with what to do."""
        moment = self._current()
        return self._made("detailed", moment, lambda: _detailed(moment))

    def metrics(self) -> bytes:
        """The text format of Prometheus, its gauges of these two seconds."""
        moment, kept = self._current(), self._slow.get("metrics")
        if kept is None or not kept.good_for(moment, _HOLD_SECONDS):
            self._meters.saw_facts(moment.facts, moment.health)
            kept = self._slow["metrics"] = _Kept(moment, self._meters.render())
        return kept.body

    async def status(self) -> bytes:
        return await self._kept("status", 1.0, _status)

    async def page(self) -> bytes:
        return await self._kept("page", _HOLD_SECONDS, _page)

    async def reports(self) -> bytes:
        """The page with all runs and weeks that are known."""
        return await self._kept("reports", _HOLD_SECONDS, _reports)

    def _current(self) -> Moment:
        """The newest facts, judged anew each second at most, since an answer turns when they grow old."""
        facts, now = self._look(), self._clock.now().replace(microsecond=0)
        if self._moment is None or self._moment.facts is not facts or self._moment.now != now:
            number = self._moment.number + 1 if self._moment else 0
            self._moment = Moment(number, facts, now, judge(facts, now))
            self._bodies = {}
        return self._moment

    def _made(self, name: str, moment: Moment, rest: Callable[[], dict[str, Any]]) -> tuple[bool, bytes]:
        healthy = moment.health.healthy
        if name not in self._bodies:
            self._bodies[name] = msgspec.json.encode({"healthy": healthy, **rest()})
        return healthy, self._bodies[name]

    async def _kept(self, name: str, seconds: float, make: Callable[[Moment], bytes]) -> bytes:
        """The body as it was made, for `seconds`; for as long again while the next one is made; then that one.

        Other health is shown at once. Callers who have to wait wait for the same one.
        """
        moment, kept = self._current(), self._slow.get(name)
        if kept is not None and kept.good_for(moment, seconds):
            return kept.body
        making = self._making.get(name)
        if making is None or making.done() or making.get_name() != moment.look:
            making = asyncio.create_task(self._make(name, moment, make), name=moment.look)
            making.add_done_callback(_heard)
            self._making[name] = making
        if kept is not None and kept.good_for(moment, 2 * seconds):
            return kept.body
        return await asyncio.shield(making)

    async def _make(self, name: str, moment: Moment, make: Callable[[Moment], bytes]) -> bytes:
        body = await asyncio.to_thread(make, moment)
        newest = self._slow.get(name)
        if newest is None or newest.moment.number <= moment.number:
            self._slow[name] = _Kept(moment, body)
        return body


@dataclass(frozen=True, slots=True)
class _Kept:
    """A body and the moment it was made of."""

    moment: Moment
    body: bytes

    def good_for(self, moment: Moment, seconds: float) -> bool:
        age = (moment.now - self.moment.now).total_seconds()
        return moment.look == self.moment.look and 0 <= age < seconds


def _heard(making: asyncio.Task[bytes]) -> None:
    """Whoever waits has the error; where nobody does, the next caller makes it again."""
    if not making.cancelled():
        making.exception()


def _detailed(moment: Moment) -> dict[str, Any]:
    hide = Hidden(moment.facts)
    checks = [
        {"name": one.name, "level": one.level, "found": hide(one.found), "what_to_do": hide(one.remedy)}
        for one in moment.health.checks
    ]
    return {"sentence": hide(moment.health.sentence), "at": moment.now, "facts_at": moment.facts.at, "checks": checks}


def _status(moment: Moment) -> bytes:
    return msgspec.json.encode(status_document(moment.facts, moment.health))


def _page(moment: Moment) -> bytes:
    return render_page(moment.facts, moment.health, moment.now).encode()


def _reports(moment: Moment) -> bytes:
    return render_reports(moment.facts, moment.now).encode()
