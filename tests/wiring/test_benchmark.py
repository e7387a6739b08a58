"""The benchmark's prices come into the cache beside a run, and never cost a run anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from feed_bodies import chart, rows_of
from report_worlds import weekdays
from scripted_http import Reply, Request, ScriptedServer

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass
from robotrading.wiring.benchmark import benchmark_until, keep_benchmark
from robotrading.wiring.books import Orders, load_config

LAST = date(2026, 6, 12)
DAYS = [day for day in weekdays(60, LAST) if ExchangeCalendar().is_trading_day(AssetClass.EQUITIES, day)]
RETRY = "retry: {attempts: 1, base_wait: 0.01, max_wait: 0.02, total: 1.0}"


class Market:
    """Yahoo on loopback."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str] = []
        self.server = ScriptedServer(self._answer)

    def _answer(self, request: Request) -> Reply:
        if "/chart/" not in request.path:
            return Reply(200, "crumb")
        self.asked.append(request.path.rpartition("/")[2])
        return Reply(self.status, chart(rows_of(DAYS), symbol="SPY") if self.status == 200 else "down")


@pytest.fixture
def market() -> Iterator[Market]:
    made = Market()
    with made.server:
        yield made


def config_of(folder: Path, url: str, sources: str = "[yahoo]", more: str = "") -> Config:
    file = folder / "config.yaml"
    file.write_text(
        f"state_dir: {folder / 'state'}\nsessions:\n  equities:\n    sources: {sources}\n{more}"
        f"feeds:\n  cache:\n    directory: {folder / 'prices'}\n  yahoo:\n    url: {url}\n    {RETRY}\n",
        "utf-8",
    )
    return load_config(Orders(file))


def keep(config: Config, kind: AssetClass = AssetClass.EQUITIES) -> None:
    keep_benchmark(config, kind, ExchangeCalendar(), LAST)


def test_what_was_kept_is_found(tmp_path: Path, market: Market):
    config = config_of(tmp_path, market.server.url)
    keep(config)
    found = benchmark_until(config, LAST)
    assert (found.symbol, found.days[-1], len(found.days)) == ("SPY", LAST, len(DAYS))
    assert benchmark_until(config, LAST - timedelta(days=7)).days[-1] == LAST - timedelta(days=7)
    keep(config)
    assert market.asked == ["SPY"], "what is fresh is not asked for again"


def test_a_source_that_fails_costs_nothing(tmp_path: Path, market: Market):
    market.status = 500
    config = config_of(tmp_path, market.server.url)
    began = time.perf_counter()
    keep(config)
    assert time.perf_counter() - began < 10
    assert market.asked
    assert benchmark_until(config, LAST) is None


def test_nobody_is_asked_without_a_benchmark_or_in_a_made_up_market_or_for_crypto(tmp_path: Path, market: Market):
    keep(config_of(tmp_path, market.server.url, more="report:\n  benchmark: ''\n"))
    keep(config_of(tmp_path, market.server.url, "[synthetic]"))
    keep(config_of(tmp_path, market.server.url), AssetClass.CRYPTO)
    assert market.asked == []


def test_a_persons_own_files_serve_too(tmp_path: Path, market: Market):
    lines = "".join(f"{day},{500 + number}\n" for number, day in enumerate(DAYS))
    (tmp_path / "prices.csv").write_text(f"Date,SPY\n{lines}", "utf-8")
    config = config_of(tmp_path, market.server.url)
    assert benchmark_until(config, LAST) is None
    file = tmp_path / "config.yaml"
    text = file.read_text("utf-8").replace("[yahoo]", "[files]")
    file.write_text(f"{text}  files:\n    paths: [{tmp_path / 'prices.csv'}]\n", "utf-8")
    assert benchmark_until(load_config(Orders(file)), LAST).closes[-1] == 500 + len(DAYS) - 1
    assert market.asked == []


def test_no_name_is_no_benchmark(tmp_path: Path, market: Market):
    assert benchmark_until(config_of(tmp_path, market.server.url, more="report:\n  benchmark: ''\n"), LAST) is None
