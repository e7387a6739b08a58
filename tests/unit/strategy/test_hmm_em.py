"""Expectation maximisation: it is hmmlearn's, it never goes down, and the filter looks back only."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_regimes import regime_returns

from robotrading.strategy.hmm_em import Climb, Parameters, Sample, Secant, climb, densities, em_step, filtered
from robotrading.strategy.hmm_start import MOST_STARTS, cold_starts, warm_start


def hmmlearn_fit(sample, start, steps):
    """Hmmlearn's own class, from the same start, without its priors."""
    from hmmlearn.hmm import GaussianHMM

    states = len(start.means)
    model = GaussianHMM(
        states,
        covariance_type="diag",
        covars_prior=0.0,
        init_params="",
        n_iter=steps,
        tol=-math.inf,
        implementation="log",
    )
    model.startprob_, model.transmat_ = start.start, start.transitions
    model.means_, model.covars_ = start.means[:, None], start.variances[:, None]
    return model.fit(sample.scores[:, None])


@pytest.mark.parametrize("states", [2, 3])
def test_from_the_same_start_the_parameters_are_those_of_hmmlearns_own_fit(states):
    sample = Sample.of(regime_returns(1))
    start = cold_starts(sample, states, 1)[0]
    theirs = hmmlearn_fit(sample, start, 30)
    ours = climb(sample, start, Climb(floor=1e-9, tolerance=-math.inf, steps=30, extrapolate=False)).following
    assert np.allclose(ours.start, theirs.startprob_, atol=1e-6)
    assert np.allclose(ours.transitions, theirs.transmat_, atol=1e-6)
    assert np.allclose(ours.means, theirs.means_[:, 0], atol=1e-6)
    assert np.allclose(ours.variances, theirs.covars_[:, 0, 0], atol=1e-6)
    assert filtered(sample, ours)[0] == pytest.approx(theirs.score(sample.scores[:, None]), abs=1e-6)


def both_ways(seed, tolerance, **regimes):
    sample = Sample.of(regime_returns(seed, **regimes))
    start = cold_starts(sample, 2, 1)[0]
    return [climb(sample, start, Climb(1e-3, tolerance, 5000, extrapolate=quick)) for quick in (False, True)]


@pytest.mark.parametrize("seed", range(5))
def test_extrapolation_ends_at_the_fixed_point_of_plain_em(seed):
    plain, quick = both_ways(seed, 1e-9)
    assert quick.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-5)
    assert np.allclose(quick.parameters.means, plain.parameters.means, atol=1e-3)
    assert np.allclose(quick.parameters.variances, plain.parameters.variances, atol=1e-3)


def test_extrapolation_takes_far_fewer_steps_and_hardly_ever_ends_lower():
    """On regimes that are hard to tell apart, where plain EM is slow; real returns are like that."""
    runs = [both_ways(seed, 1e-2, volatilities=(0.01, 0.016), stay=(0.9, 0.8)) for seed in range(20)]
    assert sum(quick.iterations for _, quick in runs) < 0.6 * sum(plain.iterations for plain, _ in runs)
    assert sum(quick.log_likelihood > plain.log_likelihood - 0.1 for plain, quick in runs) >= 19


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), states=st.integers(2, 4), start=st.integers(0, MOST_STARTS - 1))
def test_more_steps_never_end_lower(seed, states, start):
    sample = Sample.of(np.random.default_rng(seed).standard_t(3, 400))
    at = cold_starts(sample, states, MOST_STARTS)[start]
    reached = [climb(sample, at, Climb(1e-3, -math.inf, steps)).log_likelihood for steps in (1, 3, 6, 12)]
    assert all(later >= earlier - 1e-7 for earlier, later in itertools.pairwise(reached))


def slow_filter(scores, at):
    """The forward recursion as in the textbook, one day after the other, in plain Python."""
    belief, total, rows = list(at.start), 0.0, []
    for day, score in enumerate(scores):
        if day:
            belief = [sum(b * at.transitions[i][j] for i, b in enumerate(belief)) for j in range(len(belief))]
        likely = [
            b * math.exp(-0.5 * (score - m) ** 2 / v) / math.sqrt(2 * math.pi * v)
            for b, m, v in zip(belief, at.means, at.variances, strict=True)
        ]
        total += math.log(sum(likely))
        belief = [value / sum(likely) for value in likely]
        rows.append(belief)
    return total, np.array(rows)


