"""Which runs were mere plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; of the runs so far nobody knows, and they count as runs."""
    op.add_column("session_runs", sa.Column("trade", sa.Boolean))
