"""The shared book of positions: the PositionBook port on a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update

from robotrading.adapters.ledger.audit import note
from robotrading.adapters.ledger.book import close, positions, was_closed
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text
from robotrading.adapters.ledger.tables import active_positions as table
from robotrading.adapters.ledger.tables import closed_positions_today as closed
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Account, Closed, Position
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.execution.ownership import shortfalls
from robotrading.execution.reentry import exchange_day


class SqlPositionBook:
    """See `domain/ports.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, position: Position, at: datetime, who: str) -> None:
        instrument, owner = position.instrument, position.owner
        with self._database.transaction() as connection:
            if connection.execute(select(table.c.quantity).where(_here(instrument, owner))).first() is not None:
                raise LedgerError(f"{owner} has {instrument} already; change it with update")
            connection.execute(
                insert(table).values(
                    owner=owner,
                    instrument_key=instrument.key,
                    quantity=position.quantity,
                    cost=position.quantity * position.avg_cost,
                    opened_at=position.opened_at or at,
                    instrument=as_text(instrument),
                )
            )
            note(connection, AuditEntry(at, who, "add position", f"{owner} {instrument.key}", "", _words(position)))

    def remove(self, instrument: Instrument, owner: str, at: datetime, who: str) -> Position:
        with self._database.transaction() as connection:
            before = _one(positions(connection, owner), instrument, owner)
            connection.execute(delete(table).where(_here(instrument, owner)))
            close(connection, instrument, owner, exchange_day(AssetClass(owner), at), at)
            note(connection, AuditEntry(at, who, "remove position", f"{owner} {instrument.key}", _words(before), ""))
        return before

    def update(self, position: Position, at: datetime, who: str) -> Position:
        instrument, owner = position.instrument, position.owner
        with self._database.transaction() as connection:
            before = _one(positions(connection, owner), instrument, owner)
            values = {"quantity": position.quantity, "cost": position.quantity * position.avg_cost}
            connection.execute(update(table).where(_here(instrument, owner)).values(values))
            subject = f"{owner} {instrument.key}"
            note(connection, AuditEntry(at, who, "update position", subject, _words(before), _words(position)))
        return before

    def is_active(self, instrument: Instrument, owner: str | None = None) -> bool:
        return self.get(instrument, owner) is not None

    def get(self, instrument: Instrument, owner: str | None = None) -> Position | None:
        found = [position for position in self.list(owner) if position.instrument == instrument]
        if len(found) <= 1:
            return found[0] if found else None
        quantity = sum((one.quantity for one in found), Decimal(0))
        cost = sum((one.quantity * one.avg_cost for one in found), Decimal(0))
        opened = min((one.opened_at for one in found if one.opened_at is not None), default=None)
        return Position(found[0].instrument, quantity, cost / quantity, "+".join(one.owner for one in found), opened)

    def list(self, owner: str | None = None) -> Sequence[Position]:
        with self._database.transaction(reading=True) as connection:
            return positions(connection, owner)

    def was_closed_today(self, instrument: Instrument, day: date) -> bool:
        with self._database.transaction(reading=True) as connection:
            return was_closed(connection, instrument, day)

    def list_closed(self, day: date) -> Sequence[Closed]:
        query = select(closed).where(closed.c.day == day).order_by(closed.c.at, closed.c.instrument_key)
        with self._database.transaction(reading=True) as connection:
            return [
                Closed(msgspec.json.decode(row.instrument, type=Instrument), row.owner, row.day, row.at)
                for row in connection.execute(query)
            ]

    def add_closed(self, instrument: Instrument, owner: str, day: date, at: datetime) -> None:
        with self._database.transaction() as connection:
            close(connection, instrument, owner, day, at)

    def clear_closed(self, before: date) -> int:
        with self._database.transaction() as connection:
            return connection.execute(delete(closed).where(closed.c.day < before)).rowcount

    def sync(self, account: Account, at: datetime) -> Sequence[str]:  # noqa: ARG002  the instant is for engines that record it
        return shortfalls(account, self.list())


def _here(instrument: Instrument, owner: str) -> ColumnElement[bool]:
    return (table.c.owner == owner) & (table.c.instrument_key == instrument.key)


def _one(found: Sequence[Position], instrument: Instrument, owner: str) -> Position:
    for position in found:
        if position.instrument == instrument:
            return position
    raise LedgerError(f"{owner} has no {instrument}; nothing to change")


def _words(position: Position) -> str:
    return f"{position.quantity.normalize():f} at {position.avg_cost:.6f}"
