"""Intents, their events, and the tickets folded from both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from robotrading.adapters.ledger.book import book_fill
from robotrading.adapters.ledger.claims import require_valid
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text, reader
from robotrading.adapters.ledger.tables import commissions, fills, intents, order_events
from robotrading.domain.claims import Lease
from robotrading.domain.errors import LedgerError, LimitBreached
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderEvent, Ticket, TicketStatus
from robotrading.domain.ports import Clock
from robotrading.execution.lifecycle import fold
from robotrading.execution.reentry import exchange_day

_AT_ONCE = 500
"""Parameters of one question; engines take no more than some thousands."""
_OPEN = tuple(status.value for status in TicketStatus if not status.terminal)


class _Tickets:
    """Two questions, built once: the intents of a condition, and their executions as they arrived."""

    def __init__(self, condition: ColumnElement[bool]) -> None:
        self.intents = select(intents).where(condition)
        matching = select(intents.c.intent_id).where(condition)
        self.fills = (
            select(fills.c.intent_id, fills.c.body)
            .where(fills.c.intent_id.in_(matching))
            .order_by(fills.c.intent_id, fills.c.place)
        )

    def ask(self, connection: Connection, **values: Any) -> list[Ticket]:
        """Oldest intent first."""
        rows = connection.execute(self.intents, values).all()
        executed: dict[str, list[Fill]] = {}
        for row in connection.execute(self.fills, values) if rows else ():
            executed.setdefault(row.intent_id, []).append(_read_fill(row.body))
        # Sorted here: the engines' own order of texts depends on their locale.
        rows = sorted(rows, key=lambda row: (row.recorded_at, row.intent_id))
        return [ticket_of(row, tuple(executed.get(row.intent_id, ()))) for row in rows]


_is_open = intents.c.status.in_(_OPEN)
_of_day = intents.c.trading_date == bindparam("day")
_ALL_OPEN = _Tickets(_is_open)
_OPEN_IN = _Tickets(_is_open & (intents.c.instrument_key == bindparam("which")))
_OF_DAY = _Tickets(_of_day)
_OF_DAY_AND_KIND = _Tickets(_of_day & (intents.c.kind == bindparam("what")))
_BY_ID = _Tickets(intents.c.intent_id.in_(bindparam("ids", expanding=True)))

_INTENT = select(intents).where(intents.c.intent_id == bindparam("of"))
_FILLS = select(fills.c.body).where(fills.c.intent_id == bindparam("of")).order_by(fills.c.place)
_EVENTS = (
    select(order_events.c.body).where(order_events.c.intent_id == bindparam("of")).order_by(order_events.c.event_id)
)
_ELSEWHERE = (
    select(intents.c.intent_id)
    .where(_is_open, intents.c.instrument_key == bindparam("which"), intents.c.kind != bindparam("mine"))
    .limit(1)
)
_ATTEMPTS = (
    select(intents.c.instrument_key, intents.c.side, func.count())
    .where(_of_day, intents.c.kind == bindparam("what"))
    .group_by(intents.c.instrument_key, intents.c.side)
)
_RECORD = insert(intents).inline()
_SAVE_STATE = update(intents).where(intents.c.intent_id == bindparam("of"))
_ADD_EVENT = insert(order_events).inline()
_ADD_FILL = insert(fills).inline()
_CORRECT_FILL = update(fills).where(fills.c.fill_id == bindparam("of"))
_this_commission = (commissions.c.fill_id == bindparam("of")) & (commissions.c.revision == bindparam("rev"))
_COMMISSION = select(commissions.c.at).where(_this_commission)
_ADD_COMMISSION = insert(commissions).inline()
_CHANGE_COMMISSION = update(commissions).where(_this_commission)
_read_intent = reader(Intent)
_read_fill = reader(Fill)
_read_event = reader(OrderEvent)


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
                _require_alone(connection, intent)
                connection.execute(_RECORD, _planned(intent, at))
        except LedgerError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise LedgerError(f"intent {intent.intent_id} exists already; an intent is sent once") from error
            raise

    def append(self, event: OrderEvent) -> Ticket:
        with self._database.transaction() as connection:
            before = one_ticket(connection, event.intent_id)
            if before is None:
                raise LedgerError(f"intent {event.intent_id} is not in the ledger; an event needs its intent first")
            after = fold(before, event)
            if after is before:
                return before
            row = {"intent_id": event.intent_id, "kind": event.kind.value, "at": event.at, "body": as_text(event)}
            connection.execute(_ADD_EVENT, row)
            connection.execute(_SAVE_STATE, _state(after))
            if after.fills != before.fills:
                _save_fills(connection, before, after)
            return after

    def ticket(self, intent_id: str) -> Ticket | None:
        with self._database.transaction(reading=True) as connection:
            return one_ticket(connection, intent_id)

    def tickets(self, intent_ids: Collection[str]) -> Mapping[str, Ticket]:
        wanted = list(intent_ids)
        found: list[Ticket] = []
        if wanted:
            with self._database.transaction(reading=True) as connection:
                for start in range(0, len(wanted), _AT_ONCE):
                    found += _BY_ID.ask(connection, ids=wanted[start : start + _AT_ONCE])
        return {ticket.intent.intent_id: ticket for ticket in found}

    def open_tickets(self, instrument: Instrument | None = None) -> Sequence[Ticket]:
        with self._database.transaction(reading=True) as connection:
            if instrument is None:
                return _ALL_OPEN.ask(connection)
            return _OPEN_IN.ask(connection, which=instrument.key)

    def tickets_of(self, trading_date: date, kind: AssetClass | None = None) -> Sequence[Ticket]:
        with self._database.transaction(reading=True) as connection:
            if kind is None:
                return _OF_DAY.ask(connection, day=trading_date)
            return _OF_DAY_AND_KIND.ask(connection, day=trading_date, what=kind.value)

    def events(self, intent_id: str) -> Sequence[OrderEvent]:
        """An intent's whole history, oldest first."""
        with self._database.transaction(reading=True) as connection:
            return [_read_event(row.body) for row in connection.execute(_EVENTS, {"of": intent_id})]

    def attempts(self, kind: AssetClass, trading_date: date) -> Mapping[tuple[str, str], int]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(_ATTEMPTS, {"what": kind.value, "day": trading_date})
            return {(row[0], row[1]): row[2] for row in rows}


