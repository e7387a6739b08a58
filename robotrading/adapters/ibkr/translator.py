"""From what the gateway says about orders to the events of their tickets.

Entry point: `Translator`. Invariants: each end of an order is told once; only orders with our reference are told of;
what is doubtful is not told but asked (`Heard.doubts`), and told by `settle` when the answer is there. Nothing here
waits, and orders are known by reference and permanent id: the gateway's order ids are good for one connection only,
since they are handed out again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from robotrading.adapters.ibkr.executions import FillBook
from robotrading.adapters.ibkr.orders import is_ours
from robotrading.adapters.ibkr.statuses import (
    STATUSES,
    TERMINAL,
    UNLISTED,
    Standing,
    Verdict,
    is_refused,
    judge_message,
    judge_status,
    refusal_code,
)
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import BrokerOrder, EventKind, Fill, Intent, OrderEvent, TicketStatus

OrderKey = tuple[int, int]
"""(client id, order id), within one connection."""
DEAD = frozenset({EventKind.CANCELLED, EventKind.REJECTED})


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message comes to: events to tell, and intents whose fate must be asked."""

    events: tuple[OrderEvent, ...] = ()
    doubts: tuple[str, ...] = ()


SILENCE = Heard()


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """What an `openOrder` message says."""

    key: OrderKey
    broker_id: int
    reference: str
    word: str
    instrument: Instrument | None = None


@dataclass(frozen=True, slots=True)
class SeenStatus:
    """What an `orderStatus` message says."""

    key: OrderKey
    broker_id: int
    word: str
    filled: Decimal = Decimal(0)


