"""What a due occurrence becomes: claimed under the account's lease, run as a child process, concluded, told.

Entry points: `Occasions` (the scheduler's `Duties`, and `run_now` for a person), `Running`, `Trade`, `Helpers`.
Invariants: sessions that are due together share one lease, which is given back when the last of them has ended; of one
session one run at a time; every occurrence that was claimed gets an outcome, also when the copy that ran it died; what
people are told (pages, mails) never delays what trades, and trouble with it is a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError, RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.service.scheduler import Busy, Duties
from robotrading.service.tenure import Tenure
from robotrading.session.due import Due, Missed
from robotrading.session.lease import Held, Post
from robotrading.session.lock import AlreadyRunning
from robotrading.session.occurrence import Done, conclude_dead, run_id_of

RECENT = timedelta(days=30)
"""How far back it is looked for what dead copies have left."""
_NEWS = timedelta(days=1)
"""How far back it is looked for runs that nobody was told of; what is older is history, to be read on the page."""
WHOLE = frozenset({Outcome.DONE, Outcome.NOTHING_TO_DO})
"""Outcomes after which nothing is left to be caught up."""

_STOPPING = "the service is stopping; nothing new is started"

log = logging.getLogger(__name__)


class CannotRun(RobotradingError):
    """A session cannot be started now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A session at work, and the step it has told of last."""

    run_id: str
    since: datetime
    step: str = ""


@dataclass(frozen=True, slots=True)
class Trade:
    """One session run to be made: its id ('' for a new one), under whose lease."""

    kind: AssetClass
    run_id: str
    held: Held


@dataclass(frozen=True, slots=True)
class Helpers:
    """What is done by others.

    `run` makes a run in a process of its own and returns its one report, whatever became of it. `settled` returns when
    no process of an earlier copy runs the session here any more, or after a bounded time. `find` is the stored report
    of a run; `epitaph` finds or writes the one of a run whose copy died. `deliver` renders and mails a report, `alarm`
    tells people of an occurrence that was missed; both take a bounded time and raise nothing but `RobotradingError`
    and `OSError`; what they return is for the log. `untold` are the reports of ended runs that should have become
    letters and are none.
    """

    run: Callable[[Trade], Awaitable[SessionReport]]
    settled: Callable[[AssetClass], Awaitable[None]]
    find: Callable[[str], SessionReport | None]
    epitaph: Callable[[Claim], SessionReport]
    deliver: Callable[[SessionReport], Awaitable[Sequence[str]]]
    alarm: Callable[[Missed], Awaitable[Sequence[str]]]
    untold: Callable[[Sequence[Claim]], Sequence[SessionReport]] = lambda _ended: ()


class Occasions:
    """Made and used in one event loop. `kinds` are the sessions that may run; `changed` hears that `running` did."""

    def __init__(
        self,
        post: Post,
        kinds: Collection[AssetClass],
        helpers: Helpers,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._post, self._kinds, self._helpers, self._changed = post, frozenset(kinds), helpers, changed
        self._tenure = Tenure(post)
        self._mine: dict[str, AsyncExitStack] = {}
        self._running: dict[AssetClass, Running] = {}
        self._occurrences: set[Occurrence] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self.stopping = False
        """Once set, nothing new is claimed or started."""

    @property
    def duties(self) -> Duties:
        return Duties(self.claims, self.claim, self.start, self.miss)

    @property
    def running(self) -> dict[AssetClass, Running]:
        """The sessions that run now, those that a person has started too."""
        return dict(self._running)

    def stepped(self, kind: AssetClass, step: str) -> None:
        """A running session tells where it is."""
        if kind in self._running:
            self._set(kind, replace(self._running[kind], step=step))

    async def claims(self, since: datetime) -> Sequence[Claim]:
        """Those due since an instant; what another copy is at work on counts as finished, as it is for ours."""
        found = await asyncio.to_thread(self._post.claims.occurrences, since)
        if not any(self._is_foreign(one) for one in found) or not await self._rival():
            return found
        return [replace(one, finished_at=one.claimed_at) if self._is_foreign(one) else one for one in found]

    async def claim(self, occurrence: Occurrence) -> bool:
        """Take it under the account's lease, which is kept until it has ended.

        Raises `LedgerError` when that cannot be had now, `Busy` while its session runs; nothing is claimed then, and
        it is asked again.
        """
        self._require_leisure(occurrence.kind)
        # Before it is in the store, so that nobody here takes it for a dead copy's or starts its session beside it.
        self._occurrences.add(occurrence)
        try:
            await self._take(occurrence)
        finally:
            if occurrence.key not in self._mine:
                self._occurrences.discard(occurrence)
        return occurrence.key in self._mine

    async def _take(self, occurrence: Occurrence) -> None:
        async with AsyncExitStack() as stack:
            try:
                held = await stack.enter_async_context(self._tenure.share())
            except AlreadyRunning as error:
                raise LedgerError(f"{occurrence.key} waits: {error}") from error
            now = self._post.clock.now()
            if await asyncio.to_thread(self._post.claims.claim_occurrence, occurrence, held.lease, now):
                log.info("%s: claimed by %s", occurrence.key, held.lease.holder)
                self._mine[occurrence.key] = stack.pop_all()

    async def miss(self, missed: Missed) -> None:
        """Record why it did not run; a run that was cut off gets its report. Raises `LedgerError`."""
        occurrence = missed.occurrence
        if missed.rule.startswith("interrupted"):
            await self._miss_interrupted(occurrence)
        else:
            await self._finish(occurrence, Done("", missed.rule))
        await self._let_go(occurrence)
        if missed.alarming:
            self._tell(self._helpers.alarm(missed))

    async def _miss_interrupted(self, occurrence: Occurrence) -> None:
        """What fails here is left to whoever looks for dead runs next."""
        try:
            async with self._keeping(occurrence):
                await self._bury(occurrence)
        except AlreadyRunning as error:
            raise LedgerError(f"{occurrence.key} waits: {error}") from error
        finally:
            self._occurrences.discard(occurrence)

    async def start(self, occurrence: Occurrence) -> None:
        """Run it to its end and record what came of it; one that its copy died of is buried first."""
        try:
            if occurrence.key not in self._mine and (occurrence in self._occurrences or self._is_busy(occurrence)):
                return
            async with self._keeping(occurrence) as held:
                run_id = run_id_of(occurrence)
                if occurrence.key not in self._mine:
                    if await self._bury(occurrence, again=True) is None:
                        return
                    run_id = f"{run_id}-{self._post.clock.now():%H%M%S}"
                await self._run(Trade(occurrence.kind, run_id, held), occurrence)
                await self._bury_others(held)
        except AlreadyRunning as error:
            log.warning("%s is left to the copy that has the account: %s", occurrence.key, error)
        except LedgerError as error:
            log.error("%s is left for the next look, since the ledger failed: %s", occurrence.key, error)  # noqa: TRY400
        finally:
            await self._let_go(occurrence)

    async def run_now(self, kind: AssetClass) -> str:
        """Start a session because a person asks; its run id. It goes on when this returns. Raises `CannotRun`."""
        if kind not in self._kinds:
            raise CannotRun(f"{kind} is disabled; set sessions.{kind}.enabled to true")
        try:
            self._require_leisure(kind)
        except LedgerError as error:
            raise CannotRun(str(error)) from error
        now = self._post.clock.now()
        run_id = f"{now:%Y%m%d-%H%M%S}-asked-{kind}"
        self._set(kind, Running(run_id, now))  # before anything is waited for, so that nobody else starts it too
        work = None
        try:
            work = await self._asked(kind, run_id)
        except (AlreadyRunning, LedgerError) as error:
            raise CannotRun(str(error)) from error
        finally:
            if work is None:
                self._set(kind, None)
        _keep(self._working, asyncio.create_task(work, name=run_id))
        return run_id

    async def _asked(self, kind: AssetClass, run_id: str) -> Coroutine[Any, Any, None]:
        """The run to be made, under a share of the lease that ends with it. Raises `AlreadyRunning`, `LedgerError`."""
        async with AsyncExitStack() as stack:
            held = await stack.enter_async_context(self._tenure.share())
            if self.stopping:
                raise LedgerError(_STOPPING)
            kept = stack.pop_all()

        async def whole() -> None:
            async with kept:
                await self._run(Trade(kind, run_id, held))

        return whole()

    async def drain(self, seconds: float) -> None:
        """Wait for the runs that the scheduler has not started itself, then cancel those that still run."""
        await _ended(self._working, seconds)

    async def told(self, seconds: float) -> None:
        """Wait for what people are still to be told, at most `seconds`; then it is left."""
        await _ended(self._telling, seconds)

    async def tell_again(self) -> None:
        """Deliver what an earlier life ended before it had drawn and posted it. Raises `LedgerError`.

        A letter is posted once, whoever else delivers it just now.
        """
        found = await asyncio.to_thread(self._post.claims.occurrences, self._post.clock.now() - _NEWS)
        reports = await asyncio.to_thread(self._helpers.untold, [one for one in found if one.finished_at is not None])

        for report in reports:
            log.warning("%s: nobody was told of it yet, and is now", report.run_id)
            self._tell(self._helpers.deliver(report))

    async def take_over(self, decide: Callable[[Sequence[Claim]], Due]) -> None:
        """Start or name what another copy has claimed and does not work on any more. Raises `LedgerError`.

        A session that is switched off here is not started; its dead run is buried after the next run of another.
        """
        if self.stopping or self._running:
            return
        found = await self.claims(self._post.clock.now() - RECENT)
        decided = decide([one for one in found if self._is_foreign(one) and one.occurrence.kind in self._kinds])
        for missed in decided.missed:
            await self.miss(missed)
        for one in decided.run:
            log.warning("%s was cut off when its copy ended; it starts again here", one.key)
            _keep(self._working, asyncio.create_task(self.start(one), name=one.key))

    async def _run(self, trade: Trade, occurrence: Occurrence | None = None) -> None:
        self._set(trade.kind, Running(trade.run_id, self._post.clock.now()))
        try:
            report = await self._helpers.run(trade)
        finally:
            self._set(trade.kind, None)
        log.info("%s: %s", trade.run_id, report.verdict, extra={"run_id": trade.run_id, "session": trade.kind.value})
        self._tell(self._helpers.deliver(report))
        if occurrence is None:
            return
        if self.stopping and report.outcome not in WHOLE:
            log.warning("%s is left open: the next start catches up while there is time", occurrence.key)
            return
        await self._finish(occurrence, Done(report.run_id, report.outcome))

    async def _bury(self, occurrence: Occurrence, *, again: bool = False) -> SessionReport | None:
        """The report of a run whose copy died. With `again`, None when it had come to its end and is recorded so."""
        await self._helpers.settled(occurrence.kind)
        report = await asyncio.to_thread(self._helpers.find, run_id_of(occurrence))
        ended = report is not None and report.outcome in WHOLE
        if report is None:
            claim = Claim(occurrence, "an earlier copy", occurrence.due_at)
            report = await asyncio.to_thread(self._helpers.epitaph, await self._claim_of(occurrence) or claim)
            self._tell(self._helpers.deliver(report))
        if ended or not again:
            await self._finish(occurrence, Done(report.run_id, report.outcome))
        return None if ended and again else report

    async def _claim_of(self, occurrence: Occurrence) -> Claim | None:
        found = await asyncio.to_thread(self._post.claims.occurrences, occurrence.due_at)
        return next((claim for claim in found if claim.occurrence == occurrence), None)

    async def _bury_others(self, held: Held) -> None:
        async def epitaph(claim: Claim) -> Done:
            report = await asyncio.to_thread(self._helpers.epitaph, claim)
            self._tell(self._helpers.deliver(report))
            return Done(report.run_id, report.outcome)

        await conclude_dead(self._post, held, epitaph, self._occurrences)

    @asynccontextmanager
    async def _keeping(self, occurrence: Occurrence) -> AsyncIterator[Held]:
        """The lease under which it was claimed, or one of our own for what another copy had claimed."""
        self._occurrences.add(occurrence)
        async with self._tenure.share() as held:
            yield held

    async def _finish(self, occurrence: Occurrence, done: Done) -> None:
        finish = self._post.claims.finish_occurrence
        await asyncio.to_thread(finish, occurrence, done.run_id, done.outcome, self._post.clock.now())

    async def _let_go(self, occurrence: Occurrence) -> None:
        self._occurrences.discard(occurrence)
        stack = self._mine.pop(occurrence.key, None)
        if stack is not None:
            await stack.aclose()

    def _set(self, kind: AssetClass, running: Running | None) -> None:
        if running is None:
            self._running.pop(kind, None)
        else:
            self._running[kind] = running
        self._changed()

    def _is_foreign(self, claim: Claim) -> bool:
        return claim.finished_at is None and claim.occurrence not in self._occurrences

    def _is_busy(self, occurrence: Occurrence) -> bool:
        return self.stopping or occurrence.kind in self._running

    def _require_leisure(self, kind: AssetClass) -> None:
        if self.stopping:
            raise LedgerError(_STOPPING)
        if kind in self._running:
            raise Busy(f"{kind} runs already ({self._running[kind].run_id}); wait for it to end")
        if any(one.kind is kind for one in self._occurrences):
            raise Busy(f"a {kind} run that is due begins or ends just now; try again in a moment")

    async def _rival(self) -> bool:
        """Whether another copy has the account, or had it a moment ago."""
        post = self._post
        lease = await asyncio.to_thread(post.claims.holder, post.name)
        if lease is None or lease.holder in ("", post.holder):
            return False
        return (lease.expires_at - post.clock.now()).total_seconds() + post.terms.grace > 0

    def _tell(self, work: Awaitable[Sequence[str]]) -> None:
        """Not waited for."""

        async def telling() -> None:
            try:
                for note in await work:
                    log.info("%s", note)
            except (RobotradingError, OSError) as error:
                log.warning("what there is to tell could not be told: %s", str(error) or type(error).__name__)

        _keep(self._telling, asyncio.create_task(telling(), name="telling people"))


def _keep(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    """Nobody awaits it; its error is told."""

    def kept(done: asyncio.Task[None]) -> None:
        tasks.discard(done)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("%s ended with an error", done.get_name(), exc_info=error)

    tasks.add(task)
    task.add_done_callback(kept)


async def _ended(tasks: set[asyncio.Task[None]], seconds: float) -> None:
    waiting = set(tasks)
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=max(seconds, 0.0))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