@pytest.mark.parametrize("states", [2, 3])
def test_filtered_probabilities_are_those_of_the_textbook_recursion(states):
    sample = Sample.of(regime_returns(3, days=300))
    at = cold_starts(sample, states, 1)[0]
    likelihood, rows = slow_filter(sample.scores, at)
    ours, forward = filtered(sample, at)
    assert ours == pytest.approx(likelihood, abs=1e-8)
    assert np.allclose(forward, rows, atol=1e-10)


def test_an_extreme_day_does_not_underflow_and_changes_no_posterior():
    returns = regime_returns(4)
    ordinary = Sample.of(returns)
    at = cold_starts(ordinary, 2, 1)[0]
    shocked = Sample.scaled(np.concatenate([returns, [9.0]]), ordinary.centre, ordinary.scale)
    plain, nothing = densities(ordinary, at)
    rows, taken_out = densities(shocked, at)
    assert nothing == 0.0
    assert taken_out < -600.0
    assert np.isfinite(rows).all()
    assert rows.max(axis=1) == pytest.approx(np.ones(len(rows)))
    assert np.allclose(filtered(shocked, at)[1][:-1], filtered(ordinary, at)[1], atol=1e-12)
    assert np.allclose(plain / plain.max(axis=1, keepdims=True), rows[:-1], rtol=1e-9)
    assert math.isfinite(em_step(shocked, at, 1e-3)[0])


def test_a_day_impossible_under_every_reachable_state_is_the_kernels_value_error():
    sample = Sample.of(np.array([0.0, 1.0, -1.0, 30.0]))
    stuck = Parameters(np.array([1.0, 0.0]), np.eye(2), np.array([0.0, 0.0]), np.array([1e-9, 1.0]))
    with pytest.raises(ValueError, match="underflow"):
        em_step(sample, stuck, 1e-9)


def test_variances_never_go_below_the_floor():
    returns = regime_returns(5)
    returns[::2] = 0.0001
    sample = Sample.of(returns)
    run = climb(sample, cold_starts(sample, 2, 1)[0], Climb(floor=0.01, tolerance=1e-6, steps=200))
    assert run.parameters.variances.min() >= 0.01


def test_a_state_that_nobody_visits_leaves_finite_numbers():
    sample = Sample.of(regime_returns(6))
    far = Parameters(
        np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.0, 50.0]), np.array([1.0, 1e-3])
    )
    _, following, days = em_step(sample, far, 1e-3)
    assert days[1] < 1e-6
    assert all(np.isfinite(part).all() for part in (following.means, following.variances, following.transitions))
    assert np.allclose(following.transitions.sum(axis=1), 1.0)


@pytest.mark.parametrize("states", [2, 3, 5])
def test_every_cold_start_is_a_proper_model(states):
    sample = Sample.of(regime_returns(7, days=500))
    starts = cold_starts(sample, states, 99)
    assert len(starts) == MOST_STARTS
    for start in starts:
        assert start.start.sum() == pytest.approx(1.0)
        assert np.allclose(start.transitions.sum(axis=1), 1.0)
        assert start.start.min() > 0
        assert start.transitions.min() > 0
        assert start.variances.min() > 0


def test_a_warm_start_opens_what_had_become_impossible():
    sample = Sample.of(regime_returns(8))
    start = warm_start(
        sample, np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.1, 0.9]]), np.zeros(2), np.array([1e-4, 0.0])
    )
    assert start.start.min() > 0
    assert start.transitions.min() > 0
    assert start.variances.min() > 0
    assert np.allclose(start.transitions.sum(axis=1), 1.0)


def test_at_a_fixed_point_there_is_nothing_to_extrapolate():
    at = Parameters(np.array([0.5, 0.5]), np.full((2, 2), 0.5), np.array([0.0, 1.0]), np.ones(2))
    path = Secant().extended(at, at)
    assert path.leap(at, 1e-3) is None
    assert path.extended(at, at).leap(at, 1e-3) is None
