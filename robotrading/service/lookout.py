"""Gathers `Facts` in the background, so that nobody who answers has to ask.

Entry points: `Lookout` (`run`, `facts`), `Sources`, `Reader`.
Invariants: the ledger is read in a thread and never in the loop; a report is decoded once, whoever ran the session, and
counted only when it ended while this service ran (counters begin at zero with the process); trouble of the ledger is a
fact, and what was known before stays beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from robotrading.domain.alerts import Alert
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.errors import DataError, LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Waiting
from robotrading.domain.orders import EventKind, OrderEvent
from robotrading.domain.ports import AlertBook, Calendar, Claims, Clock, Ledger, Outbox, PositionBook
from robotrading.domain.report import Ended, Outcome, SessionReport
from robotrading.service.facts import (
    BookFacts,
    BrokerFacts,
    ClosedTrade,
    EquityPoint,
    Facts,
    LastRun,
    PaidFlows,
    RegimeShare,
    SessionFacts,
    WeightPair,
)
from robotrading.service.folders import OpenFile, kept_days, newest_entry, size_of
from robotrading.service.occasions import Running
from robotrading.service.supervisor import Standing
from robotrading.session.due import SUPERSEDED, UNWATCHED

log = logging.getLogger(__name__)

CURVE = timedelta(days=120)
HISTORY = 200
_FIRST_LOOK = 5000
"""Runs among which each session's newest is looked for at the start: one that is due every few minutes has many."""
_RECENT = timedelta(days=3)
_DAY = timedelta(days=1)
_CLAIM_GRACE = timedelta(seconds=60)
_MOST_BEHIND = 60


@dataclass(frozen=True, slots=True)
class Place:
    """What does not change while the service runs. `path` is the ledger's file, None where it is a server's."""

    version: str
    mode: str
    place: str
    holder: str
    lease: str
    folder: Path
    path: Path | None
    account_id: str
    currency: str
    started_at: datetime
    sessions: Mapping[AssetClass, tuple[bool, str, float]]
    """By kind: enabled, schedule as written, deadline in seconds."""
    last_end: str = ""
    backups: Path | None = None
    """The folder whose newest file or folder is the newest backup."""
    summaries: Path | None = None
    """The folder with the weeks' pages."""
    heard: bool = True
    """Whether alerts go to anybody."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known in the loop without asking: each is called at every look and returns at once."""

    running: Callable[[], Mapping[AssetClass, Running]]
    upcoming: Callable[[], Mapping[AssetClass, Occurrence | None]]
    programs: Callable[[], tuple[Standing, ...]]
    broker: Callable[[], BrokerFacts]
    breakers: Callable[[], dict[str, bool]]
    calendar: Callable[[], Calendar | None]
    trouble: Callable[[], str]
    """Why the schedule cannot be kept, '' when it can."""


@dataclass(frozen=True, slots=True)
class Hearers:
    """Who is told of what is new: of a report that ended while the service ran, of an order's time to its fills."""

    saw_report: Callable[[SessionReport], None]
    saw_latency: Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Shelves:
    """What lies beside the ledger in the same database. `trades` are those closed since an instant.

    `flows` are of the account of that id.
    """

    outbox: Outbox
    alerts: AlertBook
    trades: Callable[[datetime], Sequence[ClosedTrade]] = lambda _since: ()
    flows: Callable[[str], PaidFlows] = lambda _account_id: PaidFlows()


@dataclass(frozen=True, slots=True)
class Reading:
    """One look into the ledger."""

    book: BookFacts
    last: Mapping[AssetClass, LastRun]
    last_good: Mapping[AssetClass, datetime]
    missed: Mapping[AssetClass, tuple[str, ...]]
    waiting: Waiting = field(default_factory=Waiting)
    alerts: tuple[Alert, ...] = ()


