"""A book hands out its outbox and its alerts, kept with its ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from robotrading.domain.alerts import Finding
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.wiring.books import Book

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)


def test_what_is_posted_in_a_book_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "embedded", "embedded")
    letter = Letter("report:1", LetterKind.REPORT, Urgency.NORMAL, NOW, Message("s", "t", "h"))
    with book.post() as (outbox, alerts):
        assert outbox.post(letter, [Address(Channel.MAIL, "ann@example.org")])
        begun = alerts.begin(Finding("drawdown", Urgency.WARNING, "Low."), NOW)
    with book.post() as (outbox, alerts):
        assert outbox.letter("report:1") == letter
        assert alerts.open() == [begun]
