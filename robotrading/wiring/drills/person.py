"""The person's word on orders in doubt, true to what happened at the exchange.

Entry point: `resolve_all`.
"""

from __future__ import annotations

from decimal import Decimal

from robotrading.domain.orders import EventKind, Fill, OrderEvent, Ticket, TicketStatus
from robotrading.sim.exchange_types import Execution
from robotrading.wiring.drills.world import DrillWorld


def resolve_all(world: DrillWorld) -> int:
    """Settle every ticket in doubt whose order is at its end; how many."""
    working = {order.request.order_ref for order in world.exchange.open_orders()}
    doubtful = [
        ticket
        for ticket in world.ledger.open_tickets()
        if ticket.status is TicketStatus.UNKNOWN and ticket.intent.intent_id not in working
    ]
    for ticket in doubtful:
        _resolve(world, ticket)
    return len(doubtful)


def _resolve(world: DrillWorld, ticket: Ticket) -> None:
    intent_id, now = ticket.intent.intent_id, world.clock.now()
    for execution in world.tape.ours():
        if execution.order_ref == intent_id:
            fill = _fill(world, ticket, execution)
            world.ledger.append(OrderEvent(intent_id, EventKind.FILL, now, fill=fill, reason="a person's word"))
    after = world.ledger.ticket(intent_id)
    if after is not None and not after.status.terminal:
        world.ledger.append(OrderEvent(intent_id, EventKind.CANCELLED, now, reason="a person's word"))
    world.tell(f"the person has resolved {intent_id}")


def _fill(world: DrillWorld, ticket: Ticket, execution: Execution) -> Fill:
    fee = world.exchange.commission(execution.exec_id)
    return Fill(
        fill_id=execution.fill_id,
        intent_id=ticket.intent.intent_id,
        instrument=ticket.intent.instrument,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        at=execution.at,
        revision=execution.revision,
        commission=fee.amount if fee else Decimal(0),
        commission_currency=fee.currency if fee else "",
    )
