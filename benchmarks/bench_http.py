"""200 requests a second on the HTTP side, while 500 positions and 500 open orders are known and change every second.

Run with `.venv/bin/python benchmarks/bench_http.py [seconds] [requests a second] [port]`. With a port, the service that
runs there is asked, for instance while it runs a session; else a server in a process of its own, as the daemon's loop
would run it. Requests leave by the clock whether earlier ones were answered or not, so that a slow answer is not hidden
by asking less. The aim: no error, and 99 of 100 answers of each path within 50 ms.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.service.facts import (
    BookFacts,
    BrokerFacts,
    EquityPoint,
    Facts,
    LastRun,
    LinkState,
    RegimeShare,
    SessionFacts,
    WeightPair,
)
from robotrading.service.metrics import Meters
from robotrading.service.settings import ServiceSettings
from robotrading.service.web.app import make_app
from robotrading.service.web.server import serving

PATHS = ("/health", "/status", "/metrics", "/")
COUNT = 500
CALLERS = 16
AIM = 0.050
DAY = date(2025, 11, 21)


def ticket(instrument: Instrument, index: int, now: datetime) -> Ticket:
    """An open order, every second one in doubt."""
    intent = Intent(
        intent_id=f"rt-eq-20251121-{instrument.symbol}-B-1",
        session_id="bench",
        kind=AssetClass.EQUITIES,
        trading_date=DAY,
        instrument=instrument,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        arrival_price=Decimal(100),
        reason="measured",
        limit_price=Decimal(101),
    )
    return Ticket(intent, TicketStatus.UNKNOWN if index % 2 else TicketStatus.WORKING, updated_at=now)


def facts(now: datetime) -> Facts:
    """A day with everything in it."""
    instruments = [Instrument(f"SYN{number:03d}", AssetClass.EQUITIES) for number in range(COUNT)]
    last = LastRun(
        "bench", "paper", DAY, now, now, Outcome.DONE, "measured", DAY, 0,
        regimes=(RegimeShare("calm, rising", 300), RegimeShare("wild, falling", 200)),
        weights=tuple(WeightPair(one.symbol, 0.002, 0.0021) for one in instruments),
    )  # fmt: skip
    session = SessionFacts(AssetClass.EQUITIES, enabled=True, schedule="at 15:45", deadline=900.0, last=last)
    book = BookFacts(
        read_at=now,
        owned=tuple(Position(one, Decimal(10), Decimal("99.5"), "equities", now) for one in instruments),
        open_tickets=tuple(ticket(one, index, now) for index, one in enumerate(instruments)),
        equity=tuple(EquityPoint(now - timedelta(hours=index), Decimal(10**6 + index)) for index in range(500, 0, -1)),
    )
    broker = BrokerFacts(LinkState.UP, "DU1", since=now, seen_at=now)
    return Facts(
        at=now, started_at=now, version="bench", mode="paper", place="ledger.db",
        sessions=(session,), broker=broker, book=book, free_bytes=10**11,
    )  # fmt: skip


async def serve(seconds: float) -> None:
    """The child: serve, with new facts every second, and tell the port first."""
    clock = SystemClock()
    known = [facts(clock.now())]
    app = make_app(lambda: known[0], Meters("bench", "paper"), clock, ServiceSettings(port=0))
    async with serving(app, ServiceSettings(port=0)) as port:
        print(port, flush=True)
        for _ in range(round(seconds)):
            await asyncio.sleep(1.0)
            known[0] = replace(known[0], at=clock.now())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"server: {used.ru_utime + used.ru_stime:.1f} s of processor, {used.ru_maxrss / 1024:.0f} MB at most")


class Tally:
    """Seconds of every answer by path, and what went wrong."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []


async def call(port: int, jobs: asyncio.Queue[tuple[float, str] | None], tally: Tally) -> None:
    """One caller on one connection; a job's time counts from when it was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    while (job := await jobs.get()) is not None:
        due, path = job
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200") and not (path == "/health" and b" 503 " in head[:14]):
                tally.errors.append(f"{path}: {head[:40]!r}")
            tally.took[path].append(time.perf_counter() - due)
        except (OSError, asyncio.IncompleteReadError) as error:
            tally.errors.append(f"{path}: {error!r}")
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.close()


async def warm(port: int) -> None:
    """Each path once: the first page of a process compiles its template."""
    jobs = asyncio.Queue[tuple[float, str] | None]()
    for path in PATHS:
        jobs.put_nowait((0.0, path))
    jobs.put_nowait(None)
    await asyncio.wait_for(call(port, jobs, Tally()), 10)


async def measure(port: int, seconds: float, rate: float) -> Tally:
    """Ask by the clock."""
    tally, jobs = Tally(), asyncio.Queue[tuple[float, str] | None]()
    await warm(port)
    callers = [asyncio.create_task(call(port, jobs, tally)) for _ in range(CALLERS)]
    start = time.perf_counter()
    for number in range(round(seconds * rate)):
        due = start + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        jobs.put_nowait((due, PATHS[number % len(PATHS)]))
    for _ in callers:
        jobs.put_nowait(None)
    await asyncio.wait_for(asyncio.gather(*callers), 30)
    return tally


def beside(seconds: float, rate: float) -> tuple[Tally, str]:
    """Against a server of our own, in a child process."""
    words = [sys.executable, __file__, "--serve", str(seconds + 5)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            port = int(server.stdout.readline())
            tally = asyncio.run(measure(port, seconds, rate))
            return tally, server.communicate(timeout=30)[0].strip()
        finally:
            server.kill()


def judge(tally: Tally, seconds: float, rate: float) -> bool:
    """Print what was found; whether it is within the aim."""
    slow = []
    for path, took in sorted(tally.took.items()):
        ordered = sorted(took)
        half, most = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        told = f"median {half * 1000:5.1f} ms, p99 {most * 1000:5.1f} ms, most {ordered[-1] * 1000:.0f} ms"
        print(f"{path:9} {len(took):6} answers, {told}")
        slow += [path] * (most > AIM)
    print(f"{rate:g} a second for {seconds:g} s: {len(tally.errors)} errors {tally.errors[:3] or ''}")
    return not tally.errors and not slow


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    if len(sys.argv) > 3:
        tally, said = asyncio.run(measure(int(sys.argv[3]), seconds, rate)), ""
    else:
        tally, said = beside(seconds, rate)
    fine = judge(tally, seconds, rate)
    print(said)
    assert fine


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(float(sys.argv[2])))
    else:
        main()
