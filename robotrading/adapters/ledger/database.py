"""One database and its transactions: SQLite (WAL) or PostgreSQL by URL.

Invariants: writers queue at the start of their transaction, on both engines, so that what a transaction has read is
still true when it writes; a reader sees one moment of the whole database and waits for nobody. What a writing
transaction has returned from is on the disk (`synchronous=FULL`; PostgreSQL's `synchronous_commit`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

from msgspec import MsgspecError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from robotrading.adapters.ledger.migrate import migrate
from robotrading.adapters.ledger.words import cause, place
from robotrading.domain.errors import LedgerError

_WRITERS = 0x726F626F
"""The key of PostgreSQL's advisory lock under which all writers of one ledger queue."""
_WAY_OUT = "write sqlite:///path or postgresql://user@host/name"


class Database:
    """Hands out transactions; every trouble of the engine is a `LedgerError`."""

    def __init__(self, engine: Engine) -> None:
        self._writing = engine
        self._begin = _BEGIN[engine.dialect.name]
        self._reading = engine.execution_options(**_READERS) if engine.dialect.name == "postgresql" else engine

    @property
    def name(self) -> str:
        """Where it is, without any secret."""
        return place(self._writing.url)

    @property
    def engine(self) -> Engine:
        return self._writing

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        """All or nothing. Raises `LedgerError`; its text says whether something may have been written all the same."""
        said = False
        try:
            with (self._reading if reading else self._writing).connect() as connection, connection.begin():
                self._begin(connection, reading)
                yield connection
                said = not reading
        except (SQLAlchemyError, sqlite3.Error) as error:
            outcome = "whether it was written is not known" if said else "nothing was written"
            raise LedgerError(f"{self.name}: {cause(error, self._writing.url)}; {outcome}") from error
        except (MsgspecError, ValueError, InvalidOperation) as error:
            raise LedgerError(
                f"{self.name}: a stored value cannot be read: {error}; nothing was written; "
                "see `robotrading ledger check`, and restore a backup if the file is damaged"
            ) from error

    def close(self) -> None:
        self._writing.dispose()


def open_database(url: str, *, busy_seconds: float = 10.0, durable: bool = True) -> Database:
    """Connect and migrate; a missing SQLite folder is made. Raises `LedgerError`.

    A wait for other writers ends after `busy_seconds`. `durable=False` is for pretend worlds, whose ledger need not
    survive the machine: SQLite then leaves the moment of writing to the operating system (a killed process loses
    nothing all the same).
    """
    engine = _engine(url, busy_seconds)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine, durable=durable)
        migrate(engine, _BEGIN[engine.dialect.name])
    except LedgerError:
        engine.dispose()
        raise
    return Database(engine)


def _begin_sqlite(connection: Connection, reading: bool) -> None:  # noqa: FBT001  called as Begin
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection, reading: bool) -> None:  # noqa: FBT001
    if not reading:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


# Called by hand rather than as SQLAlchemy's `begin` event: an engine with such events pays for it at every statement.
_BEGIN = {"sqlite": _begin_sqlite, "postgresql": _begin_postgresql}
_READERS = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _engine(url: str, busy_seconds: float) -> Engine:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            return create_engine(parsed, connect_args={"timeout": busy_seconds}, hide_parameters=True)
        if backend == "postgresql":
            return _postgresql(parsed, busy_seconds)
    except (ArgumentError, ValueError):  # the cause may quote a part of the address, its password for one
        raise LedgerError(f"the ledger's address is no database URL; {_WAY_OUT}") from None
    raise LedgerError(f"the ledger cannot live in {backend}; {_WAY_OUT}")


def _postgresql(url: URL, busy_seconds: float) -> Engine:
    """Bounded on both sides: a machine that dies in a transaction would hold the queue for the two hours of TCP.

    The isolation is ours, whatever the server's default: a snapshot from before the wait in the queue would show the
    lease of an old holder as valid.
    """
    bound = max(int(busy_seconds * 1000), 1)
    bounds = {"lock_timeout": bound, "statement_timeout": 3 * bound, "idle_in_transaction_session_timeout": 6 * bound}
    ours = " ".join(f"-c {name}={value}" for name, value in {**bounds, "synchronous_commit": "on"}.items())
    arguments = {
        "connect_timeout": max(int(busy_seconds), 2),
        "tcp_user_timeout": bound,
        "keepalives_idle": max(int(busy_seconds / 2), 1),
        "keepalives_interval": max(int(busy_seconds / 4), 1),
        "keepalives_count": 3,
        "application_name": "robotrading",
        "options": f"{ours} {url.query.get('options', '')}".strip(),  # what comes later counts: a person's own
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=arguments,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_timeout=busy_seconds,
        hide_parameters=True,
    )


def _prepare_sqlite(engine: Engine, *, durable: bool) -> None:
    if engine.url.database:
        try:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{engine.url.database}: its folder cannot be made: {error}") from error
    pragmas = ("journal_mode=WAL", f"synchronous={'FULL' if durable else 'OFF'}", "foreign_keys=ON")

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
