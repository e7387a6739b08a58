"""The owner's positions, changed only by executions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from robotrading.adapters.ledger.tables import active_positions as table
from robotrading.adapters.ledger.tables import closed_positions_today as closed
from robotrading.domain.book import Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill
from robotrading.execution.ownership import Owned, book


def book_fill(connection: Connection, owner: str, fill: Fill, replaced: Fill | None, day: date) -> None:
    """Move the owner's position by one execution of an exchange day, inside the caller's transaction."""
    here = (table.c.owner == owner) & (table.c.instrument_key == fill.instrument.key)
    row = connection.execute(select(table.c.quantity, table.c.cost).where(here)).first()
    before = Owned(row.quantity, row.cost) if row else Owned()
    after = book(before, fill, replaced)
    if after.quantity == 0:
        connection.execute(delete(table).where(here))
        if before.quantity:
            close(connection, fill.instrument, owner, day, fill.at)
    elif row:
        connection.execute(update(table).where(here).values(quantity=after.quantity, cost=after.cost))
    else:
        connection.execute(insert(table).values(_row(owner, fill, after, fill.at)))
    if after.quantity and replaced is not None:  # a correction has brought back what was thought sold
        reopen(connection, fill.instrument, owner, day)


def close(connection: Connection, instrument: Instrument, owner: str, day: date, at: datetime) -> None:
    """Remember that the last unit was sold on an exchange day; once."""
    key = {"instrument_key": instrument.key, "owner": owner, "day": day}
    if connection.execute(select(closed.c.at).filter_by(**key)).first() is None:
        body = msgspec.json.encode(instrument).decode()
        connection.execute(insert(closed).values(at=at, instrument=body, **key))


def reopen(connection: Connection, instrument: Instrument, owner: str, day: date) -> None:
    """It was not closed after all."""
    connection.execute(delete(closed).filter_by(instrument_key=instrument.key, owner=owner, day=day))


def _row(owner: str, fill: Fill, after: Owned, opened_at: datetime) -> dict[str, object]:
    return {
        "owner": owner,
        "instrument_key": fill.instrument.key,
        "quantity": after.quantity,
        "cost": after.cost,
        "opened_at": opened_at,
        "instrument": msgspec.json.encode(fill.instrument).decode(),
    }


def positions(connection: Connection, owner: str | None) -> Sequence[Position]:
    """What is owned, by one owner or by all, in the order of the instruments' keys."""
    query = select(table).order_by(table.c.instrument_key, table.c.owner)
    if owner is not None:
        query = query.where(table.c.owner == owner)
    found = []
    for row in connection.execute(query):
        owned = Owned(row.quantity, row.cost)
        if owned.quantity > Decimal(0):
            instrument = msgspec.json.decode(row.instrument, type=Instrument)
            found.append(Position(instrument, owned.quantity, owned.avg_cost, row.owner, row.opened_at))
    return found


def owned(connection: Connection, instrument: Instrument) -> Decimal:
    """Quantity of one instrument over all owners."""
    rows = connection.execute(select(table.c.quantity).where(table.c.instrument_key == instrument.key))
    return sum((row.quantity for row in rows), Decimal(0))


def was_closed(connection: Connection, instrument: Instrument, day: date) -> bool:
    """Whether any owner sold its last unit on an exchange day."""
    return connection.execute(select(closed.c.at).filter_by(instrument_key=instrument.key, day=day)).first() is not None
