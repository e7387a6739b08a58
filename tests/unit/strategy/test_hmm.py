"""Fits: they recover what is there, name what is wrong, and do not depend on chance, order or scale."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_regimes import regime_returns

from robotrading.strategy.hmm import (
    Fit,
    FitFailure,
    FitState,
    HmmSettings,
    filter_forward,
    fit,
    refit_due,
    usable_state,
)
from robotrading.strategy.hmm_em import Climb, Parameters, Sample, climb
from robotrading.strategy.hmm_start import cold_starts

USUAL = HmmSettings()


def fitted(returns, how=USUAL, warm=None):
    result = fit(returns, how, warm)
    assert isinstance(result, Fit), result
    return result


@pytest.mark.parametrize("seed", range(4))
def test_known_parameters_of_two_regimes_are_recovered(seed):
    model = fitted(regime_returns(seed, days=4000), replace(USUAL, tolerance=1e-4))
    assert model.volatilities == pytest.approx((0.025, 0.008), rel=0.1)
    assert model.means == pytest.approx((-0.0015, 0.0008), abs=0.003)
    assert model.transitions[0][0] == pytest.approx(0.95, abs=0.03)
    assert model.transitions[1][1] == pytest.approx(0.98, abs=0.015)
    assert sum(model.occupancy) == pytest.approx(4000)
    assert model.converged
    assert model.iterations > 2
    assert model.starts == 3


def test_three_regimes_are_ordered_by_mean():
    model = fitted(regime_returns(2, days=3000), replace(USUAL, states=3))
    assert list(model.means) == sorted(model.means)
    assert len(model.transitions) == len(model.start) == 3


def test_the_log_likelihood_is_that_of_the_returns_themselves():
    from hmmlearn.hmm import GaussianHMM

    returns = regime_returns(3)
    model = fitted(returns)
    theirs = GaussianHMM(2)
    theirs.startprob_, theirs.transmat_ = np.array(model.start), np.array(model.transitions)
    theirs.means_ = np.array(model.means)[:, None]
    theirs.covars_ = np.array(model.volatilities)[:, None] ** 2
    assert theirs.score(returns[:, None]) == pytest.approx(model.log_likelihood, abs=1e-6)


def test_states_come_in_the_same_order_whatever_order_the_start_had():
    sample = Sample.of(regime_returns(4))
    start = cold_starts(sample, 2, 1)[0]
    swapped = Parameters(start.start[::-1], start.transitions[::-1, ::-1], start.means[::-1], start.variances[::-1])
    how = Climb(1e-3, 1e-8, 1000)
    from robotrading.strategy.hmm import _fit

    one, two = (_fit(sample, climb(sample, at, how), 1, 1) for at in (start, swapped))
    assert one.means == pytest.approx(two.means, abs=1e-7)
    assert one.volatilities == pytest.approx(two.volatilities, abs=1e-7)


def test_equal_means_are_ordered_by_volatility_with_the_calmer_one_higher():
    from robotrading.strategy.hmm import _fit

    sample = Sample.of(regime_returns(5))
    run = climb(sample, cold_starts(sample, 2, 1)[0], Climb(1e-3, 1e-2, 50))
    for variances in ([0.5, 3.0], [3.0, 0.5]):
        tied = replace(run, parameters=replace(run.parameters, means=np.zeros(2), variances=np.array(variances)))
        assert _fit(sample, tied, 1, 1).volatilities == pytest.approx(sample.scale * np.sqrt([3.0, 0.5]))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), power=st.integers(-6, 6))
def test_scaling_all_returns_scales_the_moments_and_nothing_else(seed, power):
    returns, factor = regime_returns(seed, days=500), 2.0**power
    one, other = fit(returns, USUAL), fit(returns * factor, USUAL)
    assert type(one) is type(other)
    if isinstance(one, Fit):
        assert tuple(mean * factor for mean in one.means) == other.means
        assert tuple(volatility * factor for volatility in one.volatilities) == other.volatilities
        assert one.transitions == other.transitions
        assert one.log_likelihood - 500 * np.log(factor) == pytest.approx(other.log_likelihood)


def test_the_same_returns_give_the_same_fit_bit_for_bit():
    returns = regime_returns(6)
    assert fit(returns, USUAL) == fit(returns.copy(), USUAL)


def test_more_starts_never_end_much_lower():
    for seed in range(5):
        returns = regime_returns(seed, days=600)
        few, many = fitted(returns, replace(USUAL, starts=1)), fitted(returns, replace(USUAL, starts=12))
        assert many.log_likelihood > few.log_likelihood - 0.5


@pytest.mark.parametrize(
    ("returns", "rule"),
    [
        (np.full(500, 0.001), "constant"),
        (np.zeros(500), "constant"),
        (np.where(np.arange(500) == 7, np.nan, regime_returns(1, days=500)), "missing_prices"),
        (np.where(np.arange(500) == 7, np.inf, regime_returns(1, days=500)), "missing_prices"),
        (regime_returns(1, days=199), "too_short"),
        (np.where(np.arange(1000) % 3 > 0, 0.0, regime_returns(2, days=1000)), "variance_floor"),
        (np.where(np.arange(800) == 400, 1.5, 0.01 * np.random.default_rng(1).standard_normal(800)), "few_days"),
    ],
)
def test_what_cannot_be_modelled_is_a_failure_with_its_name(returns, rule):
    result = fit(returns, USUAL)
    assert isinstance(result, FitFailure)
    assert result.rule == rule
    assert result.reason.endswith(".")


def test_a_climb_that_is_cut_off_is_not_converged():
    result = fit(regime_returns(1), replace(USUAL, max_iterations=1))
    assert isinstance(result, FitFailure)
    assert result.rule == "not_converged"


def test_a_single_regime_found_twice_is_refused():
    from robotrading.strategy.hmm import _unsound

    sample = Sample.of(regime_returns(1))
    run = climb(sample, cold_starts(sample, 2, 1)[0], Climb(1e-3, 1e-2, 50))
    twins = replace(run, parameters=replace(run.parameters, means=np.zeros(2), variances=np.array([1.0, 1.01])))
    assert _unsound(run, USUAL) is None
    assert _unsound(twins, USUAL).rule == "identical_states"
    assert _unsound(replace(run, fell=True), USUAL).rule == "likelihood_fell"
    assert _unsound(replace(run, log_likelihood=float("nan")), USUAL).rule == "not_finite"
    assert _unsound(None, USUAL).rule == "not_finite"


def test_fewer_than_two_states_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"hmm.states is 1.*set it to 2"):
        fit(regime_returns(1), replace(USUAL, states=1))


def test_a_warm_start_is_one_start_more_and_ends_no_lower():
    returns = regime_returns(7, days=1300)
    before = fitted(returns[:1260])
    cold, warm = fitted(returns[40:]), fitted(returns[40:], USUAL, before)
    assert (cold.starts, warm.starts) == (3, 4)
    assert warm.log_likelihood > cold.log_likelihood - 0.05


def test_a_warm_fit_with_other_states_is_ignored():
    returns = regime_returns(8)
    three = fitted(returns, replace(USUAL, states=3))
    assert fitted(returns, USUAL, three) == fitted(returns)


def test_filtering_forward_accepts_a_day_unlike_all_before():
    returns = regime_returns(9)
    model = fitted(returns)
    shocked = filter_forward(np.concatenate([returns, [-0.4]]), model)
    assert sum(shocked) == pytest.approx(1.0)
    assert shocked[0] > 0.99


def test_filtering_forward_moves_out_of_a_state_that_was_never_left():
    model = replace(fitted(regime_returns(9)), start=(0.0, 1.0), transitions=((0.9, 0.1), (0.0, 1.0)))
    shocked = filter_forward(np.concatenate([np.full(50, 0.001), [-0.4]]), model)
    assert shocked[0] > 0.99


def test_filtering_forward_over_missing_returns_is_a_failure():
    model = fitted(regime_returns(9))
    result = filter_forward(np.array([0.01, np.nan]), model)
    assert isinstance(result, FitFailure)
    assert result.rule == "missing_prices"


def test_a_day_that_no_state_can_explain_is_a_failure():
    model = replace(fitted(regime_returns(9)), volatilities=(1e-200, 1e-200))
    with np.errstate(all="ignore"):
        result = filter_forward(np.array([0.01, 0.02]), model)
    assert isinstance(result, FitFailure)
    assert result.rule == "impossible_data"


def test_a_stored_fit_survives_json_bit_for_bit():
    state = FitState(date(2025, 9, 26), USUAL.key(), fitted(regime_returns(1)))
    assert msgspec.json.decode(msgspec.json.encode(state), type=FitState) == state


def test_a_stored_fit_from_later_or_from_other_settings_is_not_used():
    state = FitState(date(2025, 9, 26), USUAL.key(), fitted(regime_returns(1)))
    assert usable_state(state, date(2025, 9, 26), USUAL) is state
    assert usable_state(state, date(2025, 9, 25), USUAL) is None
    assert usable_state(state, date(2025, 9, 26), replace(USUAL, states=3)) is None
    assert usable_state(state, date(2025, 9, 26), replace(USUAL, refit_after_days=9)) is state
    assert usable_state(None, date(2025, 9, 26), USUAL) is None


def test_a_refit_is_due_after_so_many_bars_not_calendar_days():
    state = FitState(date(2025, 9, 26), USUAL.key(), fitted(regime_returns(1)))
    dates = np.array(
        ["2025-09-26", "2025-09-29", "2025-09-30", "2025-10-01", "2025-10-02", "2025-10-03"], "datetime64[D]"
    )
    assert not refit_due(state, dates[:5], USUAL)
    assert refit_due(state, dates, USUAL)


def test_a_start_under_which_a_day_is_impossible_is_no_attempt():
    from robotrading.strategy.hmm import _attempt

    sample = Sample.of(np.array([0.0, 1.0, -1.0, 30.0]))
    stuck = Parameters(np.array([1.0, 0.0]), np.eye(2), np.zeros(2), np.array([1e-9, 1.0]))
    assert _attempt(sample, stuck, Climb(1e-9, 1e-2, 2)) is None