@dataclass(slots=True)
class Translator:
    """The memory of all orders with our reference. `client_id` is this connection's."""

    client_id: int
    fills: FillBook = field(default_factory=FillBook)
    standings: dict[str, Standing] = field(default_factory=dict)
    _by_order: dict[OrderKey, str] = field(default_factory=dict)
    _by_broker_id: dict[int, str] = field(default_factory=dict)

    def forget_order_ids(self) -> None:
        """A new connection: its order ids may mean other orders than the last one's."""
        self._by_order.clear()

    def sent(self, intent: Intent, order_id: int) -> None:
        """An order is about to leave."""
        self.standings[intent.intent_id] = Standing(intent.intent_id, intent.instrument, intent.quantity)
        self._by_order[self.client_id, order_id] = intent.intent_id

    def unsent(self, intent_id: str) -> None:
        """The order did not leave after all."""
        self.standings.pop(intent_id, None)

    def living(self) -> tuple[str, ...]:
        """Intents whose end has not been told."""
        return tuple(name for name, standing in self.standings.items() if standing.ended is None)

    def cancel_asked(self, intent_id: str) -> None:
        self.standings[intent_id].cancel_asked = True

    def order_id(self, intent_id: str) -> OrderKey | None:
        """Under which ids this connection knows an order; None when it does not."""
        return next((key for key, name in self._by_order.items() if name == intent_id), None)

    def open_order(self, seen: SeenOrder, at: datetime) -> Heard:
        """An `openOrder` message, asked for or not: it ties the ids to the reference, and carries a status.

        That an order is dead is left to the `orderStatus` behind it, which says how much of it was executed.
        """
        if not is_ours(seen.reference) and seen.reference not in self.standings:
            return SILENCE
        standing = self.standings.setdefault(seen.reference, Standing(seen.reference, seen.instrument))
        if seen.key[1] > 0:
            self._by_order[seen.key] = seen.reference
        self._learn(standing, seen.broker_id)
        dead = STATUSES.get(seen.word, UNLISTED).event in DEAD
        return SILENCE if dead else self._status(standing, seen.word, at)

    def order_status(self, seen: SeenStatus, at: datetime) -> Heard:
        """An `orderStatus` message; it has no reference, so that the ids must be known."""
        intent_id = self._by_broker_id.get(seen.broker_id) or self._by_order.get(seen.key)
        if intent_id is None:
            return SILENCE
        standing = self.standings[intent_id]
        standing.reported = max(standing.reported, seen.filled)
        self._learn(standing, seen.broker_id)
        heard = self._status(standing, seen.word, at)
        # A bare 202 may have ended it before this said how much of it was executed.
        return Heard(doubts=(intent_id,)) if heard == SILENCE and self._lacks(standing, standing.ended) else heard

    def is_short(self, intent_id: str) -> bool:
        """Whether an order has ended with fewer executions told than its status named: they may never come."""
        standing = self.standings[intent_id]
        return standing.ended in TERMINAL and self.fills.executed(intent_id) < standing.reported

    def message(self, order_id: int, code: int, text: str, at: datetime) -> Heard | None:
        """A numbered message under an order id of this client; None when no order has that id."""
        intent_id = self._by_order.get((self.client_id, order_id))
        if intent_id is None:
            return None
        standing = self.standings[intent_id]
        standing.heard(code, text)
        verdict, kind = judge_message(standing, code)
        if verdict is Verdict.ASK or self._lacks(standing, kind):
            return Heard(doubts=(intent_id,))
        return SILENCE if kind is None else self._tell(standing, kind, at)

    def execution(self, fill: Fill, broker_id: int, at: datetime) -> Heard:
        """A live execution; corrections and repetitions included."""
        told = self.fills.execution(fill)
        if told is None or not told.intent_id:
            return SILENCE
        standing = self.standings.setdefault(told.intent_id, Standing(told.intent_id, told.instrument))
        self._learn(standing, broker_id)
        standing.executed = True
        return Heard((OrderEvent(told.intent_id, EventKind.FILL, at, told, standing.broker_id),))

    def commission(self, execution_id: str, amount: float, currency: str, at: datetime) -> Heard:
        """A commission report: the same fill again, completed."""
        told = self.fills.commission(execution_id, amount, currency)
        if told is None or not told.intent_id:
            return SILENCE
        broker_id = self.standings[told.intent_id].broker_id if told.intent_id in self.standings else 0
        return Heard((OrderEvent(told.intent_id, EventKind.FILL, at, told, broker_id),))

    def reference_of(self, reference: str, broker_id: int) -> str:
        """The intent an execution belongs to, '' for one that is not ours."""
        if is_ours(reference) or reference in self.standings:
            return reference
        return "" if reference else self._by_broker_id.get(broker_id, "")

    def settle(
        self,
        intent_id: str,
        still_open: Iterable[BrokerOrder],
        completed: Iterable[BrokerOrder],
        fills: Iterable[Fill],
        at: datetime,
    ) -> Heard:
        """The broker's answers about a doubt: open orders first, then completed ones, then executions, then codes.

        Absent everywhere without a refusal is UNKNOWN: nothing is made up. So is a cancelled or rejected order of which
        more was executed than the executions tell.
        """
        standing = self.standings[intent_id]
        there = next((order for order in still_open if order.intent_id == intent_id), None)
        if there is not None and there.status is TicketStatus.REJECTED and not is_refused(standing):
            return SILENCE  # inactive, and nobody has refused it: until it is cancelled it may come alive
        listed = there or next((order for order in completed if order.intent_id == intent_id), None)
        executed = sum((fill.quantity for fill in fills if fill.intent_id == intent_id), Decimal(0))
        kind = _settled(standing, listed, executed)
        if kind is None:
            return SILENCE
        if listed is not None:
            self._learn(standing, listed.broker_id)
            standing.reported = max(standing.reported, listed.filled)
        if kind is EventKind.ACKNOWLEDGED:
            standing.ended = None
        if kind is standing.ended:
            return SILENCE
        if executed < standing.reported and self._lacks(standing, kind):
            why = f"the broker says that it has ended with {standing.reported} executed, and tells of {executed}"
            return self.unanswered(intent_id, why, at)
        return self._tell(standing, kind, at)

    def unanswered(self, intent_id: str, reason: str, at: datetime) -> Heard:
        """The question about a doubt was not answered, or not in full."""
        standing = self.standings[intent_id]
        return Heard((OrderEvent(intent_id, EventKind.UNKNOWN, at, None, standing.broker_id, reason, standing.code),))

    def _learn(self, standing: Standing, broker_id: int) -> None:
        if broker_id:
            standing.broker_id = broker_id
            self._by_broker_id[broker_id] = standing.intent_id

    def _lacks(self, standing: Standing, end: EventKind | None) -> bool:
        """Whether an order that is dead by `end` was executed further than was told: the rest may still be asked for.

        'Filled' waits for its executions by itself; what is cancelled or rejected is not looked at again.
        """
        return end in DEAD and self.fills.executed(standing.intent_id) < standing.reported

    def _status(self, standing: Standing, word: str, at: datetime) -> Heard:
        verdict = judge_status(standing, word)
        event = STATUSES.get(word, UNLISTED).event
        if verdict is Verdict.ASK or (verdict is Verdict.TELL and self._lacks(standing, event)):
            return Heard(doubts=(standing.intent_id,))
        if verdict is Verdict.NOTHING or event is None:
            return SILENCE
        return self._tell(standing, event, at)

    def _tell(self, standing: Standing, kind: EventKind, at: datetime) -> Heard:
        if kind is EventKind.ACKNOWLEDGED:
            standing.acknowledged = True
        if kind in TERMINAL:
            standing.ended = kind
        reason = "" if kind is EventKind.FILLED else standing.reason
        code = None if kind is EventKind.FILLED else standing.code
        return Heard((OrderEvent(standing.intent_id, kind, at, None, standing.broker_id, reason, code),))


_ENDS = {
    TicketStatus.FILLED: EventKind.FILLED,
    TicketStatus.CANCELLED: EventKind.CANCELLED,
    TicketStatus.REJECTED: EventKind.REJECTED,
}
_LIVES = (TicketStatus.WORKING, TicketStatus.PARTIAL)


def _settled(standing: Standing, listed: BrokerOrder | None, executed: Decimal) -> EventKind | None:
    """The event that the broker's lists stand for; None where nothing new is known."""
    if listed is None or listed.status is TicketStatus.UNKNOWN:
        return _settled_unlisted(standing, executed)
    if listed.status in _LIVES:
        return EventKind.ACKNOWLEDGED if standing.ended is not None or not standing.acknowledged else None
    end = _ENDS.get(listed.status)
    if end is not EventKind.CANCELLED or standing.acknowledged or standing.cancel_asked or executed:
        return end
    return EventKind.CANCELLED if refusal_code(standing) is None else EventKind.REJECTED


def _settled_unlisted(standing: Standing, executed: Decimal) -> EventKind | None:
    """Neither open nor completed: executions tell, then a refusal that was heard, and otherwise nobody knows."""
    if standing.quantity is not None and executed >= standing.quantity > 0:
        return EventKind.FILLED
    if standing.ended is not None:
        return None
    certain = refusal_code(standing) is not None and not executed and not standing.acknowledged
    return EventKind.REJECTED if certain else EventKind.UNKNOWN
