"""What a session run leaves behind for people and for the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket
from robotrading.domain.planning import Plan, Targets
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip


class Outcome(StrEnum):
    """The verdict in one word."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    PARTLY = "partly"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of the pipeline; `error` is '' when it went well. `seconds` is measured on the monotonic clock."""

    name: str
    seconds: float
    skips: tuple[Skip, ...] = ()
    error: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class Source:
    """Who served an instrument's prices, and how old they are."""

    symbol: str
    source: str
    last_day: date
    adjusted_only: bool = False
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has begun: all that the ledger knows of it before it has a report. `trade`: false of a mere plan."""

    run_id: str
    kind: AssetClass
    mode: str
    trading_date: date
    started_at: datetime
    trade: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has its report, without it. `trade`: false of a mere plan, which is no run of its session."""

    run_id: str
    kind: AssetClass
    mode: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    trade: bool = True


@dataclass(frozen=True, slots=True)
class SessionReport:
    """Everything one session run did and left undone. Exactly one is stored per run, also when the run failed.

    `mode` says which wiring it was (`paper`, `live`, `rehearsal`, `demo`). Money is in `currency`. `trade`: false of a
    mere plan, which is no run of its session.
    """

    run_id: str
    kind: AssetClass
    mode: str
    trading_date: date
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    verdict: str
    steps: tuple[StepResult, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    signals: tuple[Signal, ...] = ()
    targets: Targets | None = None
    plan: Plan | None = None
    tickets: tuple[Ticket, ...] = ()
    owned: tuple[Position, ...] = ()
    protected: tuple[Position, ...] = ()
    account: Account | None = None
    currency: str = "USD"
    trade: bool = True

    @property
    def skips(self) -> tuple[Skip, ...]:
        """Everything left out, in the order of the steps."""
        return tuple(skip for step in self.steps for skip in step.skips)

    @property
    def other_skips(self) -> tuple[Skip, ...]:
        """Those that no refusal of the plan tells in the same words."""
        told = {refusal.reason for refusal in self.plan.refusals} if self.plan else set()
        return tuple(skip for skip in self.skips if skip.reason not in told)

    @property
    def commission(self) -> Decimal:
        """Commissions of this run's orders."""
        return sum((ticket.commission for ticket in self.tickets), Decimal(0))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message; with a `content_id` it is a picture that the HTML shows as `cid:`."""

    name: str
    content_type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail in the making: both bodies always, so that every reader sees something complete."""

    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
