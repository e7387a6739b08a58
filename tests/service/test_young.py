"""What a program does in its first seconds: an embedded gateway that builds its market, a service that gets healthy."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from tests.service.services import Service

BUILDING = """
    state_dir: state
    sessions:
      bonds: {{enabled: false}}
      crypto: {{enabled: false}}
      equities:
        universe: {{kind: {kind}, symbols: [AAPL]}}
        sources: [yahoo]
    feeds:
      yahoo: {{url: 'http://127.0.0.1:{port}'}}
      slickcharts: {{url: 'http://127.0.0.1:{port}/list'}}
"""


@contextmanager
def silent() -> Iterator[socket.socket]:
    """A source of prices that takes every call and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(40)
        yield listening


@pytest.fixture
def building(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """An embedded gateway that is asking for prices, or for an index, and does not listen yet."""
    with silent() as source:
        config = tmp_path / "config.yaml"
        config.write_text(dedent(BUILDING).format(kind=request.param, port=source.getsockname()[1]))
        process = subprocess.Popen(
            [sys.executable, "-m", "robotrading", "serve-gateway", "--config", str(config)],
            stdin=subprocess.PIPE,
            cwd=tmp_path,
        )
        call, _ = source.accept()
        yield process
        call.close()
        process.kill()
        process.communicate()


@pytest.mark.parametrize("building", ["list", "sp500"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_that_waits_for_its_prices_ends_at_a_signal(
    building: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    building.send_signal(number)
    began = time.monotonic()
    assert building.wait(10) == -number
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("building", ["list"], indirect=True)
def test_a_gateway_that_waits_for_its_prices_ends_with_its_parent(building: subprocess.Popen[bytes]) -> None:
    assert building.stdin is not None
    building.stdin.close()
    assert building.wait(2) == -signal.SIGTERM


def test_the_status_line_follows_the_judgement(service: Callable[..., Service]) -> None:
    """READY is said before the broker was reached: the manager hears when it is, and of what changes later."""
    one = service()
    one.start()
    one.until_ready()
    assert "broker was not reached yet" in one.heard()
    one.until(lambda: "\nSTATUS=able to trade; " in one.heard(), what="the status of a healthy service")
    database = open_database(f"sqlite:///{one.book / 'ledger.db'}")
    SqlLedger(database).halt("a look at the status line", SystemClock().now(), "test")
    database.close()
    one.until(lambda: "a look at the status line" in one.heard(), what="the status of a halted service")
    assert one.heard().count("STATUS=") <= 6
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