def _require_alone(connection: Connection, intent: Intent) -> None:
    """Inside the transaction: of sessions side by side that trade one fund, one alone gets its order in at a time."""
    asked = {"which": intent.instrument.key, "mine": intent.kind.value}
    earlier = connection.execute(_ELSEWHERE, asked).scalar()
    if earlier is not None:
        what = f"{intent.side} {intent.instrument}"
        raise LimitBreached("open_ticket", f"{what}: another session's order of it is not settled: {earlier}")


def one_ticket(connection: Connection, intent_id: str) -> Ticket | None:
    """The ticket of an intent as it is stored."""
    row = connection.execute(_INTENT, {"of": intent_id}).first()
    if row is None:
        return None
    return ticket_of(row, tuple(_read_fill(fill.body) for fill in connection.execute(_FILLS, {"of": intent_id})))


def ticket_of(row: Row[Any], executions: tuple[Fill, ...]) -> Ticket:
    """A row of `intents` with its executions in the order of their places."""
    return Ticket(
        intent=_read_intent(row.body),
        status=TicketStatus(row.status),
        broker_id=row.broker_id,
        fills=executions,
        reason=row.reason,
        code=row.code,
        cancel_sent=bool(row.cancel_sent),
        updated_at=row.updated_at,
        protected=row.protected,
    )


def _planned(intent: Intent, at: datetime) -> dict[str, Any]:
    return {
        "intent_id": intent.intent_id,
        "session_id": intent.session_id,
        "kind": intent.kind.value,
        "trading_date": intent.trading_date,
        "instrument_key": intent.instrument.key,
        "side": intent.side.value,
        "quantity": intent.quantity,
        "recorded_at": at,
        "body": as_text(intent),
        "status": TicketStatus.PLANNED.value,
        "broker_id": 0,
        "reason": "",
        "cancel_sent": 0,
    }


def _state(ticket: Ticket) -> dict[str, Any]:
    return {
        "of": ticket.intent.intent_id,
        "status": ticket.status.value,
        "broker_id": ticket.broker_id,
        "reason": ticket.reason,
        "code": ticket.code,
        "cancel_sent": int(ticket.cancel_sent),
        "updated_at": ticket.updated_at,
        "protected": ticket.protected,
    }


def _save_fills(connection: Connection, before: Ticket, after: Ticket) -> None:
    """Every execution that changed: the broker's own may take the place of one that a person had told."""
    known = {fill.fill_id: fill for fill in before.fills}
    changed = [place for place, fill in enumerate(after.fills) if known.get(fill.fill_id) != fill]
    for place in changed:
        _save_fill(connection, place, after.fills[place], known.get(after.fills[place].fill_id))
    kind = after.intent.kind
    for fill in booking_order(before, after):
        book_fill(connection, kind.value, fill, known.get(fill.fill_id), exchange_day(kind, fill.at))


def booking_order(before: Ticket, after: Ticket) -> list[Fill]:
    """The executions that one event has changed; what adds comes first, so that no position vanishes in between."""
    known = {fill.fill_id: fill for fill in before.fills}
    changed = [fill for fill in after.fills if known.get(fill.fill_id) != fill]
    return sorted(changed, key=lambda fill: _moves(fill, known.get(fill.fill_id)), reverse=True)


def _moves(fill: Fill, replaced: Fill | None) -> Decimal:
    """By how much the owned quantity changes."""
    return fill.side.sign * (fill.quantity - (replaced.quantity if replaced else Decimal(0)))


def _save_fill(connection: Connection, place: int, fill: Fill, replaced: Fill | None) -> None:
    values = {
        "intent_id": fill.intent_id,
        "instrument_key": fill.instrument.key,
        "at": fill.at,
        "place": place,
        "body": as_text(fill),
    }
    if replaced is None:
        connection.execute(_ADD_FILL, {"fill_id": fill.fill_id, **values})
    else:
        connection.execute(_CORRECT_FILL, {"of": fill.fill_id, **values})
    if fill.commission is not None:
        _save_commission(connection, fill)


def _save_commission(connection: Connection, fill: Fill) -> None:
    key = {"of": fill.fill_id, "rev": fill.revision}
    values = {"amount": fill.commission, "currency": fill.commission_currency, "at": fill.at}
    if connection.execute(_COMMISSION, key).first() is None:
        ids = {"fill_id": fill.fill_id, "revision": fill.revision, "intent_id": fill.intent_id}
        connection.execute(_ADD_COMMISSION, {**ids, **values})
    else:
        connection.execute(_CHANGE_COMMISSION, {**key, **values})
