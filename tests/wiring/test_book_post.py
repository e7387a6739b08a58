"""A book hands out its outbox and its alerts, kept with its ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.config.load import load
from robotrading.domain.alerts import Finding
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.report import Message, Outcome, SessionReport
from robotrading.wiring.books import Book
from robotrading.wiring.post import report_letter, untold_reports

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
ANN, BONDS = "ann@example.org", AssetClass.BONDS


def test_what_is_posted_in_a_book_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "embedded", "embedded")
    letter = Letter("report:1", LetterKind.REPORT, Urgency.NORMAL, NOW, Message("s", "t", "h"))
    with book.post() as (outbox, alerts):
        assert outbox.post(letter, [Address(Channel.MAIL, "ann@example.org")])
        begun = alerts.begin(Finding("drawdown", Urgency.WARNING, "Low."), NOW)
    with book.post() as (outbox, alerts):
        assert outbox.letter("report:1") == letter
        assert alerts.open() == [begun]


def test_an_ended_run_without_its_letter_is_untold_where_mail_is_set_up(tmp_path: Path) -> None:
    """A service that dies between a run's end and its letter leaves exactly this behind."""
    book = Book(tmp_path / "embedded", "embedded")
    words = {"ROBOTRADING_STATE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    silent = load(None, words)
    mailed = load(
        None, {**words, "GMAIL_ADDRESS": "bot@example.org", "GMAIL_APP_PASSWORD": "x", "RECIPIENT_EMAIL": ANN}
    )
    report = SessionReport("r1", BONDS, "embedded", NOW.date(), NOW, NOW, Outcome.DONE, "all done")
    lost = Claim(Occurrence(BONDS, NOW.date(), NOW), "one", NOW, "never-stored", "failed", NOW)
    done = Claim(Occurrence(BONDS, NOW.date(), NOW), "one", NOW, "r1", "done", NOW)
    with book.ledger() as ledger, book.post() as (outbox, _):
        ledger.start_run("r1", BONDS, NOW.date(), "embedded", NOW)
        ledger.finish_run(report)
        assert untold_reports(silent, outbox, ledger, [done, lost]) == []
        assert untold_reports(mailed, outbox, ledger, [done, lost]) == [report]
        outbox.post(report_letter(report, Message("s", "t", "h"), SystemClock()), [Address(Channel.MAIL, ANN)])
        assert untold_reports(mailed, outbox, ledger, [done, lost]) == []
