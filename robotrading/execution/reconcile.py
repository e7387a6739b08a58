"""What the broker's lists and positions say about an open ticket.

Entry points: `settle` (an open ticket), `outstanding` (executions, of ended tickets too), `day_over`, `listed`. Pure:
the shell asks the broker, this decides.
Invariants: an execution the broker tells of is always booked; a ticket ends only on positive evidence (a completed
order, enough executions, the knowledge that the order never left, or positions that prove after its day that nothing
was executed); silence leads to UNKNOWN, never to REJECTED. Orders are matched by their reference, and by the permanent
id where the reference was lost; never by the order id, which rolls back and is used again.
Why positions may speak, and when: docs/adr/0015.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.domain.book import Account
from robotrading.domain.orders import (
    BrokerOrder,
    EventKind,
    Fill,
    Intent,
    OrderEvent,
    Ticket,
    TicketStatus,
    TimeInForce,
)
from robotrading.execution.lifecycle import fold
from robotrading.execution.reentry import exchange_day

_SETTLED_BY_THEN = timedelta(hours=6)
"""How long after midnight of the exchange a day's orders are surely gone and its executions surely in the positions:
past the extended hours, the broker's nightly reset and the gateway's restart."""

_ASLEEP = (
    "the broker lists it among the open orders as inactive: it does not work, and may come alive (shares are located "
    "for it, or TWS asks a person to send it on), so cancel it there"
)
_SILENCE = "the broker lists it neither as open nor as completed, and tells of no execution"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the broker answered; the lists complete at `at`. `account` was read after them, None: not asked."""

    open_orders: Sequence[BrokerOrder]
    completed_orders: Sequence[BrokerOrder]
    executions: Sequence[Fill]
    at: datetime
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What the ledger knows around a ticket: the bot's own quantity of its instrument, over all owners.

    `unsettled` names what else may have moved the instrument and is not booked yet (another open order), '' if nothing.
    """

    owned: Decimal
    unsettled: str = ""


_ENDS = {TicketStatus.CANCELLED: EventKind.CANCELLED, TicketStatus.REJECTED: EventKind.REJECTED}


def settle(ticket: Ticket, evidence: Evidence, around: Around | None = None) -> tuple[OrderEvent, ...]:
    """The events that bring a ticket up to date, in order; empty when there is nothing new.

    Without `around` the positions are not looked at.
    """
    if ticket.status is TicketStatus.PLANNED and not _traces(ticket, evidence):
        return (_event(ticket, EventKind.CANCELLED, evidence, "it was never sent: the run ended before"),)
    after, news = _folded(ticket, outstanding(ticket, evidence))
    if after.status.terminal:
        return news
    if around is not None:
        booked = ticket.intent.side.sign * (after.filled - ticket.filled)
        around = Around(around.owned + booked, around.unsettled)
    return news + _folded(after, (_word(after, evidence, around),))[1]


def listed(ticket: Ticket, orders: Iterable[BrokerOrder]) -> BrokerOrder | None:
    """The broker's entry for a ticket: by reference, else by permanent id where the entry has lost its reference."""
    orders = tuple(orders)
    by_reference = (order for order in orders if order.intent_id == ticket.intent.intent_id)
    nameless = (o for o in orders if not o.intent_id and o.broker_id and o.broker_id == ticket.broker_id)
    return next(by_reference, None) or next(nameless, None)


def day_over(intent: Intent, at: datetime) -> bool:
    """Whether an order of its day cannot work any more; one that is good till cancelled never ends by the date."""
    if intent.tif is TimeInForce.GTC:
        return False
    return exchange_day(intent.kind, at - _SETTLED_BY_THEN) > intent.trading_date


def _traces(ticket: Ticket, evidence: Evidence) -> bool:
    """Whether the broker knows of an order that our journal never sent: then the journal is the one that errs."""
    told = any(fill.intent_id == ticket.intent.intent_id for fill in evidence.executions)
    return told or listed(ticket, (*evidence.open_orders, *evidence.completed_orders)) is not None


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


def _word(ticket: Ticket, evidence: Evidence, around: Around | None) -> OrderEvent:
    """What the order lists, or else the positions, say of a ticket that its executions did not end."""
    there, over = listed(ticket, evidence.open_orders), listed(ticket, evidence.completed_orders)
    if there is not None and not there.status.terminal:
        return _event(ticket, EventKind.ACKNOWLEDGED, evidence, "", there.broker_id)
    if over is None and there is not None and there.status is TicketStatus.REJECTED:
        return _event(ticket, EventKind.UNKNOWN, evidence, f"{_ASLEEP}; {_say(ticket)}", there.broker_id)
    ended = over or there
    return _by_positions(ticket, evidence, around) if ended is None else _by_end(ticket, evidence, ended)


