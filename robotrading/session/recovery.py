"""Before anything new: settle every ticket that is still open, by what the broker says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.domain.ports import Broker, Clock, Ledger
from robotrading.domain.skip import Skip
from robotrading.execution.reconcile import Evidence, outstanding, settle


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: tickets settled in this run, and instruments that stay blocked (key -> sentence).

    `strangers` are order references of executions that look like ours and are not in this ledger.
    """

    settled: tuple[Ticket, ...]
    blocked: dict[str, str]
    strangers: tuple[str, ...] = ()

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
    Orders that have ended are looked at too: their last executions or commissions may have come while nobody heard.
    """
    pending = [ticket for ticket in ledger.open_tickets() if ticket.intent.kind is kind]
    if pending:
        evidence = await gather_evidence(broker, clock)
    else:
        evidence = Evidence((), (), await broker.executions(), clock.now())
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
    strangers = _catch_up(kind, ledger, evidence, {ticket.intent.intent_id for ticket in pending})
    return Recovered(tuple(settled), blocked, strangers)


def _catch_up(kind: AssetClass, ledger: Ledger, evidence: Evidence, settled: Collection[str]) -> tuple[str, ...]:
    """Book what the broker tells of this kind's ended orders; the references that this ledger does not know."""
    strangers = []
    told = dict.fromkeys(fill.intent_id for fill in evidence.executions if fill.intent_id)
    known = ledger.tickets([intent_id for intent_id in told if intent_id not in settled])
    for intent_id in told:
        if intent_id in settled:
            continue
        ticket = known.get(intent_id)
        if ticket is None:
            strangers.append(intent_id)
        elif ticket.intent.kind is kind:
            for event in outstanding(ticket, evidence):
                ledger.append(event)
    return tuple(strangers)


def _blocked(ticket: Ticket) -> str:
    intent = ticket.intent
    what = f"{intent.side} {intent.quantity.normalize():f} {intent.instrument} ({intent.intent_id})"
    if ticket.status is TicketStatus.UNKNOWN:
        return f"the outcome of {what} is unknown: {ticket.reason}; nothing new is ordered in it until it is settled"
    return f"{what} is still {ticket.status} at the broker; nothing new is ordered in it meanwhile"
