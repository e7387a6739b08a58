"""One database and its transactions: SQLite (WAL) or PostgreSQL by URL.

Invariant: writers queue at the start of their transaction, on both engines, so that what a transaction has read is
still true when it writes; readers wait for nobody. What a transaction has returned from is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from robotrading.adapters.ledger.migrate import migrate
from robotrading.domain.errors import LedgerError

_WRITERS = 0x726F626F
"""The key of PostgreSQL's advisory lock under which all writers of one ledger queue."""


class Database:
    """Hands out transactions; every trouble of the engine is a `LedgerError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self._engine.url.render_as_string()

    @property
    def engine(self) -> Engine:
        return self._engine

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        """All or nothing. Raises `LedgerError`; then nothing was written."""
        try:
            with self._engine.connect().execution_options(reading=reading) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(f"{self.name}: {error.__class__.__name__}: {error}; nothing was written") from error

    def close(self) -> None:
        self._engine.dispose()


def open_database(url: str, *, busy_seconds: float = 10.0) -> Database:
    """Connect and migrate; a missing SQLite folder is made. Raises `LedgerError`."""
    engine = _engine(url, busy_seconds)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        else:
            _prepare_postgresql(engine, busy_seconds)
        migrate(engine)
    except LedgerError:
        engine.dispose()
        raise
    return Database(engine)


def _engine(url: str, busy_seconds: float) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerError(
            "the ledger's address is no database URL; write sqlite:///path or postgresql://user@host/name"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return create_engine(parsed, connect_args={"timeout": busy_seconds})
    if parsed.get_backend_name() == "postgresql":
        wait = {"connect_timeout": max(int(busy_seconds), 1)}
        return create_engine(parsed.set(drivername="postgresql+psycopg"), connect_args=wait, pool_pre_ping=True)
    raise LedgerError(
        f"the ledger cannot live in {parsed.get_backend_name()}; write sqlite:///path or postgresql://user@host/name"
    )


def _prepare_sqlite(engine: Engine) -> None:
    if engine.url.database:
        try:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{engine.url.database}: its folder cannot be made: {error}") from error

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _prepare_postgresql(engine: Engine, busy_seconds: float) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("reading", False):
            connection.execute(text(f"SET LOCAL lock_timeout = {int(busy_seconds * 1000)}"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
