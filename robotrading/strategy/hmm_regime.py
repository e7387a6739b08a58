"""From a fitted model and filtered probabilities to a regime, a strength and a stance.

Entry points: `regime_of`, `strength_of`, `stance_of`.
Invariants: strength is in [-1, 1], does not change when all returns are multiplied by a constant, and is a smooth
function of the model, so that two fits that differ by rounding do not ask for different weights; labels follow from
moments.
"""

from __future__ import annotations

import math

import numpy as np

from robotrading.domain.signals import Regime, Stance
from robotrading.strategy.hmm import Fit

NEUTRAL_WITHIN = 0.2
"""Strengths inside +-this are a neutral stance."""
PRIOR_DAYS = 252
"""Days of the whole sample's mean that a state's own mean is blended with: means of few days are mostly noise."""
CLEAR_DRIFT = 1.0
"""Standard errors that a state's mean must lie from zero to be called rising or falling."""
_VOLATILITY_WORDS = {2: ("calm", "turbulent"), 3: ("calm", "unsettled", "turbulent")}


def regime_of(model: Fit, probabilities: tuple[float, ...]) -> Regime:
    """The model's states with their filtered `probabilities` (k,), labelled by moments."""
    return Regime(
        labels=labels_of(model),
        probabilities=probabilities,
        means=model.means,
        volatilities=model.volatilities,
        log_likelihood=model.log_likelihood,
        converged=model.converged,
        iterations=model.iterations,
        starts=model.starts,
    )


def labels_of(model: Fit) -> tuple[str, ...]:
    """Such as `turbulent, falling` and `calm, rising`: the rank of the volatility, and the drift where it is clear.

    Volatility names the state because it is what separates daily returns; the sign of a mean is named only when it lies
    `CLEAR_DRIFT` standard errors from zero. Ranks are unique, so labels are.
    """
    states = len(model.means)
    words = _VOLATILITY_WORDS.get(states) or tuple(f"volatility {rank} of {states}" for rank in range(1, states + 1))
    calmest_first = sorted(range(states), key=lambda state: (model.volatilities[state], -model.means[state]))
    ranks = {state: rank for rank, state in enumerate(calmest_first)}
    return tuple(f"{words[ranks[state]]}, {_drift(model, state)}" for state in range(states))


def strength_of(model: Fit, probabilities: tuple[float, ...], days_per_year: int) -> float:
    """How much more (+1) or less (-1) than neutral to hold, from what the model expects of the next trading day.

    strength = tanh(S / 2 + ln(V / v)), where v is the volatility expected for the next day, V the model's long-run
    volatility, and S the next day's expected return over v, annualised (a Sharpe ratio without interest). The
    first term follows the drift; the second holds less when the market is wilder than usual, as volatility-managed
    portfolios do (Moreira and Muir 2017, Journal of Finance 72). States' means are blended with `PRIOR_DAYS` days of
    the whole sample's mean.
    """
    ahead = np.array(probabilities) @ np.array(model.transitions)
    days = np.array(model.occupancy)
    means = (days * np.array(model.means) + PRIOR_DAYS * model.centre) / (days + PRIOR_DAYS)
    variances = np.array(model.volatilities) ** 2
    expected, volatility = _mixture(ahead, means, variances)
    _, usual = _mixture(days / days.sum(), means, variances)
    sharpe = expected / volatility * math.sqrt(days_per_year)
    return math.tanh(0.5 * sharpe + math.log(usual / volatility))


def stance_of(strength: float) -> Stance:
    """Neutral within `NEUTRAL_WITHIN` of zero (the boundary included)."""
    if abs(strength) <= NEUTRAL_WITHIN:
        return Stance.NEUTRAL
    return Stance.LONG if strength > 0 else Stance.REDUCE


def _mixture(weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a mixture of normals."""
    mean = float((weights * means).sum())
    return mean, math.sqrt(float((weights * (variances + means * means)).sum()) - mean * mean)


def _drift(model: Fit, state: int) -> str:
    error = model.volatilities[state] / math.sqrt(model.occupancy[state])
    if abs(model.means[state]) < CLEAR_DRIFT * error:
        return "flat"
    return "rising" if model.means[state] > 0 else "falling"
