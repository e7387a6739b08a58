"""Starts each session at its time, once, and names what could not be started.

Entry points: `Scheduler`, `Duties`, `Entry`.
Invariants: an occurrence is started only by who has claimed it; every occurrence since the newest claim in the store is
started or named, whatever restarts, sleeps or steps of the clock lay in between; of one session one run at a time; what
the store or the calendar cannot answer now is asked again at the next look and nothing is given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import DataError, LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.service.wake import Alarms
from robotrading.session.due import UNWATCHED, CatchUp, Due, Missed, due, interrupted
from robotrading.session.schedule import Schedule
from robotrading.session.timetable import between, last_occurrence, next_occurrence, occurrences

if TYPE_CHECKING:
    from robotrading.domain.ports import Calendar, Clock

RECENT = timedelta(days=3)
LOOK_BACK = timedelta(days=120)
"""Longer than a quarter: a session that runs once in a quarter has a claim in it."""
JUMP = timedelta(minutes=5)

log = logging.getLogger(__name__)


class Busy(LedgerError):
    """An occurrence waits because its session runs already: no trouble, and claimed at a later look."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One session: when, and how late a missed run may still start."""

    kind: AssetClass
    schedule: Schedule
    rules: CatchUp = field(default_factory=CatchUp)


@dataclass(frozen=True, slots=True)
class Duties:
    """What the scheduler has others do.

    `claims`: those due since an instant. `claim`: True for exactly one caller, ever. `start`: run the session to its
    end and record the outcome. `miss`: record the outcome of an occurrence that will not run, and tell people where it
    is `alarming`. All but `start` may raise `LedgerError` (`claim` also `Busy`); then the same is asked again at the
    next look.
    """

    claims: Callable[[datetime], Awaitable[Sequence[Claim]]]
    claim: Callable[[Occurrence], Awaitable[bool]]
    start: Callable[[Occurrence], Coroutine[Any, Any, None]]
    miss: Callable[[Missed], Awaitable[None]]


@dataclass(slots=True)
class _Watch:
    """What is known of one session: all that is due up to `since` has been dealt with, and the keys in `done`."""

    since: datetime
    done: set[str] = field(default_factory=set)


