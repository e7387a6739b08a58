"""Runs, plans, intents with their events and fills, positions by owner, equity, halts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_instant = sa.String(40)
_exact = sa.String(64)


def upgrade() -> None:
    """Create the first schema."""
    _runs_and_plans()
    _orders()
    _book()


def _runs_and_plans() -> None:
    op.create_table(
        "session_runs",
        sa.Column("run_id", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("trading_date", sa.Date, nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("started_at", _instant, nullable=False),
        sa.Column("finished_at", _instant),
        sa.Column("outcome", sa.String(20)),
        sa.Column("report", sa.Text),
    )
    op.create_index("ix_session_runs_started", "session_runs", ["started_at"])
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("trading_date", sa.Date, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _orders() -> None:
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.String(80), primary_key=True),
        sa.Column("session_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("trading_date", sa.Date, nullable=False),
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("quantity", _exact, nullable=False),
        sa.Column("recorded_at", _instant, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("broker_id", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("cancel_sent", sa.Integer, nullable=False),
        sa.Column("updated_at", _instant),
    )
    op.create_index("ix_intents_status", "intents", ["status"])
    op.create_index("ix_intents_day", "intents", ["trading_date", "kind"])
    op.create_table(
        "order_events",
        sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("intent_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_order_events_intent_id", "order_events", ["intent_id"])
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.String(80), primary_key=True),
        sa.Column("intent_id", sa.String(80), nullable=False),
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_fills_intent_id", "fills", ["intent_id"])


def _book() -> None:
    op.create_table(
        "active_positions",
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("quantity", _exact, nullable=False),
        sa.Column("cost", _exact, nullable=False),
        sa.Column("opened_at", _instant),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "instrument_key"),
    )
    op.create_table(
        "equity",
        sa.Column("at", _instant, nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("net_liquidation", _exact, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "at"),
    )
    op.create_table(
        "day_capital",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("amount", _exact, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", "currency"),
    )
    op.create_table(
        "halts",
        sa.Column("halt_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("halted_at", _instant, nullable=False),
        sa.Column("resumed_at", _instant),
    )
