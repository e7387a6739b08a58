"""The service as a real process: it starts, serves, runs sessions, and ends with nothing left."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.claims import Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.session.occurrence import run_id_of
from tests.service.services import Service

HEAVY = ("pandas", "scipy", "sklearn", "statsmodels", "hmmlearn", "matplotlib", "exchange_calendars", "yfinance")
MOST_MEMORY = 120_000
Make = Callable[..., Service]


def test_it_starts_serves_runs_a_session_and_stops_within_its_time(service: Make) -> None:
    one = service()
    one.start()
    one.until_ready()
    assert one.get("/ping")[0] == 200
    one.until(
        lambda: one.get("/health")[0] == 200 and "logged in to" in one.get("/health/detailed")[1], what="the broker"
    )
    one.run_crypto()
    status, said = one.post("/run/crypto")
    assert status == 409
    assert "runs already" in said
    one.until(lambda: (one.session().get("last") or {}).get("outcome") == "done", what="the report")
    metrics = one.get("/metrics")[1]
    assert 'sessions_completed_total{outcome="done",session_type="crypto"} 1.0' in metrics
    assert 'robotrading_order_fill_seconds_count{session_type="crypto"} 2.0' in metrics
    assert _memory(one) < MOST_MEMORY
    began = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.ended() == 0, one.output
    assert time.monotonic() - began < 20
    assert "STOPPING=1" in one.heard()
    assert "WATCHDOG=1" in one.heard()
    assert one.left() == []
    assert (one.state / "logs" / "service.log").read_text().startswith('{"at": ')


def test_what_a_session_needs_is_not_loaded(service: Make) -> None:
    """The daemon stays small because its children do the heavy work."""
    one = service(environment={"PYTHONPROFILEIMPORTTIME": "1"})
    one.start()
    one.until_ready()
    one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in one.output.splitlines() if "|" in line}
    assert "robotrading" in loaded
    assert not loaded.intersection(HEAVY)


def test_a_stop_in_a_session_lets_it_write_its_report(service: Make) -> None:
    one = service()
    one.start()
    one.until_ready()
    one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
    one.run_crypto()
    one.until(lambda: runs(one), what="the session's first mark in the ledger")
    one.signal(signal.SIGTERM)
    assert one.ended() == 0, one.output
    assert one.left() == []
    rows = runs(one)
    with sqlite3.connect(one.book / "ledger.db") as ledger:
        holder = ledger.execute("select holder from leases").fetchall()
    assert len(rows) == 1
    assert rows[0][1]
    assert holder == [("",)]


def test_a_second_signal_ends_everything_at_once(service: Make) -> None:
    one = service()
    one.start()
    one.until_ready()
    one.run_crypto()
    one.until(lambda: one.session().get("running_run"), what="the session")
    began = time.monotonic()
    one.signal(signal.SIGINT)
    one.until(lambda: "stopping within" in one.output, what="the first signal")
    one.signal(signal.SIGINT)
    assert one.ended() in {0, 128 + signal.SIGTERM}
    assert time.monotonic() - began < 10
    assert one.left() == []


def test_a_killed_service_leaves_nothing_and_its_successor_works(service: Make) -> None:
    """Killed (-9) in a session: the session ends by its leash; the next service settles and trades."""
    one = service()
    one.start()
    one.until_ready()
    one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
    one.run_crypto()
    one.until(lambda: one.session().get("running_run"), what="the session")
    one.signal(signal.SIGKILL)
    one.ended()
    one.until(lambda: one.left() == [], what="the end of all children")
    one.said.clear()
    one.start()
    one.until_ready()
    one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
    one.run_crypto()
    one.until(lambda: (one.session().get("last") or {}).get("outcome") in {"done", "nothing_to_do"}, what="a good run")
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
    assert one.left() == []


def test_a_run_that_its_service_died_in_is_caught_up(service: Make) -> None:
    """Claimed by a service that died; the next one in the same half hour runs the session to its end, once."""
    one = service(schedule="cron * * * * *")
    database = open_database(f"sqlite:///{one.book / 'ledger.db'}")
    claims, now = SqlClaims(database), SystemClock().now()
    lease = claims.claim("account:embedded", "this machine", now, 60.0)
    assert lease is not None
    dead = Occurrence(AssetClass.CRYPTO, now.date(), now.replace(second=0, microsecond=0))
    assert claims.claim_occurrence(dead, lease, now)
    one.start()
    one.until_ready()
    one.until(lambda: "starts again" in one.output, what="the taking over")
    one.until(lambda: (one.session().get("last") or {}).get("outcome") in {"done", "nothing_to_do"}, what="a good run")
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
    (claim,) = [claim for claim in claims.occurrences(dead.due_at) if claim.occurrence == dead]
    assert claim.outcome in {"done", "nothing_to_do"}
    assert claim.run_id.startswith(f"{run_id_of(dead)}-")
    buried = SqlLedger(database).report(run_id_of(dead))
    assert buried is not None
    assert "died" in buried.verdict
    database.close()


def test_a_frozen_service_is_ended_from_outside(service: Make) -> None:
    one = service(watchdog=5)
    one.start()
    one.until_ready()
    one.signal(signal.SIGSTOP)
    assert one.ended() == -signal.SIGKILL
    one.until(lambda: one.left() == [], what="the end of all children")


def test_a_port_that_is_taken_is_named(service: Make) -> None:
    one = service()
    with socket.socket() as other:
        other.bind(("127.0.0.1", one.port))
        other.listen()
        one.start()
        assert one.ended() == 4
    assert f"service.port {one.port}: another program listens there" in one.output
    assert one.left() == []


def test_a_ledger_that_cannot_be_opened_is_named(service: Make) -> None:
    one = service()
    one.book.mkdir(parents=True)
    (one.book / "ledger.db").write_bytes(b"no database at all" * 100)
    one.start()
    assert one.ended() == 4
    assert "ledger.db" in one.output.splitlines()[-1]
    assert "Traceback" not in one.output
    assert one.left() == []


def test_one_service_for_each_book(service: Make, tmp_path: Path) -> None:
    one = service()
    one.start()
    one.until_ready()
    second = Service.__new__(Service)
    second.__dict__.update(one.__dict__)
    second.start()
    assert second.ended() == 5
    assert "the service runs already" in one.output
    assert one.get("/ping")[0] == 200
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
    assert tmp_path.is_dir()


def runs(one: Service) -> list[tuple[str, str | None]]:
    """Run id and outcome of what the ledger knows of."""
    with sqlite3.connect(one.book / "ledger.db") as ledger:
        return ledger.execute("select run_id, outcome from session_runs").fetchall()


def _memory(one: Service) -> int:
    """Resident kilobytes."""
    assert one.process is not None
    lines = Path(f"/proc/{one.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
