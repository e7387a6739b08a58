"""Regimes and strengths: named by moments, bounded, the same on every scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.signals import Stance
from robotrading.strategy.hmm import Fit
from robotrading.strategy.hmm_regime import labels_of, regime_of, stance_of, strength_of

MODEL = Fit(
    start=(0.0, 1.0),
    transitions=((0.95, 0.05), (0.02, 0.98)),
    means=(-0.003, 0.0008),
    volatilities=(0.025, 0.008),
    occupancy=(360.0, 900.0),
    centre=-0.0003,
    scale=0.0149,
    observations=1260,
    log_likelihood=4000.0,
    iterations=12,
    converged=True,
    starts=3,
)

chances = st.floats(0.0, 1.0).map(lambda share: (share, 1.0 - share))


def test_labels_follow_the_moments_not_the_places():
    assert labels_of(MODEL) == ("turbulent, falling", "calm, rising")
    swapped = replace(
        MODEL,
        means=MODEL.means[::-1],
        volatilities=MODEL.volatilities[::-1],
        occupancy=MODEL.occupancy[::-1],
    )
    assert labels_of(swapped) == ("calm, rising", "turbulent, falling")


def test_a_mean_within_its_own_error_is_flat():
    assert labels_of(replace(MODEL, means=(-0.0001, 0.0001))) == ("turbulent, flat", "calm, flat")


@pytest.mark.parametrize("states", [3, 4, 5])
def test_labels_are_unique_for_any_number_of_states(states):
    model = replace(MODEL, means=(0.0,) * states, volatilities=(0.01,) * states, occupancy=(300.0,) * states)
    assert len(set(labels_of(model))) == states


def test_the_regime_carries_the_fit():
    regime = regime_of(MODEL, (0.9, 0.1))
    assert regime.current == "turbulent, falling"
    assert regime.means == MODEL.means
    assert regime.volatilities == MODEL.volatilities
    assert (regime.log_likelihood, regime.converged, regime.iterations, regime.starts) == (4000.0, True, 12, 3)


def test_turbulence_reduces_and_calm_lengthens():
    assert strength_of(MODEL, (1.0, 0.0), 252) < -0.5
    assert strength_of(MODEL, (0.0, 1.0), 252) > 0.3


def test_without_drift_only_the_volatility_speaks():
    flat = replace(MODEL, means=(0.0, 0.0), centre=0.0, transitions=((1.0, 0.0), (0.0, 1.0)))
    usual = np.sqrt((360 * 0.025**2 + 900 * 0.008**2) / 1260)
    assert strength_of(flat, (0.0, 1.0), 252) == pytest.approx(np.tanh(np.log(usual / 0.008)))


@given(chances)
def test_strength_is_bounded_and_falls_with_the_chance_of_turbulence(probabilities):
    strength = strength_of(MODEL, probabilities, 252)
    assert -1.0 <= strength <= 1.0
    assert strength_of(MODEL, (1.0, 0.0), 252) <= strength <= strength_of(MODEL, (0.0, 1.0), 252)


@given(chances, st.floats(0.01, 100.0))
def test_strength_does_not_depend_on_the_scale(probabilities, factor):
    scaled = replace(
        MODEL,
        means=tuple(mean * factor for mean in MODEL.means),
        volatilities=tuple(volatility * factor for volatility in MODEL.volatilities),
        centre=MODEL.centre * factor,
    )
    # The small mean-squared term of the mixture scales too, so nothing is approximate here but rounding.
    assert strength_of(scaled, probabilities, 252) == pytest.approx(strength_of(MODEL, probabilities, 252), abs=1e-9)


@pytest.mark.parametrize(
    ("strength", "stance"),
    [
        (1.0, Stance.LONG),
        (0.21, Stance.LONG),
        (0.2, Stance.NEUTRAL),
        (0.0, Stance.NEUTRAL),
        (-0.2, Stance.NEUTRAL),
        (-0.21, Stance.REDUCE),
    ],
)
def test_stance_thresholds(strength, stance):
    assert stance_of(strength) is stance
