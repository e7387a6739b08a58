"""What a person meets in the first hour: every answer names the place it speaks of and a way that leads on."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robotrading.cli.app import app
from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.report import Outcome, SessionReport
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.resolve import Ownership, held, set_position

D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
SHARE = Instrument("SHARE", AssetClass.EQUITIES)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """An empty ledger where a person's commands look for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    return book_for(load_config(Orders()), Orders())


def told(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def look(book: Book, held: int) -> None:
    """A report whose account holds so many shares."""
    there = (Position(SHARE, D(held), D(90)),)
    account = Account("DU1", "USD", D(9), D(9), {"USD": D(9)}, there, AT)
    kind = AssetClass.EQUITIES
    with book.ledger() as ledger:
        ledger.finish_run(
            SessionReport("run-1", kind, "embedded", AT.date(), AT, AT, Outcome.DONE, "Done.", account=account)
        )


def test_nobody_is_told_to_own_less_than_nothing(book: Book) -> None:
    """The account was seen before the bot had all that it has now: what of it is the person's own is not known."""
    look(book, 10)
    set_position(Orders(), Ownership("SHARE", AssetClass.EQUITIES, D(40), "more of it", "ann", D(90)))
    (found,) = held(Orders())
    assert (found.held, found.protected) == (10, None)
    assert told("positions").splitlines()[3].split() == ["SHARE", "equities", "40", "90.00", "USD", "?"]
