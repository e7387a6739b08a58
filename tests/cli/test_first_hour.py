"""What a person meets in the first hour: every answer names the place it speaks of and a way that leads on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from robotrading.cli.app import app
from robotrading.cli.out import rendered
from robotrading.cli.render_person import doubts_view
from robotrading.domain.book import Account, Position
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.resolve import Doubt, Ownership, held, set_position
from tests.cli.command import environment, robotrading

D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
SHARE = Instrument("SHARE", AssetClass.EQUITIES)
INTENT = Intent(
    "rt-1", "run-1", AssetClass.EQUITIES, AT.date(), SHARE, Side.BUY, D(10), OrderType.LIMIT, D(100), "below target"
)
DOUBT = Doubt(Ticket(INTENT, TicketStatus.UNKNOWN), AT, D(0), None, None)


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


def test_the_brake_names_whose_it_is(book: Book) -> None:
    """A halt from the wrong folder stops another bot than the one that is meant, and must not look as if it did not."""
    here = f"This is of the book embedded in {book.root.parent} alone.\nThere is no config.yaml in this folder"
    for words in (("halt", "why"), ("resume",), ("resume",)):
        assert here in told(*words)
    assert told("status").startswith("There is no config.yaml in this folder: the built-in defaults hold.\n")
    (book.root.parents[2] / "config.yaml").write_text("broker: {gateway: external, account: DU7654321}\n")
    assert "This is of the book paper-DU7654321 in " in told("halt", "why")
    assert "config.yaml" not in told("status")


# A state folder that cannot be used ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["run", "crypto"], ["demo"], ["serve"]])
def test_a_state_folder_that_is_none_is_told_with_the_way_out(words: list[str], tmp_path: Path) -> None:
    """Where the books should be is a file: no folder can be made in it, whoever asks (the owner or root)."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "books").write_text("no folder", encoding="utf-8")
    done = robotrading(*words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr + done.stdout) == (4, False)
    assert "the lock cannot be taken" in done.stderr
    assert "set state_dir to a folder of your own" in done.stderr


def test_an_error_that_nobody_has_foreseen_is_told_on_standard_error_without_secrets(tmp_path: Path) -> None:
    """Also where the log cannot be written: an exit code alone helps nobody."""
    code = (
        "import os; from pathlib import Path; from robotrading.config.load import load\n"
        "from robotrading.wiring.logs import log_command\n"
        "log_command(load(None, os.environ)); raise ArithmeticError('the word is tangerine-99-tangerine')"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "command.log").mkdir()
    for state in ("full", "state"):
        env = environment(tmp_path / state, ROBOTRADING_TOKEN="tangerine-99-tangerine")
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert "ArithmeticError" in done.stderr
        assert "Traceback" in done.stderr
        assert "tangerine" not in done.stderr


def test_warnings_of_a_command_stay_in_its_log(tmp_path: Path) -> None:
    """The terminal is left to the answer."""
    code = (
        "import os, logging; from robotrading.config.load import load; from robotrading.wiring.logs import log_command\n"
        "log_command(load(None, os.environ)); logging.getLogger('x').critical('a word', exc_info=ValueError('b'))"
    )
    env = environment(tmp_path / "state")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "a word" in (tmp_path / "state" / "command.log").read_text(encoding="utf-8")


def test_a_ledger_that_cannot_be_opened_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "state" / "books" / "embedded" / "ledger.db").mkdir(parents=True)
    done = robotrading("status", cwd=tmp_path)
    assert done.returncode == 4
    assert "unable to open database file; run every command as the owner of that folder" in done.stderr


# After the demo --------------------------------------------------------------------------------------------------------


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, RobotradingError), result.output
    return str(result.exception)


def open_once(orders: Orders) -> None:
    with book_for(load_config(orders), orders).ledger():
        pass


@pytest.mark.usefixtures("book")
def test_whoever_has_run_the_demo_is_told_where_its_runs_are() -> None:
    """`robotrading report` is the next thing that a person types, and the demo has a book of its own."""
    assert "add --demo" not in refused("report")
    open_once(Orders(demo=True))
    open_once(Orders(as_of=AT.date()))
    for words in (["report"], ["explain", "SYNAA"]):
        assert refused(*words).endswith("; of the demo: add --demo; of rehearsals: add --as-of DATE")
    assert "of the demo: add --demo" in " ".join(told("report", "--list").split())
    assert "add --demo" not in told("report", "--list", "--demo")


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("words", [[], ["--demo"], ["--as-of", "2025-09-26"]])
def test_the_way_back_from_a_halt_is_of_the_same_ledger(words: list[str]) -> None:
    """Without its options `resume` would let another account trade, and leave this one halted."""
    again = " ".join(["robotrading", "resume", *words])
    assert f"No order leaves until `{again}`." in told("halt", "to look", *words)
    assert "The halt is over" in told(*again.split()[1:])


def test_how_an_order_is_settled_is_told_with_its_ledger() -> None:
    """The advice is a command to be copied."""
    view = rendered(Console(width=100, color_system=None), doubts_view([DOUBT], " --demo"))
    assert "robotrading resolve ID --not-filled --demo" in view
    assert "robotrading resolve ID --filled QTY@PRICE --demo" in view


# What would be passed over in silence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--simulate", "2", "disk-full"], "leave the names of drills"),
        (["--simulate", "2", "--json"], "--json out"),
        (["--simulate", "2", "--keep", "somewhere"], "--keep"),
        (["--seed-from", "5"], "--seed-from 5"),
    ],
)
def test_the_self_test_passes_no_option_over(words: list[str], names: str) -> None:
    """`--json` promised JSON and gave a table; a seed alone played all the drills for minutes."""
    assert names in refused("selftest", *words)
