"""The tables as the code sees them. The migrations under `migrations/` make them; a test holds both together.

Decimals are stored as text, instants as ISO 8601 in UTC, so that every engine gives back exactly what went in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()


class Exact(TypeDecorator[Decimal]):
    """A Decimal as text."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime as sortable text."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


session_runs = Table(
    "session_runs",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("trading_date", Date, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("outcome", String(20)),
    Column("report", Text),
    Column("trade", Boolean),
)
Index("ix_session_runs_started", session_runs.c.started_at)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("trading_date", Date, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("intent_id", String(80), primary_key=True),
    Column("session_id", String(80), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("trading_date", Date, nullable=False),
    Column("instrument_key", String(64), nullable=False),
    Column("side", String(4), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    # The folded ticket, kept beside the intent so that reading it costs one row; the events below are the truth.
    Column("status", String(12), nullable=False),
    Column("broker_id", BigInteger, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("code", Integer),
    Column("cancel_sent", Integer, nullable=False, default=0),
    Column("updated_at", Instant),
    Column("protected", Exact),
)
Index("ix_intents_status", intents.c.status)
Index("ix_intents_day", intents.c.trading_date, intents.c.kind)

order_events = Table(
    "order_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("intent_id", String(80), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)

fills = Table(
    "fills",
    metadata,
    Column("fill_id", String(80), primary_key=True),
    Column("intent_id", String(80), nullable=False, index=True),
    Column("instrument_key", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    # Among the ticket's executions, in the order of their first arrival, from 0.
    Column("place", Integer, nullable=False, default=0),
)

commissions = Table(
    "commissions",
    metadata,
    Column("fill_id", String(80), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("intent_id", String(80), nullable=False, index=True),
    Column("amount", Exact, nullable=False),
    Column("currency", String(8), nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("fill_id", "revision"),
)

active_positions = Table(
    "active_positions",
    metadata,
    Column("owner", String(32), nullable=False),
    Column("instrument_key", String(64), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("cost", Exact, nullable=False),
    Column("opened_at", Instant),
    Column("instrument", Text, nullable=False),
    PrimaryKeyConstraint("owner", "instrument_key"),
)

equity = Table(
    "equity",
    metadata,
    Column("at", Instant, nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("net_liquidation", Exact, nullable=False),
    Column("currency", String(8), nullable=False),
    PrimaryKeyConstraint("account_id", "at"),
)

day_capital = Table(
    "day_capital",
    metadata,
    Column("account_id", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("currency", String(8), nullable=False),
    Column("amount", Exact, nullable=False),
    PrimaryKeyConstraint("account_id", "day", "currency"),
)

halts = Table(
    "halts",
    metadata,
    Column("halt_id", Integer, primary_key=True, autoincrement=True),
    Column("reason", Text, nullable=False),
    Column("halted_at", Instant, nullable=False),
    Column("resumed_at", Instant),
    Column("halted_by", String(80), nullable=False, default=""),
    Column("resumed_by", String(80), nullable=False, default=""),
)

closed_positions_today = Table(
    "closed_positions_today",
    metadata,
    Column("instrument_key", String(64), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("at", Instant, nullable=False),
    Column("instrument", Text, nullable=False),
    PrimaryKeyConstraint("instrument_key", "owner", "day"),
)

holdings_seen = Table(
    "holdings_seen",
    metadata,
    Column("account_id", String(32), nullable=False),
    Column("instrument_key", String(64), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("owned", Exact, nullable=False),
    Column("at", Instant, nullable=False),
    Column("instrument", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "instrument_key"),
)

day_stops = Table(
    "day_stops",
    metadata,
    Column("account_id", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "day"),
)

signals = Table(
    "signals",
    metadata,
    Column("run_id", String(80), nullable=False),
    Column("instrument_key", String(64), nullable=False),
    Column("model", String(32), nullable=False),
    Column("stance", String(16), nullable=False),
    Column("strength", Float, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "instrument_key"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("who", String(80), nullable=False),
    Column("what", String(80), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    # The newest order event at that moment, so that a person's word and executions can be told apart in time.
    Column("event_id", Integer, nullable=False, default=0),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("trading_date", Date, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("holder", String(200), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("run_id", String(80), nullable=False, default=""),
    Column("outcome", String(20), nullable=False, default=""),
    Column("finished_at", Instant),
)
Index("ix_occurrences_due", occurrences.c.due_at)

letters = Table(
    "letters",
    metadata,
    Column("letter_id", String(200), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("urgency", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("ix_letters_created", letters.c.created_at)

deliveries = Table(
    "deliveries",
    metadata,
    Column("letter_id", String(200), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("state", String(16), nullable=False),
    # 0 for critical, 1 for warning, 2 for normal: the order of sending.
    Column("rank", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Instant, nullable=False),
    Column("taken_until", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("rule", String(40), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("digest", String(200), nullable=False, default=""),
    PrimaryKeyConstraint("letter_id", "channel", "recipient"),
)
Index("ix_deliveries_due", deliveries.c.state, deliveries.c.next_at)

alerts = Table(
    "alerts",
    metadata,
    Column("key", String(200), nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("rule", String(80), nullable=False),
    Column("urgency", String(16), nullable=False),
    Column("found", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("times", BigInteger, nullable=False, default=1),
    Column("told_at", Instant),
    Column("resolved_at", Instant),
    PrimaryKeyConstraint("key", "raised_at"),
)
Index("ix_alerts_resolved", alerts.c.resolved_at)
