"""What people are told: letters, their ways to each address, alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_instant = sa.String(40)


def upgrade() -> None:
    """Add the tables."""
    _letters()
    _deliveries()
    _alerts()


def _letters() -> None:
    op.create_table(
        "letters",
        sa.Column("letter_id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_letters_created", "letters", ["created_at"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("letter_id", sa.String(200), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _instant, nullable=False),
        sa.Column("taken_until", _instant),
        sa.Column("changed_at", _instant, nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("digest", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("letter_id", "channel", "recipient"),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["state", "next_at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("raised_at", _instant, nullable=False),
        sa.Column("rule", sa.String(80), nullable=False),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("seen_at", _instant, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("told_at", _instant),
        sa.Column("resolved_at", _instant),
        sa.PrimaryKeyConstraint("key", "raised_at"),
    )
    op.create_index("ix_alerts_resolved", "alerts", ["resolved_at"])
