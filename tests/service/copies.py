"""A pretend gateway over TCP and copies of the service that share it, a PostgreSQL ledger and a state folder."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.domain.market import Bars
from robotrading.sim.feed import SAMPLE_CRYPTO, SyntheticFeed
from tests.service.services import Service, free_port

ACCOUNT = "DU1000001"
BROKER = """
    broker: {{gateway: external, mode: paper, account: {account}, host: 127.0.0.1, port: {port}}}
    feeds: {{files: {{paths: [{prices}]}}}}
"""
COLUMNS = ("open", "high", "low", "close", "adj_close", "volume")


class PretendGateway:
    """`robotrading gateway` in a process of its own, with the account kept over restarts."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._words = ["gateway", "--port", str(self.port), "--always-open", "--state", str(folder / "account.json")]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "robotrading", *self._words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert re.search(rf":{self.port}\b", self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=20)
        finally:
            self._process.kill()


def write_prices(path: Path) -> None:
    """The pretend gateway's prices as a file: with an external gateway invented ones are refused."""
    clock = SystemClock()
    today = clock.now().date()
    found = SyntheticFeed(ExchangeCalendar(), clock, 7).daily(SAMPLE_CRYPTO[:2], today - timedelta(days=2500), today)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("symbol", "date", *COLUMNS))
        for one, bars in found.items():
            assert isinstance(bars, Bars)
            columns = [getattr(bars, name).tolist() for name in COLUMNS]
            rows.writerows((one.symbol, day, *values) for day, *values in zip(bars.dates, *columns, strict=True))


def make_copy(folder: Path, name: str, gateway: PretendGateway, database: str, schedule: str) -> Service:
    """One copy: its own configuration (for its HTTP port) and output, and the state folder that all share."""
    (folder / name).mkdir()
    copy = Service(
        folder / name,
        schedule=schedule,
        extra=BROKER.format(account=ACCOUNT, port=gateway.port, prices=folder / "prices.csv"),
        environment={"ROBOTRADING_DATABASE_URL": database, "ROBOTRADING_STATE_DIR": str(folder / "state")},
    )
    config = copy.folder / "config.yaml"
    config.write_text(config.read_text().replace("sources: [synthetic]", "sources: [files]"))
    return copy
