"""A person's word on an order that the broker cannot answer for any more.

Entry points: `Word`, `parse_filled`, `events_of`.
Invariants: a word adds no more than the order has left; it ends the order; what the broker tells later takes its place
(`execution/lifecycle.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from robotrading.domain.errors import ConfigError
from robotrading.domain.orders import EventKind, Fill, OrderEvent, Ticket
from robotrading.execution.lifecycle import person_fill_id


@dataclass(frozen=True, slots=True)
class Word:
    """What `who` says about the part of an order that is not booked: so much at that price, or (None) nothing more.

    `quantity` in units of the instrument, `price` in its currency, both above zero; `reason` in the person's words.
    """

    who: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What the journal keeps."""
        said = "not filled" if self.quantity is None else f"filled {_plain(self.quantity)} at {self.price}"
        return f"{said}, says {self.who}" + (f": {self.reason}" if self.reason else "")


def parse_filled(text: str) -> tuple[Decimal, Decimal]:
    """Quantity and price from words such as `10@101.55`. Raises `ConfigError` for anything else."""
    quantity, at, price = text.partition("@")
    try:
        numbers = Decimal(quantity), Decimal(price)
    except InvalidOperation:
        numbers = Decimal(0), Decimal(0)
    if not at or not all(number.is_finite() and number > 0 for number in numbers):
        raise ConfigError(f"--filled {text}: write quantity and price, both above zero, as in --filled 10@101.55")
    return numbers


def events_of(ticket: Ticket, word: Word, history: Sequence[OrderEvent], now: datetime) -> tuple[OrderEvent, ...]:
    """The events that record a word, in order: the execution first, so that a crash between the two loses none.

    The execution is dated by the order's first entry in the journal, the only time that is known. Raises `ConfigError`
    for an order that has ended, and for more than it has left.
    """
    intent = ticket.intent
    if ticket.status.terminal:
        raise ConfigError(f"{intent.intent_id} is {ticket.status} and not in doubt; nothing to settle")
    left = intent.quantity - ticket.filled
    if word.quantity is not None and word.quantity > left:
        raise ConfigError(
            f"{intent.intent_id}: {_plain(word.quantity)} cannot have been filled, only {_plain(left)} of "
            f"{_plain(intent.quantity)} are not booked yet"
        )
    ended = OrderEvent(intent.intent_id, EventKind.CANCELLED, now, reason=word.sentence)
    if word.quantity is None or word.price is None:
        return (ended,)
    at = history[0].at if history else now
    fill = Fill(person_fill_id(ticket), intent.intent_id, intent.instrument, intent.side, word.quantity, word.price, at)
    told = OrderEvent(intent.intent_id, EventKind.FILL, now, fill=fill, reason=word.sentence)
    return (told,) if word.quantity == left else (told, ended)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
