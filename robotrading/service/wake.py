"""APScheduler as the alarm clock: it wakes the scheduler at instants that our own calendar rules work out.

Entry point: `Alarms`.
Invariants: the library reads the time from our `Clock` and never from the machine, so that it lives on virtual time as
well; it decides nothing, not even what is too late.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

if TYPE_CHECKING:
    from robotrading.domain.ports import Clock


class ClockZone(tzinfo):
    """UTC in which it is always as late as our clock says.

    APScheduler 3 asks `datetime.now(its zone)` for the time, and Python asks the zone to make local time of it: this
    is where the clock comes in. Instants that are given to the library must be in this very zone (`instant`), since
    one from another zone would be converted, which reads as the question for the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def fromutc(self, dt: datetime) -> datetime:  # noqa: ARG002  the machine's time, which is not asked for
        return self.instant(self._clock.now())

    def instant(self, at: datetime) -> datetime:
        """The same instant in this zone."""
        return at.astimezone(UTC).replace(tzinfo=self)

    def utcoffset(self, dt: datetime | None) -> timedelta:  # noqa: ARG002  the same at all times
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:  # noqa: ARG002  none
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:  # noqa: ARG002  one name
        return "UTC"


class Alarms:
    """One alarm per name; `ring` is called in the event loop when one is due, and the alarm is gone.

    `start` needs a running event loop.
    """

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._zone = ClockZone(clock)
        self._ring = ring
        self._set: dict[str, datetime] = {}
        defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        self._library = AsyncIOScheduler(timezone=self._zone, job_defaults=defaults)

    def start(self) -> None:
        self._library.start()

    def stop(self) -> None:
        """No alarm rings any more; the library ends at the loop's next turn."""
        self._library.shutdown(wait=False)

    def set(self, name: str, at: datetime | None) -> None:
        """Ring at an instant (None: not at all) in place of what was set under this name."""
        if self._set.get(name) == at:
            return
        if at is None:
            self._forget(name)
            return
        trigger = DateTrigger(self._zone.instant(at), timezone=self._zone)
        self._library.add_job(self._rung, trigger, args=[name], id=name, replace_existing=True)
        self._set[name] = at

    async def _rung(self, name: str) -> None:
        """A coroutine, since the library runs anything else in a thread."""
        self._set.pop(name, None)
        self._ring()

    def _forget(self, name: str) -> None:
        self._set.pop(name, None)
        try:
            self._library.remove_job(name)
        except JobLookupError:
            return  # it has rung at this very moment