class Reader:
    """Reads one ledger; used in one thread at a time."""

    def __init__(  # noqa: PLR0913, PLR0917  one per port
        self,
        place: Place,
        clock: Clock,
        ledger: Ledger,
        positions: PositionBook,
        claims: Claims,
        shelves: Shelves | None = None,
    ) -> None:
        self._place, self._clock, self._shelves = place, clock, shelves
        self._ledger, self._positions, self._claims = ledger, positions, claims
        self._file = OpenFile(place.path)
        self._known: dict[str, LastRun] = {}
        self._newest: dict[AssetClass, Ended] = {}
        self._dated = False
        self._good: dict[AssetClass, datetime] = {}
        self._counted: set[str] = set()

    def read(self, calendar: Calendar | None, account_id: str, hearers: Hearers) -> Reading:
        """Everything that is asked of the ledger. Raises `LedgerError`."""
        self._file.require()
        now, ledger = self._clock.now(), self._ledger
        ended = ledger.ended(HISTORY if self._newest else _FIRST_LOOK)
        last = self._last_runs(ended, calendar, hearers)
        days = {kind: calendar.trading_day(kind, now) if calendar else now.date() for kind in self._place.sessions}
        claims = self._claims.occurrences(now - _RECENT)
        lease, shelves = self._lease(now), self._shelves
        book = BookFacts(
            read_at=now,
            halted=ledger.halted(),
            day_stopped=self._day_stopped(account_id, days),
            owned=tuple(ledger.positions()),
            held=tuple(ledger.holdings_seen(account_id)),
            open_tickets=tuple(ledger.open_tickets()),
            closed_today=sum(len(self._positions.list_closed(day)) for day in set(days.values())),
            equity=tuple(EquityPoint(at, value) for at, value in ledger.equity(account_id, now - CURVE)),
            currency=self._place.currency,
            lease=lease,
            size_bytes=size_of(self._place.path),
            trades=tuple(shelves.trades(now - _DAY)) if shelves else (),
            flows=shelves.flows(account_id) if shelves else PaidFlows(),
            dead_copies=dead_copies(claims, self._place.holder, lease, now),
            ended=tuple(ended[:HISTORY]),
            summaries=kept_days(self._place.summaries),
        )
        missed = {kind: self._missed(kind, claims) for kind in days}
        if shelves is None:
            return Reading(book, last, dict(self._good), missed)
        alerts = tuple(shelves.alerts.open())
        return Reading(book, last, dict(self._good), missed, shelves.outbox.waiting(now), alerts)

    def _last_runs(
        self, ended: Sequence[Ended], calendar: Calendar | None, hearers: Hearers
    ) -> Mapping[AssetClass, LastRun]:
        """The newest run of each session; new reports are decoded and told of. A mere plan is no run."""
        ended = [run for run in ended if run.trade]
        if calendar is not None and not self._dated:
            self._dated = True
            self._known.clear()  # how old their prices were could not be said
        newest: dict[AssetClass, Ended] = {}
        for run in ended:
            newest.setdefault(run.kind, run)
            if run.outcome is not Outcome.FAILED:
                self._good[run.kind] = max(run.finished_at, self._good.get(run.kind, run.finished_at))
        self._newest = newest = {**self._newest, **newest}
        fresh = {r.run_id for r in ended if r.finished_at >= self._place.started_at} - self._counted
        for run_id in [*(r.run_id for r in reversed(ended) if r.run_id in fresh), *(r.run_id for r in newest.values())]:
            if run_id in self._known and run_id not in fresh:
                continue
            report = self._ledger.report(run_id)
            if report is not None:
                self._known[run_id] = last_run(report, calendar)
                if run_id in fresh:
                    self._count(report, hearers)
                    fresh.discard(run_id)
        wanted = {run.run_id for run in newest.values()}
        self._known = {run_id: known for run_id, known in self._known.items() if run_id in wanted}
        self._counted &= {run.run_id for run in ended}
        return {kind: self._known[run.run_id] for kind, run in newest.items() if run.run_id in self._known}

    def _count(self, report: SessionReport, hearers: Hearers) -> None:
        self._counted.add(report.run_id)
        hearers.saw_report(report)
        for ticket in report.tickets:
            if ticket.fills:
                seconds = fill_seconds(self._ledger.events(ticket.intent.intent_id))
                if seconds is not None:
                    hearers.saw_latency(report.kind.value, seconds)

    def _day_stopped(self, account_id: str, days: Mapping[AssetClass, date]) -> str:
        stops = {day: self._ledger.day_stopped(account_id, day) for day in sorted(set(days.values()))}
        return "; ".join(reason for reason in stops.values() if reason)

    def _lease(self, now: datetime) -> Lease | None:
        lease = self._claims.holder(self._place.lease)
        return lease if lease is not None and lease.holder and lease.expires_at > now else None

    def _missed(self, kind: AssetClass, claims: Sequence[Claim]) -> tuple[str, ...]:
        good = self._good.get(kind)
        return tuple(
            f"the run due at {claim.occurrence.due_at:%Y-%m-%d %H:%M} UTC was not made ({claim.outcome})"
            for claim in claims
            if claim.occurrence.kind is kind and was_missed(claim) and (good is None or claim.occurrence.due_at > good)
        )


