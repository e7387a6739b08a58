"""After the runs: reports are stored first and sent from there, and the notes say what became of each."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from mail_servers import Mailbox, account, serving
from report_worlds import NOW, good_day, nothing_to_do
from rich.console import Console

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.cli.render_messages import list_view
from robotrading.config.defaults import default_config
from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Delivery, LetterKind
from robotrading.domain.report import SessionReport
from robotrading.service.alerts.settings import AlertSettings
from robotrading.wiring.books import Book
from robotrading.wiring.mail import ByPost, deliver
from robotrading.wiring.post import addresses_for, opened_outbox, postman_for

REPORTS = (
    good_day(),
    replace(nothing_to_do(), run_id="run-bonds", kind=AssetClass.BONDS),
    replace(nothing_to_do(), run_id="run-crypto", kind=AssetClass.CRYPTO),
)
PEOPLE = ("ann@example.com", "bob@example.com")
SSL = Security.SSL
GOLDEN = Path(__file__).parents[2] / "golden" / "messages" / "one_of_ten.txt"


@dataclass
class Room:
    """A book, and the reports that are delivered from it."""

    folder: Path

    @property
    def book(self) -> Book:
        return Book(self.folder / "embedded", "embedded")

    def deliver(self, mail: MailSettings, reports: tuple[SessionReport, ...] = REPORTS, hours: int = 0) -> list[str]:
        config, clock = replace(default_config(), mail=mail), FixedClock(NOW + timedelta(hours=hours))
        ways = ByPost(self.outbox, lambda outbox: postman_for(config, outbox, clock, self.book))
        folders = {report.run_id: self.folder / report.run_id for report in reports}
        return list(deliver(config, reports, folders, clock, post=ways).notes)

    @contextmanager
    def outbox(self) -> Iterator[SqlOutbox]:
        with opened_outbox(self.book) as outbox:
            assert isinstance(outbox, SqlOutbox)
            yield outbox

    @property
    def ways(self) -> list[Delivery]:
        with self.outbox() as outbox:
            return list(outbox.deliveries(100))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_all_is_well_in_one_line(room: Room, authority: trustme.CA, ca_file: str):
    with serving(Mailbox(), authority, SSL) as box:
        mail = account(box.port, SSL, ca_file, recipients=PEOPLE)
        assert room.deliver(mail) == ["mail: 3 reports sent to 2 recipients"]
        assert room.deliver(mail) == ["mail: 3 reports sent to 2 recipients"], "told again, sent once"
    assert sorted(box.recipients) == sorted(PEOPLE * 3)
    assert {one.letter_id for one in room.ways} == {f"report:{report.run_id}" for report in REPORTS}


def test_a_dead_server_is_told_once_with_the_time_of_the_next_attempt(room: Room):
    notes = room.deliver(account(1, SSL, recipients=PEOPLE))
    assert len(notes) == 2
    assert notes[0].startswith(
        "mail: equities report sent to 0 of 2 recipients; ann@example.com, bob@example.com: nothing answers at"
    )
    assert "; it waits, next attempt at 19:45 UTC" in notes[0]
    assert notes[1] == "mail: 2 other reports likewise; all are on the disk"


def test_what_had_waited_goes_along_and_is_counted(room: Room, authority: trustme.CA, ca_file: str):
    room.deliver(account(1, SSL, recipients=PEOPLE), REPORTS[:2])
    with serving(Mailbox(), authority, SSL) as box:
        notes = room.deliver(account(box.port, SSL, ca_file, recipients=PEOPLE), REPORTS[2:], hours=1)
    assert notes == ["mail: 1 report sent to 2 recipients", "messages: 4 other messages sent"]
    assert len(box.mails) == 6


def test_who_was_refused_is_told_with_the_reason(room: Room, authority: trustme.CA, ca_file: str):
    with serving(Mailbox(rcpt={"bob@example.com": "550 no such user"}), authority, SSL) as box:
        notes = room.deliver(account(box.port, SSL, ca_file, recipients=PEOPLE), REPORTS[:1])
    assert notes[0].startswith(
        "mail: equities report sent to 1 of 2 recipients; bob@example.com: localhost refused the recipient (550 no such"
    )
    assert "see `robotrading messages`" in notes[0]
    assert notes[1] == "messages: 1 other message sent", "ann is told that bob is not reached"


def test_a_report_in_a_digest_counts_as_the_digest_does(room: Room, authority: trustme.CA, ca_file: str):
    for number in range(2):
        reports = tuple(replace(one, run_id=f"{one.run_id}-{number}") for one in REPORTS)
        room.deliver(account(1, SSL, recipients=PEOPLE), reports)
    with serving(Mailbox(), authority, SSL) as box:
        notes = room.deliver(account(box.port, SSL, ca_file, recipients=PEOPLE), REPORTS, hours=5)
    assert notes == ["mail: 3 reports sent to 2 recipients"]
    assert [mail["Subject"] for _, _, mail in box.mails] == ["robotrading: 9 messages that waited (9 reports)"] * 2


def test_an_outbox_that_cannot_be_written_keeps_no_report_back(room: Room, authority: trustme.CA, ca_file: str):
    with room.outbox():
        pass
    connection = sqlite3.connect(room.book.root / "ledger.db")
    connection.execute("ALTER TABLE letters RENAME TO gone")
    connection.commit()
    connection.close()
    with serving(Mailbox(), authority, SSL) as box:
        notes = room.deliver(account(box.port, SSL, ca_file, recipients=PEOPLE))
    assert notes[0].startswith("mail: the outbox could not be written, so the reports are sent directly, once: ")
    assert notes[1:] == ["mail: 3 reports sent to 2 recipients"]
    assert sorted(box.recipients) == sorted(PEOPLE * 3)


def test_a_ledger_that_fails_after_the_storing_sends_nothing_twice(room: Room, authority: trustme.CA, ca_file: str):
    with serving(Mailbox(), authority, SSL) as box:
        mail = account(box.port, SSL, ca_file, recipients=PEOPLE)
        with room.outbox():
            pass
        connection = sqlite3.connect(room.book.root / "ledger.db")
        connection.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        connection.commit()
        connection.close()
        notes = room.deliver(mail)
    assert len(notes) == 1
    assert notes[0].startswith("mail: the reports are in the outbox, and what has not left is tried later: ")
    assert box.mails == []


def test_without_mail_nothing_is_stored_and_the_hint_stays(room: Room):
    assert room.deliver(MailSettings())[0].startswith("mail is not set up: GMAIL_ADDRESS")
    assert not room.book.root.exists()


def test_who_is_told_what():
    """Reports by mail; alerts by mail where that is wanted, and by push; a test everywhere."""
    urls = AlertSettings(push="tgram://a/b ntfy://c")
    config: Config = replace(default_config(), mail=account(1, SSL, recipients=PEOPLE), alerts=urls)
    mails, pushes = [f"mail:{person}" for person in PEOPLE], ["push:tgram 1", "push:ntfy 1"]

    def told(found: Config, kind: LetterKind) -> list[str]:
        return list(map(str, addresses_for(found, kind)))

    assert told(config, LetterKind.REPORT) == told(config, LetterKind.SUMMARY) == mails
    assert told(config, LetterKind.ALERT) == told(config, LetterKind.TEST) == mails + pushes
    assert told(replace(config, alerts=replace(urls, mail=False)), LetterKind.ALERT) == pushes
    assert told(replace(config, mail=MailSettings()), LetterKind.ALERT) == pushes
    assert told(replace(config, mail=MailSettings()), LetterKind.REPORT) == []


def test_one_recipient_of_ten_is_wrong(room: Room, authority: trustme.CA, ca_file: str):
    """Nine have their mail, and what the terminal and the list say of the tenth is kept as it is read."""
    people = tuple(
        f"{name}@example.com" for name in ["ann", "bob", "cleo", "dan", "eve", "fay", "gil", "hal", "ida", "jan"]
    )
    with serving(Mailbox(rcpt={"fay@example.com": "550 5.1.1 nobody of that name"}), authority, SSL) as box:
        notes = room.deliver(account(box.port, SSL, ca_file, recipients=people), REPORTS[:1])
    reports = [
        person for person, mail in zip(box.recipients, box.mails, strict=True) if "quities" in mail[2]["Subject"]
    ]
    assert sorted(set(reports)) == sorted(set(people) - {"fay@example.com"})
    said = io.StringIO()
    terminal = Console(file=said, width=80, color_system=None)
    for line in [*notes, "", *list_view(room.ways)]:
        terminal.print(line, soft_wrap=False)
    found = "\n".join(line.rstrip() for line in said.getvalue().splitlines()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
