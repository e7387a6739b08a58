"""The bodies of all answers, made once for as long as they hold.

Entry points: `Answers`, `Meters`.
Invariants: nothing is asked of the outside; what takes longer than a moment (page, status) is made in a thread, once
for everybody who waits for it; a body is never older than the newest facts by more than its few seconds.
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
from robotrading.service.web.page import render_page
from robotrading.service.web.status import Hidden, status_document

_PAGE_SECONDS = 5.0


class Meters(Protocol):
    """What is told to Prometheus."""

    def saw_facts(self, facts: Facts, health: Health) -> None: ...

    def render(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Facts and what to think of them, at a second."""

    facts: Facts
    now: datetime
    health: Health


class Answers:
    """Used in one event loop."""

    def __init__(self, look: Callable[[], Facts], meters: Meters, clock: Clock) -> None:
        self._look = look
        self._meters = meters
        self._clock = clock
        self._moment: Moment | None = None
        self._bodies: dict[str, bytes] = {}
        self._slow: dict[str, tuple[Moment, asyncio.Future[bytes]]] = {}

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
        """The text format of Prometheus, its gauges of this second."""
        moment = self._current()
        if "metrics" not in self._bodies:
            self._meters.saw_facts(moment.facts, moment.health)
            self._bodies["metrics"] = self._meters.render()
        return self._bodies["metrics"]

    async def status(self) -> bytes:
        return await self._in_thread("status", 1.0, _status)

    async def page(self) -> bytes:
        return await self._in_thread("page", _PAGE_SECONDS, _page)

    def _current(self) -> Moment:
        """The newest facts, judged anew each second at most, since an answer turns when they grow old."""
        facts, now = self._look(), self._clock.now().replace(microsecond=0)
        if self._moment is None or self._moment.facts is not facts or self._moment.now != now:
            self._moment = Moment(facts, now, judge(facts, now))
            self._bodies = {}
        return self._moment

    def _made(self, name: str, moment: Moment, rest: Callable[[], dict[str, Any]]) -> tuple[bool, bytes]:
        healthy = moment.health.healthy
        if name not in self._bodies:
            self._bodies[name] = msgspec.json.encode({"healthy": healthy, **rest()})
        return healthy, self._bodies[name]

    async def _in_thread(self, name: str, seconds: float, make: Callable[[Moment], bytes]) -> bytes:
        """The body of a moment that still holds; callers who come while it is made wait for the same one."""
        moment = self._current()
        known = self._slow.get(name)
        if known is None or not _holds(known[0], moment, seconds) or _failed(known[1]):
            known = (moment, asyncio.ensure_future(asyncio.to_thread(make, moment)))
            self._slow[name] = known
        return await asyncio.shield(known[1])


def _holds(made: Moment, moment: Moment, seconds: float) -> bool:
    same = made.facts is moment.facts and made.health.checks == moment.health.checks
    return same and abs((moment.now - made.now).total_seconds()) < seconds


def _failed(future: asyncio.Future[bytes]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)


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
