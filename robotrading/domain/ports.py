"""All ports on one page: what the sessions ask of the world.

Every implementation, the pretend ones too, passes the contract suite of its port in `tests/contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Account, Closed, Holding, Position
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.messages import Address, Delivery, Letter, Waiting
from robotrading.domain.orders import BrokerOrder, Fill, Intent, OrderEvent, Ticket
from robotrading.domain.planning import Plan
from robotrading.domain.report import Begun, Ended, Message, SessionReport
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip

if TYPE_CHECKING:
    from robotrading.domain.market import Bars, Constituent, Days, Quote  # brings numpy, which the daemon does without


class Clock(Protocol):
    """The only way to know the time."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds for measuring durations; never goes back."""
        ...


class Calendar(Protocol):
    """Trading days and hours of an asset class's exchange. Crypto trades around the clock on UTC days."""

    def is_open(self, kind: AssetClass, at: datetime) -> bool: ...

    def trading_day(self, kind: AssetClass, at: datetime) -> date:
        """The exchange's own date at an instant, a trading day or not."""
        ...

    def is_trading_day(self, kind: AssetClass, day: date) -> bool: ...

    def hours(self, kind: AssetClass, day: date) -> tuple[datetime, datetime] | None:
        """Open and close in UTC, None when the exchange is shut that day."""
        ...

    def last_complete_day(self, kind: AssetClass, at: datetime) -> date:
        """The newest trading day whose close has passed: no bar after it may be used."""
        ...

    def days(self, kind: AssetClass, first: date, last: date) -> Days:
        """Trading days from `first` to `last`, both included; datetime64[D]."""
        ...


class Feed(Protocol):
    """A source of daily bars."""

    @property
    def name(self) -> str: ...

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """Bars from `first` to `last`, both included, for every instrument asked; a `Skip` where there are none.

        Raises `FeedUnavailable` only when the source as a whole does not answer.
        """
        ...


class ConstituentSource(Protocol):
    """Members and weights of an index."""

    @property
    def name(self) -> str: ...

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        """Heaviest first, weights summing to about 1. Raises `FeedUnavailable`."""
        ...


class Broker(Protocol):
    """The broker. Silence is an error (`BrokerUnavailable`), never an empty answer; every wait has a bound."""

    @property
    def connected(self) -> bool:
        """Logged in and able to trade, as far as is known without asking."""
        ...

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def account(self) -> Account: ...

    async def refine(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Instrument | Skip]:
        """The instruments with the broker's own tick, lot and minimum size; a `Skip` for what it does not know."""
        ...

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]: ...

    async def submit(self, intent: Intent) -> None:
        """Hand the order to the broker and return without waiting for its fate, which arrives as events.

        Raises `OrderRejected` or `BrokerUnavailable` only when it is certain that nothing was sent.
        """
        ...

    async def cancel(self, intent_id: str) -> None:
        """Ask for a cancel; whether it came in time arrives as an event. Unknown id: `BrokerError`."""
        ...

    async def open_orders(self) -> Sequence[BrokerOrder]: ...

    async def completed_orders(self) -> Sequence[BrokerOrder]: ...

    async def executions(self) -> Sequence[Fill]:
        """All executions the broker still tells of (the current day), latest revisions, commissions where known."""
        ...

    def subscribe(self, listener: Callable[[OrderEvent], None]) -> None:
        """Call `listener` in the event loop with everything that happens to orders with our reference."""
        ...


