"""What only a server can do to a ledger: go away, come back, keep somebody waiting, refuse; and what it may say."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ledgers import NOW, event, fill, intent
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.errors import LeaseLost, LedgerError
from robotrading.domain.orders import EventKind
from tests.postgres import Server, find_server


@pytest.fixture(scope="module")
def own_server(postgres_server: Server) -> Iterator[Server]:
    """A server that may be stopped: it is not the one of everybody else."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if postgres_server.user:
        os.chown(folder, postgres_server.user["user"], postgres_server.user["group"])
    server = Server(postgres_server.programs, folder, postgres_server.user)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_where_everything_must_be_tested_there_is_a_server() -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        assert find_server() is not None


@pytest.mark.parametrize("rudely", [False, True])
def test_a_server_that_goes_away_is_a_ledger_error_soon_and_back_again_all_is_well(
    own_server: Server, rudely: bool
) -> None:
    url = own_server.url(own_server.create())
    ledger = open_ledger(url, busy_seconds=2)
    ledger.record_intent(intent(), NOW)
    own_server.stop(rudely=rudely)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(LedgerError, match="nothing was written"):
            ledger.append(event(intent(), EventKind.SENT))
    with pytest.raises(LedgerError):
        ledger.ticket(intent().intent_id)
    with pytest.raises(LedgerError, match="cannot be prepared"):
        open_ledger(url, busy_seconds=2)
    assert time.monotonic() - began < 10
    own_server.start()
    ledger.append(event(intent(), EventKind.SENT))
    ledger.append(fill(intent(), "10", "100"))
    assert ledger.owned(intent().instrument) == 10
    ledger.close()


def test_a_server_lost_in_the_middle_of_a_transaction_leaves_nothing_of_it(own_server: Server) -> None:
    database = open_database(own_server.url(own_server.create()), busy_seconds=2)
    ledger = SqlLedger(database)
    with pytest.raises(LedgerError, match="nothing was written"), database.transaction() as connection:  # noqa: PT012
        connection.execute(
            text("INSERT INTO halts (reason, halted_at, halted_by, resumed_by) VALUES ('x', '', '', '')")
        )
        own_server.stop(rudely=True)
        own_server.start()
        connection.execute(text("SELECT 1"))
    assert ledger.halted() == ""
    database.close()


def test_an_answer_lost_at_the_very_end_is_not_called_unwritten(own_server: Server) -> None:
    database = open_database(own_server.url(own_server.create()), busy_seconds=2)
    with pytest.raises(LedgerError, match="whether it was written is not known"), database.transaction() as connection:  # noqa: PT012
        connection.execute(
            text("INSERT INTO halts (reason, halted_at, halted_by, resumed_by) VALUES ('x', '', '', '')")
        )
        own_server.stop(rudely=True)
    own_server.start()
    database.close()


def test_a_writer_waits_for_another_no_longer_than_told(postgres_url: str) -> None:
    slow, quick = open_database(postgres_url), open_ledger(postgres_url, busy_seconds=0.3)
    with slow.transaction() as connection:
        connection.execute(
            text("INSERT INTO halts (reason, halted_at, halted_by, resumed_by) VALUES ('x', '', '', '')")
        )
        began = time.monotonic()
        with pytest.raises(LedgerError, match="lock timeout; nothing was written"):
            quick.halt("reason", NOW, "ann")
        assert time.monotonic() - began < 5
        assert quick.halted() == "", "a reader waits for nobody, and sees what is committed"
    assert quick.halted() == "x"
    slow.close()
    quick.close()


