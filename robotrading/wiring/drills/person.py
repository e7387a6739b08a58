"""The person's word on orders in doubt, true to what happened at the exchange.

Entry point: `resolve_all`.
"""

from __future__ import annotations

from decimal import Decimal

from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.execution.word import Word, events_of
from robotrading.wiring.drills.world import DrillWorld

_WHO = "person"


def resolve_all(world: DrillWorld) -> int:
    """Settle every ticket in doubt whose order is at its end; how many."""
    working = {order.request.order_ref for order in world.exchange.open_orders()}
    doubtful = [
        ticket
        for ticket in world.ledger.open_tickets()
        if ticket.status is TicketStatus.UNKNOWN and ticket.intent.intent_id not in working
    ]
    for ticket in doubtful:
        word = _truth(world, ticket)
        history = world.ledger.events(ticket.intent.intent_id)
        for event in events_of(ticket, word, history, world.clock.now()):
            world.ledger.append(event)
        world.tell(f"{ticket.intent.intent_id}: {word.sentence}")
    return len(doubtful)


def _truth(world: DrillWorld, ticket: Ticket) -> Word:
    """What the person reads in the broker's statements: so much was executed of it that is not booked, or nothing."""
    known = {fill.fill_id for fill in ticket.fills}
    mine = [one for one in world.tape.ours() if one.order_ref == ticket.intent.intent_id]
    unbooked = [one for one in mine if one.fill_id not in known and one.quantity]
    quantity = sum((one.quantity for one in unbooked), Decimal(0))
    if not quantity:
        return Word(_WHO)
    value = sum((one.quantity * one.price for one in unbooked), Decimal(0))
    return Word(_WHO, quantity, value / quantity)
