"""200 requests a second on the HTTP side of a real service while a session of 100 symbols runs in it.

Run with `.venv/bin/python benchmarks/bench_service.py [seconds] [requests a second]` on a quiet machine. It starts
`robotrading serve` with the embedded gateway in a folder of its own, starts a session of 100 symbols (crypto, whose
market never shuts) over HTTP again and again, so that one is always at work, and asks by the clock meanwhile. The aim:
no error, 99 of 100 answers of each path within 50 ms, and every session's report done.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from bench_http import judge, measure

COUNT = 100
TOKEN = "a-token-for-the-benchmark"  # noqa: S105  of a service that nobody else reaches
GOOD = {"done", "nothing_to_do"}
CONFIG = """
    state_dir: state
    service: {{port: {port}}}
    capital: {{amount: 500000}}
    sessions:
      equities: {{enabled: false}}
      bonds: {{enabled: false}}
      crypto:
        share: 1
        schedule: 'cron 0 0 1 1 *'
        universe: {{symbols: [{symbols}], tick: 0.01}}
        sources: [synthetic]
"""


class Service:
    """The process, and questions to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
            self.port = int(any_port.getsockname()[1])
        symbols = ", ".join(f"SYN{number:03d}-USD" for number in range(COUNT))
        config = folder / "config.yaml"
        config.write_text(dedent(CONFIG).format(port=self.port, symbols=symbols), encoding="utf-8")
        words = [sys.executable, "-m", "robotrading", "serve", "--config", str(config)]
        env = {**os.environ, "ROBOTRADING_TOKEN": TOKEN}
        with (folder / "out.txt").open("wb") as out:
            self.process = subprocess.Popen(words, cwd=folder, env=env, stdout=out, stderr=out)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Who": "bench"}
        address = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urlopen(Request(address, headers=headers, method=method), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, str(error)

    def session(self) -> dict[str, Any]:
        found = json.loads(self.ask("/status")[1])
        return next(one for one in found["sessions"] if one["kind"] == "crypto")

    def reports(self) -> list[str]:
        """How each session ended."""
        found = sorted(self.folder.glob("state/books/embedded/runs/*/report.json"))
        return [json.loads(path.read_text())["outcome"] for path in found]

    def until(self, holds: Any, what: str, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
            time.sleep(0.2)


@contextmanager
def service() -> Iterator[Service]:
    """A service that is able to trade."""
    with tempfile.TemporaryDirectory() as folder:
        one = Service(Path(folder))
        try:
            one.until(lambda: one.ask("/health")[0] == 200, "the start")
            one.until(lambda: "logged in to" in one.ask("/health/detailed")[1], "the broker's answer")
            yield one
        finally:
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(90) == 0


@asynccontextmanager
async def sessions(one: Service) -> AsyncIterator[None]:
    """One after the other while the block runs; the last one is waited for."""
    enough = asyncio.Event()

    async def run() -> None:
        while not enough.is_set():
            status, said = await asyncio.to_thread(one.ask, "/run/crypto", "POST")
            assert status in {200, 409}, said  # 409 while it runs already
            await asyncio.sleep(4)

    running = asyncio.create_task(run())
    await asyncio.sleep(1)
    yield
    enough.set()
    await running
    await asyncio.to_thread(one.until, lambda: not one.session().get("running_run"), "the last session's end", 600)


async def ask(one: Service, seconds: float, rate: float) -> Any:
    async with sessions(one):
        return await measure(one.port, seconds, rate)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    load = os.getloadavg()[0]
    with service() as one:
        tally = asyncio.run(ask(one, seconds, rate))
        ended = one.reports()
    print(f"{os.cpu_count()} cores, load {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    print("sessions of 100 symbols:", ", ".join(ended))
    fine = judge(tally, seconds, rate)
    assert ended
    assert set(ended) <= GOOD
    assert fine


if __name__ == "__main__":
    main()
