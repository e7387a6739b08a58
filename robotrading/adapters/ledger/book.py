"""The owner's positions, moved by executions, and what was closed on which day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from robotrading.adapters.ledger.stored import as_text, read_instrument
from robotrading.adapters.ledger.tables import active_positions as table
from robotrading.adapters.ledger.tables import closed_positions_today as closed
from robotrading.domain.book import Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill
from robotrading.execution.ownership import Owned, book

_HERE = (table.c.owner == bindparam("who")) & (table.c.instrument_key == bindparam("which"))
_ONE = select(table.c.quantity, table.c.cost).where(_HERE)
_ADD = insert(table).inline()
_CHANGE = update(table).where(_HERE)
_REMOVE = delete(table).where(_HERE)
_ALL = select(table)
_OF_OWNER = _ALL.where(table.c.owner == bindparam("who"))
_OF_INSTRUMENT = _ALL.where(table.c.instrument_key == bindparam("which"))
_QUANTITIES = select(table.c.quantity).where(table.c.instrument_key == bindparam("which"))

_CLOSED_HERE = (
    (closed.c.instrument_key == bindparam("which"))
    & (closed.c.owner == bindparam("who"))
    & (closed.c.day == bindparam("then"))
)
_CLOSED = select(closed.c.at).where(_CLOSED_HERE)
_CLOSE = insert(closed).inline()
_REOPEN = delete(closed).where(_CLOSED_HERE)
_CLOSED_BY_ANY = (
    select(closed.c.at).where(closed.c.instrument_key == bindparam("which"), closed.c.day == bindparam("then")).limit(1)
)


def book_fill(connection: Connection, owner: str, fill: Fill, replaced: Fill | None, day: date) -> None:
    """Move the owner's position by one execution of an exchange day, inside the caller's transaction."""
    row = stored(connection, fill.instrument, owner)
    before = row or Owned()
    after = book(before, fill, replaced)
    if after.quantity == 0:
        remove(connection, fill.instrument, owner)
    elif row is not None:
        change(connection, fill.instrument, owner, after)
    else:
        add(connection, fill.instrument, owner, after, fill.at)
    if before.quantity and (after.quantity == 0 or before.quantity > 0 > after.quantity):
        close(connection, fill.instrument, owner, day, fill.at)
    elif replaced is not None and before.quantity <= 0 < after.quantity:
        reopen(connection, fill.instrument, owner, day)  # a correction has brought back what was thought sold


def stored(connection: Connection, instrument: Instrument, owner: str) -> Owned | None:
    """What lies in the owner's row, below zero too; None without one."""
    row = connection.execute(_ONE, {"who": owner, "which": instrument.key}).first()
    return None if row is None else Owned(row.quantity, row.cost)


def add(connection: Connection, instrument: Instrument, owner: str, owned: Owned, opened_at: datetime) -> None:
    """A row that is not there yet."""
    row = {
        "owner": owner,
        "instrument_key": instrument.key,
        "quantity": owned.quantity,
        "cost": owned.cost,
        "opened_at": opened_at,
        "instrument": as_text(instrument),
    }
    connection.execute(_ADD, row)


def change(connection: Connection, instrument: Instrument, owner: str, owned: Owned) -> None:
    """Another quantity and cost for a row that is there."""
    values = {"who": owner, "which": instrument.key, "quantity": owned.quantity, "cost": owned.cost}
    connection.execute(_CHANGE, values)


def remove(connection: Connection, instrument: Instrument, owner: str) -> None:
    """No row any more."""
    connection.execute(_REMOVE, {"who": owner, "which": instrument.key})


def close(connection: Connection, instrument: Instrument, owner: str, day: date, at: datetime) -> None:
    """Remember that the last unit was sold on an exchange day; once."""
    key = {"which": instrument.key, "who": owner, "then": day}
    if connection.execute(_CLOSED, key).first() is None:
        row = {"instrument_key": instrument.key, "owner": owner, "day": day, "at": at}
        connection.execute(_CLOSE, {**row, "instrument": as_text(instrument)})


def reopen(connection: Connection, instrument: Instrument, owner: str, day: date) -> None:
    """It was not closed after all."""
    connection.execute(_REOPEN, {"which": instrument.key, "who": owner, "then": day})


def positions(connection: Connection, owner: str | None) -> list[Position]:
    """What is owned, by one owner or by all, in the order of the instruments' keys."""
    rows = connection.execute(_ALL) if owner is None else connection.execute(_OF_OWNER, {"who": owner})
    return _held(rows.all())


def positions_in(connection: Connection, instrument: Instrument) -> list[Position]:
    """Who owns one instrument."""
    return _held(connection.execute(_OF_INSTRUMENT, {"which": instrument.key}).all())


def _held(rows: Sequence[Row[Any]]) -> list[Position]:
    # Sorted here: the engines' own order of texts depends on their locale.
    ours = sorted((row for row in rows if row.quantity > 0), key=lambda row: (row.instrument_key, row.owner))
    return [
        Position(read_instrument(row.instrument), row.quantity, row.cost / row.quantity, row.owner, row.opened_at)
        for row in ours
    ]


def owned(connection: Connection, instrument: Instrument) -> Decimal:
    """Quantity of one instrument over all owners."""
    rows = connection.execute(_QUANTITIES, {"which": instrument.key})
    return sum((row.quantity for row in rows), Decimal(0))


def was_closed(connection: Connection, instrument: Instrument, day: date) -> bool:
    """Whether any owner sold its last unit on an exchange day."""
    return connection.execute(_CLOSED_BY_ANY, {"which": instrument.key, "then": day}).first() is not None
