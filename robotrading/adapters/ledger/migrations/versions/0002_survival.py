"""What survival takes: leases, occurrences, closed positions, holdings seen, commissions, signals, audit."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_instant = sa.String(40)
_exact = sa.String(64)

_PLACES = """
UPDATE fills SET place = (
    SELECT count(*) FROM fills AS other
    WHERE other.intent_id = fills.intent_id
    AND (other.at < fills.at OR (other.at = fills.at AND other.fill_id < fills.fill_id))
)
"""
"""Executions stood in the order of their time so far."""


def upgrade() -> None:
    """Add the tables and columns."""
    _orders()
    _account()
    _claims()
    _records()


def _orders() -> None:
    with op.batch_alter_table("intents") as intents:
        intents.add_column(sa.Column("protected", _exact))
        intents.alter_column("broker_id", type_=sa.BigInteger, existing_type=sa.Integer, existing_nullable=False)
    op.add_column("fills", sa.Column("place", sa.Integer, nullable=False, server_default="0"))
    op.execute(_PLACES)
    op.create_table(
        "commissions",
        sa.Column("fill_id", sa.String(80), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("intent_id", sa.String(80), nullable=False),
        sa.Column("amount", _exact, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.PrimaryKeyConstraint("fill_id", "revision"),
    )
    op.create_index("ix_commissions_intent_id", "commissions", ["intent_id"])
    _rows_of_known_commissions()


def _rows_of_known_commissions() -> None:
    connection = op.get_bind()
    add = sa.text("INSERT INTO commissions VALUES (:fill_id, :revision, :intent_id, :amount, :currency, :at)")
    for fill_id, intent_id, at, body in connection.execute(sa.text("SELECT fill_id, intent_id, at, body FROM fills")):
        fill = json.loads(body)
        if fill["commission"] is not None:
            row = {"fill_id": fill_id, "revision": fill["revision"], "intent_id": intent_id, "at": at}
            paid = {"amount": str(fill["commission"]), "currency": fill["commission_currency"]}
            connection.execute(add, {**row, **paid})


def _account() -> None:
    op.create_table(
        "closed_positions_today",
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("instrument_key", "owner", "day"),
    )
    op.create_table(
        "holdings_seen",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("quantity", _exact, nullable=False),
        sa.Column("owned", _exact, nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "instrument_key"),
    )
    op.create_table(
        "day_stops",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _instant, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day"),
    )
    with op.batch_alter_table("halts") as halts:
        halts.add_column(sa.Column("halted_by", sa.String(80), nullable=False, server_default=""))
        halts.add_column(sa.Column("resumed_by", sa.String(80), nullable=False, server_default=""))


def _claims() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at", _instant, nullable=False),
    )
    op.create_table(
        "occurrences",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("trading_date", sa.Date, nullable=False),
        sa.Column("due_at", _instant, nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("claimed_at", _instant, nullable=False),
        sa.Column("run_id", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("finished_at", _instant),
    )
    op.create_index("ix_occurrences_due", "occurrences", ["due_at"])


def _records() -> None:
    op.create_table(
        "signals",
        sa.Column("run_id", sa.String(80), nullable=False),
        sa.Column("instrument_key", sa.String(64), nullable=False),
        sa.Column("model", sa.String(32), nullable=False),
        sa.Column("stance", sa.String(16), nullable=False),
        sa.Column("strength", sa.Float, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "instrument_key"),
    )
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", _instant, nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("what", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("event_id", sa.Integer, nullable=False),
    )
