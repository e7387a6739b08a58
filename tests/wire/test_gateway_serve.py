"""The gateway as a program of its own, and in a thread."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import typer
from typer.testing import CliRunner

from robotrading.cli.gateway import gateway
from robotrading.sim.clock import VirtualClock
from robotrading.sim.gateway.serve import GatewayError, GatewayThread
from robotrading.sim.gateway.server import GatewayServer
from tests.wire.gateway_world import NOW, ibapi, make_exchange, until

pytestmark = pytest.mark.wire

PROGRAM = "import typer; from robotrading.cli.gateway import gateway; typer.run(gateway)"


@contextmanager
def program(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the line it greets with."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


async def connected(line: str) -> ibapi.IB:
    port = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert port, line
    ib = ibapi.IB()
    await ib.connectAsync("127.0.0.1", int(port[1]), clientId=1, timeout=10)
    return ib


async def test_the_command_says_where_it_is_serves_and_ends_cleanly(tmp_path):
    state = str(tmp_path / "state.json")
    options = ("--port", "0", "--as-of", "2025-09-26", "--seed", "11", "--state", state)
    with program(*options) as (process, line):
        assert "account DU1000001" in line
        assert "market: synthetic, seed 11" in line
        ib = await connected(line)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("SYNAA", "SMART", "USD"))
        trade = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 3))
        await until(lambda: trade.orderStatus.status == "Filled")
        ib.disconnect()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with program(*options) as (process, line):
        ib = await connected(line)
        assert [(p.contract.symbol, p.position) for p in ib.positions()] == [("SYNAA", 3.0)]
        ib.disconnect()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_port_in_use_is_one_clear_message():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(gateway)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["--port", str(port), "--as-of", "2025-09-26"])
    assert isinstance(result.exception, GatewayError)
    assert f"127.0.0.1:{port} is in use by another program" in str(result.exception)


def test_an_address_that_is_not_ours_is_named():
    server = GatewayServer(make_exchange(), VirtualClock(NOW))
    with pytest.raises(GatewayError, match=r"192\.0\.2\.1:0 cannot be listened on"), GatewayThread(server, "192.0.2.1"):
        pass


def test_a_gateway_in_a_thread_serves_blocking_programs():
    with GatewayThread(GatewayServer(make_exchange(), VirtualClock(NOW))) as gateway:

        async def visit() -> int:
            ib = ibapi.IB()
            await ib.connectAsync("127.0.0.1", gateway.port, clientId=3)
            count = len(ib.positions())
            ib.disconnect()
            return count

        assert asyncio.run(visit()) == 1
        end = time.monotonic() + 5
        while gateway.call(lambda: gateway.server.sessions):
            assert time.monotonic() < end
    with pytest.raises(RuntimeError, match="not running"):
        gateway.call(lambda: None)
