"""`SqlLedger`: the Ledger port on a database.

Every method is one transaction; what it has returned from is on the disk (`synchronous=FULL`). Events are appended,
never edited; the folded ticket and the owner's position change in the same transaction as the event they follow from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from robotrading.adapters.ledger.book import book_fill, owned, positions
from robotrading.adapters.ledger.migrate import migrate
from robotrading.adapters.ledger.tables import (
    day_capital,
    equity,
    fills,
    halts,
    intents,
    order_events,
    plans,
    session_runs,
)
from robotrading.domain.book import Position
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderEvent, Ticket, TicketStatus
from robotrading.domain.planning import Plan
from robotrading.domain.report import SessionReport
from robotrading.execution.lifecycle import fold

_OPEN = tuple(status.value for status in TicketStatus if not status.terminal)


def open_ledger(url: str, *, busy_seconds: float = 10.0) -> SqlLedger:
    """Connect, migrate, and hand out the ledger; a missing SQLite folder is made. Raises `LedgerError`."""
    engine = create_engine(url, connect_args={"timeout": busy_seconds} if url.startswith("sqlite") else {})
    try:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        migrate(engine)
    except LedgerError:
        engine.dispose()
        raise
    return SqlLedger(engine)


def _prepare_sqlite(engine: Engine) -> None:
    if engine.url.database:
        try:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{engine.url.database}: its folder cannot be made: {error}") from error

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Writers queue at the start of a transaction instead of failing in the middle of it; readers wait for nobody.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


class SqlLedger:
    """The Ledger port; see `domain/ports.py` for what each method promises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(reading=reading) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(
                f"{self._engine.url.render_as_string()}: {error.__class__.__name__}: {error}; nothing was written"
            ) from error

    def close(self) -> None:
        self._engine.dispose()

    # runs and plans

    def start_run(self, run_id: str, kind: AssetClass, trading_date: date, mode: str, at: datetime) -> None:
        with self._transaction() as connection:
            connection.execute(
                insert(session_runs).values(
                    run_id=run_id, kind=kind.value, trading_date=trading_date, mode=mode, started_at=at
                )
            )

    def finish_run(self, report: SessionReport) -> None:
        closed = {"finished_at": report.finished_at, "outcome": report.outcome.value, "report": _text(report)}
        with self._transaction() as connection:
            done = connection.execute(
                update(session_runs)
                .where(session_runs.c.run_id == report.run_id, session_runs.c.finished_at.is_(None))
                .values(closed)
            ).rowcount
            if done == 0 and self._has_run(connection, report.run_id):
                raise LedgerError(f"run {report.run_id} has its report already; a run is finished once")
            if done == 0:
                connection.execute(
                    insert(session_runs).values(
                        run_id=report.run_id,
                        kind=report.kind.value,
                        trading_date=report.trading_date,
                        mode=report.mode,
                        started_at=report.started_at,
                        **closed,
                    )
                )

    @staticmethod
    def _has_run(connection: Connection, run_id: str) -> bool:
        return (
            connection.execute(select(session_runs.c.run_id).where(session_runs.c.run_id == run_id)).first() is not None
        )

    def last_reports(self, limit: int = 3) -> Sequence[SessionReport]:
        with self._transaction(reading=True) as connection:
            rows = connection.execute(
                select(session_runs.c.report)
                .where(session_runs.c.report.is_not(None))
                .order_by(session_runs.c.started_at.desc(), session_runs.c.run_id.desc())
                .limit(limit)
            )
            return [msgspec.json.decode(row.report, type=SessionReport) for row in rows]

    def save_plan(self, plan: Plan) -> None:
        """The newest of the same id stays: its decisions are equal, its attempts and times are of today."""
        with self._transaction() as connection:
            connection.execute(delete(plans).where(plans.c.plan_id == plan.plan_id))
            connection.execute(
                insert(plans).values(
                    plan_id=plan.plan_id,
                    kind=plan.kind.value,
                    trading_date=plan.trading_date,
                    created_at=plan.created_at,
                    body=_text(plan),
                )
            )

    def plan(self, plan_id: str) -> Plan | None:
        with self._transaction(reading=True) as connection:
            bodies = connection.execute(select(plans.c.body).where(plans.c.plan_id.startswith(plan_id)).limit(2)).all()
        if len(bodies) > 1:
            raise LedgerError(f"plan {plan_id!r} is the beginning of several plans; give more of it")
        return msgspec.json.decode(bodies[0].body, type=Plan) if bodies else None

    # orders

    def record_intent(self, intent: Intent, at: datetime) -> None:
        try:
            with self._transaction() as connection:
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
                        body=_text(intent),
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
        with self._transaction() as connection:
            before = self._one(connection, event.intent_id)
            if before is None:
                raise LedgerError(f"intent {event.intent_id} is not in the ledger; an event needs its intent first")
            after = fold(before, event)
            if after is before:
                return before
            connection.execute(
                insert(order_events).values(
                    intent_id=event.intent_id, kind=event.kind.value, at=event.at, body=_text(event)
                )
            )
            _save_state(connection, after)
            if after.fills != before.fills:
                _save_fill(connection, before, after)
            return after

    def ticket(self, intent_id: str) -> Ticket | None:
        with self._transaction(reading=True) as connection:
            return self._one(connection, intent_id)

    def open_tickets(self, instrument: Instrument | None = None) -> Sequence[Ticket]:
        condition: ColumnElement[bool] = intents.c.status.in_(_OPEN)
        if instrument is not None:
            condition &= intents.c.instrument_key == instrument.key
        with self._transaction(reading=True) as connection:
            return _tickets(connection, condition)

    def tickets_of(self, trading_date: date, kind: AssetClass | None = None) -> Sequence[Ticket]:
        condition: ColumnElement[bool] = intents.c.trading_date == trading_date
        if kind is not None:
            condition &= intents.c.kind == kind.value
        with self._transaction(reading=True) as connection:
            return _tickets(connection, condition)

    def events(self, intent_id: str) -> Sequence[OrderEvent]:
        """An intent's whole history, oldest first."""
        with self._transaction(reading=True) as connection:
            rows = connection.execute(
                select(order_events.c.body)
                .where(order_events.c.intent_id == intent_id)
                .order_by(order_events.c.event_id)
            )
            return [msgspec.json.decode(row.body, type=OrderEvent) for row in rows]

    def attempts(self, kind: AssetClass, trading_date: date) -> Mapping[tuple[str, str], int]:
        with self._transaction(reading=True) as connection:
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

    # the book

    def positions(self, owner: str | None = None) -> Sequence[Position]:
        with self._transaction(reading=True) as connection:
            return positions(connection, owner)

    def owned(self, instrument: Instrument) -> Decimal:
        with self._transaction(reading=True) as connection:
            return owned(connection, instrument)

    def save_equity(self, at: datetime, account_id: str, net_liquidation: Decimal, currency: str) -> None:
        row = {"at": at, "account_id": account_id, "net_liquidation": net_liquidation, "currency": currency}
        with self._transaction() as connection:
            same = connection.execute(
                select(equity.c.at).where(equity.c.account_id == account_id, equity.c.at == at)
            ).first()
            if same is None:
                connection.execute(insert(equity).values(row))

    def day_start_equity(self, account_id: str, since: datetime) -> Decimal | None:
        with self._transaction(reading=True) as connection:
            return connection.execute(
                select(equity.c.net_liquidation)
                .where(equity.c.account_id == account_id, equity.c.at >= since)
                .order_by(equity.c.at)
                .limit(1)
            ).scalar()

    def pin_capital(self, account_id: str, day: date, amount: Decimal, currency: str) -> Decimal:
        key = {"account_id": account_id, "day": day, "currency": currency}
        with self._transaction() as connection:
            pinned = connection.execute(select(day_capital.c.amount).filter_by(**key)).scalar()
            if pinned is None:
                connection.execute(insert(day_capital).values(amount=amount, **key))
            return amount if pinned is None else pinned

    def halted(self) -> str:
        with self._transaction(reading=True) as connection:
            reason = connection.execute(select(halts.c.reason).where(halts.c.resumed_at.is_(None)).limit(1)).scalar()
        return reason or ""


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


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
        )
    )


def _save_fill(connection: Connection, before: Ticket, after: Ticket) -> None:
    known = {fill.fill_id: fill for fill in before.fills}
    fill = next(fill for fill in after.fills if known.get(fill.fill_id) != fill)
    values = {
        "intent_id": fill.intent_id,
        "instrument_key": fill.instrument.key,
        "at": fill.at,
        "body": _text(fill),
    }
    if fill.fill_id in known:
        connection.execute(update(fills).where(fills.c.fill_id == fill.fill_id).values(values))
    else:
        connection.execute(insert(fills).values(fill_id=fill.fill_id, **values))
    book_fill(connection, after.intent.kind.value, fill, known.get(fill.fill_id))