class Ledger(Protocol):
    """The journal. What a method has returned from is on the disk. Raises `LedgerError`."""

    def start_run(  # noqa: PLR0913  a run's beginning in full
        self, run_id: str, kind: AssetClass, trading_date: date, mode: str, at: datetime, *, trade: bool = True
    ) -> None:
        """A run has begun; without `trade` it is a mere plan."""
        ...

    def finish_run(self, report: SessionReport) -> None:
        """Store the report and close the run; a second report for a run replaces nothing and raises."""
        ...

    def unreported(self, kind: AssetClass) -> Sequence[Begun]:
        """Runs of a kind that have begun and have no report, oldest first: going on, or dead without a word."""
        ...

    def last_reports(self, limit: int = 3) -> Sequence[SessionReport]:
        """The newest reports, newest first."""
        ...

    def ended(self, limit: int = 30) -> Sequence[Ended]:
        """The newest runs that have a report, plans too, newest first; cheap, whatever the size of their reports."""
        ...

    def report(self, run_id: str) -> SessionReport | None:
        """A run's report, None while it has none."""
        ...

    def save_plan(self, plan: Plan) -> None:
        """Keep a plan; one with the same id is replaced, since its decisions are the same."""
        ...

    def plan(self, plan_id: str) -> Plan | None:
        """By its id or an unambiguous beginning of it."""
        ...

    def record_intent(self, intent: Intent, at: datetime) -> None:
        """Durable before it returns. An id that exists already raises: an intent is sent once.

        Raises `LimitBreached` where another session's order of the instrument is not settled.
        """
        ...

    def append(self, event: OrderEvent) -> Ticket:
        """Add one event, book its fill on the owner's position in the same transaction, return the folded ticket.

        Idempotent: the same fill revision or the same status again changes nothing.
        """
        ...

    def ticket(self, intent_id: str) -> Ticket | None: ...

    def tickets(self, intent_ids: Collection[str]) -> Mapping[str, Ticket]:
        """Those of the intents that are in the ledger, by id, with one question."""
        ...

    def events(self, intent_id: str) -> Sequence[OrderEvent]:
        """An intent's whole history, oldest first."""
        ...

    def open_tickets(self, instrument: Instrument | None = None) -> Sequence[Ticket]:
        """Everything that is not terminal, UNKNOWN included; of one instrument or of all."""
        ...

    def tickets_of(self, trading_date: date, kind: AssetClass | None = None) -> Sequence[Ticket]: ...

    def attempts(self, kind: AssetClass, trading_date: date) -> Mapping[tuple[str, str], int]:
        """(instrument key, side) -> number of intents so far that day."""
        ...

    def positions(self, owner: str | None = None) -> Sequence[Position]:
        """What the bot owns, quantities above zero only."""
        ...

    def owned(self, instrument: Instrument) -> Decimal:
        """The bot's quantity of one instrument over all owners, zero when it has none."""
        ...

    def save_equity(self, at: datetime, account_id: str, net_liquidation: Decimal, currency: str) -> None: ...

    def day_start_equity(self, account_id: str, since: datetime) -> Decimal | None:
        """The first equity recorded since an instant (the exchange day's start): the daily loss survives restarts."""
        ...

    def equity(self, account_id: str, since: datetime, limit: int = 1000) -> Sequence[tuple[datetime, Decimal]]:
        """What was recorded since an instant, oldest first; the newest `limit` of it."""
        ...

    def pin_capital(self, account_id: str, day: date, amount: Decimal, currency: str) -> Decimal:
        """Remember the day's investable amount and return it; the first word of a day holds for all its sessions."""
        ...

    def halted(self) -> str:
        """Why trading is halted; '' when it is not."""
        ...

    def halt(self, reason: str, at: datetime, who: str) -> None:
        """Stop all orders until `resume`, over restarts; a second halt keeps the first one's reason."""
        ...

    def resume(self, at: datetime, who: str) -> bool:
        """End the halt; False when there was none."""
        ...

    def stop_day(self, account_id: str, day: date, reason: str, at: datetime) -> None:
        """No new entries for the rest of a trading day (the daily loss); the first reason of a day stays."""
        ...

    def day_stopped(self, account_id: str, day: date) -> str:
        """Why no new entry is made on a trading day; '' when nothing forbids it."""
        ...

    def see_holdings(self, account_id: str, holdings: Sequence[Holding], at: datetime) -> Sequence[Holding]:
        """Keep what the account holds now (all of it) and return what it held when it was last seen, () at first.

        A holding that was looked at before `at` keeps its time: it is what later looks are compared with.
        """
        ...

    def holdings_seen(self, account_id: str) -> Sequence[Holding]:
        """What the account held when it was last seen; changes nothing."""
        ...

    def save_signals(self, run_id: str, signals: Sequence[Signal]) -> None:
        """Keep what the models said in a run, for `explain` and for research."""
        ...

    def was_closed(self, instrument: Instrument, day: date) -> bool:
        """Whether the bot sold the last of an instrument on a trading day."""
        ...

    def audit(self, entry: AuditEntry) -> None:
        """Record a person's word or a change of state, for ever."""
        ...

    def close(self) -> None: ...


class PositionBook(Protocol):
    """The shared book of positions, for everything that trades beside the sessions: who owns what, what closed today.

    What is bought and sold through orders gets here by its executions (`Ledger.append`). `add`, `update` and `remove`
    are a person's word (adoption, split, a sale by hand) and leave an audit line. Raises `LedgerError`.
    """

    def add(self, position: Position, at: datetime, who: str) -> None:
        """A position that the book does not have yet; one that is there already raises."""
        ...

    def remove(self, instrument: Instrument, owner: str, at: datetime, who: str) -> Position:
        """Forget a position and return it; it counts as closed today. None there raises."""
        ...

    def update(self, position: Position, at: datetime, who: str) -> Position:
        """Another quantity (above zero) or cost for a position that is there; returns the one before.

        When it was opened stays.
        """
        ...

    def is_active(self, instrument: Instrument, owner: str | None = None) -> bool: ...

    def get(self, instrument: Instrument, owner: str | None = None) -> Position | None:
        """One position; over all owners together when none is named."""
        ...

    def list(self, owner: str | None = None) -> Sequence[Position]: ...

    def was_closed_today(self, instrument: Instrument, day: date) -> bool:
        """`day` is the exchange's trading day."""
        ...

    def list_closed(self, day: date) -> Sequence[Closed]: ...

    def add_closed(self, instrument: Instrument, owner: str, day: date, at: datetime) -> None:
        """Idempotent."""
        ...

    def clear_closed(self, before: date) -> int:
        """Forget closed positions of days before `before`; how many."""
        ...

    def sync(self, account: Account, at: datetime) -> Sequence[str]:
        """A sentence per instrument of which the account holds less than the book says; changes no position.

        What it holds beyond that is a person's own, and no difference.
        """
        ...


