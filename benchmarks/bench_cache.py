"""Loading, storing and checking a universe: 500 symbols with five years of days.

Run with `python -m pytest benchmarks/bench_cache.py --benchmark-only`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.feed import CachedFeed
from robotrading.adapters.cache.packed import Entry
from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.strategy.checks import Checked, CheckSettings, check

SYMBOLS = 500
NOW = datetime(2025, 9, 26, 22, tzinfo=UTC)
FIRST, LAST = date(2020, 9, 28), date(2025, 9, 26)


class NoFeed:
    """A source that must not be asked."""

    name = "yahoo"

    def daily(self, instruments, first, last):
        raise AssertionError(f"asked for {len(instruments)} symbols from {first} to {last}")


@pytest.fixture(scope="module")
def universe():
    days = ExchangeCalendar().days(AssetClass.EQUITIES, FIRST, LAST)
    rng = np.random.default_rng(0)
    return [
        Entry(
            Bars.from_closes(
                Instrument(f"S{number:03d}", AssetClass.EQUITIES),
                days,
                100 * np.exp(np.cumsum(rng.normal(0, 0.015, len(days)))),
                as_of=NOW,
                source="yahoo",
            ),
            NOW,
            NOW,
            FIRST,
            LAST,
        )
        for number in range(SYMBOLS)
    ]


@pytest.fixture
def cache(tmp_path, universe):
    cache = BarCache(CacheSettings(directory=str(tmp_path)), FixedClock(NOW))
    cache.store(universe)
    return cache


def test_load_500_symbols(benchmark, cache, universe):
    instruments = [entry.bars.instrument for entry in universe]
    assert len(benchmark(cache.load, instruments)) == SYMBOLS


def test_serve_500_symbols(benchmark, cache, universe):
    instruments = [entry.bars.instrument for entry in universe]
    feed = CachedFeed(NoFeed(), cache, ExchangeCalendar(), FixedClock(NOW))
    feed.daily(instruments, FIRST, LAST)
    assert len(benchmark(feed.daily, instruments, FIRST, LAST)) == SYMBOLS


def test_store_500_symbols(benchmark, cache, universe):
    assert benchmark(cache.store, universe) == ()


def test_check_500_symbols(benchmark, universe):
    days = universe[0].bars.dates

    def all_checks():
        return [check(entry.bars, CheckSettings(), days, LAST) for entry in universe]

    all_checks()
    assert sum(isinstance(answer, Checked) for answer in benchmark.pedantic(all_checks, rounds=3)) == SYMBOLS
