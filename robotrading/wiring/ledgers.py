"""The ledger itself as a subject: whether it holds together, and what people have changed in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.integrity import Finding, check
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.audit import AuditEntry
from robotrading.wiring.books import Orders, book_for, load_config


@dataclass(frozen=True, slots=True)
class Checked:
    """Of which mode's ledger, where it is, and what does not hold in it."""

    mode: str
    ledger: str
    findings: tuple[Finding, ...]


def checked(orders: Orders) -> Checked:
    """Check the ledger of this mode. Raises `LedgerError` when it cannot be read at all."""
    book = book_for(load_config(orders), orders)
    database = open_database(book.database)
    try:
        return Checked(book.mode, database.name, check(database, _now(orders)))
    finally:
        database.close()


def audit_lines(orders: Orders, limit: int) -> Sequence[AuditEntry]:
    """The newest lines of this mode's audit log, newest first. Raises `LedgerError`."""
    database = open_database(book_for(load_config(orders), orders).database)
    try:
        return SqlLedger(database).audit_log(limit)
    finally:
        database.close()


def _now(orders: Orders) -> datetime:
    """A rehearsal's runs bear the rehearsed day's times."""
    if orders.day is None:
        return SystemClock().now()
    return datetime.combine(orders.day, time.max, UTC)
