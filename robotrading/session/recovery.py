"""Before anything new: settle every ticket that is still open, by what the broker says."""

from __future__ import annotations

from dataclasses import dataclass

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.domain.ports import Broker, Clock, Ledger
from robotrading.domain.skip import Skip
from robotrading.execution.reconcile import Evidence, settle


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: tickets settled in this run, and instruments that stay blocked (key -> sentence)."""

    settled: tuple[Ticket, ...]
    blocked: dict[str, str]

    @property
    def skips(self) -> tuple[Skip, ...]:
        return tuple(Skip(key.split(":")[1], "recover", reason, "open_order") for key, reason in self.blocked.items())


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

    At most one run of a kind lives at a time (see `session/lock.py`), so whatever is open here belongs to a dead run.
    """
    pending = [ticket for ticket in ledger.open_tickets() if ticket.intent.kind is kind]
    if not pending:
        return Recovered((), {})
    evidence = await gather_evidence(broker, clock)
    settled = []
    blocked = {}
    for ticket in pending:
        after = ticket
        for event in settle(ticket, evidence):
            after = ledger.append(event)
        if after.status.terminal:
            settled.append(after)
        else:
            blocked[after.intent.instrument.key] = _blocked(after)
    return Recovered(tuple(settled), blocked)


def _blocked(ticket: Ticket) -> str:
    intent = ticket.intent
    what = f"{intent.side} {intent.quantity.normalize():f} {intent.instrument} ({intent.intent_id})"
    if ticket.status is TicketStatus.UNKNOWN:
        return f"the outcome of {what} is unknown: {ticket.reason}; nothing new is ordered in it until it is settled"
    return f"{what} is still {ticket.status} at the broker; nothing new is ordered in it meanwhile"