class Scheduler:
    """`run` until cancelled; the sessions that it started go on, and `drain` waits for them.

    `refresh` seconds pass at most between two looks at the clock.
    """

    def __init__(
        self, entries: Sequence[Entry], calendar: Calendar, clock: Clock, duties: Duties, refresh: float = 30.0
    ) -> None:
        self._entries = {entry.kind: entry for entry in entries}
        self._calendar, self._clock, self._duties, self._refresh = calendar, clock, duties, refresh
        self._bell = asyncio.Event()
        self._watches: dict[AssetClass, _Watch] = {}
        self._running: dict[Occurrence, asyncio.Task[None]] = {}
        self._untold: list[Missed] = []
        self._seen: tuple[datetime, float] | None = None
        self.trouble = ""
        """Why the last look could not do its work, '' when it could."""

    @property
    def running(self) -> tuple[Occurrence, ...]:
        return tuple(self._running)

    @property
    def upcoming(self) -> Mapping[AssetClass, Occurrence | None]:
        """The next run of every session, from the calendar alone."""
        now = self._clock.now()
        return {
            kind: next_occurrence(entry.schedule, kind, self._calendar, now) for kind, entry in self._entries.items()
        }

    def use(self, calendar: Calendar) -> None:
        """From now on another calendar, when the table of trading days was made anew."""
        self._calendar = calendar
        self._bell.set()

    async def run(self) -> None:
        """Look, sleep until something is due or `refresh` has passed, and so on, until cancelled."""
        alarms = Alarms(self._clock, self._bell.set)
        alarms.start()
        try:
            while True:
                self._bell.clear()
                await self._careful_look(alarms)
                await self._rest()
        finally:
            alarms.stop()

    async def drain(self, seconds: float) -> tuple[Occurrence, ...]:
        """Wait for running sessions, then cancel those that still run; which those were."""
        tasks = dict(self._running)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=seconds)
        late = [one for one, task in tasks.items() if not task.done()]
        for one in late:
            tasks[one].cancel()
        if late:
            await asyncio.wait([tasks[one] for one in late])
        return tuple(late)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._refresh):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _careful_look(self, alarms: Alarms) -> None:
        now = self._clock.now()
        if self._jumped(now):
            return
        try:
            await self._look(now, alarms)
        except (LedgerError, DataError) as error:
            if str(error) != self.trouble:
                log.error("the schedule cannot be kept just now, and is tried again: %s", error)  # noqa: TRY400  told
            self.trouble = str(error)
            return
        self.trouble = ""

    def _jumped(self, now: datetime) -> bool:
        """Whether the clock has leapt ahead since the last look: it must still say so at the next one.

        A machine that wakes up may show a wrong time for a moment; naming a month of runs as missed cannot be undone.
        """
        before, self._seen = self._seen, (now, self._clock.monotonic())
        if before is None:
            return False
        leap = now - before[0] - timedelta(seconds=self._seen[1] - before[1])
        if leap > JUMP:
            log.warning("the clock leapt ahead by %s; nothing is decided before the next look", leap)
        elif leap < -JUMP:
            log.warning("the clock was set back by %s; what has run does not run again", -leap)
        return leap > JUMP

    async def _look(self, now: datetime, alarms: Alarms) -> None:
        """After every session, whatever stands in the way of one. Raises the first trouble."""
        await self._tell()
        troubles: list[LedgerError | DataError] = []
        for kind, entry in self._entries.items():
            try:
                await self._attend(entry, now)
                coming = next_occurrence(entry.schedule, kind, self._calendar, self._clock.now())
                alarms.set(str(kind), coming.due_at if coming else None)
            except Busy:
                continue  # it is seen to run, and the next look asks again
            except (LedgerError, DataError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    async def _attend(self, entry: Entry, now: datetime) -> None:
        kind = entry.kind
        if kind not in self._watches:
            self._watches[kind] = await self._first_look(kind, now)
        if kind not in {one.kind for one in self._running}:
            await self._catch_up(entry, self._watches[kind], now)

    async def _catch_up(self, entry: Entry, watch: _Watch, now: datetime) -> None:
        since = min(watch.since, now)
        expected = between(entry.schedule, entry.kind, self._calendar, since, now)
        if any(one.key not in watch.done for one in expected):
            watch.done |= {claim.occurrence.key for claim in await self._duties.claims(since)}
        await self._do(due(expected, watch.done, now, entry.rules, self._calendar), watch)
        watch.since = max(since, now - RECENT)
        watch.done &= {one.key for one in expected}

    async def _do(self, decided: Due, watch: _Watch) -> None:
        for missed in decided.missed:
            await self._name(missed)
            watch.done.add(missed.occurrence.key)
        for one in decided.run:
            if await self._duties.claim(one):
                self._start(one)
            watch.done.add(one.key)

    async def _name(self, missed: Missed) -> None:
        if await self._duties.claim(missed.occurrence):
            self._untold.append(missed)
        await self._tell()

    async def _tell(self) -> None:
        """What is claimed must be named even where the first try fails: nobody else will."""
        while self._untold:
            missed = self._untold[0]
            await self._duties.miss(missed)
            self._untold.pop(0)
            log.warning("%s does not run: %s", missed.occurrence.key, missed.reason)

    def _start(self, one: Occurrence) -> None:
        log.info("%s starts", one.key)
        task = asyncio.get_running_loop().create_task(self._duties.start(one), name=one.key)
        self._running[one] = task
        task.add_done_callback(lambda done: self._ended(one, done))

    def _ended(self, one: Occurrence, task: asyncio.Task[None]) -> None:
        del self._running[one]
        self._bell.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended with an error", one.key, exc_info=error)

    async def _first_look(self, kind: AssetClass, now: datetime) -> _Watch:
        """Where this session's watch begins: at its newest claim, or here and now where it has none."""
        entry = self._entries[kind]
        for back in (RECENT, LOOK_BACK):
            found = [claim for claim in await self._duties.claims(now - back) if claim.occurrence.kind is kind]
            if found:
                await self._take_over(found, entry, now)
                newest = max((claim.occurrence for claim in found), key=lambda one: one.due_at)
                return _Watch(min(self._done_until(entry, newest), now))
        return _Watch(await self._begin(entry, now))

    def _done_until(self, entry: Entry, newest: Occurrence) -> datetime:
        """Up to its newest run; to the end of that day where another schedule was in force then."""
        day = newest.trading_date
        if newest in occurrences(entry.schedule, entry.kind, self._calendar, day, day):
            return newest.due_at
        hours = self._calendar.hours(entry.kind, day)
        return newest.due_at if hours is None else max(hours[1], newest.due_at)

    async def _take_over(self, claims: Sequence[Claim], entry: Entry, now: datetime) -> None:
        """Runs that a predecessor was killed in: started once more, or named."""
        decided = interrupted(claims, now, entry.rules, self._calendar)
        self._untold += decided.missed
        await self._tell()
        for one in decided.run:
            log.warning("%s was cut off when the service ended; it starts again", one.key)
            self._start(one)

    async def _begin(self, entry: Entry, now: datetime) -> datetime:
        """The first start ever: the newest time that has passed is named, so that the store knows since when.

        Without this mark, what falls due before the next start would be lost unseen if nothing had run until then.
        """
        last = last_occurrence(entry.schedule, entry.kind, self._calendar, now)
        if last is None:
            return now
        await self._name(Missed(last, UNWATCHED, "it was due before the service was first started here"))
        return last.due_at