def _by_end(ticket: Ticket, evidence: Evidence, ended: BrokerOrder) -> OrderEvent:
    """What the entry of an ended order says, as far as the executions told bear it out."""
    done = ended.status is TicketStatus.FILLED
    if done and ticket.fills and ended.filled == ticket.filled:
        # Sized in cash, an order is complete at another quantity than was reckoned; and of one whose executions the
        # exchange has taken back, nothing is left.
        why = f"the broker completed it with {_plain(ticket.filled)}, and all of that is booked"
        return _event(ticket, EventKind.CANCELLED, evidence, why, ended.broker_id)
    if done or ended.filled > ticket.filled:
        missing = (ended.filled if ended.filled > ticket.filled else ticket.intent.quantity) - ticket.filled
        why = f"the broker completed it, but its executions for {_plain(missing)} are missing"
        if day_over(ticket.intent, evidence.at):  # and will not be told any more
            why = f"{why}; {_say(ticket, missing)}"
        return _event(ticket, EventKind.UNKNOWN, evidence, why, ended.broker_id)
    kind = _ENDS.get(ended.status, EventKind.UNKNOWN)
    return _event(ticket, kind, evidence, ended.reason or "the broker lists it as ended", ended.broker_id)


def _by_positions(ticket: Ticket, evidence: Evidence, around: Around | None) -> OrderEvent:
    """What no list names. On its day nothing is guessed; afterwards the account shows whether anything was executed."""
    if around is None or not day_over(ticket.intent, evidence.at):
        return _event(ticket, EventKind.UNKNOWN, evidence, _SILENCE)
    account, then = evidence.account, ticket.protected
    mute = _mute(evidence, then, around)
    if mute or account is None or then is None:
        why = f"{_SILENCE}; its day is over, but {mute}; {_say(ticket)}"
        return _event(ticket, EventKind.UNKNOWN, evidence, why)
    held = account.holding(ticket.intent.instrument)
    moved = held - around.owned - then
    counted = (
        f"the account holds {_plain(held)}, the bot's own are {_plain(around.owned)}, and beyond those there were "
        f"{_plain(then)} when it left and are {_plain(held - around.owned)} now"
    )
    if not moved:
        more = "more " if ticket.filled else ""
        why = f"nothing {more}of it was executed: its day is over, no list of the broker names it, and {counted}"
        return _event(ticket, EventKind.CANCELLED, evidence, why)
    said = _say(ticket, moved * ticket.intent.side.sign)
    return _event(ticket, EventKind.UNKNOWN, evidence, f"{_guess(ticket, moved)}: {counted}; {said}")


def _mute(evidence: Evidence, then: Decimal | None, around: Around) -> str:
    """Why the positions cannot speak for a ticket, '' when they can."""
    if then is None:
        return "what the account held when it left is not known"
    if evidence.account is None or evidence.account.at < evidence.at:
        return "the account's positions were not to be had after the lists"
    return f"{around.unsettled} moves the same holding and is not settled" if around.unsettled else ""


def _guess(ticket: Ticket, moved: Decimal) -> str:
    left, by = ticket.intent.quantity - ticket.filled, moved * ticket.intent.side.sign
    if by == left:
        return f"it was probably executed, all {_plain(by)} of it"
    if 0 < by < left:
        return f"a part of it was probably executed, {_plain(by)} of {_plain(left)}"
    return "its day is over, and the holding has moved by something else than this order"


def _say(ticket: Ticket, executed: Decimal = Decimal(0)) -> str:
    """How a person ends the doubt; `executed` is what was probably done of it, where there is a guess."""
    command, left = f"robotrading resolve {ticket.intent.intent_id}", ticket.intent.quantity - ticket.filled
    quantity = _plain(executed if 0 < executed < left else left)
    return f"look it up at the broker and say `{command} --filled {quantity}@PRICE` or `{command} --not-filled`"


def _event(ticket: Ticket, kind: EventKind, evidence: Evidence, reason: str, broker_id: int = 0) -> OrderEvent:
    return OrderEvent(ticket.intent.intent_id, kind, evidence.at, broker_id=broker_id, reason=reason)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
