"""What a due occurrence becomes: claimed under the account's lease, run as a child process, concluded, told.

Entry points: `Occasions` (the scheduler's `Duties`, and `run_now` for a person), `Running`, `Trade`, `Helpers`.
Invariants: sessions that are due together share one lease, which is given back when the last of them has ended; of one
session one run at a time; every occurrence that was claimed gets an outcome, also when the copy that ran it died; what
people are told (pages, mails) never delays what trades, and trouble with it is a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LeaseLost, LedgerError, RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import SessionReport
from robotrading.service.scheduler import Duties
from robotrading.session.due import Missed
from robotrading.session.lease import Held, Post, hold
from robotrading.session.lock import AlreadyRunning
from robotrading.session.occurrence import Done, conclude_dead, run_id_of

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

    `run` makes a run in a process of its own and returns its one report, whatever became of it. `find` is the stored
    report of a run; `epitaph` finds or writes the one of a run whose copy died. `deliver` renders and mails a report,
    `alarm` tells people of an occurrence that was missed; both block for a bounded time and raise nothing but
    `RobotradingError` and `OSError`.
    """

    run: Callable[[Trade], Awaitable[SessionReport]]
    find: Callable[[str], SessionReport | None]
    epitaph: Callable[[Claim], SessionReport]
    deliver: Callable[[SessionReport], Sequence[str]]
    alarm: Callable[[Missed], Sequence[str]]


