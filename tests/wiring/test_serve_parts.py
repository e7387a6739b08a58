"""What the service is made of: where it looks for backups, and what becomes of a report's mail."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome, SessionReport
from robotrading.service.folders import newest_entry
from robotrading.service.setup import Hooks
from robotrading.session.processes import Ways
from robotrading.wiring import serve
from robotrading.wiring.books import Book, Orders, load_config
from robotrading.wiring.people import People
from robotrading.wiring.serve import _Parts

AT = datetime(2025, 11, 21, 20, 45, tzinfo=UTC)
REPORT = SessionReport("run-1", AssetClass.EQUITIES, "paper", AT.date(), AT, AT, Outcome.DONE, "done")


def test_backups_are_looked_for_where_an_upgrade_puts_them(tmp_path: Path) -> None:
    """Files and folders count: an upgrade makes a folder for each."""
    file = tmp_path / "config.yaml"
    file.write_text(f"state_dir: {tmp_path / 'state'}\n")
    orders = Orders(config=file)
    parts = _Parts(orders, load_config(orders), Book(tmp_path / "book", "paper"), "here", AT, "", {})
    folder = parts.place.backups
    assert folder == tmp_path / "state" / "backups"
    assert newest_entry(folder) is None
    made = folder / "20251121T204500Z-1" / "books" / "paper"
    made.mkdir(parents=True)
    os.utime(made.parents[1], (AT.timestamp(), AT.timestamp()))
    assert newest_entry(folder) == AT


async def test_a_report_that_could_not_be_delivered_is_trouble_and_no_note(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("no_such_key: 1\n")
    with pytest.raises(RobotradingError, match=r"session-report ended with 2: .*"):
        await People(file, {}).deliver(REPORT)


async def test_a_lock_that_cannot_be_taken_keeps_no_dead_run_from_being_concluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised where dead runs are buried ends the schedule, and with it the service, at each start anew."""
    monkeypatch.setattr(serve, "_ORPHAN_SECONDS", 0.1)
    file = tmp_path / "config.yaml"
    file.write_text(f"state_dir: {tmp_path / 'state'}\n")
    orders, book = Orders(config=file), Book(tmp_path / "book", "paper")
    parts = serve._Parts(orders, load_config(orders), book, "here", AT, "", {})
    book.root.mkdir()
    (book.root / "locks").write_text("a file where the folder should be")
    with parts.book.ledger() as ledger:
        sessions = serve._Sessions(parts, ledger, Hooks(Ways(), lambda *_: None), port=0)
        await sessions.settled(AssetClass.CRYPTO)