def test_a_deadlock_is_a_ledger_error_and_undoes_the_transaction(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with (
        pytest.raises(LedgerError, match=r"DeadlockDetected.*nothing was written"),
        database.transaction() as connection,
    ):
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$"))
    with (
        pytest.raises(LedgerError, match=r"SerializationFailure.*nothing was written"),
        database.transaction() as connection,
    ):
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_who_waited_in_the_queue_sees_the_lease_that_was_taken_meanwhile(postgres_url: str) -> None:
    """Whatever isolation the server or a role has by default: a stale look at the lease would let an old holder write."""
    strict = postgres_url + "&options=-c%20default_transaction_isolation%3Dserializable"
    newcomer, old = open_database(postgres_url), open_database(strict)
    lease = SqlClaims(newcomer).claim("account:DU1", "old", NOW, 60)
    with ThreadPoolExecutor(1) as pool:
        with newcomer.transaction() as connection:
            waiting = pool.submit(SqlLedger(old, lease).record_intent, intent(), NOW)
            until_somebody_waits(newcomer)
            connection.execute(text("UPDATE leases SET holder = 'new', fence = fence + 1"))
        with pytest.raises(LeaseLost, match="new has it since"):
            waiting.result(10)
    assert SqlLedger(newcomer).ticket(intent().intent_id) is None
    old.close()
    newcomer.close()


def until_somebody_waits(database: Database) -> None:
    until = time.monotonic() + 10
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    while time.monotonic() < until:
        with database.transaction(reading=True) as connection:
            if connection.execute(waits).scalar():
                return
        time.sleep(0.01)
    pytest.fail("nobody waits")


def test_a_writer_that_says_nothing_any_more_is_let_go_by_the_server(postgres_url: str) -> None:
    """A machine that lost its power in a transaction leaves it open at the server; the others do not wait for hours."""
    silent, other = open_database(postgres_url, busy_seconds=0.2), open_ledger(postgres_url, busy_seconds=0.2)
    with pytest.raises(LedgerError, match="nothing was written"), silent.transaction() as connection:  # noqa: PT012
        connection.execute(
            text("INSERT INTO halts (reason, halted_at, halted_by, resumed_by) VALUES ('x', '', '', '')")
        )
        began = time.monotonic()
        while not other.halted():
            assert time.monotonic() - began < 10
            with suppress(LedgerError):
                other.halt("power", NOW, "ann")
        connection.execute(text("SELECT 1"))
    assert other.halted() == "power"
    silent.close()
    other.close()


def test_a_server_s_machine_that_is_gone_is_noticed_while_its_answer_is_awaited(postgres_url: str) -> None:
    """The system's own patience with a silent line is two hours; it begins after the question has arrived."""
    database = open_database(postgres_url, busy_seconds=10)
    with database.transaction(reading=True) as connection:
        link: psycopg.Connection[Any] = connection.connection.driver_connection
        told = link.info.get_parameters()
    patience = int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"])
    assert patience <= 20
    assert told["tcp_user_timeout"] == "10000"
    database.close()


def test_readers_cannot_write(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with pytest.raises(LedgerError, match="read-only"), database.transaction(reading=True) as connection:
        connection.execute(text("DELETE FROM halts"))
    database.close()


def test_a_reader_sees_one_moment(database_url: str) -> None:
    """Ticket and executions are two questions with one answer."""
    database = open_database(database_url)
    ledger, order = SqlLedger(database), intent()
    ledger.record_intent(order, NOW)
    with database.transaction(reading=True) as connection:
        before = connection.execute(text("SELECT status FROM intents")).scalar()
        ledger.append(fill(order, "10", "100"))
        assert connection.execute(text("SELECT status FROM intents")).scalar() == before
        assert connection.execute(text("SELECT count(*) FROM fills")).scalar() == 0
    database.close()


def test_no_password_is_ever_said(own_server: Server) -> None:
    name = own_server.create()
    url = own_server.url(name)
    database = open_database(url, busy_seconds=1)
    assert "the-secret" not in database.name
    own_server.stop()
    for address in (url, url + "&password=the-secret"):
        with pytest.raises(LedgerError) as caught:
            open_database(address, busy_seconds=1)
        assert "the-secret" not in str(caught.value)
        assert name in str(caught.value)
    with pytest.raises(LedgerError) as caught, database.transaction():
        pass
    assert "the-secret" not in str(caught.value)
    own_server.start()
    database.close()


@pytest.mark.parametrize(
    "address",
    [
        "the secret",
        "postgresql://me:the-secret@h:port/x",
        "sqlite+the-secret:///x",
    ],
)
def test_an_address_that_is_none_is_not_repeated(address: str) -> None:
    with pytest.raises(LedgerError, match="no database URL; write sqlite:///path or postgresql") as caught:
        open_database(address)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_other_engines_are_refused_by_name() -> None:
    with pytest.raises(LedgerError, match="cannot live in mysql"):
        open_database("mysql://me@host/x")


def test_a_server_that_no_longer_answers_is_no_server(own_server: Server) -> None:
    """A frozen server keeps a session waiting until its deadline; one that is asked anew is given up in time."""
    assert own_server.process is not None
    url = own_server.url(own_server.create())
    open_database(url).close()
    own_server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(LedgerError):
            open_database(url, busy_seconds=2)
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - began < 10


def test_the_driver_s_own_error_is_the_cause(postgres_url: str) -> None:
    database = open_database(postgres_url, busy_seconds=0.2)
    other = open_database(postgres_url)
    with other.transaction(), pytest.raises(LedgerError) as caught, database.transaction():
        pass
    assert isinstance(caught.value.__cause__, OperationalError)
    other.close()
    database.close()
