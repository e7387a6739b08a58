"""The sample market: the same for the same seed, never rewritten, and as lively as promised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, PRICE_COLUMNS, Bars, PriceBasis
from robotrading.domain.skip import Skip
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock
from robotrading.sim.feed import (
    CRASHES,
    DEMO_UNIVERSE,
    ORIGIN,
    SAMPLE_BONDS,
    SAMPLE_CRYPTO,
    SAMPLE_EQUITIES,
    SPLIT_DAY,
    SPLIT_SYMBOL,
    SyntheticFeed,
)

NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
TODAY = NOW.date()
CALENDAR = WeekdayCalendar()
EVERYTHING = (*SAMPLE_EQUITIES, *SAMPLE_BONDS, *SAMPLE_CRYPTO)
REAL = Instrument("AAPL", AssetClass.EQUITIES)


def feed(seed: int = 1, now: datetime = NOW) -> SyntheticFeed:
    return SyntheticFeed(CALENDAR, VirtualClock(now), seed)


def series(instrument: Instrument, first: date = ORIGIN, last: date = TODAY, seed: int = 1) -> Bars:
    bars = feed(seed).daily([instrument], first, last)[instrument]
    assert isinstance(bars, Bars)
    return bars


def same(one: Bars, other: Bars) -> bool:
    return np.array_equal(one.dates, other.dates) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS
    )


@pytest.fixture(scope="module")
def market() -> dict[Instrument, Bars]:
    answers = feed().daily(EVERYTHING, ORIGIN, TODAY)
    assert all(isinstance(bars, Bars) for bars in answers.values())
    return dict(answers)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(
    st.sampled_from([*EVERYTHING, REAL]),
    st.integers(0, 5400),
    st.integers(1, 1500),
    st.integers(0, 900),
)
def test_asking_until_a_later_day_changes_no_earlier_bar(
    instrument: Instrument, start: int, length: int, further: int
) -> None:
    first = ORIGIN + timedelta(days=start)
    last = min(first + timedelta(days=length), TODAY)
    shorter = feed().daily([instrument], first, last)[instrument]
    longer = series(instrument, ORIGIN, last + timedelta(days=further))
    if isinstance(shorter, Bars):
        assert same(shorter, longer.since(first).until(last))
    else:
        assert not len(longer.since(first).until(last))


def test_a_series_does_not_depend_on_what_else_is_asked(market: dict[Instrument, Bars]) -> None:
    for instrument in (SAMPLE_EQUITIES[3], SAMPLE_BONDS[1], SAMPLE_CRYPTO[0]):
        assert same(series(instrument), market[instrument])


def test_another_seed_is_another_market() -> None:
    assert not np.array_equal(series(REAL, seed=1).close, series(REAL, seed=2).close)


def test_any_symbol_is_served_and_each_is_its_own() -> None:
    other = Instrument("MSFT", AssetClass.EQUITIES)
    assert len(series(REAL)) == len(series(other))
    assert not np.array_equal(series(REAL).close, series(other).close)


def test_days_are_the_calendars(market: dict[Instrument, Bars]) -> None:
    for instrument, bars in market.items():
        assert np.array_equal(bars.dates, CALENDAR.days(instrument.asset_class, ORIGIN, TODAY))


def test_prices_are_possible(market: dict[Instrument, Bars]) -> None:
    for bars in market.values():
        for name in PRICE_COLUMNS:
            column = getattr(bars, name)
            assert np.isfinite(column).all()
            assert (column > 0).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.volume >= 0).all()
        assert bars.basis is PriceBasis.REAL
        assert bars.source == "synthetic"
        assert bars.as_of == NOW


def test_dividends_and_adjusted_closes_agree(market: dict[Instrument, Bars]) -> None:
    """On an ex-day the adjusted return exceeds the price's by the dividend, on other days they are equal."""
    payers = 0
    for bars in market.values():
        factor = (bars.adj_close[1:] / bars.adj_close[:-1]) / (bars.close[1:] / bars.close[:-1])
        expected = 1.0 / (1.0 - bars.dividend[1:] / bars.close[:-1])
        np.testing.assert_allclose(factor, expected, rtol=1e-4)
        assert (bars.adj_close <= bars.close * (1 + 1e-9)).all()
        payers += bool(bars.dividend.any())
    assert payers > 20
    assert not any(market[coin].dividend.any() for coin in SAMPLE_CRYPTO)
    assert all(100 < np.count_nonzero(market[bond].dividend) < 200 for bond in SAMPLE_BONDS)


