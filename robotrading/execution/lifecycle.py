"""The law of a ticket: which status may follow which, and how executions add up.

Entry points: `fold` (one event on one ticket), `replay` (a whole history), `awaits_executions`.
Invariants: folding never loses an execution; the same event twice changes nothing; only executions make a ticket
FILLED, the broker's word alone does not; nothing but the broker's or a person's answer leads out of UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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

_TOLD_FILLED = "the broker reports it filled; executions are outstanding"


def fold(ticket: Ticket, event: OrderEvent) -> Ticket:
    """The ticket after one event; the very same object when the event says nothing new.

    Raises ValueError when the event belongs to another intent.
    """
    if event.intent_id != ticket.intent.intent_id:
        raise ValueError(f"event of {event.intent_id} folded on ticket {ticket.intent.intent_id}")
    after = _with_fill(ticket, event.fill) if event.fill is not None else _with_status(ticket, event)
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
        return ticket
    if ticket.fills:
        status = _WITH_FILLS.get(status, status)
    return replace(ticket, status=status, reason=event.reason, code=event.code)


def _told_filled(ticket: Ticket) -> Ticket:
    """The broker says 'filled'. Until the executions prove it the ticket stays open, and says what is missing."""
    if ticket.status is TicketStatus.FILLED:
        return ticket
    status = TicketStatus.PARTIAL if ticket.fills else TicketStatus.WORKING
    return replace(ticket, status=status, reason=_TOLD_FILLED)


def awaits_executions(ticket: Ticket) -> bool:
    """Whether the broker has said 'filled' and the executions do not prove it yet."""
    return ticket.reason == _TOLD_FILLED and not ticket.status.terminal


def _with_fill(ticket: Ticket, fill: Fill) -> Ticket:
    fills = merge_fill(ticket.fills, fill)
    if fills == ticket.fills:
        return ticket
    after = replace(ticket, fills=fills)
    if after.filled >= ticket.intent.quantity:
        return replace(after, status=TicketStatus.FILLED, reason="", code=None)
    if after.filled == ticket.filled:
        return after  # a commission or a better price: it says nothing about what is left of the order
    if ticket.status in (TicketStatus.CANCELLED, TicketStatus.FILLED):
        return after
    return replace(after, status=TicketStatus.PARTIAL)


def merge_fill(fills: tuple[Fill, ...], fill: Fill) -> tuple[Fill, ...]:
    """The executions with one more, each counted once.

    The highest revision counts; a commission that it does not bring along is taken from any other.
    """
    known = next((old for old in fills if old.fill_id == fill.fill_id), None)
    if known is None:
        return (*fills, fill)
    latest, other = (known, fill) if fill.revision < known.revision else (fill, known)
    if latest.commission is None:
        latest = replace(latest, commission=other.commission, commission_currency=other.commission_currency)
    return tuple(latest if old.fill_id == fill.fill_id else old for old in fills)
