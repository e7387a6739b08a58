"""What people and the program itself have changed, for ever."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from robotrading.adapters.ledger.stored import storable
from robotrading.adapters.ledger.tables import audit_log, order_events
from robotrading.domain.audit import AuditEntry

_NEWEST_EVENT = select(func.coalesce(func.max(order_events.c.event_id), 0))
_ADD = insert(audit_log).inline().values(event_id=_NEWEST_EVENT.scalar_subquery())
_NEWEST = select(audit_log).order_by(audit_log.c.audit_id.desc())


def note(connection: Connection, entry: AuditEntry) -> None:
    """One line, inside the caller's transaction; names longer than their column are cut, nothing is refused."""
    row = {
        "at": entry.at,
        "who": storable(entry.who)[:80],
        "what": storable(entry.what)[:80],
        "subject": storable(entry.subject)[:200],
        "before": storable(entry.before),
        "after": storable(entry.after),
    }
    connection.execute(_ADD, row)


def entries(connection: Connection, limit: int) -> Sequence[AuditEntry]:
    """The newest lines, newest first."""
    rows = connection.execute(_NEWEST.limit(limit))
    return [AuditEntry(row.at, row.who, row.what, row.subject, row.before, row.after) for row in rows]
