"""The service as a real process, for tests: configuration, start, questions, signals, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TOKEN = "a-token-of-sixteen-letters"
CONFIG = """
    state_dir: state
    service: {{port: {port}, stop_seconds: 20, watchdog_seconds: {watchdog}}}
    capital: {{amount: 50000}}
    sessions:
      equities: {{enabled: false}}
      bonds: {{enabled: false}}
      crypto:
        schedule: {schedule}
        universe: {{symbols: [SYNCA-USD, SYNCB-USD], tick: 0.01}}
        sources: [synthetic]
        signal: {{chain: [moving_average, hold]}}
"""


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


@dataclass
class Service:
    """One folder with a configuration, and the processes that were started on it."""

    folder: Path
    schedule: str = "at 03:00"
    watchdog: int = 30
    extra: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        text = dedent(CONFIG).format(port=self.port, schedule=self.schedule, watchdog=self.watchdog)
        (self.folder / "config.yaml").write_text(text + dedent(self.extra), encoding="utf-8")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify"))
        self.notify.settimeout(0.1)
        self.said: list[str] = []

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def book(self) -> Path:
        return self.state / "books" / "embedded"

    @property
    def output(self) -> str:
        return (self.folder / "out.txt").read_text(errors="replace")

    def start(self) -> None:
        env = {
            **os.environ,
            "ROBOTRADING_TOKEN": TOKEN,
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            **self.environment,
        }
        with (self.folder / "out.txt").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "robotrading", "serve", "--config", str(self.folder / "config.yaml")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env=env,
                start_new_session=True,
            )

    def until(self, done: Callable[[], object], seconds: float = 120.0, what: str = "it") -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := done():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what} did not happen within {seconds} s; the service said:\n{self.output[-3000:]}")

    def until_ready(self) -> None:
        self.until(lambda: "READY=1" in self.heard(), what="READY=1")

    def heard(self) -> str:
        """Everything that the service manager was told so far."""
        while True:
            try:
                self.said.append(self.notify.recv(65536).decode())
            except TimeoutError:
                return "\n".join(self.said)

    def get(self, path: str) -> tuple[int, str]:
        return self._ask(Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Who": "test"}
        return self._ask(Request(f"http://127.0.0.1:{self.port}{path}", data=b"", headers=headers, method="POST"))

    @staticmethod
    def _ask(request: Request) -> tuple[int, str]:
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310  our own loopback
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, str(error)

    def run_crypto(self) -> None:
        """Ask for the session until it starts: just after its own start the service may still look at what was due."""
        self.until(lambda: self.post("/run/crypto")[0] == 200, what="the start of a session")

    def session(self) -> dict[str, Any]:
        """What the status says of the crypto session."""
        found = json.loads(self.get("/status")[1] or "{}")
        return next((one for one in found.get("sessions", []) if one["kind"] == "crypto"), {})

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, seconds: float = 60.0) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def left(self) -> list[str]:
        """Command lines of processes that belong to this folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if str(self.folder) in line and state != "Z":
                    found.append(line)
        return found

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.notify.close()
