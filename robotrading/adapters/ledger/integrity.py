"""Whether the ledger holds together: what is stored twice agrees, and everything can be derived from its events.

Entry point: `check`. It reads one moment of the database and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import MsgspecError
from sqlalchemy import Connection, Row, Select, exists, func, inspect, select, text

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.orders import booking_order, ticket_of
from robotrading.adapters.ledger.outbox import read_message
from robotrading.adapters.ledger.positions import ADDED, CHANGED, REMOVED, told
from robotrading.adapters.ledger.stored import reader
from robotrading.adapters.ledger.tables import (
    active_positions,
    alerts,
    audit_log,
    commissions,
    deliveries,
    fills,
    halts,
    intents,
    letters,
    metadata,
    order_events,
    session_runs,
)
from robotrading.domain.messages import DeliveryState
from robotrading.domain.orders import Fill, Intent, OrderEvent, Ticket
from robotrading.execution.lifecycle import fold
from robotrading.execution.ownership import Owned, book

RUN_WITHOUT_REPORT = timedelta(days=1)
"""A run that has no report after so long was ended by something that left no word."""
_CENT = Decimal("0.01")
_TOTAL_SHARE = Decimal("1e-9")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: `what` is the rule's name, `subject` what it is about, `detail` a sentence."""

    what: str
    subject: str
    detail: str


def check(database: Database, now: datetime) -> tuple[Finding, ...]:
    """Everything that does not hold, by rule; () when all is well. Raises `LedgerError` when it cannot be read."""
    with database.transaction(reading=True) as connection:
        damage = tuple(_engine(connection, database.engine.dialect.name))
        if damage:  # what follows would fail in the middle
            return damage
        read = _read(connection)
        found = [one for rule in (_tickets, _positions, _fills) for one in rule(read)]
        others = (*_runs(connection, now), *_halts(connection), *_deliveries(connection), *_alerts(connection))
        return (*read.unreadable, *found, *others)


def _engine(connection: Connection, engine: str) -> Iterator[Finding]:
    """The engine's own word on its file, and whether every table is there."""
    for table in sorted(set(metadata.tables) - set(inspect(connection).get_table_names())):
        yield Finding("missing_table", table, "the table is not there; restore a backup")
    for question in _OWN_CHECKS[engine]:
        for row in connection.execute(question):
            if tuple(row) != ("ok",):
                yield Finding("damaged", str(row[0]), f"{engine} says: {' '.join(str(part) for part in row)}")


_OWN_CHECKS = {
    "sqlite": (text("PRAGMA integrity_check"), text("PRAGMA foreign_key_check")),
    "postgresql": (
        text("SELECT indexrelid::regclass::text, 'its index is not valid' FROM pg_index WHERE NOT indisvalid"),
        text("SELECT conname::text, 'the constraint is not validated' FROM pg_constraint WHERE NOT convalidated"),
    ),
}


@dataclass(slots=True)
class _Everything:
    """What the ledger holds about orders, read once. `events` are in the order in which they were written."""

    intents: dict[str, tuple[Row[Any], Intent]] = field(default_factory=dict)
    events: list[tuple[int, OrderEvent]] = field(default_factory=list)
    fills: dict[str, list[Fill]] = field(default_factory=dict)
    paid: set[tuple[str, int]] = field(default_factory=set)
    positions: dict[str, Owned] = field(default_factory=dict)
    words: list[Row[Any]] = field(default_factory=list)
    unreadable: list[Finding] = field(default_factory=list)

    def decoded(self, connection: Connection, query: Select[Any], read: Callable[[Any], T]) -> Iterator[tuple[Any, T]]:
        """Each row with its body read; a body that cannot be is a finding."""
        for row in connection.execute(query):
            try:
                yield row, read(row.body)
            except MsgspecError as error:
                self.unreadable.append(Finding("unreadable", str(row[0]), f"what is stored cannot be read: {error}"))


def _read(connection: Connection) -> _Everything:
    read = _Everything()
    for row, intent in read.decoded(connection, select(intents), reader(Intent)):
        read.intents[row.intent_id] = row, intent
    events = select(order_events).order_by(order_events.c.event_id)
    read.events = [(row.event_id, event) for row, event in read.decoded(connection, events, reader(OrderEvent))]
    for row, fill in read.decoded(connection, select(fills).order_by(fills.c.place), reader(Fill)):
        read.fills.setdefault(row.intent_id, []).append(fill)
    read.paid = {(row.fill_id, row.revision) for row in connection.execute(select(commissions))}
    for row in connection.execute(select(active_positions)):
        read.positions[f"{row.owner} {row.instrument_key}"] = Owned(row.quantity, row.cost)
    words = select(audit_log).where(audit_log.c.what.in_((ADDED, CHANGED, REMOVED))).order_by(audit_log.c.audit_id)
    read.words = list(connection.execute(words))
    bodies = select(letters.c.letter_id, letters.c.body).where(letters.c.body != b"").order_by(letters.c.letter_id)
    for _ in read.decoded(connection, bodies, read_message):
        pass
    return read


def _tickets(read: _Everything) -> Iterator[Finding]:
    """Every ticket's row is the replay of its events; every event has its intent."""
    replayed = {intent_id: Ticket(intent) for intent_id, (_, intent) in read.intents.items()}
    for number, event in read.events:
        if event.intent_id in replayed:
            replayed[event.intent_id] = fold(replayed[event.intent_id], event)
        else:
            yield Finding("event_without_intent", event.intent_id, f"event {number} ({event.kind}) has no intent")
    for intent_id, ticket in replayed.items():
        row, _ = read.intents[intent_id]
        stored = ticket_of(row, tuple(read.fills.get(intent_id, ())))
        differing = _differences(_unordered(stored), _unordered(ticket))
        if differing:
            yield Finding("ticket_not_its_events", intent_id, f"stored and replayed differ in {differing}")


