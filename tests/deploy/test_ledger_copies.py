"""Copies of the ledgers around an upgrade: an order that was recorded is never forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from robotrading.adapters.ledger.copies import main, put_back, save
from robotrading.adapters.ledger.database import open_database


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with one real ledger of this version and an order in a table of its own."""
    folder = tmp_path / "state"
    ledger = folder / "books" / "embedded" / "ledger.db"
    ledger.parent.mkdir(parents=True)
    open_database(f"sqlite:///{ledger}").close()
    change(folder, "CREATE TABLE notes (words TEXT)", "INSERT INTO notes VALUES ('an order')")
    return folder


def change(state: Path, *statements: str) -> None:
    with closing(sqlite3.connect(state / "books/embedded/ledger.db")) as ledger:
        for statement in statements:
            ledger.execute(statement)
        ledger.commit()


def asked(state: Path, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(state / "books/embedded/ledger.db")) as ledger:
        return ledger.execute(query).fetchall()


MIGRATION = ("UPDATE alembic_version SET version_num = '9999'", "CREATE TABLE later (x INTEGER)")


def test_a_copy_holds_what_the_ledger_held_while_somebody_writes(state: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(state / "books/embedded/ledger.db")) as other:
        other.execute("INSERT INTO notes VALUES ('not committed')")
        (copy,) = save(state, tmp_path / "copies")
        other.rollback()
    with closing(sqlite3.connect(copy)) as saved:
        assert saved.execute("SELECT words FROM notes").fetchall() == [("an order",)]


def test_a_ledger_that_was_not_migrated_is_left_alone_with_what_it_recorded(state: Path, tmp_path: Path) -> None:
    save(state, tmp_path / "copies")
    change(state, "INSERT INTO notes VALUES ('a later order')")
    (end,) = put_back(state, tmp_path / "copies")
    assert (end.restored, end.lost) == (False, "")
    assert len(asked(state, "SELECT * FROM notes")) == 2


def test_a_migrated_ledger_without_news_gets_its_copy_back_and_the_other_is_kept(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (before,) = asked(state, "SELECT version_num FROM alembic_version")
    assert main(["save", str(state), str(tmp_path / "copies")]) == 0
    change(state, *MIGRATION)
    assert main(["put-back", str(state), str(tmp_path / "copies")]) == 0
    assert "is back" in capsys.readouterr().out
    assert asked(state, "SELECT version_num FROM alembic_version") == [before]
    assert (state / "books/embedded/ledger.db.migrated").exists()


@pytest.mark.parametrize("news", ["INSERT INTO notes VALUES ('a new order')", "DROP TABLE notes"])
def test_a_migrated_ledger_with_news_is_never_exchanged(
    state: Path, tmp_path: Path, news: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(state, tmp_path / "copies")
    change(state, *MIGRATION, news)
    assert main(["put-back", str(state), str(tmp_path / "copies")]) == 4
    assert "notes" in capsys.readouterr().err
    assert asked(state, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_the_leases_of_a_mere_start_are_no_news(state: Path, tmp_path: Path) -> None:
    save(state, tmp_path / "copies")
    change(state, *MIGRATION, "DROP TABLE leases")
    (end,) = put_back(state, tmp_path / "copies")
    assert end.restored


def test_what_people_were_told_is_no_news(state: Path, tmp_path: Path) -> None:
    """A mail that is sent again does no harm; a version that cannot be gone back from does."""
    save(state, tmp_path / "copies")
    told = "INSERT INTO letters VALUES ('report:1', 'report', 'normal', 's', '2025-09-26', x'')"
    change(state, *MIGRATION, told, "DROP TABLE deliveries", "DROP TABLE alerts")
    (end,) = put_back(state, tmp_path / "copies")
    assert end.restored
    assert asked(state, "SELECT * FROM letters") == []


def test_a_file_without_a_schema_is_no_migrated_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "state/books/x/ledger.db"
    ledger.parent.mkdir(parents=True)
    sqlite3.connect(ledger).close()
    assert main(["save", str(tmp_path / "state"), str(tmp_path / "copies")]) == 0
    assert main(["put-back", str(tmp_path / "state"), str(tmp_path / "copies")]) == 0


def test_where_nothing_is_there_is_nothing_to_copy(tmp_path: Path) -> None:
    assert save(tmp_path, tmp_path / "copies") == []
    assert put_back(tmp_path, tmp_path / "copies") == []
