"""The AlertBook port's contract: of a key one alert is open, told and ended by one caller each; on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import pytest
from ledgers import NOW
from sqlalchemy import text

from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Urgency

FAILED = Finding("session_failed", Urgency.CRITICAL, "The session failed.", "Look at its log.", "crypto")
DRAWDOWN = Finding("drawdown", Urgency.WARNING, "The account is 16 % below its best.")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def book(database: Database) -> SqlAlertBook:
    return SqlAlertBook(database)


def begun(book: SqlAlertBook, finding: Finding = FAILED, at: datetime = NOW) -> Alert:
    alert = book.begin(finding, at)
    assert alert is not None
    return alert


def test_what_is_begun_is_open_over_a_restart(book: SqlAlertBook, database_url: str) -> None:
    alert = begun(book)
    assert alert == Alert("session_failed:crypto", "session_failed", Urgency.CRITICAL,
                          "The session failed.", "Look at its log.", NOW, NOW)  # fmt: skip
    again = open_database(database_url)
    assert SqlAlertBook(again).open() == SqlAlertBook(again).recent() == [alert]
    again.close()


def test_of_one_key_one_is_open_and_another_key_is_another_alert(book: SqlAlertBook) -> None:
    begun(book)
    assert book.begin(replace(FAILED, found="Again."), after(1)) is None
    begun(book, replace(FAILED, subject="bonds"), after(-1))
    assert [alert.key for alert in book.open()] == ["session_failed:bonds", "session_failed:crypto"]


def test_after_its_end_the_same_trouble_is_a_new_alert(book: SqlAlertBook) -> None:
    first = begun(book)
    assert book.end(first, after(5))
    second = begun(book, at=after(9))
    assert book.open() == [second]
    assert book.recent() == [second, replace(first, resolved_at=after(5))]
    assert book.recent(1) == [second]


def test_two_alerts_of_a_key_never_have_one_instant(book: SqlAlertBook) -> None:
    """Their letters are named after it; clocks may stand still or go back."""
    raised = []
    for _ in range(3):
        alert = begun(book)
        raised.append(alert.raised_at)
        assert book.end(alert, NOW)
    assert raised == [NOW + timedelta(microseconds=number) for number in range(3)]
    assert begun(book, at=after(-1)).raised_at == after(-1)


def test_what_is_seen_again_is_counted_and_has_the_latest_words(book: SqlAlertBook) -> None:
    alert, worse = begun(book), replace(FAILED, urgency=Urgency.WARNING, found="It failed twice.", remedy="")
    book.seen(alert, worse, after(9))
    book.seen(alert, worse, after(5), 41)
    (found,) = book.open()
    seen = replace(alert, urgency=Urgency.WARNING, found="It failed twice.", remedy="", times=43, seen_at=after(9))
    assert found == seen


def test_an_alert_that_has_ended_is_changed_by_nobody(book: SqlAlertBook) -> None:
    alert = begun(book)
    assert book.end(alert, after(5))
    assert not book.end(alert, after(6))
    assert not book.tell(alert, after(6))
    book.seen(alert, DRAWDOWN, after(6))
    assert book.recent() == [replace(alert, resolved_at=after(5))]


def test_of_all_who_know_the_same_last_word_one_may_tell(book: SqlAlertBook) -> None:
    alert = begun(book)
    assert book.tell(alert, after(1))
    assert not book.tell(alert, after(2))
    (told,) = book.open()
    assert told.told_at == after(1)
    assert not book.tell(told, after(1)), "this word is out"
    assert book.tell(told, after(3))
    assert not book.tell(told, after(4))


def test_nobody_tells_or_ends_an_alert_that_is_unknown(book: SqlAlertBook) -> None:
    unknown = replace(begun(book), key="another")
    assert not book.tell(unknown, after(1))
    assert not book.end(unknown, after(1))


@pytest.mark.parametrize("bad", ["", "a" * 201, "two\nlines"])
def test_a_name_that_an_engine_would_not_keep_is_refused(book: SqlAlertBook, bad: str) -> None:
    with pytest.raises(LedgerError, match="printable characters"):
        book.begin(replace(DRAWDOWN, rule=bad), NOW)
    assert book.open() == []


def test_words_that_no_engine_keeps_do_not_stop_an_alert(book: SqlAlertBook) -> None:
    odd = replace(DRAWDOWN, found="file \udcff\0", remedy="\ud800")
    alert = begun(book, odd)
    assert book.open() == [alert]
    book.seen(alert, odd, after(1))
    assert (alert.found, alert.remedy) == ("file ??", "?")


STORM = 10_000


def test_a_storm_of_the_same_finding_is_one_row(tmp_path: Path) -> None:
    """And told once, however often it is asked."""
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}", durable=False)
    book = SqlAlertBook(database)
    alert = begun(book)
    for number in range(STORM):
        book.seen(alert, FAILED, after(number / 1000))
    assert [book.tell(alert, after(20)) for _ in range(3)] == [True, False, False]
    assert [book.end(alert, after(30)) for _ in range(3)] == [True, False, False]
    (only,) = book.recent()
    assert (only.times, only.seen_at) == (STORM + 1, after((STORM - 1) / 1000))
    with database.transaction(reading=True) as connection:
        assert connection.execute(text("SELECT count(*) FROM alerts")).scalar() == 1
    database.close()


ROUNDS, WORKERS = 8, 4


def raced(url: str, _: int) -> dict[str, list[int]]:
    """The rounds in which this worker was the one to open, to tell first, and to remind."""
    mine: dict[str, list[int]] = {"begin": [], "tell": [], "remind": []}
    with closing(open_database(url, busy_seconds=30)) as database:
        book = SqlAlertBook(database)
        for number in range(ROUNDS):
            finding = replace(DRAWDOWN, subject=str(number))
            known = Alert(finding.key, finding.rule, finding.urgency, finding.found, finding.remedy, NOW, NOW)
            answers = {
                "begin": book.begin(finding, NOW) is not None,
                "tell": book.tell(known, after(1)),
                "remind": book.tell(replace(known, told_at=after(1)), after(2)),
            }
            for name, mine_now in answers.items():
                mine[name] += [number] * mine_now
            book.seen(known, finding, after(3))
    return mine


def workers(pool: str) -> Executor:
    if pool == "threads":
        return ThreadPoolExecutor(WORKERS)
    return ProcessPoolExecutor(WORKERS - 1, mp_context=get_context("spawn"))


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_of_many_who_see_the_same_one_opens_and_one_tells(database_url: str, pool: str) -> None:
    with workers(pool) as executor:
        found = list(executor.map(raced, [database_url] * WORKERS, range(WORKERS), timeout=90))
    for name in ("begin", "tell", "remind"):
        assert sorted(number for worker in found for number in worker[name]) == list(range(ROUNDS)), name
    with closing(open_database(database_url)) as database:
        counted = [alert.times for alert in SqlAlertBook(database).open()]
    assert counted == [WORKERS + 1] * ROUNDS


def test_of_many_who_end_one_does(database: Database) -> None:
    book, start = SqlAlertBook(database), Barrier(WORKERS)
    alerts = [begun(book, replace(DRAWDOWN, subject=str(number))) for number in range(ROUNDS)]

    def ended(_: int) -> list[int]:
        start.wait(10)
        return [number for number, alert in enumerate(alerts) if book.end(alert, after(1))]

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(ended, range(WORKERS), timeout=60))
    assert sorted(number for worker in found for number in worker) == list(range(ROUNDS))
    assert book.open() == []


def test_what_ended_long_ago_is_forgotten_and_what_is_open_never(book: SqlAlertBook) -> None:
    book.end(begun(book), after(10))
    lasting = begun(book, at=after(20))
    book.end(begun(book, DRAWDOWN), after(30))
    assert book.forget(after(10)) == 0
    assert book.forget(after(30)) == 1
    assert [alert.key for alert in book.recent()] == [lasting.key, "drawdown"]
    assert book.forget(after(3600)) == 1
    assert book.open() == book.recent() == [lasting]
