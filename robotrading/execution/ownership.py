"""The bot owns quantities, not symbols.

Entry points: `book` (an execution on what is owned), `open_quantity`, `protected`, `shortfalls`.
Invariants: `owned` changes through executions with our reference alone; what an order may still execute counts until it
has ended, UNKNOWN included; `protected` is what the account holds beyond the bot's own, and is never counted as ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill, Side, Ticket


@dataclass(frozen=True, slots=True)
class Owned:
    """A quantity of an instrument that the bot bought, with its total cost (commissions included)."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    @property
    def avg_cost(self) -> Decimal:
        """Cost per unit; zero when nothing is owned."""
        return self.cost / self.quantity if self.quantity else Decimal(0)


def book(owned: Owned, fill: Fill, replaced: Fill | None = None) -> Owned:
    """What is owned after an execution; `replaced` is the revision of the same execution that it corrects, if any.

    Buys add their price and commission to the cost; sells take out cost at the average. A correction moves quantity and
    cost by the difference alone, so that it may come after later executions.
    """
    if fill.side is Side.SELL:
        quantity = owned.quantity - fill.quantity + (replaced.quantity if replaced else Decimal(0))
        return Owned(quantity, _share(owned.cost, quantity, owned.quantity))
    quantity = owned.quantity + fill.quantity - (replaced.quantity if replaced else Decimal(0))
    if quantity <= 0:
        return Owned(quantity)
    if owned.quantity < 0:  # part of the buy only gives back what was sold too much
        return Owned(quantity, _share(_spent(fill), quantity, fill.quantity))
    cost = owned.cost + _spent(fill) - (_spent(replaced) if replaced else Decimal(0))
    return Owned(quantity, max(cost, Decimal(0)))


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The cost of a part of a quantity; nothing costs nothing."""
    return cost * part / whole if part > 0 and whole > 0 else Decimal(0)


def _spent(fill: Fill) -> Decimal:
    return fill.quantity * fill.price + (fill.commission or Decimal(0))


def open_quantity(tickets: Iterable[Ticket], instrument: Instrument, side: Side) -> Decimal:
    """Quantity of one side that may still be executed."""
    return sum(
        (
            ticket.intent.quantity - ticket.filled
            for ticket in tickets
            if ticket.intent.instrument == instrument and ticket.intent.side is side and not ticket.status.terminal
        ),
        Decimal(0),
    )


def quantities(positions: Iterable[Position]) -> dict[Instrument, Decimal]:
    """Quantity per instrument, over all owners."""
    total: dict[Instrument, Decimal] = {}
    for position in positions:
        total[position.instrument] = total.get(position.instrument, Decimal(0)) + position.quantity
    return total


def protected(account: Account, owned: Iterable[Position]) -> tuple[Position, ...]:
    """What the account holds beyond what the bot owns: long-term holdings, in the same symbol too.

    Negative where the account holds less than the bot should own (see `shortfalls`), unless it holds none at all.
    """
    ours = quantities(owned)
    rest = (replace(held, quantity=held.quantity - ours.get(held.instrument, Decimal(0))) for held in account.positions)
    return tuple(position for position in rest if position.quantity)


def shortfalls(account: Account, owned: Iterable[Position]) -> tuple[str, ...]:
    """Sentences on instruments of which the account holds less than the ledger says the bot owns.

    A manual sale or a corporate action has happened; it is reported and never 'fixed' by trading.
    """
    ours, there = quantities(owned), quantities(account.positions)
    short = {one: quantity for one, quantity in ours.items() if there.get(one, Decimal(0)) < quantity}
    return tuple(
        f"{instrument}: the ledger owns {quantity.normalize():f}, "
        f"the account holds only {there.get(instrument, Decimal(0)).normalize():f}; "
        "a manual sale or a corporate action? Nothing is traded in it until they agree"
        for instrument, quantity in sorted(short.items(), key=lambda item: item[0].key)
    )
