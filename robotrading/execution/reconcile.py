"""What the broker's lists say about an open ticket.

Entry point: `settle`. Pure: the shell asks the broker, this decides.
Invariants: an execution the broker tells of is always booked; a ticket ends only on positive evidence (a completed
order, enough executions, or the knowledge that the order never left); silence leads to UNKNOWN, never to REJECTED.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    if ticket.status is TicketStatus.PLANNED:
        return (_event(ticket, EventKind.CANCELLED, evidence, "it was never sent: the run ended before"),)
    events = [_fill_event(ticket, fill) for fill in evidence.executions if fill.intent_id == ticket.intent.intent_id]
    after = ticket
    for event in events:
        after = fold(after, event)
    if not after.status.terminal:
        events.append(_word(after, evidence))
    return tuple(events)


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
    if ended.status is TicketStatus.FILLED or ended.filled > ticket.filled:
        return _event(
            ticket,
            EventKind.UNKNOWN,
            evidence,
            f"the broker completed it, but its executions for {ticket.intent.quantity - ticket.filled:f} are missing",
            ended.broker_id,
        )
    kind = _ENDS.get(ended.status, EventKind.UNKNOWN)
    return _event(ticket, kind, evidence, ended.reason or "found among the completed orders", ended.broker_id)


def _event(ticket: Ticket, kind: EventKind, evidence: Evidence, reason: str, broker_id: int = 0) -> OrderEvent:
    return OrderEvent(ticket.intent.intent_id, kind, evidence.at, broker_id=broker_id, reason=reason)


def _fill_event(ticket: Ticket, fill: Fill) -> OrderEvent:
    return OrderEvent(ticket.intent.intent_id, EventKind.FILL, fill.at, fill=fill)
