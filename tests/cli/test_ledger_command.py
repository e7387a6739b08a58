"""`robotrading ledger`: what holds and what does not, for people and programs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from robotrading.adapters.ledger.store import open_ledger
from tests.cli.command import robotrading

AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
FILE = Path("state") / "books" / "embedded" / "ledger.db"


def ledger_at(folder: Path) -> Path:
    ledger = open_ledger(f"sqlite:///{folder / FILE}")
    ledger.halt("lunch\x1b[31m", AT, "ann")
    ledger.close()
    return folder / FILE


def test_a_sound_ledger_is_fine(tmp_path: Path) -> None:
    path = ledger_at(tmp_path)
    done = robotrading("ledger", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sqlite:///{path}: fine\n", "")


def test_what_does_not_hold_is_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger_at(tmp_path))) as link, link:
        link.execute("INSERT INTO commissions VALUES ('f', 1, 'nobody', '1', 'USD', '2025-09-26T00:00:00+00:00')")
    done = robotrading("ledger", "check", cwd=tmp_path)
    assert done.returncode == 4
    assert "1 thing not right" in done.stdout
    assert "commission_without_fill: f: revision 1 belongs to no execution" in done.stdout
    found = json.loads(robotrading("ledger", "check", "--json", cwd=tmp_path).stdout)
    assert [one["what"] for one in found["findings"]] == ["commission_without_fill"]


def test_the_log_says_who_did_what_and_cannot_command_the_terminal(tmp_path: Path) -> None:
    ledger_at(tmp_path)
    done = robotrading("ledger", "log", cwd=tmp_path)
    assert done.stdout == "2025-09-26 19:45:00 UTC  ann  halt  trading: nothing -> lunch\\x1b[31m\n"
    [line] = json.loads(robotrading("ledger", "log", "--json", cwd=tmp_path).stdout)
    assert (line["who"], line["what"], line["before"], line["after"]) == ("ann", "halt", "", "lunch\x1b[31m")


def test_nothing_changed_is_said_too(tmp_path: Path) -> None:
    assert robotrading("ledger", "log", cwd=tmp_path).stdout == "Nobody has changed anything yet.\n"
