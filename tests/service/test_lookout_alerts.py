"""What the lookout sees beside the ledger: breakers since when, the outbox, open alerts, backups, and dead copies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.service.alerts.rules import finding
from robotrading.service.facts import BrokerFacts, ClosedTrade, PaidFlows
from robotrading.service.folders import newest_entry
from robotrading.service.lookout import Hearers, Lookout, Place, Reader, Shelves, Sources, dead_copies
from robotrading.sim.clock import VirtualClock

NOW = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    found = open_database(sqlite_url)
    yield found
    found.close()


async def test_everything_beside_the_ledger_is_seen(database: Database, tmp_path: Path) -> None:
    clock, breakers = VirtualClock(NOW), {"yahoo": True, "smtp": False}
    backup = tmp_path / "copies" / "1.db"
    backup.parent.mkdir()
    backup.touch()
    os.utime(backup, (NOW.timestamp(), NOW.timestamp()))
    place = Place(
        version="test", mode="paper", place="ledger.db", holder="here", lease="account:test", folder=tmp_path,
        path=None, account_id="DU1", currency="USD", started_at=NOW,
        sessions={AssetClass.CRYPTO: (True, "at 14:00", 600.0)}, last_end="it died", backups=backup.parent,
    )  # fmt: skip
    sources = Sources(dict, dict, tuple, BrokerFacts, lambda: dict(breakers), lambda: None, lambda: "")
    outbox, alerts = SqlOutbox(database), SqlAlertBook(database)
    trade = ClosedTrade("AAPL", NOW, Decimal(1))
    paid = PaidFlows(since=NOW, until=LATER)
    shelves = Shelves(
        outbox,
        alerts,
        lambda since: [trade] if since == LATER - timedelta(days=1) else [],
        {"DU1": paid}.__getitem__,
    )
    reader = Reader(place, clock, SqlLedger(database), SqlPositionBook(database), SqlClaims(database), shelves)
    lookout = Lookout(place, clock, sources, Hearers(lambda _: None, lambda *_: None))
    alert = alerts.begin(finding("halted", "trading is halted"), NOW)
    letter = Letter("test:1", LetterKind.TEST, Urgency.CRITICAL, NOW, Message("s", "t", "h"))
    outbox.post(letter, [Address(Channel.MAIL, "a@example.com")])
    clock.advance(300)
    await lookout.look(reader)
    facts = lookout.facts
    assert facts.breakers_since == {"yahoo": NOW}
    assert facts.alerts == (alert,)
    assert (facts.waiting_mails, facts.waiting.oldest_critical) == (1, NOW)
    assert (facts.book.trades, facts.book.flows) == ((trade,), paid)
    assert (facts.last_end, facts.backup_at) == ("it died", NOW)
    breakers["yahoo"] = False
    lookout.refresh()
    assert lookout.facts.breakers_since == {}


def test_who_claimed_has_not_ended_and_does_not_hold_the_account_has_died() -> None:
    occurrence = Occurrence(AssetClass.CRYPTO, date(2025, 9, 26), NOW)
    claim = Claim(occurrence, "a:1:x", NOW)
    lease = Lease("account:test", "a:1:x", 1, LATER)
    assert dead_copies([claim], "b:2:y", None, LATER) == ("a:1:x",)
    assert dead_copies([claim], "b:2:y", None, NOW + timedelta(seconds=60)) == ()
    assert dead_copies([claim], "b:2:y", lease, LATER) == ()
    assert dead_copies([claim], "a:1:x", None, LATER) == ()
    assert dead_copies([replace(claim, finished_at=LATER)], "b:2:y", None, LATER) == ()


def test_no_folder_or_an_empty_one_has_no_newest_entry(tmp_path: Path) -> None:
    assert newest_entry(None) is None
    assert newest_entry(tmp_path) is None
    assert newest_entry(tmp_path / "nothing") is None
