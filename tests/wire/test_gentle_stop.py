"""`robotrading run` is told to stop while an order is at work at a gateway elsewhere: real processes, the real wire."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings
from robotrading.sim.feed import SAMPLE_CRYPTO, SyntheticFeed
from robotrading.sim.gateway.serve import GatewayThread
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.market import FeedMarket
from tests.service.copies import ACCOUNT, BROKER, write_prices

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]
CONFIG = """
    state_dir: state
    capital: {amount: 50000}
    sessions:
      equities: {enabled: false}
      bonds: {enabled: false}
      crypto:
        universe: {symbols: [SYNCA-USD, SYNCB-USD], tick: 0.01}
        sources: [files]
        signal: {chain: [moving_average, hold]}
"""


@pytest.fixture
def exchange() -> Exchange:
    """Takes every order and fills none."""
    clock, calendar = SystemClock(), ExchangeCalendar()
    market = FeedMarket(SyntheticFeed(calendar, clock, 7), clock, SAMPLE_CRYPTO[:2], calendar=calendar)
    return Exchange(market, clock, [AccountSeed(ACCOUNT)], ExchangeSettings(liquidity=Decimal(0)))


@pytest.fixture
def gateway(exchange: Exchange) -> Iterator[GatewayThread]:
    with GatewayThread(GatewayServer(exchange, SystemClock())) as serving:
        yield serving


def until(holds: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.1)


def left(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [line] * (str(folder) in line)
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_order_at_work_is_cancelled_and_confirmed_and_the_report_written(
    tmp_path: Path, gateway: GatewayThread, exchange: Exchange, number: signal.Signals, code: int
) -> None:
    write_prices(tmp_path / "prices.csv")
    broker = BROKER.format(account=ACCOUNT, port=gateway.port, prices=tmp_path / "prices.csv")
    config = tmp_path / "config.yaml"
    config.write_text(dedent(CONFIG) + dedent(broker), encoding="utf-8")
    words = [sys.executable, "-m", "robotrading", "run", "crypto", "--quiet", "--config", str(config)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: gateway.call(exchange.open_orders), process)
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert time.monotonic() - began < 15
    assert not gateway.call(exchange.open_orders)
    assert left(tmp_path) == []
    database = open_database(f"sqlite:///{next((tmp_path / 'state' / 'books').glob('*/ledger.db'))}")
    ledger = SqlLedger(database)
    assert not ledger.open_tickets()
    (report,) = ledger.last_reports(9)
    assert {ticket.status for ticket in report.tickets} == {TicketStatus.CANCELLED}
    assert report.outcome in {Outcome.FAILED, Outcome.PARTLY}
    assert "asked to stop" in report.verdict
    database.close()
