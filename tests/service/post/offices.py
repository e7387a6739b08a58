"""A post office for tests: a real outbox in a file, real carriers, and a clock that a test turns."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mail_servers import Mailbox

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.notify.mail import MailCarrier
from robotrading.adapters.notify.push import PushCarrier
from robotrading.adapters.notify.settings import MailSettings
from robotrading.domain.messages import Address, Channel, Delivery, Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.service.post.postman import Postman, Round
from robotrading.service.post.settings import OutboxSettings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PEOPLE = ("ann@example.com", "bob@example.com", "cleo@example.com")


def mail_to(*people: str) -> tuple[Address, ...]:
    return tuple(Address(Channel.MAIL, person) for person in people)


@dataclass
class Hand:
    """A clock that stands still until it is turned."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def turn(self, **much: float) -> None:
        self.at += timedelta(**much)


@dataclass
class Office:
    """Letters are posted, rounds are made, and what came of each letter is asked."""

    outbox: SqlOutbox
    path: Path
    clock: Hand = field(default_factory=Hand)
    settings: OutboxSettings = field(default_factory=OutboxSettings)
    alarm: tuple[Address, ...] = ()

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Office]:
        database = open_database(f"sqlite:///{path}", durable=False)
        try:
            yield cls(SqlOutbox(database), path)
        finally:
            database.close()

    def post(
        self,
        name: str,
        *to: Address,
        kind: LetterKind = LetterKind.REPORT,
        urgency: Urgency = Urgency.NORMAL,
        text: str = "the text\n",
    ) -> Letter:
        letter = Letter(name, kind, urgency, self.clock.now(), Message(f"about {name}", text, "<p>the page</p>"))
        assert self.outbox.post(letter, to or mail_to(*PEOPLE))
        return letter

    def postman(self, mail: MailSettings | None = None, push: str = "") -> Postman:
        carriers: dict[Channel, MailCarrier | PushCarrier] = {}
        if mail is not None:
            carriers[Channel.MAIL] = MailCarrier(mail, "book")
        if push:
            carriers[Channel.PUSH] = PushCarrier(push, seconds=2.0)
        return Postman(self.outbox, carriers, self.settings, self.clock, self.alarm)

    def round(self, mail: MailSettings | None = None, push: str = "", *, hurry: bool = False) -> Round:
        return self.postman(mail, push).round(hurry=hurry)

    def ways(self, name: str = "") -> Sequence[Delivery]:
        return [one for one in self.outbox.deliveries(1000) if not name or one.letter_id == name]

    def states(self, name: str = "") -> dict[str, str]:
        return {one.address.recipient: str(one.state) for one in self.ways(name)}

    def kept(self) -> bytes:
        """Every byte that the ledger keeps."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return b"".join(path.read_bytes() for path in self.path.parent.glob(f"{self.path.name}*"))


def arrived(box: Mailbox) -> Counter[tuple[str, str]]:
    """How often each Message-ID came to each recipient."""
    return Counter((people[0], str(mail["Message-ID"])) for _, people, mail in box.mails)
