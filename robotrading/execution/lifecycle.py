"""The law of a ticket: which status may follow which, and how executions add up.

Entry points: `fold` (one event on one ticket), `replay` (a whole history), `awaits_executions`, `person_fill_id`.
Invariants: folding never loses an execution; the same event twice changes nothing; only executions make a ticket
FILLED, the broker's word alone does not; nothing but the broker's or a person's answer leads out of UNKNOWN; what a
person said was executed gives way to the broker's own executions, unit by unit, and never stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, Ticket, TicketStatus

_S = TicketStatus
_K = EventKind

MOVES: dict[TicketStatus, dict[EventKind, TicketStatus]] = {
    _S.PLANNED: {
        _K.SENT: _S.SENT,
        # An answer may reach us before our own note that the order left, when a crash fell between the two.
        _K.ACKNOWLEDGED: _S.WORKING,
        _K.CANCELLED: _S.CANCELLED,
        _K.REJECTED: _S.REJECTED,
        _K.UNKNOWN: _S.UNKNOWN,
    },
    _S.SENT: {
        _K.ACKNOWLEDGED: _S.WORKING,
        _K.CANCELLED: _S.CANCELLED,
        _K.REJECTED: _S.REJECTED,
        _K.UNKNOWN: _S.UNKNOWN,
    },
    _S.WORKING: {
        _K.CANCELLED: _S.CANCELLED,
        # Interactive Brokers rejects working orders too: `Inactive` after a margin check at the open.
        _K.REJECTED: _S.REJECTED,
        _K.UNKNOWN: _S.UNKNOWN,
    },
    _S.PARTIAL: {
        _K.CANCELLED: _S.CANCELLED,
        _K.REJECTED: _S.CANCELLED,
        _K.UNKNOWN: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        _K.ACKNOWLEDGED: _S.WORKING,
        _K.CANCELLED: _S.CANCELLED,
        _K.REJECTED: _S.REJECTED,
    },
    # A cancel that the broker takes back: 10349 shows a live order as cancelled, a refused modification does too.
    _S.CANCELLED: {_K.ACKNOWLEDGED: _S.WORKING},
    # 321 and 10268 on an order that lives all the same.
    _S.REJECTED: {_K.ACKNOWLEDGED: _S.WORKING},
    _S.FILLED: {},
}
"""Status -> event -> next status. What is not listed leaves the status as it is. Fills are folded by `_with_fill`."""

_WITH_FILLS = {_S.WORKING: _S.PARTIAL, _S.REJECTED: _S.CANCELLED}
"""What a status is called when some of the order was executed: nothing is 'rejected' that has traded."""

_PERSON = "person-"
"""How the ids of executions begin that a person told; the broker's begin with hexadecimal digits."""

_TOLD_FILLED = "the broker reports it filled; executions are outstanding"


def fold(ticket: Ticket, event: OrderEvent) -> Ticket:
    """The ticket after one event; the very same object when the event says nothing new.

    Raises ValueError when the event belongs to another intent.
    """
    if event.intent_id != ticket.intent.intent_id:
        raise ValueError(f"event of {event.intent_id} folded on ticket {ticket.intent.intent_id}")
    after = _with_fill(ticket, event.fill, event.reason) if event.fill is not None else _with_status(ticket, event)
    if event.broker_id and not after.broker_id:
        after = replace(after, broker_id=event.broker_id)
    if event.protected is not None and after.protected is None:
        after = replace(after, protected=event.protected)
    return ticket if after == ticket else replace(after, updated_at=event.at)


def replay(intent: Intent, events: Iterable[OrderEvent]) -> Ticket:
    """The ticket after a whole history."""
    ticket = Ticket(intent)
    for event in events:
        ticket = fold(ticket, event)
    return ticket


def _with_status(ticket: Ticket, event: OrderEvent) -> Ticket:
    if event.kind is EventKind.CANCEL_SENT:
        return replace(ticket, cancel_sent=True)
    if event.kind is EventKind.FILLED:
        return _told_filled(ticket)
    status = MOVES[ticket.status].get(event.kind, ticket.status)
    if status is ticket.status:
        return _better_explained(ticket, event)
    if ticket.fills:
        status = _WITH_FILLS.get(status, status)
    return replace(ticket, status=status, reason=event.reason, code=event.code)


