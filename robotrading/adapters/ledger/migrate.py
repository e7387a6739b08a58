"""Bring a database to the schema this version needs; runs on every start and costs one query when nothing is due."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from robotrading.domain.errors import LedgerError

HEAD = "0002"
"""The newest migration; a test compares it with the folder."""

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Run what is missing, each migration in the transaction that also records it.

    Raises `LedgerError` when the database was written by a newer version, or a migration fails.
    """
    try:
        with engine.connect() as connection:
            current = _current(connection)
        if current == HEAD:
            return
        if current is not None and current > HEAD:
            raise LedgerError(
                f"{engine.url.render_as_string()}: schema {current} is newer than this program's ({HEAD}); "
                "upgrade robotrading, or restore a backup made by this version"
            )
        _upgrade(engine)
    except SQLAlchemyError as error:
        raise LedgerError(f"{engine.url.render_as_string()}: the ledger cannot be prepared: {error}") from error


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(engine: Engine) -> None:
    from alembic import command  # noqa: PLC0415  a quarter of a second, needed only when a migration is due
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if _current(connection) == HEAD:
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
