"""Everything that is known at one moment, as one frozen value.

Entry point: `Facts`. Whoever answers a caller (health, metrics, page, `status`) reads the newest one and asks nobody.
Instants are aware UTC; money is Decimal in the account's base currency unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.alerts import Alert
from robotrading.domain.book import Holding, Position
from robotrading.domain.claims import Lease
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Waiting
from robotrading.domain.orders import Ticket
from robotrading.domain.report import Ended, Outcome
from robotrading.portfolio.performance import Flow
from robotrading.service.supervisor import Standing


class LinkState(StrEnum):
    """How we stand with the broker."""

    UNKNOWN = "unknown"
    """Nobody has looked yet."""
    UP = "up"
    """Logged in to the configured account, and it answered."""
    DOWN = "down"
    QUIET = "quiet"
    """A time in which nobody logs in, by plan."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """The last look at the broker. `since` is when `state` began, `seen_at` when it was last confirmed."""

    state: LinkState = LinkState.UNKNOWN
    account_id: str = ""
    paper: bool = True
    since: datetime | None = None
    seen_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RegimeShare:
    """How many instruments of a session a regime label was the likeliest for."""

    label: str
    instruments: int


@dataclass(frozen=True, slots=True)
class WeightPair:
    """An instrument's weight against its target, as fractions of the session's budget."""

    symbol: str
    now: float
    target: float


@dataclass(frozen=True, slots=True)
class LastRun:
    """The short of a report: what people and checks ask for, without its thousands of lines.

    `bars_behind` counts the trading days that its newest price was older than the newest complete one, None where it
    used no prices. `recovered` is False when its earlier orders could not be settled with the broker.
    """

    run_id: str
    mode: str
    trading_date: date
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    verdict: str
    newest_bar: date | None = None
    bars_behind: int | None = None
    recovered: bool = True
    orders: int = 0
    filled: int = 0
    skips: int = 0
    regimes: tuple[RegimeShare, ...] = ()
    weights: tuple[WeightPair, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session: when it runs, what it did last. `missed` are sentences on occurrences that were not run."""

    kind: AssetClass
    enabled: bool
    schedule: str
    deadline: float
    next_due: datetime | None = None
    running_since: datetime | None = None
    running_run: str = ""
    step: str = ""
    last: LastRun | None = None
    last_good_at: datetime | None = None
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The account's net liquidation value at an instant."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A position that the bot sold the last of, and what it gained, after costs, in the instrument's currency."""

    symbol: str
    at: datetime
    gain: Decimal


@dataclass(frozen=True, slots=True)
class PaidFlows:
    """Money paid into the account and out of it, as far as reports tell; `unclear` changes of cash may be some too.

    `since` is the first look that is known (None without two of them), and `until` the end of the run that made the
    last: what was paid after it nobody can tell yet. `reading` as long as there are reports that were not read.
    """

    found: tuple[Flow, ...] = ()
    unclear: int = 0
    since: datetime | None = None
    until: datetime | None = None
    reading: bool = False


@dataclass(frozen=True, slots=True)
class BookFacts:
    """What the ledger says. `trouble` says why it could not be read, '' when it could; the rest is then of before.

    `trades` are the positions closed within the last day of which the gain is known.
    """

    trouble: str = ""
    read_at: datetime | None = None
    halted: str = ""
    day_stopped: str = ""
    owned: tuple[Position, ...] = ()
    held: tuple[Holding, ...] = ()
    open_tickets: tuple[Ticket, ...] = ()
    closed_today: int = 0
    equity: tuple[EquityPoint, ...] = ()
    currency: str = "USD"
    lease: Lease | None = None
    size_bytes: int = 0
    trades: tuple[ClosedTrade, ...] = ()
    flows: PaidFlows = field(default_factory=PaidFlows)
    dead_copies: tuple[str, ...] = ()
    """Other copies that claimed a run, have not ended it, and do not hold the account any more."""
    ended: tuple[Ended, ...] = ()
    """The newest runs that have a report, newest first."""
    summaries: tuple[date, ...] = ()
    """The weeks whose summary lies on this host as a page, newest first; a week goes by its last day."""

    @property
    def in_doubt(self) -> tuple[Ticket, ...]:
        """Orders of which nobody knows the end: they block their instruments."""
        return tuple(ticket for ticket in self.open_tickets if ticket.status.value == "unknown")


@dataclass(frozen=True, slots=True)
class Facts:
    """`breakers` are by service, `True` where one is open; `breakers_since` has when each of those opened.

    `last_end` says how the service's life before this one ended where it left no word, '' where it did. `waiting` is
    the outbox, `waiting_mails` how many messages are in it; `alerts` are the open ones, oldest first. `backup_at` is
    when the newest backup was made, None where there is none.
    """

    at: datetime
    started_at: datetime
    version: str
    mode: str
    place: str
    holder: str = ""
    stopping: bool = False
    sessions: tuple[SessionFacts, ...] = ()
    programs: tuple[Standing, ...] = ()
    broker: BrokerFacts = field(default_factory=BrokerFacts)
    book: BookFacts = field(default_factory=BookFacts)
    free_bytes: int | None = None
    breakers: dict[str, bool] = field(default_factory=dict)
    breakers_since: dict[str, datetime] = field(default_factory=dict)
    waiting_mails: int = 0
    waiting: Waiting = field(default_factory=Waiting)
    alerts: tuple[Alert, ...] = ()
    last_end: str = ""
    backup_at: datetime | None = None
    schedule_trouble: str = ""
    """Why the sessions cannot be started at their times just now, '' when they can."""
    heard: bool = True
    """Whether alerts go to anybody: mail or push is set up."""
