"""Moving averages, volatility and the crossover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_regimes import AAPL, bars_of, regime_returns

from robotrading.domain.errors import BarsRejected
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.strategy.classic import MovingAverageSettings, crossover_strength
from robotrading.strategy.indicators import annual_volatility, days_per_year, moving_average

QUICK = MovingAverageSettings(fast_days=2, slow_days=4, band=0.01)


def test_a_moving_average_is_the_mean_of_the_last_closes():
    bars = bars_of(np.log([1.1, 1.2 / 1.1, 1.0]))
    assert moving_average(bars, 2) == pytest.approx(120.0)
    assert moving_average(bars, 4) == pytest.approx((100 + 110 + 120 + 120) / 4)


def test_volatility_is_annualised_by_the_days_the_market_trades():
    returns = np.array([0.01, -0.01] * 10)
    daily = returns.std(ddof=1)
    assert annual_volatility(bars_of(returns), 20) == pytest.approx(daily * math.sqrt(252))
    coin = Instrument("BTC-USD", AssetClass.CRYPTO)
    assert annual_volatility(bars_of(returns, coin), 20) == pytest.approx(daily * math.sqrt(365))
    assert days_per_year(AssetClass.BONDS) == 252


def test_volatility_reads_the_last_days_only():
    calm = np.array([0.001, -0.001] * 10)
    assert annual_volatility(bars_of(np.concatenate([[0.5], calm])), 20) == annual_volatility(bars_of(calm), 20)


@pytest.mark.parametrize("read", [lambda bars: annual_volatility(bars, 30), lambda bars: moving_average(bars, 30)])
def test_too_few_bars_are_refused_by_name(read):
    with pytest.raises(BarsRejected, match=r"AAPL.*30.*there are 11") as refused:
        read(bars_of(np.full(10, 0.01)))
    assert refused.value.rule == "too_short"


@pytest.mark.parametrize("read", [lambda bars: annual_volatility(bars, 5), lambda bars: moving_average(bars, 5)])
def test_a_hole_in_the_window_is_refused_by_name(read):
    bars = bars_of(np.array([0.01] * 8 + [math.nan, 0.01]))
    with pytest.raises(BarsRejected, match="missing") as refused:
        read(bars)
    assert refused.value.rule == "missing_prices"


def test_a_rise_is_long_a_fall_is_not_and_a_flat_is_nothing():
    assert crossover_strength(bars_of(np.full(10, 0.06)), QUICK) == 1.0
    assert crossover_strength(bars_of(np.full(10, -0.06)), QUICK) == -1.0
    assert crossover_strength(bars_of(np.zeros(10)), QUICK) == 0.0
    assert 0.2 < crossover_strength(bars_of(np.full(10, 0.015)), QUICK) < 1.0


def test_inside_the_band_there_is_no_strength():
    bars = bars_of(np.full(10, 0.004))
    assert crossover_strength(bars, QUICK) == 0.0
    assert crossover_strength(bars, MovingAverageSettings(2, 4, 0.0)) > 0.0


@given(st.integers(0, 100), st.floats(0.01, 1000.0))
def test_crossover_strength_is_bounded_and_free_of_scale(seed, factor):
    bars = bars_of(regime_returns(seed, days=60))
    from dataclasses import replace

    scaled = replace(bars, adj_close=bars.adj_close * factor)
    strength = crossover_strength(bars, MovingAverageSettings(10, 50))
    assert -1.0 <= strength <= 1.0
    assert crossover_strength(scaled, MovingAverageSettings(10, 50)) == pytest.approx(strength, abs=1e-9)
    assert bars.instrument == AAPL
