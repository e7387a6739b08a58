"""Bring a database to the schema this version needs; runs on every start and costs one query when nothing is due."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from robotrading.adapters.ledger.words import cause, place
from robotrading.domain.errors import LedgerError

HEAD = "0004"
"""The newest migration; a test compares it with the folder."""

MIGRATIONS = Path(__file__).parent / "migrations"
Begin = Callable[[Connection, bool], None]
"""Opens a transaction on a connection, for reading (True) or for writing in the queue of writers."""
_VERSION = text("SELECT version_num FROM alembic_version")
_ONE_AT_A_TIME = Lock()
"""Alembic keeps the migration that runs in a variable of its module: one per process."""


def migrate(engine: Engine, begin: Begin) -> None:
    """Run what is missing, all in one transaction that `begin` opens; several may try at once, one does it.

    Raises `LedgerError` when the database was written by a newer version, or a migration fails; then nothing has
    changed.
    """
    try:
        with engine.connect() as connection:
            due = _is_due(connection)
        if due:
            _upgrade(engine, begin)
    except (SQLAlchemyError, sqlite3.Error) as error:
        said = cause(error, engine.url)
        raise LedgerError(f"{place(engine.url)}: the ledger cannot be prepared: {said}{_way_out(said)}") from error


def _way_out(said: str) -> str:
    """For a file that is another user's, which SQLite names by what it could not do."""
    if "readonly" not in said and "unable to open" not in said:
        return ""
    return "; run every command as the owner of that folder, or set state_dir to a folder of your own"


def _is_due(connection: Connection) -> bool:
    """Whether a migration is missing. Raises `LedgerError` where this program is older than the ledger."""
    current = _current(connection)
    if current is not None and current > HEAD:
        raise LedgerError(
            f"{place(connection.engine.url)}: schema {current} is newer than this program's ({HEAD}); "
            "upgrade robotrading, or restore a backup made by this version"
        )
    return current != HEAD


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(_VERSION).scalar()


def _upgrade(engine: Engine, begin: Begin) -> None:
    from alembic import command  # noqa: PLC0415  a quarter of a second, needed only when a migration is due
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection, _ONE_AT_A_TIME:
        begin(connection, False)  # noqa: FBT003  for writing
        if not _is_due(connection):  # somebody else has done it while we waited
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