class Occasions:
    """Made and used in one event loop. `kinds` are the sessions that may run."""

    def __init__(self, post: Post, kinds: Collection[AssetClass], helpers: Helpers) -> None:
        self._post, self._kinds, self._helpers = post, frozenset(kinds), helpers
        self._tenure = _Tenure(post)
        self._mine: dict[str, AsyncExitStack] = {}
        self._running: dict[AssetClass, Running] = {}
        self._occurrences: set[Occurrence] = set()
        self._telling: set[asyncio.Task[None]] = set()
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
            self._running[kind] = replace(self._running[kind], step=step)

    async def claims(self, since: datetime) -> Sequence[Claim]:
        """Those due since an instant.

        Raises `LedgerError` while another copy runs one of them: whether that one dies of it is not known yet.
        """
        found = await asyncio.to_thread(self._post.claims.occurrences, since)
        foreign = [one for one in found if one.finished_at is None and one.occurrence not in self._occurrences]
        if foreign and not self._tenure.held:
            await self._require_free(foreign[0])
        return found

    async def claim(self, occurrence: Occurrence) -> bool:
        """Take it under the account's lease, which is kept until it has ended.

        Raises `LedgerError` when that cannot be had now; nothing is claimed then, and it is asked again.
        """
        self._require_leisure(occurrence.kind)
        stack = AsyncExitStack()
        try:
            held = await stack.enter_async_context(self._tenure.share())
        except AlreadyRunning as error:
            raise LedgerError(f"{occurrence.key} waits: {error}") from error
        try:
            now = self._post.clock.now()
            mine = await asyncio.to_thread(self._post.claims.claim_occurrence, occurrence, held.lease, now)
        except BaseException:
            await stack.aclose()
            raise
        if not mine:
            await stack.aclose()
            return False
        log.info("%s: claimed by %s", occurrence.key, held.lease.holder)
        self._mine[occurrence.key] = stack
        self._occurrences.add(occurrence)
        return True

    async def miss(self, missed: Missed) -> None:
        """Record why it did not run; a run that was cut off gets its report. Raises `LedgerError`."""
        occurrence = missed.occurrence
        if missed.rule.startswith("interrupted"):
            async with self._keeping(occurrence):
                await self._bury(occurrence)
        else:
            await self._finish(occurrence, Done("", missed.rule))
        await self._let_go(occurrence)
        if missed.alarming:
            self._tell(lambda: self._helpers.alarm(missed))

    async def start(self, occurrence: Occurrence) -> None:
        """Run it to its end and record what came of it; one that its copy died of is buried first."""
        try:
            async with self._keeping(occurrence) as held:
                run_id = run_id_of(occurrence)
                if occurrence.key not in self._mine:
                    report = await self._bury(occurrence, again=True)
                    if report is None:
                        return
                    run_id = f"{run_id}-{self._post.clock.now():%H%M%S}"
                await self._run(Trade(occurrence.kind, run_id, held), occurrence)
                await self._bury_others(held)
        except AlreadyRunning as error:
            log.warning("%s is left to the copy that has the account: %s", occurrence.key, error)
        except LedgerError as error:
            log.error("%s: its outcome could not be recorded: %s", occurrence.key, error)  # noqa: TRY400  told
        finally:
            await self._let_go(occurrence)

    async def run_now(self, kind: AssetClass) -> str:
        """Start a session because a person asks; its run id. It goes on when this returns. Raises `CannotRun`."""
        if kind not in self._kinds:
            raise CannotRun(f"{kind} is disabled; set sessions.{kind}.enabled to true")
        try:
            self._require_leisure(kind)
            stack = AsyncExitStack()
            held = await stack.enter_async_context(self._tenure.share())
        except (AlreadyRunning, LedgerError) as error:
            raise CannotRun(str(error)) from error
        now = self._post.clock.now()
        trade = Trade(kind, f"{now:%Y%m%d-%H%M%S}-asked-{kind}", held)
        self._running[kind] = Running(trade.run_id, now)

        async def whole() -> None:
            async with stack:
                await self._run(trade)

        self._keep(asyncio.create_task(whole(), name=trade.run_id))
        return trade.run_id

    async def told(self, seconds: float) -> None:
        """Wait for what is still being told or was asked for by a person, at most `seconds`."""
        if self._telling:
            await asyncio.wait(set(self._telling), timeout=seconds)

    async def bury(self) -> None:
        """Conclude what dead copies left, when nobody works with the account. Raises `LedgerError`."""
        since = self._post.clock.now()
        if self.stopping or self._running:
            return
        found = await asyncio.to_thread(self._post.claims.occurrences, since)
        if any(one.finished_at is None for one in found):
            async with self._tenure.share() as held:
                await self._bury_others(held)

    async def _run(self, trade: Trade, occurrence: Occurrence | None = None) -> None:
        self._running[trade.kind] = Running(trade.run_id, self._post.clock.now())
        try:
            report = await self._helpers.run(trade)
        finally:
            self._running.pop(trade.kind, None)
        log.info("%s: %s", trade.run_id, report.verdict, extra={"run_id": trade.run_id, "session": trade.kind.value})
        self._tell(lambda: self._helpers.deliver(report))
        if occurrence is not None:
            await self._finish(occurrence, Done(report.run_id, report.outcome))

    async def _bury(self, occurrence: Occurrence, *, again: bool = False) -> SessionReport | None:
        """The report of a run whose copy died. With `again`, None when it had come to its end and is recorded so."""
        report = await asyncio.to_thread(self._helpers.find, run_id_of(occurrence))
        ended = report is not None and any(step.name != "process" for step in report.steps)
        if report is None:
            claim = Claim(occurrence, "an earlier copy", occurrence.due_at)
            report = await asyncio.to_thread(self._helpers.epitaph, await self._claim_of(occurrence) or claim)
            self._tell(lambda found=report: self._helpers.deliver(found))  # type: ignore[misc]
        if ended or not again:
            await self._finish(occurrence, Done(report.run_id, report.outcome))
        return None if ended and again else report

    async def _claim_of(self, occurrence: Occurrence) -> Claim | None:
        found = await asyncio.to_thread(self._post.claims.occurrences, occurrence.due_at)
        return next((claim for claim in found if claim.occurrence == occurrence), None)

    async def _bury_others(self, held: Held) -> None:
        async def epitaph(claim: Claim) -> Done:
            report = await asyncio.to_thread(self._helpers.epitaph, claim)
            self._tell(lambda: self._helpers.deliver(report))
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

    def _require_leisure(self, kind: AssetClass) -> None:
        if self.stopping:
            raise LedgerError("the service is stopping; nothing new is started")
        if kind in self._running:
            raise LedgerError(f"{kind} runs already ({self._running[kind].run_id}); wait for it to end")

    async def _require_free(self, claim: Claim) -> None:
        post = self._post
        lease = await asyncio.to_thread(post.claims.holder, post.name)
        if lease is None or lease.holder in ("", post.holder):
            return
        left = (lease.expires_at - post.clock.now()).total_seconds() + post.terms.grace
        if left > 0:
            raise LedgerError(f"{claim.occurrence.key} is run by {lease.holder}, who has the account just now")

    def _tell(self, work: Callable[[], Sequence[str]]) -> None:
        """In a thread, and not waited for."""

        async def telling() -> None:
            try:
                for note in await asyncio.to_thread(work):
                    log.info("%s", note)
            except (RobotradingError, OSError) as error:
                log.warning("what there is to tell could not be told: %s", error)

        self._keep(asyncio.create_task(telling()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._telling.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended with an error", task.get_name(), exc_info=error)


class _Tenure:
    """The account's lease, shared by all that works at a time."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._turn = asyncio.Lock()
        self._users = 0
        self._stack = AsyncExitStack()
        self.held: Held | None = None

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Held]:
        """Held while at least one block runs. Raises `AccountBusy`, `LedgerError`; `LeaseLost` while it is lost."""
        async with self._turn:
            if self.held is None:
                self.held = await self._stack.enter_async_context(hold(self._post))
            elif self.held.lost.is_set():
                raise LeaseLost(f"{self.held.why}; it is claimed anew when everybody under it has ended")
            self._users += 1
            held = self.held
        try:
            yield held
        finally:
            await self._leave()

    async def _leave(self) -> None:
        async with self._turn:
            self._users -= 1
            if not self._users:
                self.held = None
                await self._stack.aclose()
