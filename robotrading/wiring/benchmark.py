"""The benchmark's prices: fetched into the cache after a run, found there by reports and summaries.

Entry points: `keep_benchmark`, `benchmark_until`, `points`.
Invariants: nothing here fails a run, delays its trading or takes longer than `_SECONDS`; a made-up market has no
benchmark.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from threading import Thread

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.feed import LOCAL_SOURCES
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.notify.report.backdrop import Benchmark
from robotrading.adapters.resilience import ignore
from robotrading.config.model import Config
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Calendar
from robotrading.wiring.feeds import Heard, feed_for

log = logging.getLogger(__name__)

_SECONDS = 20.0
_DAYS = 400
"""A year and the weeks before it: what reports show."""
_LISTED = (AssetClass.EQUITIES, AssetClass.BONDS)
"""Sessions whose sources know shares and funds."""


def keep_benchmark(config: Config, kind: AssetClass, calendar: Calendar, day: date, heard: Heard = ignore) -> None:
    """Have the benchmark's closes before `day` in the cache, from the session's own sources; one that fails is logged.

    Blocks for a bounded time. What is fresh in the cache is not asked for.
    """
    name = config.report.benchmark
    if not name or kind not in _LISTED or LOCAL_SOURCES.issuperset(config.sources(kind)):
        return
    fetching = Thread(target=_fetch, args=(config, kind, calendar, day, heard), name="benchmark", daemon=True)
    fetching.start()
    fetching.join(_SECONDS)
    if fetching.is_alive():
        log.info("the prices of %s did not come within %.0f s; reports go without them", name, _SECONDS)


def _fetch(config: Config, kind: AssetClass, calendar: Calendar, day: date, heard: Heard) -> None:
    wanted = Instrument(config.report.benchmark, AssetClass.EQUITIES)
    try:
        last = min(day, calendar.last_complete_day(AssetClass.EQUITIES, SystemClock().now()))
        found = feed_for(config, kind, calendar, heard).daily([wanted], last - timedelta(days=_DAYS), last)[wanted]
    except (RobotradingError, OSError, ValueError) as error:
        log.info("no prices of %s for the reports: %s", wanted, error)
        return
    if not isinstance(found, Bars):
        log.info("no prices of %s for the reports: %s", wanted, found.reason)


def benchmark_until(config: Config, last: date) -> Benchmark | None:
    """The benchmark's closes that were known on a day, from the cache or a person's own files; None without any."""
    name = config.report.benchmark
    if not name:
        return None
    wanted = Instrument(name, AssetClass.EQUITIES)
    bars = _cached(config, wanted) or _own(config, wanted, last)
    if bars is None or not len(bars := bars.until(last)):
        return None
    return Benchmark(name, *points(bars))


def points(bars: Bars) -> tuple[tuple[date, ...], tuple[float, ...]]:
    """Days and adjusted closes, those without a close left out."""
    import numpy as np  # noqa: PLC0415  not for who only wants a page

    kept = bars.select(np.isfinite(bars.adj_close) & (bars.adj_close > 0))
    return tuple(kept.dates.tolist()), tuple(kept.adj_close.tolist())


def _cached(config: Config, wanted: Instrument) -> Bars | None:
    try:
        entry = BarCache(config.feeds.cache, SystemClock()).load([wanted]).get(wanted)
    except (ValueError, OSError) as error:
        log.info("no cached prices of %s: %s", wanted, error)
        return None
    return entry.bars if entry is not None and len(entry.bars) else None


def _own(config: Config, wanted: Instrument, last: date) -> Bars | None:
    """From files of a person's own, which are not cached."""
    if not any("files" in config.sources(kind) for kind in _LISTED):
        return None
    from robotrading.adapters.feeds.files import FileFeed  # noqa: PLC0415  brings pandas

    try:
        found = FileFeed(config.feeds.files.paths, SystemClock()).daily([wanted], last - timedelta(days=_DAYS), last)
    except (RobotradingError, OSError, ValueError) as error:
        log.info("no prices of %s in files: %s", wanted, error)
        return None
    answer = found.get(wanted)
    return answer if isinstance(answer, Bars) and len(answer) else None