class Lookout:
    """`facts` is the newest value, from the start on. `every` seconds between two looks."""

    def __init__(self, place: Place, clock: Clock, sources: Sources, hearers: Hearers, every: float = 5.0) -> None:
        self._place, self._clock, self._sources, self._hearers = place, clock, sources, hearers
        self._every = every
        self._reading = Reading(BookFacts(), {}, {}, {})
        self._told = ""
        self._open_since: dict[str, datetime] = {}
        self._turn = asyncio.Lock()
        self.stopping = False
        self.facts = self._gathered(None)

    async def run(self, reader: Reader) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look(reader)
            await asyncio.sleep(self._every)

    async def look(self, reader: Reader) -> None:
        """One look at everything."""
        account_id = self._place.account_id or self._sources.broker().account_id
        calendar = self._sources.calendar()
        try:
            async with self._turn:
                self._reading = await asyncio.to_thread(reader.read, calendar, account_id, self._hearers)
        except (LedgerError, DataError, OSError) as error:
            said = str(error)
            if said != self._told:
                log.error("the ledger cannot be read: %s", said)  # noqa: TRY400  told, with its way out
            self._told = said
            self._reading = replace(self._reading, book=replace(self._reading.book, trouble=said))
        else:
            self._told = ""
        self.refresh()

    def refresh(self) -> None:
        """What is known in the loop, beside the ledger as it was read last."""
        self.facts = self._gathered(self._free())

    def _gathered(self, free: int | None) -> Facts:
        place, sources, now = self._place, self._sources, self._clock.now()
        try:
            upcoming = sources.upcoming()
        except DataError:  # the scheduler says so itself
            upcoming = {}
        running, breakers, waiting = sources.running(), sources.breakers(), self._reading.waiting
        self._open_since = {name: self._open_since.get(name, now) for name, is_open in breakers.items() if is_open}
        sessions = tuple(self._session(kind, upcoming.get(kind), running.get(kind)) for kind in place.sessions)
        return Facts(
            at=now,
            started_at=place.started_at,
            version=place.version,
            mode=place.mode,
            place=place.place,
            holder=place.holder,
            stopping=self.stopping,
            sessions=sessions,
            programs=sources.programs(),
            broker=sources.broker(),
            book=self._reading.book,
            free_bytes=free,
            breakers=breakers,
            breakers_since=dict(self._open_since),
            waiting_mails=waiting.deliveries,
            waiting=waiting,
            alerts=self._reading.alerts,
            last_end=place.last_end,
            backup_at=newest_entry(place.backups),
            schedule_trouble=sources.trouble(),
            heard=place.heard,
        )

    def _session(self, kind: AssetClass, due: Occurrence | None, running: Running | None) -> SessionFacts:
        enabled, schedule, deadline = self._place.sessions[kind]
        return SessionFacts(
            kind=kind,
            enabled=enabled,
            schedule=schedule,
            deadline=deadline,
            next_due=due.due_at if due else None,
            running_since=running.since if running else None,
            running_run=running.run_id if running else "",
            step=running.step if running else "",
            last=self._reading.last.get(kind),
            last_good_at=self._reading.last_good.get(kind),
            missed=self._reading.missed.get(kind, ()),
        )

    def _free(self) -> int | None:
        try:
            found = os.statvfs(self._place.folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize


def last_run(report: SessionReport, calendar: Calendar | None) -> LastRun:
    """The short of a report."""
    newest = max((source.last_day for source in report.sources), default=None)
    labels = Counter(signal.regime.current for signal in report.signals if signal.regime is not None)
    lines = report.plan.lines if report.plan is not None else ()
    recovery = next((step for step in report.steps if step.name == "recover"), None)
    return LastRun(
        run_id=report.run_id,
        mode=report.mode,
        trading_date=report.trading_date,
        started_at=report.started_at,
        finished_at=report.finished_at,
        outcome=report.outcome,
        verdict=report.verdict,
        newest_bar=newest,
        bars_behind=None if newest is None or calendar is None else bars_behind(report, newest, calendar),
        recovered=recovery is None or recovery.ok,
        orders=len(report.tickets),
        filled=sum(ticket.filled >= ticket.intent.quantity for ticket in report.tickets),
        skips=len(report.skips),
        regimes=tuple(RegimeShare(label, count) for label, count in sorted(labels.items())),
        weights=tuple(
            WeightPair(line.instrument.symbol, float(line.weight_now), float(line.weight_target)) for line in lines
        ),
    )


def bars_behind(report: SessionReport, newest: date, calendar: Calendar) -> int | None:
    """Trading days between a run's newest price and the newest day that was complete then; None where unknown."""
    try:
        complete = calendar.last_complete_day(report.kind, report.started_at)
        days = min((complete - newest).days, _MOST_BEHIND)
        return sum(calendar.is_trading_day(report.kind, complete - timedelta(days=back)) for back in range(days))
    except DataError:
        return None


def fill_seconds(events: Sequence[OrderEvent]) -> float | None:
    """From an order's leaving to its last execution; None where either is not in its history."""
    sent = next((event.at for event in events if event.kind is EventKind.SENT), None)
    filled = max((event.at for event in events if event.kind is EventKind.FILL), default=None)
    if sent is None or filled is None:
        return None
    return max((filled - sent).total_seconds(), 0.0)


def was_missed(claim: Claim) -> bool:
    """Whether an occurrence was named instead of run, and somebody should mind."""
    named = claim.finished_at is not None and not claim.run_id
    return named and claim.outcome not in {UNWATCHED, SUPERSEDED}


def dead_copies(claims: Sequence[Claim], own: str, lease: Lease | None, now: datetime) -> tuple[str, ...]:
    """Holders of runs without an end that are not ours and do not hold the account: they died at work."""
    holder = lease.holder if lease is not None else ""
    dead = {
        claim.holder
        for claim in claims
        if claim.finished_at is None and claim.holder not in {own, holder} and now - claim.claimed_at > _CLAIM_GRACE
    }
    return tuple(sorted(dead))
