"""What closed positions brought, from executions alone.

Entry points: `closed_trips`, `hit_rate`, `position_gains`.
Invariants: gains are after commissions and by average cost, as `ownership.book` keeps it; what a sale cost is never
guessed: where a part of it is not known, the gain is None, and so is everything that follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Side, Ticket
from robotrading.execution.ownership import Owned, book

Key = tuple[str, Instrument]
"""Who owns it, and what."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A position whose last unit was sold. `gain` is of all its sales that were looked at, None where not known."""

    instrument: Instrument
    kind: AssetClass
    closed_at: datetime
    gain: Decimal | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that an owner had at an instant at which no order of his was under way: it holds whatever came before."""

    at: datetime
    kind: AssetClass
    owned: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Priced:
    """A quantity and the price of a unit, None where it is not known."""

    quantity: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PositionGain:
    """What an instrument brought, with what was bought and sold; `put_in` is what it was worth plus what was bought."""

    instrument: Instrument
    gain: Decimal
    put_in: Decimal

    @property
    def change(self) -> float | None:
        """Gain over what was put in."""
        return float(self.gain / self.put_in) if self.put_in > 0 else None


def closed_trips(tickets: Iterable[Ticket], checkpoints: Iterable[Checkpoint] = ()) -> tuple[Trip, ...]:
    """Positions that were closed, oldest first; checkpoints tell what was owned before the first order."""
    events: list[tuple[datetime, int, AssetClass, Fill | Checkpoint]] = [
        (fill.at, 0, ticket.intent.kind, fill) for ticket in tickets for fill in ticket.fills
    ]
    events += [(one.at, 1, one.kind, one) for one in checkpoints]
    owned: dict[Key, Owned] = {}
    gains: dict[Key, Decimal | None] = {}
    trips: list[Trip] = []
    for at, _, kind, event in sorted(events, key=lambda one: one[:2]):
        if isinstance(event, Checkpoint):
            _reset(owned, event)
            continue
        key = (kind.value, event.instrument)
        before = owned.get(key, Owned())
        after = book(before, event)
        if event.side is Side.SELL:
            gain = _plus(gains.get(key, Decimal(0)), _gain(before, after, event))
            gains[key] = gain
            if after.quantity <= 0:
                trips.append(Trip(event.instrument, kind, at, gains.pop(key)))
                after = Owned()
        owned[key] = after
    return tuple(trips)


def _reset(owned: dict[Key, Owned], checkpoint: Checkpoint) -> None:
    for key in [key for key in owned if key[0] == checkpoint.kind.value]:
        del owned[key]
    for position in checkpoint.owned:
        cost = position.quantity * position.avg_cost
        owned[checkpoint.kind.value, position.instrument] = Owned(position.quantity, cost)


def _gain(before: Owned, after: Owned, fill: Fill) -> Decimal | None:
    """Proceeds less commission less the average cost of what was sold; None where more was sold than is known of."""
    if fill.quantity > before.quantity:
        return None
    return fill.quantity * fill.price - (fill.commission or Decimal(0)) - (before.cost - after.cost)


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def hit_rate(trips: Sequence[Trip]) -> float | None:
    """Closed positions with a gain above zero over all whose gain is known; None where there is none."""
    known = [trip.gain for trip in trips if trip.gain is not None]
    return sum(gain > 0 for gain in known) / len(known) if known else None


def position_gains(
    before: Mapping[Instrument, Priced], after: Mapping[Instrument, Priced], fills: Iterable[Fill]
) -> tuple[PositionGain, ...]:
    """Value after less value before less what was bought plus what was sold, best first.

    Left out: instruments without a price, and those whose quantity changed by something else than these executions.
    """
    executed: dict[Instrument, list[Fill]] = {}
    for fill in fills:
        executed.setdefault(fill.instrument, []).append(fill)
    nothing = Priced(Decimal(0))
    found = [
        _position_gain(instrument, before.get(instrument, nothing), after.get(instrument, nothing), executed)
        for instrument in {**before, **after, **executed}
    ]
    known = [one for one in found if one is not None]
    return tuple(sorted(known, key=lambda one: (-one.gain, one.instrument.key)))


def _position_gain(
    instrument: Instrument, before: Priced, after: Priced, executed: Mapping[Instrument, Sequence[Fill]]
) -> PositionGain | None:
    fills = executed.get(instrument, ())
    if before.quantity + sum((f.side.sign * f.quantity for f in fills), Decimal(0)) != after.quantity:
        return None
    start, end = _worth(before), _worth(after)
    if start is None or end is None:
        return None
    paid = sum((f.quantity * f.price for f in fills if f.side is Side.BUY), Decimal(0))
    got = sum((f.quantity * f.price for f in fills if f.side is Side.SELL), Decimal(0))
    charged = sum((f.commission or Decimal(0) for f in fills), Decimal(0))
    return PositionGain(instrument, end - start - paid + got - charged, start + paid)


def _worth(held: Priced) -> Decimal | None:
    if not held.quantity:
        return Decimal(0)
    return None if held.price is None else held.quantity * held.price