def test_there_is_exactly_one_split(market: dict[Instrument, Bars]) -> None:
    splits = [
        (i.symbol, day) for i, b in market.items() for day, ratio in zip(b.dates, b.split, strict=True) if ratio != 1
    ]
    assert splits == [(SPLIT_SYMBOL, SPLIT_DAY)]
    assert SPLIT_SYMBOL in {i.symbol for i in DEMO_UNIVERSE[AssetClass.EQUITIES]}


def test_shares_crash_together(market: dict[Instrument, Bars]) -> None:
    for crash in CRASHES:
        falls = []
        for instrument in SAMPLE_EQUITIES:
            bars = market[instrument]
            at = int(np.searchsorted(bars.dates, crash))
            falls.append(bars.close[at] / bars.close[at - 1] - 1)
        assert np.mean(falls) < -0.06


def test_shares_move_together_and_bonds_hardly(market: dict[Instrument, Bars]) -> None:
    returns = np.array([market[i].log_returns() for i in SAMPLE_EQUITIES])
    assert 0.2 < np.corrcoef(returns)[np.triu_indices(len(returns), 1)].mean() < 0.6
    spread = {kind: np.mean([market[i].log_returns().std() for i in group]) for kind, group in DEMO_UNIVERSE.items()}
    assert spread[AssetClass.BONDS] < spread[AssetClass.EQUITIES] / 2 < spread[AssetClass.CRYPTO]


def test_volatility_comes_in_regimes(market: dict[Instrument, Bars]) -> None:
    """Squared returns are correlated over weeks, which independent draws of one distribution are not."""
    squared = np.array([market[i].log_returns() ** 2 for i in SAMPLE_EQUITIES])
    capped = np.minimum(squared, np.quantile(squared, 0.99))
    months = capped[:, : capped.shape[1] // 20 * 20].reshape(len(capped), -1, 20).mean(axis=(0, 2))
    assert np.corrcoef(months[:-1], months[1:])[0, 1] > 0.3


def test_prices_jump_over_night(market: dict[Instrument, Bars]) -> None:
    bars = market[SAMPLE_EQUITIES[0]]
    gaps = np.abs(bars.open[1:] / bars.close[:-1] - 1)
    assert 5 < np.count_nonzero(gaps > 0.03) < 200


def test_nothing_is_known_beyond_the_clock() -> None:
    early = feed(now=datetime(2020, 1, 2, 12, tzinfo=UTC))
    bars = early.daily([REAL], date(2019, 1, 1), date(2030, 1, 1))[REAL]
    assert isinstance(bars, Bars)
    assert bars.last_day == date(2020, 1, 2)


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (date(2000, 1, 1), date(2011, 12, 30), "begins on 2012-01-03"),
        (date(2027, 1, 1), date(2027, 2, 1), "no trading day from 2027-01-01"),
    ],
)
def test_a_range_without_bars_is_a_skip_with_its_reason(first: date, last: date, why: str) -> None:
    skip = feed().daily([REAL], first, last)[REAL]
    assert isinstance(skip, Skip)
    assert why in skip.reason


def test_the_demo_universe_is_plainly_synthetic() -> None:
    assert [len(DEMO_UNIVERSE[kind]) for kind in AssetClass] == [12, 5, 3]
    for kind, group in DEMO_UNIVERSE.items():
        for instrument in group:
            assert instrument.symbol.startswith("SYN")
            assert "Synthetic" in instrument.name
            assert instrument.asset_class is kind
    assert len({i.symbol for i in EVERYTHING}) == len(EVERYTHING) == 53
