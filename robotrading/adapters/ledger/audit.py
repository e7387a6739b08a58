"""What people and the program itself have changed, for ever."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from robotrading.adapters.ledger.tables import audit_log
from robotrading.domain.audit import AuditEntry


def note(connection: Connection, entry: AuditEntry) -> None:
    """One line, inside the caller's transaction."""
    connection.execute(
        insert(audit_log).values(
            at=entry.at,
            who=entry.who,
            what=entry.what,
            subject=entry.subject,
            before=entry.before,
            after=entry.after,
        )
    )


def entries(connection: Connection, limit: int) -> Sequence[AuditEntry]:
    """The newest lines, newest first."""
    rows = connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(limit))
    return [AuditEntry(row.at, row.who, row.what, row.subject, row.before, row.after) for row in rows]
