"""What is written down of a story while it happens, for the invariants to judge afterwards.

Entry points: `Placement`, `Strike`, `Commitment`, `Sight`, `Run`, `Facts`, and `Tape` (the exchange's side).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, Side, Ticket
from robotrading.domain.report import SessionReport
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import ExchangeEvent, ExchangeOrder, Executed, Execution, OrderChanged
from robotrading.wiring.drills.story import Setting

D = Decimal
OURS = "rt-"
"""How our order references begin."""


@dataclass(frozen=True, slots=True)
class Placement:
    """An order of ours reached the exchange at `at`; `journalled` is its ticket's status by then, '' for no intent."""

    reference: str
    perm_id: int
    instrument: Instrument
    side: Side
    quantity: Decimal
    limit: Decimal | None
    at: datetime
    journalled: str


@dataclass(frozen=True, slots=True)
class Strike:
    """An execution or its correction, as it happened: `seconds` on the world's clock, `at` its true time."""

    execution: Execution
    seconds: float
    at: datetime

    @property
    def ours(self) -> bool:
        return self.execution.order_ref.startswith(OURS)


@dataclass(frozen=True, slots=True)
class Sight:
    """The broker's last answer about the account, as one process got it.

    `hidden` are the keys of which it showed less than there was while the bot owned some.
    """

    account_id: str
    equity: Decimal
    day_start: Decimal | None
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True)
class Commitment:
    """What was true when an intent was put on the disk, the moment before its order leaves.

    `open_tickets` and `working` are earlier orders in its instrument, by the ledger and at the exchange. `owned` is
    what our executions add up to as far as anybody could know, `owned_ledger` what the ledger says of its session.
    `turnover` is what its session has traded and still has at work on that day, `pending_buys` what is at work to be
    bought of the instrument. `quote_age` is of the last trade that the broker told, in seconds; `quote_gap` how far
    the broker's price lay from the true last close, a fraction. `way` is how the source of prices behaved.
    `first_equity` is the day's first in the ledger.
    """

    intent: Intent
    run_id: str
    halted: str
    day_stopped: str
    open_tickets: tuple[str, ...]
    working: tuple[str, ...]
    owned: Decimal
    owned_ledger: Decimal
    pending_buys: Decimal
    turnover: Decimal
    sight: Sight | None
    quote_age: float | None
    quote_gap: Decimal | None
    way: str
    by_plan: bool
    capital: Decimal | None
    first_equity: Decimal | None
    lease_valid: bool


@dataclass(slots=True)
class Run:
    """One process and what became of it. `began` and `ended` on the world's clock."""

    run_id: str
    kind: AssetClass
    began: float
    began_at: datetime
    occurrence: str = ""
    ended: float = 0.0
    killed: str = ""
    error: str = ""
    report: SessionReport | None = None
    concluded: bool = False

    @property
    def recovered(self) -> bool:
        """Whether it has brought the ledger up to date with what the broker told."""
        steps = self.report.steps if self.report else ()
        return any(step.name == "recover" and step.ok for step in steps)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known at one moment."""

    setting: Setting
    placements: Sequence[Placement]
    strikes: Sequence[Strike]
    open_references: frozenset[str]
    commitments: Sequence[Commitment]
    runs: Sequence[Run]
    tickets: Mapping[str, Ticket]
    owned: Mapping[Instrument, Decimal]
    held: Mapping[Instrument, Decimal]
    person: Mapping[Instrument, Decimal]
    reports: Mapping[str, int]
    occurrences: Mapping[str, Sequence[str]]
    surprises: Sequence[str]


@dataclass(slots=True)
class Tape:
    """Hears everything that happens at the exchange. `journalled` asks the disk."""

    exchange: Exchange
    seconds: Callable[[], float]
    now: Callable[[], datetime]
    journalled: Callable[[str], str]
    told: Callable[[str], None]
    placements: list[Placement] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _latest: dict[str, Execution] = field(default_factory=dict)
    _in_time: dict[str, Execution] = field(default_factory=dict)

    def hear(self, event: ExchangeEvent) -> None:
        match event:
            case OrderChanged(order) if order.request.order_ref.startswith(OURS):
                self._order(order)
            case Executed(execution):
                self._strike(execution)

    def _order(self, order: ExchangeOrder) -> None:
        request = order.request
        self.told(f"exchange: {request.order_ref} {order.status} {order.filled}/{order.quantity}")
        if order.perm_id in self._seen:
            return
        self._seen.add(order.perm_id)
        known = self.journalled(request.order_ref)
        self.placements.append(
            Placement(
                request.order_ref,
                order.perm_id,
                request.instrument,
                request.side,
                order.quantity,
                request.limit_price,
                self.now(),
                known,
            )
        )

    def _strike(self, execution: Execution) -> None:
        self.strikes.append(Strike(execution, self.seconds(), self.now()))
        self._latest[execution.fill_id] = execution
        if self.now().date() == execution.at.date():
            self._in_time[execution.fill_id] = execution
        self.told(
            f"exchange: {execution.order_ref or 'the person'} {execution.side} {execution.quantity} "
            f"{execution.instrument} at {execution.price} ({execution.exec_id})"
        )

    def ours(self) -> list[Execution]:
        """The latest revisions of our executions."""
        return [one for one in self._latest.values() if one.order_ref.startswith(OURS)]

    def owned(self, instrument: Instrument) -> Decimal:
        """What our executions of it add up to."""
        mine = (one for one in self.ours() if one.instrument == instrument)
        return sum((one.quantity * one.side.sign for one in mine), D(0))

    def knowable(self, instrument: Instrument) -> Decimal:
        """The same, without corrections that came on a later day: the broker tells of no past day's executions."""
        mine = (one for one in self._in_time.values() if one.order_ref.startswith(OURS))
        return sum((one.quantity * one.side.sign for one in mine if one.instrument == instrument), D(0))

    def working(self, instrument: Instrument) -> list[ExchangeOrder]:
        """Our orders that are open at the exchange."""
        return [
            order
            for order in self.exchange.open_orders()
            if order.request.order_ref.startswith(OURS) and order.request.instrument == instrument
        ]