def _better_explained(ticket: Ticket, event: OrderEvent) -> Ticket:
    """What is in doubt stays so; the newest reason says most about it."""
    if ticket.status is TicketStatus.UNKNOWN and event.kind is EventKind.UNKNOWN and event.reason:
        return replace(ticket, reason=event.reason, code=event.code)
    return ticket


def _told_filled(ticket: Ticket) -> Ticket:
    """The broker says 'filled'. Until the executions prove it the ticket stays open, and says what is missing."""
    if ticket.status is TicketStatus.FILLED:
        return ticket
    status = TicketStatus.PARTIAL if ticket.fills else TicketStatus.WORKING
    return replace(ticket, status=status, reason=_TOLD_FILLED)


def awaits_executions(ticket: Ticket) -> bool:
    """Whether the broker has said 'filled' and the executions do not prove it yet."""
    return ticket.reason == _TOLD_FILLED and not ticket.status.terminal


def _with_fill(ticket: Ticket, fill: Fill, reason: str) -> Ticket:
    fills = merge_fill(ticket.fills, _within(ticket, fill) if by_person(fill) else fill)
    if fills == ticket.fills:
        return ticket
    after = replace(ticket, fills=fills)
    if after.filled >= ticket.intent.quantity:
        said = reason if by_person(fill) else ""
        return replace(after, status=TicketStatus.FILLED, reason=said, code=None)
    if after.filled == ticket.filled:
        return after  # a commission or a better price: it says nothing about what is left of the order
    if ticket.status in (TicketStatus.CANCELLED, TicketStatus.FILLED):
        return after
    return replace(after, status=TicketStatus.PARTIAL)


def _within(ticket: Ticket, fill: Fill) -> Fill:
    """A person's word may come too late: it never adds more than the order has left."""
    return replace(fill, quantity=min(fill.quantity, max(ticket.intent.quantity - ticket.filled, Decimal(0))))


def person_fill_id(ticket: Ticket) -> str:
    """The id of the next execution that a person tells of an order, e.g. `person-rt-eq-20250926-AAPL-B-1-1`."""
    return f"{_PERSON}{ticket.intent.intent_id}-{1 + sum(1 for fill in ticket.fills if by_person(fill))}"


def by_person(fill: Fill) -> bool:
    """Whether a person told of this execution, and not the broker."""
    return fill.fill_id.startswith(_PERSON)


def merge_fill(fills: tuple[Fill, ...], fill: Fill) -> tuple[Fill, ...]:
    """The executions with one more, each counted once.

    The highest revision counts; a commission that it does not bring along is taken from any other. What the broker
    tells takes the place of what a person told before, as far as it reaches.
    """
    known = next((old for old in fills if old.fill_id == fill.fill_id), None)
    if known is None:
        if by_person(fill):
            return (*fills, fill) if fill.quantity else fills
        return (*_given_way(fills, fill.quantity), fill)
    if by_person(fill):
        return fills  # told once; what is left of it is what the broker has not confirmed
    latest, other = (known, fill) if fill.revision < known.revision else (fill, known)
    if latest.commission is None:
        latest = replace(latest, commission=other.commission, commission_currency=other.commission_currency)
    merged = tuple(latest if old.fill_id == fill.fill_id else old for old in fills)
    return _given_way(merged, latest.quantity - known.quantity)


def _given_way(fills: tuple[Fill, ...], told: Decimal) -> tuple[Fill, ...]:
    """A person's executions with `told` units less, because the broker has told of those itself."""
    kept = []
    for fill in fills:
        if by_person(fill) and told > 0:
            less = min(fill.quantity, told)
            told -= less
            fill = replace(fill, quantity=fill.quantity - less, revision=fill.revision + bool(less))  # noqa: PLW2901
        kept.append(fill)
    return tuple(kept)
