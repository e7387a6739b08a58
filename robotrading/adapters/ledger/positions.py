"""The shared book of positions: the PositionBook port on a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, bindparam, delete, select

from robotrading.adapters.ledger import book
from robotrading.adapters.ledger.audit import note
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import read_instrument
from robotrading.adapters.ledger.tables import closed_positions_today as closed
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Account, Closed, Position
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import Instrument
from robotrading.execution.ownership import Owned, shortfalls
from robotrading.execution.reentry import exchange_day

ADDED, CHANGED, REMOVED = "add position", "update position", "remove position"
"""What the audit log calls a person's word on a position."""
_CLOSED_ON = select(closed).where(closed.c.day == bindparam("then"))
_FORGET = delete(closed).where(closed.c.day < bindparam("before"))


class SqlPositionBook:
    """See `domain/ports.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, position: Position, at: datetime, who: str) -> None:
        _require_quantity(position)
        instrument, owner = position.instrument, position.owner
        with self._database.transaction() as connection:
            there = book.stored(connection, instrument, owner)
            if there is not None and there.quantity > 0:
                raise LedgerError(
                    f"{owner} has {there.quantity.normalize():f} {instrument} already; change it with update"
                )
            if there is not None:  # more was sold than the book knew of: no position, and its end is told here
                book.remove(connection, instrument, owner)
            before = f"{there.quantity.normalize():f} at 0" if there is not None else ""
            book.add(connection, instrument, owner, _owned(position), position.opened_at or at)
            note(connection, AuditEntry(at, who, ADDED, subject(owner, instrument), before, words(position)))

    def remove(self, instrument: Instrument, owner: str, at: datetime, who: str) -> Position:
        with self._database.transaction() as connection:
            before = _one(connection, instrument, owner)
            book.remove(connection, instrument, owner)
            book.close(connection, instrument, owner, exchange_day(instrument.asset_class, at), at)
            note(connection, AuditEntry(at, who, REMOVED, subject(owner, instrument), _words(before), ""))
        return before

    def update(self, position: Position, at: datetime, who: str) -> Position:
        _require_quantity(position)
        instrument, owner = position.instrument, position.owner
        with self._database.transaction() as connection:
            before = _one(connection, instrument, owner)
            book.change(connection, instrument, owner, _owned(position))
            entry = AuditEntry(at, who, CHANGED, subject(owner, instrument), _words(before), words(position))
            note(connection, entry)
        return before

    def is_active(self, instrument: Instrument, owner: str | None = None) -> bool:
        return self.get(instrument, owner) is not None

    def get(self, instrument: Instrument, owner: str | None = None) -> Position | None:
        with self._database.transaction(reading=True) as connection:
            held = book.positions_in(connection, instrument)
        found = [one for one in held if owner is None or one.owner == owner]
        if len(found) <= 1:
            return found[0] if found else None
        quantity = sum((one.quantity for one in found), Decimal(0))
        cost = sum((one.quantity * one.avg_cost for one in found), Decimal(0))
        opened = min((one.opened_at for one in found if one.opened_at is not None), default=None)
        return Position(found[0].instrument, quantity, cost / quantity, "+".join(one.owner for one in found), opened)

    def list(self, owner: str | None = None) -> Sequence[Position]:
        with self._database.transaction(reading=True) as connection:
            return book.positions(connection, owner)

    def was_closed_today(self, instrument: Instrument, day: date) -> bool:
        with self._database.transaction(reading=True) as connection:
            return book.was_closed(connection, instrument, day)

    def list_closed(self, day: date) -> Sequence[Closed]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(_CLOSED_ON, {"then": day}).all()
            rows = sorted(rows, key=lambda row: (row.at, row.instrument_key, row.owner))
            return [Closed(read_instrument(row.instrument), row.owner, row.day, row.at) for row in rows]

    def add_closed(self, instrument: Instrument, owner: str, day: date, at: datetime) -> None:
        with self._database.transaction() as connection:
            book.close(connection, instrument, owner, day, at)

    def clear_closed(self, before: date) -> int:
        with self._database.transaction() as connection:
            return connection.execute(_FORGET, {"before": before}).rowcount

    def sync(self, account: Account, at: datetime) -> Sequence[str]:  # noqa: ARG002  the instant is for books that record it
        return shortfalls(account, self.list())


def subject(owner: str, instrument: Instrument) -> str:
    """What the audit log calls a position."""
    return f"{owner} {instrument.key}"


def _require_quantity(position: Position) -> None:
    if not position.quantity > 0:
        raise LedgerError(
            f"{position.owner} cannot own {position.quantity} {position.instrument}: a quantity is above zero; "
            "take a position out with remove"
        )


def _one(connection: Connection, instrument: Instrument, owner: str) -> Position:
    for position in book.positions_in(connection, instrument):
        if position.owner == owner:
            return position
    raise LedgerError(f"{owner} has no {instrument}; nothing to change")


def _owned(position: Position) -> Owned:
    return Owned(position.quantity, position.quantity * position.avg_cost)


def words(position: Position) -> str:
    """A position as a person gave it, to the last digit, e.g. `10 at 99.5`; `told` reads it."""
    return f"{position.quantity:f} at {position.avg_cost:f}"


def told(text: str) -> Owned:
    """What `words` has written; '' is nothing. Raises ValueError."""
    if not text:
        return Owned()
    quantity, _, cost = text.partition(" at ")
    try:
        return Owned(Decimal(quantity), Decimal(quantity) * Decimal(cost))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no position; one is written like '10 at 99.5'") from error


def _words(position: Position) -> str:
    return f"{position.quantity.normalize():f} at {position.avg_cost:.6f}"
