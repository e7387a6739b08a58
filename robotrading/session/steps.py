"""One step of a run: timed, its skips kept, its failure a value. The only place that catches everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.domain.planning import Plan, Targets
from robotrading.domain.ports import Clock
from robotrading.domain.report import Outcome, SessionReport, Source, StepResult
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip
from robotrading.execution.holdings import Change
from robotrading.portfolio.agreement import Close
from robotrading.session.leash import Leash
from robotrading.session.verdict import verdict
from robotrading.session.world import RunSpec

T = TypeVar("T")

log = logging.getLogger(__name__)

_LEFT_UNDONE = ("recover", "cash", "door", "submit", "fill", "compare")
"""A skip of one of these steps means that an order, or the knowledge of one, is missing."""


class StepFailed(Exception):
    """A step failed and is in the draft; the steps that need it are not taken."""


@dataclass(slots=True)
class Draft:
    """The report in the making: whatever a run has found out stays, however the run ends."""

    spec: RunSpec
    clock: Clock
    started_at: datetime
    steps: list[StepResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    signals: tuple[Signal, ...] = ()
    targets: Targets | None = None
    plan: Plan | None = None
    tickets: dict[str, Ticket] = field(default_factory=dict)
    owned: tuple[Position, ...] = ()
    protected: tuple[Position, ...] = ()
    account: Account | None = None
    closed: str = ""
    changed: tuple[Change, ...] = ()
    leash: Leash = field(default_factory=Leash)
    begins: Callable[[str], None] = lambda _step: None
    """Hears of each step when it begins."""
    closes: dict[Instrument, Close | None] = field(default_factory=dict)
    """What the broker's prices are held against; None where the source was asked and has nothing to be believed."""
    _skips: list[Skip] = field(default_factory=list)
    _said: set[Skip] = field(default_factory=set)

    def skip(self, *skips: Skip) -> None:
        """Leave something out of the step that is going on; what an earlier step has said is not repeated."""
        for skip in skips:
            if skip not in self._said:
                self._said.add(skip)
                self._skips.append(skip)

    def remark(self, *notes: str) -> None:
        """Note something for the reader, once."""
        self.notes.extend(note for note in dict.fromkeys(notes) if note not in self.notes)

    async def step(self, name: str, work: Callable[[], Awaitable[T]], *, orders: bool = False) -> T:
        """Take a step; one that has `orders` at work brings them to an end first when it is asked to stop.

        Raises `StepFailed` after recording why.
        """
        began = self.clock.monotonic()
        error = ""
        try:
            self.begins(name)
            return await self.leash.during(work, orders=orders)
        except Exception as caught:
            error = describe(caught)
            level = logging.WARNING if isinstance(caught, RobotradingError) else logging.ERROR
            log.log(level, "step %s failed: %s", name, error, exc_info=level == logging.ERROR)
            raise StepFailed(name) from caught
        finally:
            seconds = self.clock.monotonic() - began
            self.steps.append(StepResult(name, seconds, tuple(self._skips), error))
            self._skips.clear()

    async def quietly(self, what: str, work: Callable[[], Awaitable[object]], seconds: float) -> None:
        """Do what the outcome does not hang on, within a bound; trouble in it is a note."""
        try:
            async with asyncio.timeout(seconds):
                await work()
        except (RobotradingError, OSError) as caught:
            log.warning("%s: %s", what, caught)
            self.notes.append(f"{what}: {describe(caught)}")

    def add_tickets(self, tickets: tuple[Ticket, ...]) -> None:
        """Keep the latest state of each ticket, in the order of their first appearance."""
        self.tickets.update({ticket.intent.intent_id: ticket for ticket in tickets})

    def finish(self) -> SessionReport:
        """The report as it stands now."""
        outcome = self._outcome()
        report = SessionReport(
            run_id=self.spec.run_id,
            kind=self.spec.kind,
            mode=self.spec.mode,
            trading_date=self.spec.trading_date,
            started_at=self.started_at,
            finished_at=self.clock.now(),
            outcome=outcome,
            verdict="",
            steps=tuple(self.steps),
            notes=tuple(self.notes),
            sources=self.sources,
            signals=self.signals,
            targets=self.targets,
            plan=self.plan,
            tickets=tuple(self.tickets.values()),
            owned=self.owned,
            protected=self.protected,
            account=self.account,
            currency=self.spec.capital.currency,
            trade=self.spec.trade,
        )
        return replace(report, verdict=verdict(report, self.closed))

    def _outcome(self) -> Outcome:
        failed = any(not step.ok for step in self.steps)
        tickets = self.tickets.values()
        planned = self.plan is not None and bool(self.plan.intents)
        if self.closed and not failed:
            return Outcome.NOTHING_TO_DO
        none_sent = self.spec.trade and planned and not tickets
        if (failed and not any(ticket.fills for ticket in tickets)) or none_sent:
            return Outcome.FAILED
        left = any(ticket.status is not TicketStatus.FILLED for ticket in tickets)
        in_doubt = any(skip.step in _LEFT_UNDONE for step in self.steps for skip in step.skips)
        if failed or left or in_doubt:
            return Outcome.PARTLY
        return Outcome.DONE if planned or self.tickets else Outcome.NOTHING_TO_DO


def describe(error: BaseException) -> str:
    """One line: our own errors speak for themselves, foreign ones are named."""
    if isinstance(error, RobotradingError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory: the session grew past its bound; raise sessions.<name>.memory_mb or shorten its history"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer within the time"
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(describe(inner) for inner in error.exceptions))
    return f"unexpected {type(error).__name__}: {error}"
