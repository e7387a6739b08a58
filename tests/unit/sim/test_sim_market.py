"""Quotes from daily bars: never from the future, always on the tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass, Instrument, SecType
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock
from robotrading.sim.feed import DEMO_UNIVERSE, SyntheticFeed
from robotrading.sim.market import FeedMarket, SpreadRules

D = Decimal
DAYS = np.arange(np.datetime64("2025-09-22"), np.datetime64("2025-09-27"))
CLOSES = np.array([10.0, 11.0, np.nan, 13.004, 14.0])
ABC = Instrument("ABC", AssetClass.EQUITIES)
BRK = Instrument("BRK-B", AssetClass.EQUITIES)
COIN = Instrument("BTC-USD", AssetClass.CRYPTO)
GONE = Instrument("GONE", AssetClass.EQUITIES)


class CountingFeed:
    """Serves the same five days for ABC and nothing else, and counts how often it is asked."""

    name = "five days"

    def __init__(self) -> None:
        self.asked: list[tuple[int, date, date]] = []

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        self.asked.append((len(instruments), first, last))
        bars = Bars.from_closes(ABC, DAYS, CLOSES, as_of=datetime(2025, 9, 26, tzinfo=UTC), source=self.name)
        return {i: bars.since(first).until(last) if i == ABC else Skip(i.symbol, "prices", "none") for i in instruments}


def market_at(day: int, feed: CountingFeed | None = None, **options: object) -> tuple[FeedMarket, VirtualClock]:
    clock = VirtualClock(datetime(2025, 9, day, 16, tzinfo=UTC))
    return FeedMarket(feed or CountingFeed(), clock, [ABC, BRK, COIN, GONE], **options), clock  # type: ignore[arg-type]


def test_the_last_price_is_the_newest_known_close() -> None:
    market, _ = market_at(25)
    quote = market.quote(ABC)
    assert quote is not None
    assert (quote.last, quote.close) == (D("13.00"), D("11.00"))
    assert (quote.bid, quote.ask) == (D("12.99"), D("13.01"))
    assert quote.source == "five days"


def test_no_quote_knows_a_later_bar() -> None:
    market, clock = market_at(22, ahead_days=30)
    seen = []
    for _ in range(5):
        quote = market.quote(ABC)
        assert quote is not None
        seen.append(quote.last)
        clock.advance(86400)
    assert seen == [D(10), D(11), D(11), D(13), D(14)]
    first = market_at(22)[0].quote(ABC)
    assert first is not None
    assert first.close is None


def test_bars_end_with_the_clocks_day() -> None:
    market, _ = market_at(24, ahead_days=30)
    bars = market.bars(ABC, date(2025, 9, 23), date(2026, 1, 1))
    assert bars is not None
    assert (bars.first_day, bars.last_day) == (date(2025, 9, 23), date(2025, 9, 24))
    assert market.bars(ABC, date(2026, 1, 1), date(2026, 2, 1)) is None
    assert market.bars(GONE, date(2025, 9, 1), date(2026, 2, 1)) is None
    assert market.bars(Instrument("NO", AssetClass.EQUITIES), date(2025, 9, 1), date(2026, 2, 1)) is None


def test_all_instruments_are_loaded_in_one_call_a_day() -> None:
    feed = CountingFeed()
    market, clock = market_at(22, feed)
    assert not feed.asked
    for instrument in market.instruments():
        market.quote(instrument)
    assert [count for count, _, _ in feed.asked] == [4]
    clock.advance(86400)
    market.quote(ABC)
    market.quote(ABC)
    assert len(feed.asked) == 2


def test_the_day_is_the_exchanges_own_where_there_is_a_calendar() -> None:
    class Late(WeekdayCalendar):
        def trading_day(self, kind: AssetClass, at: datetime) -> date:  # noqa: ARG002
            return at.date() - timedelta(days=1)

    market, _ = market_at(23, calendar=Late())
    quote = market.quote(ABC)
    assert quote is not None
    assert quote.last == 10


@pytest.mark.parametrize(
    ("symbol", "sec_type", "found"),
    [
        ("ABC", SecType.STOCK, ABC),
        ("BRK-B", SecType.STOCK, BRK),
        ("BRK B", SecType.STOCK, BRK),
        ("BRK.B", SecType.STOCK, BRK),
        ("BTC", SecType.CRYPTO, COIN),
        ("BTC-USD", SecType.CRYPTO, COIN),
        ("BTC", SecType.STOCK, None),
        ("NOSUCH", SecType.STOCK, None),
    ],
)
def test_both_spellings_of_a_symbol_are_found(symbol: str, sec_type: SecType, found: Instrument | None) -> None:
    market, _ = market_at(25)
    assert market.lookup(symbol, sec_type, "USD") is found
    assert market.lookup(symbol, sec_type, "EUR") is None


def test_a_set_price_rules_until_it_is_cleared() -> None:
    market, _ = market_at(25)
    market.set_price(ABC, D(20))
    quote = market.quote(ABC)
    assert quote is not None
    assert (quote.last, quote.bid, quote.ask, quote.close) == (D(20), D("19.99"), D("20.01"), D("11.00"))
    market.set_price(ABC, D(20), bid=D(19), ask=D(21))
    assert (quote := market.quote(ABC)) is not None
    assert (quote.bid, quote.ask) == (D(19), D(21))
    market.clear_price(ABC)
    assert (quote := market.quote(ABC)) is not None
    assert quote.last == D("13.00")
    with pytest.raises(KeyError, match="not in this market"):
        market.set_price(Instrument("NO", AssetClass.EQUITIES), D(1))


def test_what_has_no_price_has_no_quote() -> None:
    market, _ = market_at(25)
    assert market.quote(GONE) is None
    assert market.quote(Instrument("NO", AssetClass.EQUITIES)) is None
    market.set_price(GONE, D(5))
    assert (quote := market.quote(GONE)) is not None
    assert quote.close is None


@given(
    st.sampled_from(AssetClass),
    st.decimals("0.01", "100000", places=2),
    st.sampled_from([D("0.01"), D("0.25"), D("0.0001")]),
)
def test_a_spread_is_on_the_tick_around_the_price(kind: AssetClass, price: D, tick: D) -> None:
    bid, ask = SpreadRules().sides(Instrument("X", kind, tick=tick), price)
    assert bid % tick == ask % tick == 0
    assert 0 < bid < ask
    assert bid <= max(price, tick)
    assert ask >= price


def test_the_sample_market_has_a_quote_for_the_whole_demo() -> None:
    clock = VirtualClock(datetime(2025, 9, 26, 16, tzinfo=UTC))
    instruments = [i for group in DEMO_UNIVERSE.values() for i in group]
    market = FeedMarket(SyntheticFeed(WeekdayCalendar(), clock), clock, instruments)
    for instrument in instruments:
        quote = market.quote(instrument)
        assert quote is not None
        assert quote.close is not None
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask
