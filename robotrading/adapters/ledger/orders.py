"""Intents, their events, and the tickets folded from both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from robotrading.adapters.ledger.book import book_fill
from robotrading.adapters.ledger.claims import require_valid
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text
from robotrading.adapters.ledger.tables import commissions, fills, intents, order_events
from robotrading.domain.claims import Lease
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderEvent, Ticket, TicketStatus
from robotrading.domain.ports import Clock
from robotrading.execution.lifecycle import fold
from robotrading.execution.reentry import exchange_day

_AT_ONCE = 500
"""Parameters of one question; SQLite takes no more than some thousands."""
_OPEN = tuple(status.value for status in TicketStatus if not status.terminal)


class Orders:
    """The part of the Ledger port about orders. With a lease, an intent is recorded only while that is valid."""

    _database: Database
    _lease: Lease | None
    _clock: Clock | None
    _margin: float

    def record_intent(self, intent: Intent, at: datetime) -> None:
        try:
            with self._database.transaction() as connection:
                if self._lease is not None:
                    # Read here: the wait for the database may have been long.
                    now = self._clock.now() if self._clock is not None else at
                    require_valid(connection, self._lease, now, self._margin)
                connection.execute(
                    insert(intents).values(
                        intent_id=intent.intent_id,
                        session_id=intent.session_id,
                        kind=intent.kind.value,
                        trading_date=intent.trading_date,
                        instrument_key=intent.instrument.key,
                        side=intent.side.value,
                        quantity=intent.quantity,
                        recorded_at=at,
                        body=as_text(intent),
                        status=TicketStatus.PLANNED.value,
                        broker_id=0,
                        reason="",
                        cancel_sent=0,
                    )
                )
        except LedgerError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise LedgerError(f"intent {intent.intent_id} exists already; an intent is sent once") from error
            raise

    def append(self, event: OrderEvent) -> Ticket:
        with self._database.transaction() as connection:
            before = self._one(connection, event.intent_id)
            if before is None:
                raise LedgerError(f"intent {event.intent_id} is not in the ledger; an event needs its intent first")
            after = fold(before, event)
            if after is before:
                return before
            connection.execute(
                insert(order_events).values(
                    intent_id=event.intent_id, kind=event.kind.value, at=event.at, body=as_text(event)
                )
            )
            _save_state(connection, after)
            if after.fills != before.fills:
                _save_fills(connection, before, after)
            return after

    def ticket(self, intent_id: str) -> Ticket | None:
        with self._database.transaction(reading=True) as connection:
            return self._one(connection, intent_id)

    def tickets(self, intent_ids: Collection[str]) -> Mapping[str, Ticket]:
        wanted = list(intent_ids)
        found: list[Ticket] = []
        if wanted:
            with self._database.transaction(reading=True) as connection:
                for start in range(0, len(wanted), _AT_ONCE):
                    found += _tickets(connection, intents.c.intent_id.in_(wanted[start : start + _AT_ONCE]))
        return {ticket.intent.intent_id: ticket for ticket in found}

    def open_tickets(self, instrument: Instrument | None = None) -> Sequence[Ticket]:
        condition: ColumnElement[bool] = intents.c.status.in_(_OPEN)
        if instrument is not None:
            condition &= intents.c.instrument_key == instrument.key
        with self._database.transaction(reading=True) as connection:
            return _tickets(connection, condition)

    def tickets_of(self, trading_date: date, kind: AssetClass | None = None) -> Sequence[Ticket]:
        condition: ColumnElement[bool] = intents.c.trading_date == trading_date
        if kind is not None:
            condition &= intents.c.kind == kind.value
        with self._database.transaction(reading=True) as connection:
            return _tickets(connection, condition)

    def events(self, intent_id: str) -> Sequence[OrderEvent]:
        """An intent's whole history, oldest first."""
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(
                select(order_events.c.body)
                .where(order_events.c.intent_id == intent_id)
                .order_by(order_events.c.event_id)
            )
            return [msgspec.json.decode(row.body, type=OrderEvent) for row in rows]

    def attempts(self, kind: AssetClass, trading_date: date) -> Mapping[tuple[str, str], int]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(
                select(intents.c.instrument_key, intents.c.side, func.count())
                .where(intents.c.kind == kind.value, intents.c.trading_date == trading_date)
                .group_by(intents.c.instrument_key, intents.c.side)
            )
            return {(row[0], row[1]): row[2] for row in rows}

    @staticmethod
    def _one(connection: Connection, intent_id: str) -> Ticket | None:
        found = _tickets(connection, intents.c.intent_id == intent_id)
        return found[0] if found else None


def _tickets(connection: Connection, condition: Any) -> list[Ticket]:
    rows = connection.execute(
        select(intents).where(condition).order_by(intents.c.recorded_at, intents.c.intent_id)
    ).all()
    executed: dict[str, list[Fill]] = {}
    wanted = select(intents.c.intent_id).where(condition)
    query = (
        select(fills.c.intent_id, fills.c.body)
        .where(fills.c.intent_id.in_(wanted))
        .order_by(fills.c.at, fills.c.fill_id)
    )
    for row in connection.execute(query) if rows else ():
        executed.setdefault(row.intent_id, []).append(msgspec.json.decode(row.body, type=Fill))
    return [_ticket(row, tuple(executed.get(row.intent_id, ()))) for row in rows]


def _ticket(row: Row[Any], executions: tuple[Fill, ...]) -> Ticket:
    return Ticket(
        intent=msgspec.json.decode(row.body, type=Intent),
        status=TicketStatus(row.status),
        broker_id=row.broker_id,
        fills=executions,
        reason=row.reason,
        code=row.code,
        cancel_sent=bool(row.cancel_sent),
        updated_at=row.updated_at,
        protected=row.protected,
    )


def _save_state(connection: Connection, ticket: Ticket) -> None:
    connection.execute(
        update(intents)
        .where(intents.c.intent_id == ticket.intent.intent_id)
        .values(
            status=ticket.status.value,
            broker_id=ticket.broker_id,
            reason=ticket.reason,
            code=ticket.code,
            cancel_sent=int(ticket.cancel_sent),
            updated_at=ticket.updated_at,
            protected=ticket.protected,
        )
    )


def _save_fills(connection: Connection, before: Ticket, after: Ticket) -> None:
    """Every execution that changed: the broker's own may take the place of one that a person had told."""
    known = {fill.fill_id: fill for fill in before.fills}
    changed = [fill for fill in after.fills if known.get(fill.fill_id) != fill]
    for fill in sorted(changed, key=lambda fill: _moves(fill, known.get(fill.fill_id)), reverse=True):
        _save_fill(connection, after.intent.kind, fill, known.get(fill.fill_id))


def _moves(fill: Fill, replaced: Fill | None) -> Decimal:
    """By how much the owned quantity changes; what adds is booked first, so that no position vanishes in between."""
    return fill.side.sign * (fill.quantity - (replaced.quantity if replaced else Decimal(0)))


def _save_fill(connection: Connection, kind: AssetClass, fill: Fill, replaced: Fill | None) -> None:
    values = {
        "intent_id": fill.intent_id,
        "instrument_key": fill.instrument.key,
        "at": fill.at,
        "body": as_text(fill),
    }
    if replaced is not None:
        connection.execute(update(fills).where(fills.c.fill_id == fill.fill_id).values(values))
    else:
        connection.execute(insert(fills).values(fill_id=fill.fill_id, **values))
    book_fill(connection, kind.value, fill, replaced, exchange_day(kind, fill.at))
    if fill.commission is not None:
        _save_commission(connection, fill)


def _save_commission(connection: Connection, fill: Fill) -> None:
    key = {"fill_id": fill.fill_id, "revision": fill.revision}
    values = {"amount": fill.commission, "currency": fill.commission_currency, "at": fill.at}
    if connection.execute(select(commissions.c.at).filter_by(**key)).first() is None:
        connection.execute(insert(commissions).values(intent_id=fill.intent_id, **key, **values))
    else:
        connection.execute(update(commissions).filter_by(**key).values(values))
