"""The chain: links in order, a trail of what failed, and no look ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_regimes import AS_OF, bars_of, regime_returns

from robotrading.domain.errors import ConfigError
from robotrading.domain.signals import Stance
from robotrading.strategy.chain import SignalSettings, bars_needed, signal_for
from robotrading.strategy.classic import MovingAverageSettings
from robotrading.strategy.hmm import HmmSettings

USUAL = SignalSettings()
SHORT = SignalSettings(
    hmm=HmmSettings(lookback_days=250, refit_after_days=3), moving_average=MovingAverageSettings(5, 20)
)


def test_a_sound_series_is_read_by_the_hidden_states():
    bars = bars_of(regime_returns(1))
    signal, state = signal_for(bars, USUAL)
    assert (signal.model, signal.skips, signal.as_of) == ("hmm", (), bars.last_day)
    assert sum(signal.regime.probabilities) == pytest.approx(1.0)
    assert -1.0 <= signal.strength <= 1.0
    assert state.day == bars.last_day
    assert state.settings == USUAL.hmm.key()


def test_a_short_series_falls_to_the_moving_average_and_says_why():
    signal, state = signal_for(bars_of(np.full(199, 0.001)), USUAL)
    assert (signal.model, signal.stance, state) == ("moving_average", Stance.LONG, None)
    assert [(skip.subject, skip.step, skip.rule) for skip in signal.skips] == [("AAPL", "signal", "too_short")]
    assert signal.regime is None


def test_a_fall_reduces_and_a_standstill_is_neutral():
    assert signal_for(bars_of(np.full(199, -0.001)), USUAL)[0].stance is Stance.REDUCE
    signal, _ = signal_for(bars_of(np.zeros(300)), USUAL)
    assert (signal.model, signal.stance, signal.strength) == ("moving_average", Stance.NEUTRAL, 0.0)
    assert signal.skips[0].rule == "constant"


def test_where_no_link_can_speak_the_position_is_held_with_both_reasons():
    signal, state = signal_for(bars_of(np.full(20, 0.001)), USUAL)
    assert (signal.model, signal.stance, signal.strength, state) == ("hold", Stance.HOLD, 0.0, None)
    assert [skip.reason.split(":")[0] for skip in signal.skips] == ["hmm", "moving_average"]


@pytest.mark.parametrize("count", [0, 1])
def test_even_no_bars_at_all_are_a_hold(count):
    bars = bars_of(np.zeros(0)).select(slice(0, count))
    signal, _ = signal_for(bars, USUAL)
    assert signal.stance is Stance.HOLD
    assert signal.as_of == (bars.last_day if count else AS_OF.date())


def test_the_order_of_the_chain_is_kept_and_hold_need_not_be_named():
    bars = bars_of(regime_returns(1))
    assert signal_for(bars, replace(USUAL, chain=("moving_average", "hmm")))[0].model == "moving_average"
    assert signal_for(bars, replace(USUAL, chain=("hold", "hmm")))[0].model == "hold"
    assert signal_for(bars, replace(USUAL, chain=()))[0].model == "hold"


def test_an_unknown_link_names_the_allowed_ones():
    with pytest.raises(ConfigError, match=r"'garch' is not a link; allowed are hmm, moving_average, hold"):
        signal_for(bars_of(regime_returns(1)), replace(USUAL, chain=("garch",)))


def test_a_young_fit_is_filtered_forward_and_an_old_one_is_fitted_again():
    bars = bars_of(regime_returns(2, days=300))
    _, first = signal_for(bars.select(slice(0, 290)), SHORT)
    young, same = signal_for(bars.select(slice(0, 292)), SHORT, first)
    assert same is first
    assert young.as_of == bars.select(slice(0, 292)).last_day
    old, later = signal_for(bars.select(slice(0, 293)), SHORT, first)
    assert later.day == old.as_of
    assert later.fit.starts == SHORT.hmm.starts + 1


def test_a_fit_from_the_future_is_not_used():
    bars = bars_of(regime_returns(3, days=300))
    _, future = signal_for(bars, SHORT)
    past = bars.select(slice(0, 280))
    assert signal_for(past, SHORT, future) == signal_for(past, SHORT)


def test_a_hole_in_new_prices_stops_the_stored_fit_too():
    bars = bars_of(regime_returns(3, days=300))
    _, state = signal_for(bars.select(slice(0, 300)), SHORT)
    holed = replace(bars, adj_close=np.where(np.arange(301) == 299, np.nan, bars.adj_close))
    signal, _ = signal_for(holed, SHORT, state)
    assert signal.stance is Stance.HOLD
    assert [skip.rule for skip in signal.skips] == ["missing_prices", "missing_prices"]


def test_bars_before_the_longest_window_do_not_matter():
    bars = bars_of(regime_returns(4, days=1500))
    assert signal_for(bars.select(slice(-bars_needed(USUAL), None)), USUAL) == signal_for(bars, USUAL)


def walk(bars, how):
    """Signals of each day from the 240th on, handing the fit from day to day."""
    state, signals = None, []
    for count in range(240, len(bars) + 1):
        signal, state = signal_for(bars.select(slice(0, count)), how, state)
        signals.append(signal)
    return signals


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    days=st.integers(242, 262),
    shock=st.floats(-0.9, 0.9),
    refit=st.integers(1, 8),
    link=st.sampled_from(["hmm", "moving_average"]),
)
def test_no_later_bar_changes_an_earlier_signal(seed, days, shock, refit, link):
    """Two worlds that part after `days` bars: every signal up to then is the same, scaling, floors, refits and all."""
    how = replace(SHORT, chain=(link, "hold"), hmm=replace(SHORT.hmm, refit_after_days=refit))
    returns = regime_returns(seed, days=264)
    other = returns.copy()
    other[days - 1 :] += shock
    here, there = walk(bars_of(returns), how), walk(bars_of(other), how)
    shared = days - 240 + 1
    assert here[:shared] == there[:shared]
    assert [signal.as_of for signal in here[:2]] == [
        date(2020, 1, 1) + timedelta(239),
        date(2020, 1, 1) + timedelta(240),
    ]


@pytest.mark.parametrize("link", ["hmm", "moving_average"])
def test_a_later_bar_changes_the_later_signals(link):
    """What makes the law above one: the worlds do part, and the signals see it."""
    how = replace(SHORT, chain=(link, "hold"))
    returns = regime_returns(3, days=264)
    other = returns.copy()
    other[249:] += 0.02
    assert walk(bars_of(returns), how)[11:] != walk(bars_of(other), how)[11:]


def test_the_same_bars_and_state_give_the_same_signal_bit_for_bit():
    bars = bars_of(regime_returns(5))
    assert signal_for(bars, USUAL) == signal_for(bars, USUAL)
