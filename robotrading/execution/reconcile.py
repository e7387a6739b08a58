"""What the broker's lists say about an open ticket.

Entry points: `settle` (an open ticket), `outstanding` (executions, of ended tickets too). Pure: the shell asks the
broker, this decides.
Invariants: an execution the broker tells of is always booked; a ticket ends only on positive evidence (a completed
order, enough executions, or the knowledge that the order never left); silence leads to UNKNOWN, never to REJECTED.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from robotrading.domain.orders import BrokerOrder, EventKind, Fill, OrderEvent, Ticket, TicketStatus
from robotrading.execution.lifecycle import fold


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the broker answered, complete at `at`."""

    open_orders: Sequence[BrokerOrder]
    completed_orders: Sequence[BrokerOrder]
    executions: Sequence[Fill]
    at: datetime


_ENDS = {TicketStatus.CANCELLED: EventKind.CANCELLED, TicketStatus.REJECTED: EventKind.REJECTED}


def settle(ticket: Ticket, evidence: Evidence) -> tuple[OrderEvent, ...]:
    """The events that bring a ticket up to date, in order; empty when there is nothing new."""
    if ticket.status is TicketStatus.PLANNED and not _traces(ticket, evidence):
        return (_event(ticket, EventKind.CANCELLED, evidence, "it was never sent: the run ended before"),)
    after, news = _folded(ticket, outstanding(ticket, evidence))
    if after.status.terminal:
        return news
    return news + _folded(after, (_word(after, evidence),))[1]


def _traces(ticket: Ticket, evidence: Evidence) -> bool:
    """Whether the broker knows of an order that our journal never sent: then the journal is the one that errs."""
    orders = (order.intent_id for order in (*evidence.open_orders, *evidence.completed_orders))
    return ticket.intent.intent_id in (*orders, *(fill.intent_id for fill in evidence.executions))


def outstanding(ticket: Ticket, evidence: Evidence) -> tuple[OrderEvent, ...]:
    """The executions, corrections and commissions that the broker tells of and the ticket does not have yet."""
    intent_id = ticket.intent.intent_id
    known = {fill.fill_id for fill in ticket.fills}
    told = [fill for fill in evidence.executions if fill.intent_id == intent_id]
    # Corrections first: a total with an execution's old quantity in it must not end the ticket.
    told.sort(key=lambda fill: (fill.fill_id not in known, -fill.revision))
    return _folded(ticket, (OrderEvent(intent_id, EventKind.FILL, fill.at, fill=fill) for fill in told))[1]


def _folded(ticket: Ticket, events: Iterable[OrderEvent]) -> tuple[Ticket, tuple[OrderEvent, ...]]:
    """The ticket after the events, and those of them that changed it."""
    news = []
    for event in events:
        after = fold(ticket, event)
        if after is not ticket:
            news.append(event)
        ticket = after
    return ticket, tuple(news)


def _word(ticket: Ticket, evidence: Evidence) -> OrderEvent:
    """What the order lists say of a ticket that its executions did not end."""
    intent_id = ticket.intent.intent_id
    working = next((order for order in evidence.open_orders if order.intent_id == intent_id), None)
    if working is not None:
        return _event(ticket, EventKind.ACKNOWLEDGED, evidence, "", working.broker_id)
    ended = next((order for order in evidence.completed_orders if order.intent_id == intent_id), None)
    if ended is None:
        return _event(
            ticket,
            EventKind.UNKNOWN,
            evidence,
            "the broker lists it neither as open nor as completed, and tells of no execution",
        )
    done = ended.status is TicketStatus.FILLED
    if done and ticket.filled and ended.filled == ticket.filled:
        # Sized in cash, an order is complete at another quantity than was reckoned.
        why = f"the broker completed it with {ticket.filled.normalize():f}, and all of that is booked"
        return _event(ticket, EventKind.CANCELLED, evidence, why, ended.broker_id)
    if done or ended.filled > ticket.filled:
        missing = max(ended.filled, ticket.intent.quantity) - ticket.filled
        why = f"the broker completed it, but its executions for {missing.normalize():f} are missing"
        return _event(ticket, EventKind.UNKNOWN, evidence, why, ended.broker_id)
    kind = _ENDS.get(ended.status, EventKind.UNKNOWN)
    return _event(ticket, kind, evidence, ended.reason or "found among the completed orders", ended.broker_id)


def _event(ticket: Ticket, kind: EventKind, evidence: Evidence, reason: str, broker_id: int = 0) -> OrderEvent:
    return OrderEvent(ticket.intent.intent_id, kind, evidence.at, broker_id=broker_id, reason=reason)
