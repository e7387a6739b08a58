"""Before anything new: settle every ticket that is still open, by what the broker says.

Entry points: `recover`, `gather_evidence`. The law of it is `execution/reconcile.py`; for people: docs/recovery.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from robotrading.domain.book import Account
from robotrading.domain.errors import BrokerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import EventKind, OrderEvent, Ticket, TicketStatus
from robotrading.domain.ports import Broker, Clock, Ledger
from robotrading.domain.skip import Skip
from robotrading.execution.holdings import unbelievable, worth_more
from robotrading.execution.reconcile import Around, Evidence, day_over, listed, outstanding, settle
from robotrading.execution.strangers import Stranger, strangers

_ALIVE = (TicketStatus.WORKING, TicketStatus.PARTIAL)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: tickets settled in this run, and instruments that stay blocked (key -> sentence).

    `strange` are instruments of this session's orders that are not in this ledger. `elsewhere` are instruments in which
    another session has an order open: that session settles it, this one keeps its hands off.
    """

    settled: tuple[Ticket, ...]
    blocked: dict[str, str]
    strange: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)

    @property
    def skips(self) -> tuple[Skip, ...]:
        return _skips(self.blocked, "open_order") + _skips(self.strange, "unknown_order")

    @property
    def forbidden(self) -> dict[str, str]:
        """All instruments in which nothing may be ordered now."""
        return {**self.elsewhere, **self.strange, **self.blocked}


def _skips(reasons: dict[str, str], rule: str) -> tuple[Skip, ...]:
    return tuple(Skip(key.split(":")[1], "recover", reason, rule) for key, reason in reasons.items())


async def gather_evidence(broker: Broker, clock: Clock) -> Evidence:
    """Ask for open orders, completed orders and executions. Raises `BrokerUnavailable`: silence proves nothing.

    Executions are asked last, so that an order that ends in between shows up with its executions.
    """
    open_orders = await broker.open_orders()
    completed = await broker.completed_orders()
    executions = await broker.executions()
    return Evidence(open_orders, completed, executions, clock.now())


async def recover(kind: AssetClass, broker: Broker, ledger: Ledger, clock: Clock) -> Recovered:
    """Settle what this session kind left open. Other kinds' tickets are theirs: they may be running just now.

    At most one run of a kind lives at a time, so whatever is open here belongs to a dead run. Orders that have ended
    are looked at too: their last executions or commissions may have come while nobody heard, and one of them may be
    alive at the broker all the same. Raises `BrokerUnavailable` when the lists are not to be had.
    """
    pending = [ticket for ticket in ledger.open_tickets() if ticket.intent.kind is kind]
    evidence = await _asked(broker, ledger, clock, pending)
    caught_up = _catch_up(kind, ledger, evidence, {ticket.intent.intent_id for ticket in pending})
    settled = []
    for ticket in pending:
        after = ticket
        for event in settle(ticket, evidence, _around(ledger, ticket, caught_up.unbooked)):
            after = ledger.append(event)
        if after.status.terminal:
            settled.append(after)
    blocked: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for ticket in ledger.open_tickets():
        key, mine = ticket.intent.instrument.key, ticket.intent.kind is kind
        (blocked if mine else elsewhere)[key] = _blocked(ledger, ticket)
    strange: dict[str, str] = {}
    for one in caught_up.strange:
        owned = sum((p.quantity for p in ledger.positions(one.kind) if p.instrument == one.instrument), Decimal(0))
        (strange if one.kind in {kind, None} else elsewhere)[one.instrument.key] = one.sentence(owned)
    return Recovered(tuple(settled), blocked, strange, elsewhere)


async def _asked(broker: Broker, ledger: Ledger, clock: Clock, pending: Sequence[Ticket]) -> Evidence:
    """All lists where an order is in doubt, and the account after them where a day is over; else what is cheap."""
    if not pending:
        return Evidence(await broker.open_orders(), (), await broker.executions(), clock.now())
    evidence = await gather_evidence(broker, clock)
    if any(day_over(ticket.intent, evidence.at) for ticket in pending):
        return replace(evidence, account=await _account(broker, ledger))
    return evidence


async def _account(broker: Broker, ledger: Ledger) -> Account | None:
    """The account as a witness: None when it is silent, or when its positions cannot be all there are."""
    try:
        account = await broker.account()
    except BrokerError:
        return None
    doubted = unbelievable(account, ledger.positions(), ledger.open_tickets()) or worth_more(account)
    return None if doubted else account


def _around(ledger: Ledger, ticket: Ticket, unbooked: dict[str, str]) -> Around:
    instrument = ticket.intent.instrument
    others = (other.intent.intent_id for other in ledger.open_tickets(instrument))
    open_too = next((other for other in others if other != ticket.intent.intent_id), "")
    return Around(ledger.owned(instrument), open_too or unbooked.get(instrument.key, ""))


@dataclass(frozen=True, slots=True)
class _CaughtUp:
    """`unbooked`: instrument key -> reference of executions that the broker tells of and nobody may book here."""

    strange: tuple[Stranger, ...]
    unbooked: dict[str, str]


def _catch_up(kind: AssetClass, ledger: Ledger, evidence: Evidence, pending: Collection[str]) -> _CaughtUp:
    """Book what the broker tells of this kind's ended orders; find those that this ledger does not know."""
    told = {fill.intent_id: fill.instrument for fill in evidence.executions if fill.intent_id}
    listed_too = (order.intent_id for order in evidence.open_orders if order.intent_id)
    known = ledger.tickets([one for one in dict.fromkeys([*told, *listed_too]) if one not in pending])
    unbooked = {}
    for intent_id, instrument in told.items():
        ticket = known.get(intent_id)
        if intent_id in pending:
            continue
        if ticket is None or (ticket.intent.kind is not kind and outstanding(ticket, evidence)):
            unbooked[instrument.key] = intent_id
    for ticket in known.values():
        if ticket.intent.kind is kind:
            _append(ledger, (*outstanding(ticket, evidence), *_living(ticket, evidence)))
    return _CaughtUp(strangers(evidence, {*known, *pending}), unbooked)


def _living(ticket: Ticket, evidence: Evidence) -> Iterable[OrderEvent]:
    """The word that an order which has ended for us works at the broker all the same (a person's word, an old disk)."""
    found = listed(ticket, evidence.open_orders)
    if found is not None and found.status in _ALIVE:
        yield OrderEvent(ticket.intent.intent_id, EventKind.ACKNOWLEDGED, evidence.at, broker_id=found.broker_id)


def _append(ledger: Ledger, events: Iterable[OrderEvent]) -> None:
    for event in events:
        ledger.append(event)


def _blocked(ledger: Ledger, ticket: Ticket) -> str:
    intent = ticket.intent
    what = f"{intent.side} {_plain(intent.quantity)} {intent.instrument} ({intent.intent_id})"
    if ticket.status is not TicketStatus.UNKNOWN:
        return f"{what} is still {ticket.status} at the broker; nothing new is ordered in it meanwhile"
    since = f"{ledger.events(intent.intent_id)[0].at:%Y-%m-%d %H:%M} UTC"
    how = "" if "robotrading resolve" in ticket.reason else f", or you with `robotrading resolve {intent.intent_id}`"
    return (
        f"the outcome of {what}, sent {since}, is unknown: {ticket.reason}; nothing new is ordered in it until the "
        f"broker settles it{how}"
    )


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