class Claims(Protocol):
    """One at a time, over processes and hosts: leases with fencing numbers and occurrences. Raises `LedgerError`."""

    def claim(self, name: str, holder: str, now: datetime, seconds: float, grace: float = 0.0) -> Lease | None:
        """The lease, or None while another holder's is valid or ended less than `grace` seconds ago.

        Every success raises the fence. The same holder gets it again at once.
        """
        ...

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        """Longer, never shorter. Raises `LeaseLost` when somebody else has it, or it has run out or was given back."""
        ...

    def release(self, lease: Lease, now: datetime) -> None:
        """Give it back at once; of a lost lease nothing happens."""
        ...

    def holder(self, name: str) -> Lease | None:
        """The newest lease of a name, valid or not."""
        ...

    def claim_occurrence(self, occurrence: Occurrence, lease: Lease, now: datetime) -> bool:
        """True for exactly one caller, ever. Raises `LeaseLost` for a lease that is not valid."""
        ...

    def finish_occurrence(self, occurrence: Occurrence, run_id: str, outcome: str, now: datetime) -> None:
        """What came of it; the first word stays. One that was never claimed raises."""
        ...

    def occurrences(self, since: datetime) -> Sequence[Claim]:
        """Those due since an instant, oldest first."""
        ...


class Notifier(Protocol):
    """A way to reach people."""

    def send(self, message: Message, recipients: Collection[str]) -> Mapping[str, Skip | None]:
        """Each recipient on its own: None where it was accepted, a `Skip` with the reason where it was not."""
        ...


class Outbox(Protocol):
    """Letters are stored first and sent after, each address on its own, at least once. Raises `LedgerError`."""

    def post(self, letter: Letter, addresses: Collection[Address]) -> bool:
        """Keep a letter and its ways, due at once; False when there is one of that id, which stays as it is."""
        ...

    def letter(self, letter_id: str) -> Letter | None:
        """With its whole message; None for an unknown id and for one whose body was forgotten."""
        ...

    def due(self, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """What waits, may be tried now and is nobody's: the most urgent first, then the oldest."""
        ...

    def take(self, delivery: Delivery, now: datetime, seconds: float) -> Delivery | None:
        """Begin an attempt: for one caller only, until it is settled or `seconds` have passed; None for the others."""
        ...

    def sent(self, delivery: Delivery, at: datetime) -> None: ...

    def put_off(self, delivery: Delivery, until: datetime, at: datetime, rule: str, reason: str) -> None:
        """It failed and is tried again at `until`."""
        ...

    def give_up(self, delivery: Delivery, at: datetime, rule: str, reason: str) -> None:
        """It is never tried again by itself."""
        ...

    def merge(self, digest: Letter, deliveries: Collection[Delivery], at: datetime) -> bool:
        """Let `digest` go to the one address of these waiting deliveries in their place, all or nothing.

        False, and nothing is changed, when one of them does not wait any more or is somebody's.
        """
        ...

    def retry(self, letter_id: str, at: datetime) -> int:
        """Let what was given up or put off of a letter be tried at once; how many ways."""
        ...

    def waiting(self, now: datetime) -> Waiting: ...

    def deliveries(self, limit: int = 50, *, unsent: bool = False) -> Sequence[Delivery]:
        """The newest, newest first; `unsent` leaves out what was sent or merged."""
        ...

    def forget(self, before: datetime) -> int:
        """Remove letters made before an instant of which nothing waits, with their ways; how many."""
        ...


class AlertBook(Protocol):
    """Which alerts are open, over restarts and over all copies of the service. Raises `LedgerError`."""

    def open(self) -> Sequence[Alert]:
        """Oldest first."""
        ...

    def begin(self, finding: Finding, at: datetime) -> Alert | None:
        """Open an alert; None when one of that key is open: for exactly one caller it is not."""
        ...

    def seen(self, alert: Alert, finding: Finding, at: datetime, times: int = 1) -> None:
        """It was found again, so many times; its words become those of `finding`."""
        ...

    def tell(self, alert: Alert, at: datetime) -> bool:
        """Take the right to tell of it: True for one caller of those who know the same `told_at`."""
        ...

    def end(self, alert: Alert, at: datetime) -> bool:
        """Close it: True for exactly one caller."""
        ...

    def recent(self, limit: int = 50) -> Sequence[Alert]:
        """Open ones and ended ones, the newest first."""
        ...

    def forget(self, before: datetime) -> int:
        """Remove those that ended before an instant; how many. An open one is never forgotten."""
        ...
