"""Prices and lists: the sources a session names, behind one cache.

Everything here runs on the wall clock, in a rehearsal too: how old a download is has nothing to do with the day that
is rehearsed.
"""

from __future__ import annotations

from collections.abc import Callable

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.feed import CachedFeed
from robotrading.adapters.cache.lists import ListCache
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.feeds.alpha_vantage import AlphaVantageFeed
from robotrading.adapters.feeds.chain import FeedChain
from robotrading.adapters.feeds.files import FileFeed
from robotrading.adapters.feeds.slickcharts import Slickcharts
from robotrading.adapters.feeds.universe import load_universe
from robotrading.adapters.feeds.yahoo import YahooFeed
from robotrading.adapters.resilience import Attempt, Policy, ignore
from robotrading.config.model import Config
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Constituent
from robotrading.domain.ports import Calendar, Feed
from robotrading.domain.skip import Skip
from robotrading.session.settings import UniverseKind
from robotrading.session.world import Universe
from robotrading.sim.feed import SyntheticFeed

Heard = Callable[[Attempt], None]


def feed_for(config: Config, kind: AssetClass, calendar: Calendar, heard: Heard = ignore) -> CachedFeed:
    """The session's sources in their order, behind the cache; `heard` is told of every call of a service."""
    clock = SystemClock()
    names = config.sources(kind)
    chain = FeedChain({name: _source(name, config, kind, calendar, heard) for name in names})
    return CachedFeed(chain, BarCache(config.feeds.cache, clock), calendar, clock, sources=names)


def _source(name: str, config: Config, kind: AssetClass, calendar: Calendar, heard: Heard) -> Feed:
    feeds, clock = config.feeds, SystemClock()
    if name == "yahoo":
        return YahooFeed(feeds.yahoo, Policy(name, feeds.yahoo.retry, clock, on_attempt=heard), config.state_dir)
    if name == "alpha_vantage":
        settings = feeds.alpha_vantage
        policy = Policy(name, settings.retry, clock, per_day=settings.per_day, on_attempt=heard)
        return AlphaVantageFeed(settings, policy)
    if name == "files":
        return FileFeed(feeds.files.paths, clock)
    if name == "ibkr":
        from robotrading.adapters.ibkr.feed import IbkrFeed  # noqa: PLC0415  brings the broker's library along

        return IbkrFeed(config.gateway(kind, prices=True), clock)
    if name == "synthetic":
        return SyntheticFeed(calendar=calendar, clock=clock)
    raise ConfigError(f"sessions.{kind}.sources: there is no source {name!r}")


def universe_for(config: Config, kind: AssetClass, heard: Heard = ignore) -> Universe:
    """The session's instruments; an index list that cannot be fetched is the last good one, and says so."""
    settings = config.sessions[kind].universe
    source = _Lists(config, heard) if settings.kind is UniverseKind.SP500 else None
    instruments, weights, skips = load_universe(settings, kind, source)
    stale = source.skips if source is not None else ()
    return Universe(instruments, weights, (*skips, *stale))


class _Lists:
    """Slickcharts behind the cache of lists."""

    name = "slickcharts"

    def __init__(self, config: Config, heard: Heard) -> None:
        settings, clock = config.feeds.slickcharts, SystemClock()
        self._web = Slickcharts(settings, Policy(self.name, settings.retry, clock, on_attempt=heard))
        self._cache = ListCache(config.feeds.cache, clock)
        self.skips: tuple[Skip, ...] = ()

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        members, stale = self._cache.get(index, lambda: self._web.constituents(index))
        self.skips = (stale,) if stale else ()
        return members
