"""A desk over a real ledger in a file, a clock moved by hand, and what its people have read so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Address, Channel, Letter
from robotrading.service.alerts.desk import Desk, Looked, Voice
from robotrading.service.alerts.rules import finding
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.alerts.words import Whence

BEGIN = datetime(2025, 9, 26, 12, 0, tzinfo=UTC)
HERE = Whence("paper ***567", "host", "http://127.0.0.1:8080/")
PEOPLE = (Address(Channel.MAIL, "a@example.com"), Address(Channel.PUSH, "tgram 1"))
FAILED = finding("session_failed", "the last run of crypto failed: no prices", "crypto")
HALTED = finding("halted", "trading is halted: by hand")
LATE = finding("data_late", "the newest price of crypto is a day late", "crypto")
GONE = finding("disconnected", "the broker has not been reached for 6 min: nobody listens")


@dataclass
class HandClock:
    """Moves when it is told to."""

    at: datetime = BEGIN
    passed: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.passed

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.passed += seconds

    def set_to(self, at: datetime) -> None:
        """Somebody sets it: no time has passed."""
        self.at = at


class TroubledBook(SqlAlertBook):
    """A ledger whose disk is full for a while: everything raises, or what writes does, from the nth word on."""

    broken = False
    writes_left: int | None = None

    def _may(self, *, writes: bool) -> None:
        if self.broken:
            raise LedgerError("database or disk is full")
        if writes and self.writes_left is not None:
            if self.writes_left == 0:
                raise LedgerError("database or disk is full")
            self.writes_left -= 1

    def open(self) -> Sequence[Alert]:
        self._may(writes=False)
        return super().open()

    def begin(self, finding: Finding, at: datetime) -> Alert | None:
        self._may(writes=True)
        return super().begin(finding, at)

    def tell(self, alert: Alert, at: datetime) -> bool:
        self._may(writes=True)
        return super().tell(alert, at)

    def end(self, alert: Alert, at: datetime) -> bool:
        self._may(writes=True)
        done = super().end(alert, at)
        self._may(writes=True)  # a death between the end and its word
        return done


@dataclass
class World:
    """Several desks (copies, lives) may be made on one ledger."""

    path: Path
    settings: AlertSettings = field(default_factory=AlertSettings)
    clock: HandClock = field(default_factory=HandClock)
    directly: list[Letter] = field(default_factory=list)
    way_is_open: bool = True

    def __enter__(self) -> Self:
        self.database: Database = open_database(f"sqlite:///{self.path / 'ledger.db'}", durable=False)
        self.book, self.outbox = TroubledBook(self.database), SqlOutbox(self.database)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.database.close()

    def desk(self, addresses: tuple[Address, ...] = PEOPLE) -> Desk:
        return Desk(self.book, self.outbox, self.settings, Voice(HERE, addresses, self._direct), self.clock)

    async def _direct(self, letters: Sequence[Letter]) -> bool:
        if self.way_is_open:
            self.directly += letters
        return self.way_is_open

    async def during(self, desk: Desk, seconds: float, *found: Finding, every: float = 5.0) -> Looked:
        """Looks for a while that all find the same; the clock stands behind the last one."""
        end = self.clock.monotonic() + seconds
        while True:
            looked = await desk.look(found)
            self.clock.forward(every)
            if self.clock.monotonic() >= end:
                return looked

    def told(self) -> list[str]:
        """The last part of each letter's id, oldest first: `raised`, `reminded-1`, `resolved`, `passed`."""
        return [name.rpartition(":")[2] for name in self.letters()]

    def letters(self) -> list[str]:
        ways = self.outbox.deliveries(5000)
        return list(dict.fromkeys(one.letter_id for one in reversed(ways)))

    def subjects(self) -> list[str]:
        return [letter.message.subject for name in self.letters() if (letter := self.outbox.letter(name))]

    def text(self, name: str) -> str:
        letter = self.outbox.letter(name)
        assert letter is not None
        return letter.message.text
