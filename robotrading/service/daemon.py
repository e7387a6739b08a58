"""The daemon: what is started in which order, what keeps it alive, and how it ends.

Entry points: `serve`, `Setup`, `Opened`.
Start: HTTP (which answers 'the ledger was not read yet'), the ledger, then READY; the supervisor, the broker's probe
and the lookout; the table of trading days, and with it the scheduler.
Stop: nothing new is started; running sessions finish or cancel what is at work and leave their reports; then people
are told, the supervised programs end, HTTP last. All of it within `service.stop_seconds`; a second signal ends it at
once. Nothing that was started here outlives it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

from robotrading.adapters.calendar_table import CalendarUnusable, TableCalendar
from robotrading.domain.errors import DataError, LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Ledger
from robotrading.service.alerts.desk import Desk
from robotrading.service.breakers import Breakers
from robotrading.service.calendar import keep_current
from robotrading.service.deeds import Deeds
from robotrading.service.health import Level, judge
from robotrading.service.line import status_line
from robotrading.service.lookout import Hearers, Lookout, Sources
from robotrading.service.metrics import Meters
from robotrading.service.occasions import Occasions
from robotrading.service.probe import Probe
from robotrading.service.scheduler import Scheduler
from robotrading.service.setup import Hooks, Opened, Setup
from robotrading.service.supervisor import Supervisor
from robotrading.service.telling import Telling
from robotrading.service.watcher import Watcher
from robotrading.service.web.app import make_app
from robotrading.service.web.server import serving
from robotrading.session.due import interrupted
from robotrading.session.processes import Counted, Ways

log = logging.getLogger(__name__)

GAVE_UP = 70
"""Exit code of a daemon of which a part has ended by itself."""
STATUS_SECONDS = 300.0
_JUDGE_SECONDS = 1.0
_TELL_AGAIN_SECONDS = 60.0
_BEAT_SECONDS = 5.0
_TAKE_OVER_SECONDS = 30.0
_CALENDAR_RETRY = 60.0
_RESERVE = 15.0
"""Of the time for a stop: for ending what did not end when it was asked to."""


async def serve(setup: Setup) -> int:
    """Serve until a signal; the exit code. Raises `LedgerError`, `CannotServe`, OSError when it cannot start."""
    return await _Daemon(setup).run()


class _Daemon:
    """One life of the service."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.clock = setup, setup.clock
        self.stop, self.hurry = asyncio.Event(), asyncio.Event()
        self.breakers = Breakers()
        self.calendar: TableCalendar | None = None
        self.calendar_trouble = ""
        self.judged: tuple[tuple[str, Level], ...] = ()
        self.scheduler: Scheduler | None = None
        self.occasions: Occasions | None = None
        self.opened: Opened | None = None
        self.meters = Meters(setup.place.version, setup.place.mode)
        self.supervisor = Supervisor(setup.programs, setup.clock)
        self.probe = Probe(setup.broker(), setup.clock, setup.quiet)
        self.ways = Ways(hurry=self.hurry, counted=self._counted)
        place = replace(setup.place, heard=bool(setup.speech.voice.addresses))
        self.lookout = Lookout(place, setup.clock, self._sources(), self._hearers())
        self.tasks: dict[str, asyncio.Task[Any]] = {}

    async def run(self) -> int:
        """From the start to the exit code."""
        self._hear_signals()
        async with AsyncExitStack() as stack:
            watcher = stack.enter_context(Watcher(self.setup.settings.watchdog_seconds))
            self._task("heartbeat", self._beat(watcher))
            stack.callback(self.tasks["heartbeat"].cancel)
            await self._serve_http(stack)
            self.opened = await self._open(stack)
            self.occasions = Occasions(
                self.opened.post,
                [entry.kind for entry in self.setup.entries],
                self.setup.staff(self.opened, Hooks(self.ways, self._stepped)),
                self.lookout.refresh,
            )
            await self._unless_stopped(self.lookout.look(self.opened.reader))
            self.judged = self._judgement()
            self.setup.manager.ready(self._status())
            log.info("ready: %s", self._status())
            self._start(self.opened, self.occasions)
            stack.push_async_callback(self._end)
            gone = await self._until_told()
        if gone:
            return GAVE_UP
        return 128 + signal.SIGTERM if self.hurry.is_set() else 0

    # The start

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._refuse_reload)

    def _signalled(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            log.warning("%s again: everything is ended at once", number.name)
            self.hurry.set()
        else:
            log.info("%s: stopping within %g s", number.name, self.setup.settings.stop_seconds)
        self.stop.set()

    def _refuse_reload(self) -> None:
        log.warning("SIGHUP: the service reads its configuration at the start only; restart it after a change")

    async def _serve_http(self, stack: AsyncExitStack) -> None:
        settings = self.setup.settings
        if not settings.port:
            log.warning("service.port is 0: nothing is served over HTTP")
            return
        deeds = Deeds(self._desk, self.clock)
        app = make_app(lambda: self.lookout.facts, self.meters, self.clock, settings, deeds, self.setup.pages)
        await stack.enter_async_context(serving(app, settings))

    def _desk(self) -> tuple[Occasions, Ledger, Supervisor] | None:
        """What a person's wishes need; None before the ledger is open and while it stops."""
        if self.occasions is None or self.opened is None or self.stop.is_set():
            return None
        return self.occasions, self.opened.ledger, self.supervisor

    async def _open(self, stack: AsyncExitStack) -> Opened:
        opening = self.setup.open()
        opened = await asyncio.to_thread(opening.__enter__)
        stack.callback(opening.__exit__, None, None, None)
        return opened

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Done, or given up for the end: a ledger may open and not answer."""
        working, told = asyncio.create_task(work), asyncio.create_task(self.stop.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if working.done():
            working.result()
        working.cancel()

    def _start(self, opened: Opened, occasions: Occasions) -> None:
        self._task("supervisor", self.supervisor.run())
        self._task("probe", self.probe.run())
        self._task("lookout", self.lookout.run(opened.reader))
        self._task("status", self._tell_status())
        self._task("telling", self._keep_telling(opened))
        self._task("scheduler", self._keep_schedule(occasions))

    def _telling(self, opened: Opened) -> Telling:
        speech = self.setup.speech
        desk = Desk(opened.alerts, opened.outbox, speech.settings.alerts, speech.voice, self.clock)
        return Telling(lambda: self.lookout.facts, desk, opened.outbox, speech.couriers, speech.settings, self.clock)

    async def _keep_telling(self, opened: Opened) -> None:
        """What people hear is no reason to stop what trades: a fault there is logged, and it begins anew."""
        while True:
            speaking = asyncio.create_task(self._telling(opened).run())
            try:
                await asyncio.wait({speaking})
            finally:
                await _cancelled([speaking])
            log.critical("what tells people has ended by itself; it begins anew", exc_info=speaking.exception())
            await asyncio.sleep(_TELL_AGAIN_SECONDS)

    def _task(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self.tasks[name] = asyncio.create_task(work, name=name)

    async def _until_told(self) -> bool:
        """Until a signal, or until a part has ended by itself; whether it was that."""
        told = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({told, *self.tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if self.stop.is_set():
            return False
        for name, task in self.tasks.items():
            if task.done():
                log.critical("the %s has ended by itself; the service gives up", name, exc_info=task.exception())
        return True

    # While it runs

    async def _beat(self, watcher: Watcher) -> None:
        """From the loop itself: whoever waits for this knows that it turns."""
        manager = self.setup.manager
        patience = min(self.setup.settings.watchdog_seconds, manager.watchdog_seconds or float("inf"))
        while True:
            manager.alive()
            watcher.beat()
            self.lookout.stopping = self.stop.is_set()
            self.lookout.refresh()
            await asyncio.sleep(min(_BEAT_SECONDS, patience / 4))

    async def _tell_status(self) -> None:
        """At once when the judgement has become another, and every `STATUS_SECONDS`."""
        told_at, judged = self.clock.monotonic(), self.judged
        while True:
            await asyncio.sleep(_JUDGE_SECONDS)
            found = self._judgement()
            if found == judged and self.clock.monotonic() - told_at < STATUS_SECONDS:
                continue
            told_at, judged = self.clock.monotonic(), found
            said = self._status()
            log.info("%s", said)
            self.setup.manager.status(said)

    def _judgement(self) -> tuple[tuple[str, Level], ...]:
        """How bad every check is; the sentences do not count, whose ages and figures change all the time."""
        return tuple((check.name, check.level) for check in judge(self.lookout.facts, self.clock.now()).checks)

    def _status(self) -> str:
        return status_line(self.lookout.facts, self.clock.now())

    async def _keep_schedule(self, occasions: Occasions) -> None:
        """The scheduler, once there is a calendar; a newer one as the year goes by, and what dead copies left."""
        try:
            await occasions.tell_again()
        except LedgerError as error:
            log.warning("whether people were told of the last runs is not known: %s", error)
        await self._first_calendar()
        if self.calendar is None:
            return
        setup = self.setup
        scheduler = Scheduler(
            setup.entries, self.calendar, self.clock, occasions.duties, setup.settings.refresh_seconds
        )
        self.scheduler = scheduler
        async with asyncio.TaskGroup() as group:
            group.create_task(scheduler.run())
            group.create_task(keep_current(self.calendar, self.clock, setup.calendar, self._use))
            group.create_task(self._take_over(occasions))

    async def _first_calendar(self) -> None:
        while self.calendar is None:
            try:
                self.calendar = await self.setup.calendar(self.clock.now().date())
                self.calendar_trouble = ""
            except CalendarUnusable as error:
                log.error("no session can be started: %s", error)  # noqa: TRY400  told, with its way out
                self.calendar_trouble = str(error)
                await asyncio.sleep(_CALENDAR_RETRY)

    def _use(self, calendar: TableCalendar) -> None:
        self.calendar = calendar
        if self.scheduler is not None:
            self.scheduler.use(calendar)

    async def _take_over(self, occasions: Occasions) -> None:
        rules = self.setup.settings.catch_up
        while True:
            await asyncio.sleep(_TAKE_OVER_SECONDS)
            calendar = self.calendar
            if calendar is None:
                continue
            try:
                await occasions.take_over(lambda claims: interrupted(claims, self.clock.now(), rules, calendar))  # noqa: B023  awaited here
            except (LedgerError, DataError) as error:
                log.warning("what another copy may have left is looked at again: %s", error)

    def _stepped(self, kind: AssetClass, step: str) -> None:
        if self.occasions is not None:
            self.occasions.stepped(kind, step)

    def _counted(self, counted: Counted) -> None:
        self.meters.saw_calls(counted.calls)
        self.breakers.told(counted.breakers)

    def _sources(self) -> Sources:
        return Sources(
            running=lambda: self.occasions.running if self.occasions else {},
            upcoming=lambda: self.scheduler.upcoming if self.scheduler else {},
            programs=lambda: self.supervisor.standings,
            broker=lambda: self.probe.facts,
            breakers=lambda: self.breakers.now(running=bool(self.occasions and self.occasions.running)),
            calendar=lambda: self.calendar,
            trouble=lambda: self.scheduler.trouble if self.scheduler else self.calendar_trouble,
        )

    def _hearers(self) -> Hearers:
        return Hearers(self.meters.saw_report, self.meters.saw_latency)

    # The end

    async def _end(self) -> None:
        self.stop.set()
        end = self.clock.monotonic() + self.setup.settings.stop_seconds
        self.setup.manager.stopping("stopping: sessions finish or cancel what is at work")
        ending = asyncio.create_task(self._end_in_order(end))
        hurrying = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({ending, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            ending.cancel()
            await asyncio.wait({ending})
            await self._end_at_once()
        elif (error := ending.exception()) is not None:
            log.critical("the orderly end has failed; what still runs is ended at once", exc_info=error)
            await self._end_at_once()
        hurrying.cancel()
        await _cancelled(self.tasks.values())
        log.info("stopped: %s", status_line(self.lookout.facts, self.clock.now()))

    async def _end_in_order(self, end: float) -> None:
        """Sessions, what people are told, programs."""

        def left(reserve: float = 0.0) -> float:
            return max(end - self.clock.monotonic() - reserve, 0.0)

        reserve = min(_RESERVE, self.setup.settings.stop_seconds / 3)
        occasions, scheduler = self.occasions, self.scheduler
        if occasions is not None:
            occasions.stopping = True
        await _cancelled([self.tasks["scheduler"], self.tasks["status"], self.tasks["telling"]])
        self.ways.wind_down.set()
        if scheduler is not None:
            for one in await scheduler.drain(left(reserve)):
                log.warning("%s did not end in time and was ended", one.key)
        if occasions is not None:
            await occasions.drain(left(reserve))
            if self.opened is not None:
                with suppress(TimeoutError):  # a ledger that does not answer does not hold up the end
                    async with asyncio.timeout(left(reserve)):
                        await self.lookout.look(self.opened.reader)
            await occasions.told(left(reserve / 2))
        self.supervisor.stop()
        await asyncio.wait([self.tasks["supervisor"]], timeout=left())
        if not self.tasks["supervisor"].done():
            self.supervisor.stop()
            await asyncio.wait([self.tasks["supervisor"]], timeout=_BEAT_SECONDS)

    async def _end_at_once(self) -> None:
        """`hurry` has ended the sessions' processes already."""
        self.supervisor.stop()
        self.supervisor.stop()
        if self.scheduler is not None:
            await self.scheduler.drain(1.0)
        if self.occasions is not None:
            await self.occasions.drain(1.0)
            await self.occasions.told(0.0)
        await asyncio.wait([self.tasks["supervisor"]], timeout=_BEAT_SECONDS)


async def _cancelled(tasks: Any) -> None:
    """Cancel, and wait for the end; errors were told."""
    waiting = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting)
