"""The ledger: whether it can be used, and what in it waits for a person.

A ledger that is older than the program is looked at in a copy: the program before must be able to read it still, should
this one be taken back. One in a database is then only told of.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from robotrading.adapters.ledger.claims import ACCOUNT, SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.migrate import HEAD
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.adapters.ledger.tables import leases
from robotrading.adapters.ledger.words import cause, place
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import TicketStatus
from robotrading.domain.ports import Clock
from robotrading.session.lease import LeaseTerms
from robotrading.wiring.doctor import clock as clocks
from robotrading.wiring.doctor import messages
from robotrading.wiring.doctor.finding import Finding, broken, fine, size, warning

PART = "ledger"
BUSY_SECONDS = 4.0
_MOST_COPIED = 500_000_000
_RESTORE = "keep the file as it is, and restore a copy: docs/runbook.md, 'The ledger is damaged'"
_OLDEST_RUN = timedelta(days=1)


def file(path: Path, scratch: Path, now: datetime) -> Iterator[Finding]:
    """A ledger in a file: sound, of a version that is understood, and what it says."""
    if not path.exists():
        yield fine(PART, "there is none yet; the first run makes it")
        return
    try:
        version, damage = _sound(path)
    except (sqlite3.Error, OSError) as error:
        locked = "locked" in str(error)
        remedy = "wait for whoever writes it; who that is: robotrading status" if locked else _RESTORE
        yield broken(PART, f"{path} cannot be read: {error}", remedy)
        return
    amount = path.stat().st_size
    if damage:
        yield broken(PART, f"{path} is damaged: {damage}", _RESTORE)
    elif version > HEAD:
        yield _newer(str(path), version)
    elif version == HEAD:
        yield from _opened(f"sqlite:///{path}", f"{path}: sound, {size(amount)}", now)
    elif amount > _MOST_COPIED:
        yield fine(PART, f"{path}: sound, {size(amount)}; the next run brings it from version {version} to {HEAD}")
    else:
        yield from _migrated(path, scratch, f"{path}: sound; the next run brings it to version {HEAD}", now)


def _sound(path: Path) -> tuple[str, str]:
    """Its version, '' without one, and what SQLite says against it."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as link:
        said = [str(row[0]) for row in link.execute("PRAGMA quick_check(3)")]
        known = link.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
        row = link.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return str(row[0]) if row else "", "" if said == ["ok"] else "; ".join(said)


def _newer(place: str, version: str) -> Finding:
    found = f"{place}: version {version} is newer than this program's ({HEAD})"
    return broken(PART, found, "upgrade robotrading, or restore the copy that was made before the upgrade")


def _migrated(path: Path, scratch: Path, found: str, now: datetime) -> Iterator[Finding]:
    """Whether a copy of it can be brought to this program's version."""
    copy = scratch / "copy.db"
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as link,
        closing(sqlite3.connect(copy)) as other,
    ):
        link.backup(other)
    yield from _opened(f"sqlite:///{copy}", found, now)


def _opened(url: str, found: str, now: datetime) -> Iterator[Finding]:
    try:
        database = open_database(url, busy_seconds=BUSY_SECONDS)
    except LedgerError as error:
        yield broken(PART, str(error), _RESTORE)
        return
    try:
        yield from _content(database, found, now)
    except LedgerError as error:
        yield broken(PART, str(error), _RESTORE)
    finally:
        database.close()


def _content(database: Database, found: str, now: datetime) -> Iterator[Finding]:
    """What it says: read once, so that the findings belong together."""
    ledger = SqlLedger(database)
    halted, tickets, runs = ledger.halted(), ledger.open_tickets(), ledger.last_reports(1)
    begun = [run for kind in AssetClass for run in ledger.unreported(kind)]
    yield fine(PART, found)
    if halted:
        yield warning("halt", f"trading is halted: {halted}", "robotrading resume ends it")
    doubts = [ticket for ticket in tickets if ticket.status is TicketStatus.UNKNOWN]
    if doubts:
        names = ", ".join(sorted({ticket.intent.instrument.symbol for ticket in doubts}))
        yield warning("orders", f"{len(doubts)} in doubt, which block {names}", "robotrading resolve shows them")
    waiting = len(tickets) - len(doubts)
    if waiting:
        yield fine("orders", f"{waiting} not ended; the next run asks the broker about them")
    old = [run.run_id for run in begun if now - run.started_at > _OLDEST_RUN]
    if old:
        found = f"{len(old)} without a report, the oldest {old[0]}: they died"
        yield warning("runs", found, "the next run of the same session concludes them")
    yield from messages.outbox(SqlOutbox(database).waiting(now), now)
    if runs and runs[0].started_at > now + timedelta(seconds=clocks.WRONG_SECONDS):
        found = f"the last run began at {runs[0].started_at:%Y-%m-%d %H:%M:%S} UTC, which is to come"
        yield broken("clock", found, "the clock was wrong then, or is now: set it by a time service")


def database(url: str, account: str, clock: Clock) -> Iterator[Finding]:
    """A ledger in a shared database: reached, of this account, of a version that is understood, in time with us."""
    part = "database"
    remedy = "is the server up, and ROBOTRADING_DATABASE_URL right? docs/runbook.md, 'The database is gone'"
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
        version, accounts = _whose(address)
    except ArgumentError:
        yield broken(part, "its address (not shown) is none", "write postgresql://user:password@host/name")
        return
    except SQLAlchemyError as error:
        yield broken(part, f"{place(address)}: {cause(error, address)}", remedy)
        return
    if not version:
        yield fine(part, "reached; it is empty, and the first run prepares it")
        return
    if version > HEAD:
        yield _newer("the database", version)
        return
    others = [name for name in accounts if name != account]
    if others:
        found = f"it keeps the books of {', '.join(others)}, not of {account}"
        yield broken(part, found, "give this account a database of its own")
        return
    if version < HEAD:
        yield fine(part, f"reached; the next run brings it from version {version} to {HEAD}")
        return
    yield from _opened_database(url, clock)


def _opened_database(url: str, clock: Clock) -> Iterator[Finding]:
    try:
        found = open_database(url, busy_seconds=BUSY_SECONDS)
    except LedgerError as error:
        yield broken("database", str(error), "see the database server's own log")
        return
    try:
        offset = SqlClaims(found).clock_offset(clock.now())
        yield from _content(found, f"{found.name}: reached", clock.now())
    except LedgerError as error:
        yield broken("database", str(error), "see the database server's own log")
        return
    finally:
        found.close()
    if abs(offset) > LeaseTerms().grace / 2:
        yield clocks.compared(offset, "the database server's")
    else:
        yield fine("clock", "agrees with the database server's")


def _whose(address: URL) -> tuple[str, Sequence[str]]:
    """The version of what is in it, '' for nothing, and the accounts whose books it keeps; nothing is changed."""
    options = f"-c statement_timeout={BUSY_SECONDS * 1000:.0f} -c default_transaction_read_only=on"
    arguments = {"connect_timeout": int(BUSY_SECONDS), "options": f"{options} {address.query.get('options', '')}"}
    engine = create_engine(address, connect_args=arguments, hide_parameters=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return "", ()
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
            names = select(leases.c.name).where(leases.c.name.startswith(ACCOUNT)).order_by(leases.c.name)
            known = inspect(connection).has_table(leases.name)
            return str(version), connection.execute(names).scalars().all() if known else ()
    finally:
        engine.dispose()
