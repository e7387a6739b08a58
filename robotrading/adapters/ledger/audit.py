"""What people and the program itself have changed, for ever."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from robotrading.adapters.ledger.tables import audit_log
from robotrading.domain.audit import AuditEntry

_ADD = insert(audit_log).inline()
_NEWEST = select(audit_log).order_by(audit_log.c.audit_id.desc())


def note(connection: Connection, entry: AuditEntry) -> None:
    """One line, inside the caller's transaction; names longer than their column are cut, never refused."""
    row = {
        "at": entry.at,
        "who": entry.who[:80],
        "what": entry.what[:80],
        "subject": entry.subject[:200],
        "before": entry.before,
        "after": entry.after,
    }
    connection.execute(_ADD, row)


def entries(connection: Connection, limit: int) -> Sequence[AuditEntry]:
    """The newest lines, newest first."""
    rows = connection.execute(_NEWEST.limit(limit))
    return [AuditEntry(row.at, row.who, row.what, row.subject, row.before, row.after) for row in rows]
