"""Every implementation of the `Feed` port, each over the same small market. Add yours to `CASES`.

A case opens a feed that knows `MARKET` and nothing else, over a real source of its own (a server on loopback, files in
the given directory). `shut` makes the source as a whole unreachable; None where there is no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from feed_bodies import QUERY, Row, chart, chart_error, daily_series, weekdays
from scripted_http import ManualClock, Reply, ScriptedServer

from robotrading.adapters.feeds.alpha_vantage import AlphaVantageFeed
from robotrading.adapters.feeds.settings import AlphaVantageSettings, RetrySettings, YahooSettings
from robotrading.adapters.feeds.yahoo import YahooFeed
from robotrading.adapters.resilience import Policy
from robotrading.domain.ports import Feed

DAYS = weekdays(date(2026, 1, 5), 40)
MARKET = {
    "AAA": [Row(day, 100.0 + place) for place, day in enumerate(DAYS)],
    "BRK-B": [Row(day, 450.0 - place) for place, day in enumerate(DAYS)],
    "LATE": [Row(day, 10.0 + place / 4) for place, day in enumerate(DAYS[25:])],
}
"""Daily closes in dollars, open, high and low as the source can tell; LATE was listed later. No distributions."""


@dataclass(frozen=True)
class FeedUnderTest:
    feed: Feed
    clock: ManualClock
    shut: Callable[[], None] | None = None


@dataclass(frozen=True)
class FeedCase:
    name: str
    open: Callable[[Path], AbstractContextManager[FeedUnderTest]]


RETRY = RetrySettings(attempts=2, breaker_failures=1000)
DOWN = Reply(503, "down")


@contextmanager
def yahoo(directory: Path) -> Iterator[FeedUnderTest]:
    up = True

    def answer(request) -> Reply:
        symbol = request.path.removeprefix(QUERY)
        if not up:
            return DOWN
        if symbol not in MARKET:
            return Reply(404, chart_error("Not Found", "No data found, symbol may be delisted"))
        return Reply(200, chart(MARKET[symbol], symbol=symbol))

    def shut() -> None:
        nonlocal up
        up = False

    clock = ManualClock()
    with ScriptedServer(answer) as server:
        settings = YahooSettings(url=server.url, retry=RETRY)
        feed = YahooFeed(settings, Policy("yahoo", RETRY, clock, wait=clock.wait), directory)
        try:
            yield FeedUnderTest(feed, clock, shut)
        finally:
            feed.close()


@contextmanager
def alpha_vantage(_: Path) -> Iterator[FeedUnderTest]:
    up = True

    def answer(request) -> Reply:
        rows = MARKET.get(request.query["symbol"])
        if not up:
            return DOWN
        return Reply(200, daily_series(rows) if rows else '{"Error Message": "Invalid API call."}')

    def shut() -> None:
        nonlocal up
        up = False

    clock = ManualClock()
    with ScriptedServer(answer) as server:
        settings = AlphaVantageSettings(api_key="K", url=server.url, retry=RETRY)
        feed = AlphaVantageFeed(settings, Policy("alpha_vantage", RETRY, clock, wait=clock.wait))
        try:
            yield FeedUnderTest(feed, clock, shut)
        finally:
            feed.close()


# ---------------------------------------------------------------------------------------------------------------
# The register. One line for each implementation of the port; the suite in test_feeds.py runs on every one.
CASES: list[FeedCase] = [
    FeedCase("yahoo", yahoo),
    FeedCase("alpha_vantage", alpha_vantage),
]
# ---------------------------------------------------------------------------------------------------------------