def _unordered(ticket: Ticket) -> Ticket:
    return replace(ticket, fills=tuple(sorted(ticket.fills, key=lambda fill: fill.fill_id)))


def _differences(stored: Ticket, replayed: Ticket) -> str:
    names = [name for name in Ticket.__dataclass_fields__ if getattr(stored, name) != getattr(replayed, name)]
    return ", ".join(f"{name} ({getattr(stored, name)} and {getattr(replayed, name)})" for name in names)


def _positions(read: _Everything) -> Iterator[Finding]:
    """Every position is what its executions make of it, from a person's last word on where there is one."""
    replayed = _replayed_positions(read)
    for subject in sorted({*replayed, *read.positions}):
        stored, expected = read.positions.get(subject, Owned()), replayed.get(subject, Owned())
        tolerance = max(_CENT, abs(expected.cost) * _TOTAL_SHARE)
        if stored.quantity != expected.quantity or abs(stored.cost - expected.cost) > tolerance:
            yield Finding(
                "position_not_its_executions",
                subject,
                f"{stored.quantity:f} for {stored.cost:f} is stored, "
                f"executions and a person's word make {expected.quantity:f} for {expected.cost:f}",
            )


def _replayed_positions(read: _Everything) -> dict[str, Owned]:
    tickets = {intent_id: Ticket(intent) for intent_id, (_, intent) in read.intents.items()}
    owned: dict[str, Owned] = {}
    words = iter([*read.words, None])
    word = next(words)
    for number, event in [*read.events, (None, None)]:
        while word is not None and (number is None or word.event_id < number):
            owned[word.subject] = told(word.after)
            word = next(words)
        if event is not None and event.intent_id in tickets:
            before = tickets[event.intent_id]
            tickets[event.intent_id] = after = fold(before, event)
            _move(owned, before, after)
    return owned


def _move(owned: dict[str, Owned], before: Ticket, after: Ticket) -> None:
    known = {fill.fill_id: fill for fill in before.fills}
    for fill in booking_order(before, after):
        subject = f"{after.intent.kind.value} {fill.instrument.key}"
        moved = book(owned.get(subject, Owned()), fill, known.get(fill.fill_id))
        owned[subject] = moved if moved.quantity else Owned()


def _fills(read: _Everything) -> Iterator[Finding]:
    """Every execution has its intent and its commission's row; every commission has its execution."""
    executions: set[str] = set()
    for intent_id, found in read.fills.items():
        executions.update(fill.fill_id for fill in found)
        if intent_id not in read.intents:
            yield Finding("fill_without_intent", intent_id, f"{len(found)} executions have no intent")
        for fill in found:
            if fill.commission is not None and (fill.fill_id, fill.revision) not in read.paid:
                yield Finding("commission_missing", fill.fill_id, f"{fill.commission} of {intent_id} has no row")
    for fill_id, revision in sorted(read.paid):
        if fill_id not in executions:
            yield Finding("commission_without_fill", fill_id, f"revision {revision} belongs to no execution")


def _runs(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Every run ends in a report."""
    missing = connection.execute(
        select(session_runs.c.run_id, session_runs.c.started_at)
        .where(session_runs.c.finished_at.is_(None), session_runs.c.started_at < now - RUN_WITHOUT_REPORT)
        .order_by(session_runs.c.started_at)
    ).all()
    for row in missing:
        yield Finding(
            "run_without_report", row.run_id, f"started at {row.started_at:%Y-%m-%d %H:%M} UTC, no report since"
        )


def _halts(connection: Connection) -> Iterator[Finding]:
    """One halt stands at most: `resume` lifts what it names."""
    standing = connection.execute(select(func.count()).select_from(halts).where(halts.c.resumed_at.is_(None))).scalar()
    if standing is not None and standing > 1:
        yield Finding("several_halts", "trading", f"{standing} halts stand at once; `resume` lifts them all")


def _deliveries(connection: Connection) -> Iterator[Finding]:
    """Every way belongs to a letter; what is told in a digest has its digest on the way to the same address."""
    way, other = deliveries, deliveries.alias()
    ways = select(way.c.letter_id, way.c.channel, way.c.recipient, way.c.digest)
    order = (way.c.letter_id, way.c.channel, way.c.recipient)
    lost = ways.where(~exists().where(letters.c.letter_id == way.c.letter_id)).order_by(*order)
    for row in connection.execute(lost):
        yield Finding(
            "delivery_without_letter", row.letter_id, f"its way to {row.channel}:{row.recipient} has no letter"
        )
    same_address = (other.c.channel == way.c.channel) & (other.c.recipient == way.c.recipient)
    untold = ways.where(
        way.c.state == DeliveryState.MERGED.value, ~exists().where(other.c.letter_id == way.c.digest, same_address)
    )
    for row in connection.execute(untold.order_by(*order)):
        where = f"{row.channel}:{row.recipient}"
        told = f"{where} was to be told in the digest {row.digest!r}, which does not go there"
        yield Finding("merged_without_digest", row.letter_id, told)


def _alerts(connection: Connection) -> Iterator[Finding]:
    """Of one trouble one alert is open."""
    several = (
        select(alerts.c.key, func.count().label("open"))
        .where(alerts.c.resolved_at.is_(None))
        .group_by(alerts.c.key)
        .having(func.count() > 1)
        .order_by(alerts.c.key)
    )
    for row in connection.execute(several):
        yield Finding("several_alerts", row.key, f"{row.open} alerts of this trouble are open at once")
