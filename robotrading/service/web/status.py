"""`Facts` as the JSON document of `/status`: names that stay, nothing secret.

Entry points: `status_document`, `Hidden`.
Invariants: money and quantities are texts of decimals, instants UTC; account ids are masked wherever they stand, and so
is a password in the ledger's address. A field is never renamed or removed within a `version`; new ones may come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from robotrading.adapters.notify.report.words import clean, hide_accounts, mask
from robotrading.domain.alerts import Alert
from robotrading.domain.book import Holding, Position
from robotrading.domain.orders import Ticket
from robotrading.service.facts import BrokerFacts, Facts, LastRun, SessionFacts
from robotrading.service.health import Health
from robotrading.service.supervisor import Standing

VERSION = 1
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run that has ended."""

    run_id: str
    mode: str
    trading_date: date
    started_at: datetime
    finished_at: datetime
    outcome: str
    verdict: str
    newest_bar: date | None
    bars_behind: int | None
    recovered: bool
    orders: int
    filled: int
    skips: int
    regimes: dict[str, int]
    weights: dict[str, WeightLine]


@dataclass(frozen=True, slots=True)
class WeightLine:
    """Fractions of the session's budget."""

    now: float
    target: float


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session."""

    kind: str
    enabled: bool
    schedule: str
    deadline_seconds: float
    next_due: datetime | None
    running_since: datetime | None
    running_run: str
    step: str
    last: RunLine | None
    last_good_at: datetime | None
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """A long-running program."""

    name: str
    state: str
    pid: int
    since: datetime | None
    restarts: int
    last_end: str
    next_start: datetime | None


@dataclass(frozen=True, slots=True)
class BrokerLine:
    """The last look at the broker."""

    state: str
    account: str
    paper: bool
    since: datetime | None
    seen_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class PositionLine:
    """What the bot owns of an instrument."""

    symbol: str
    session: str
    quantity: Decimal
    avg_cost: Decimal
    currency: str
    opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """What the account holds of an instrument, and how much of it the bot leaves alone."""

    symbol: str
    held: Decimal
    owned: Decimal
    protected: Decimal
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order that has not ended; `blocks` when nobody knows its end."""

    intent_id: str
    session: str
    symbol: str
    side: str
    quantity: Decimal
    filled: Decimal
    status: str
    blocks: bool
    updated_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert that is open. `told_at` is None while nobody was told."""

    rule: str
    subject: str
    urgency: str
    found: str
    remedy: str
    raised_at: datetime
    seen_at: datetime
    told_at: datetime | None
    times: int


@dataclass(frozen=True, slots=True)
class EquityLine:
    """Net liquidation value at an instant."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `/status` says."""

    version: int
    at: datetime
    started_at: datetime
    program: str
    mode: str
    ledger: str
    holder: str
    stopping: bool
    healthy: bool
    sentence: str
    halted: str
    day_stopped: str
    schedule_trouble: str
    currency: str
    broker: BrokerLine
    sessions: tuple[SessionLine, ...]
    programs: tuple[ProgramLine, ...]
    owned: tuple[PositionLine, ...]
    held: tuple[HoldingLine, ...]
    open_orders: tuple[OrderLine, ...]
    equity: tuple[EquityLine, ...]
    closed_today: int
    breakers: dict[str, bool]
    waiting_mails: int
    alerts: tuple[AlertLine, ...]
    ledger_trouble: str
    ledger_read_at: datetime | None
    ledger_bytes: int
    free_bytes: int | None


class Hidden:
    """Takes out of foreign text what is nobody's business: account ids and logins, and makes it one line."""

    def __init__(self, facts: Facts) -> None:
        lease = facts.book.lease
        leased = lease.name.partition(":")[2] if lease else ""
        self._known = {one for one in (facts.broker.account_id, leased) if one}

    def __call__(self, text: str) -> str:
        return hide_accounts(_LOGIN.sub("***@", clean(text)), self._known)


def status_document(facts: Facts, health: Health) -> Status:
    """The whole document."""
    hide, book = Hidden(facts), facts.book
    return Status(
        version=VERSION,
        at=facts.at,
        started_at=facts.started_at,
        program=facts.version,
        mode=facts.mode,
        ledger=hide(facts.place),
        holder=hide(facts.holder),
        stopping=facts.stopping,
        healthy=health.healthy,
        sentence=hide(health.sentence),
        halted=hide(book.halted),
        day_stopped=hide(book.day_stopped),
        schedule_trouble=hide(facts.schedule_trouble),
        currency=book.currency,
        broker=_broker(facts.broker, hide),
        sessions=tuple(_session(one, hide) for one in facts.sessions),
        programs=tuple(_program(one, hide) for one in facts.programs),
        owned=tuple(_position(one) for one in book.owned),
        held=tuple(_holding(one) for one in book.held),
        open_orders=tuple(_order(one, hide) for one in book.open_tickets),
        equity=tuple(EquityLine(one.at, one.value) for one in book.equity),
        closed_today=book.closed_today,
        breakers=facts.breakers,
        waiting_mails=facts.waiting_mails,
        alerts=tuple(_alert(one, hide) for one in facts.alerts),
        ledger_trouble=hide(book.trouble),
        ledger_read_at=book.read_at,
        ledger_bytes=book.size_bytes,
        free_bytes=facts.free_bytes,
    )


def _alert(one: Alert, hide: Hidden) -> AlertLine:
    subject = one.key.partition(":")[2]
    words = (one.rule, hide(subject), one.urgency.value, hide(one.found), hide(one.remedy))
    return AlertLine(*words, one.raised_at, one.seen_at, one.told_at, one.times)


def _broker(one: BrokerFacts, hide: Hidden) -> BrokerLine:
    account = mask(one.account_id) if one.account_id else ""
    return BrokerLine(one.state.value, account, one.paper, one.since, one.seen_at, hide(one.reason))


def _session(one: SessionFacts, hide: Hidden) -> SessionLine:
    return SessionLine(
        kind=one.kind.value,
        enabled=one.enabled,
        schedule=one.schedule,
        deadline_seconds=one.deadline,
        next_due=one.next_due,
        running_since=one.running_since,
        running_run=one.running_run,
        step=one.step,
        last=_run(one.last, hide) if one.last else None,
        last_good_at=one.last_good_at,
        missed=tuple(hide(sentence) for sentence in one.missed),
    )


def _run(one: LastRun, hide: Hidden) -> RunLine:
    return RunLine(
        run_id=one.run_id,
        mode=one.mode,
        trading_date=one.trading_date,
        started_at=one.started_at,
        finished_at=one.finished_at,
        outcome=one.outcome.value,
        verdict=hide(one.verdict),
        newest_bar=one.newest_bar,
        bars_behind=one.bars_behind,
        recovered=one.recovered,
        orders=one.orders,
        filled=one.filled,
        skips=one.skips,
        regimes={share.label: share.instruments for share in one.regimes},
        weights={pair.symbol: WeightLine(pair.now, pair.target) for pair in one.weights},
    )


def _program(one: Standing, hide: Hidden) -> ProgramLine:
    return ProgramLine(one.name, one.state.value, one.pid, one.since, one.restarts, hide(one.last_end), one.next_start)


def _position(one: Position) -> PositionLine:
    thing = one.instrument
    return PositionLine(thing.symbol, one.owner, one.quantity, one.avg_cost, thing.currency, one.opened_at)


def _holding(one: Holding) -> HoldingLine:
    return HoldingLine(one.instrument.symbol, one.quantity, one.owned, one.protected, one.at)


def _order(one: Ticket, hide: Hidden) -> OrderLine:
    intent = one.intent
    return OrderLine(
        intent_id=intent.intent_id,
        session=intent.kind.value,
        symbol=intent.instrument.symbol,
        side=intent.side.value,
        quantity=intent.quantity,
        filled=one.filled,
        status=one.status.value,
        blocks=one.status.value == "unknown",
        updated_at=one.updated_at,
        reason=hide(one.reason),
    )
