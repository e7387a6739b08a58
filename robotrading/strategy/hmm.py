"""Gaussian hidden Markov model over daily log returns.

Entry points: `fit` (returns -> `Fit` or `FitFailure`), `filter_forward` (state probabilities known on the last day),
`filter_path` (on every day, by what was known then),
`usable_state` and `refit_due` (what a stored fit is still good for).
Invariants: a fit depends on the given returns, settings and earlier fit alone, bit for bit; states are ordered by their
moments, never by the order in which the algorithm found them; a fit that cannot be trusted is a `FitFailure` with a
name, never a signal; only filtered probabilities leave this module, never smoothed ones.

How it works and why: docs/signal.md.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from robotrading.domain.market import Days, Floats

if TYPE_CHECKING:
    from robotrading.strategy.hmm_em import Climb, Parameters, Run, Sample, Secant

DAYS_PER_STATE = 100
"""Returns needed per state: a two-state model has seven parameters and asks for 200 days."""
SCREENING_STEPS = 2
"""EM steps on each start before the likeliest is climbed to the end."""
FEWEST_DAYS = 10.0
"""Expected days in a state below which its moments are an anecdote."""
SAME_VOLATILITY = 0.05
SAME_MEAN = 0.05
"""States whose log volatilities and means (in volatilities) both lie closer than this are one state twice."""
NO_MOVEMENT = 1e-10
"""A daily volatility below this is rounding, not a market."""


@dataclass(frozen=True, slots=True)
class HmmSettings:
    """How the model is fitted; days are trading days.

    `tolerance` is the gain in log-likelihood below which a climb ends. `covariance_floor` is a fraction of the
    sample variance. `refit_after_days`: a stored fit younger than that is only filtered forward, an older one is fitted
    again, warm-started from it.
    """

    states: int = 2
    starts: int = 3
    lookback_days: int = 1260
    max_iterations: int = 200
    tolerance: float = 1e-2
    covariance_floor: float = 1e-3
    refit_after_days: int = 5

    def key(self) -> str:
        """A short hash of what shapes a fit; a stored fit with another key is not used."""
        shape = (
            self.states,
            self.starts,
            self.lookback_days,
            self.max_iterations,
            self.tolerance,
            self.covariance_floor,
        )
        return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model of k states, ordered from the lowest to the highest mean (if equal, the calmer is higher).

    `start` (k), `transitions` (k rows of k, each summing to 1); `means` and `volatilities` (k) of log returns per
    trading day; `occupancy` (k): expected days in each state, together `observations`. `centre` and `scale` are mean
    and standard deviation of the whole sample. `log_likelihood` is of the returns themselves. `starts` counts the
    starting points tried, the warm one included; `iterations` those of the climb that won.
    """

    start: tuple[float, ...]
    transitions: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    volatilities: tuple[float, ...]
    occupancy: tuple[float, ...]
    centre: float
    scale: float
    observations: int
    log_likelihood: float
    iterations: int
    converged: bool
    starts: int


@dataclass(frozen=True, slots=True)
class FitFailure:
    """Why there is no fit: `rule` is the short name, `reason` a sentence."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class FitState:
    """What is kept between sessions (plain values: JSON by msgspec): the fit, its last day, its settings' key."""

    day: date
    settings: str
    fit: Fit


def fit(returns: Floats, settings: HmmSettings, warm: Fit | None = None) -> Fit | FitFailure:
    """The likeliest trustworthy model of `returns`, shape (n,), log returns per day; no NaN (that is a failure).

    Each start climbs `SCREENING_STEPS` steps, then the likeliest climbs to the end; when what it finds is degenerate,
    the next one has its turn. The failure returned is that of the likeliest. ValueError when `states` is below 2.
    """
    from robotrading.strategy.hmm_em import Climb, Sample  # noqa: PLC0415  compiled kernels: not for who only reads settings
    from robotrading.strategy.hmm_start import cold_starts  # noqa: PLC0415

    if settings.states < 2:
        raise ValueError(f"hmm.states is {settings.states}: a model needs 2 states or more; set it to 2")
    unusable = _unusable(returns, settings)
    if unusable:
        return unusable
    sample = Sample.of(returns)
    starts = [*cold_starts(sample, settings.states, settings.starts), *_warm_starts(sample, warm, settings)]
    screening = Climb(settings.covariance_floor, settings.tolerance, SCREENING_STEPS)
    screened = [_attempt(sample, start, screening) for start in starts]
    ranked = sorted((run for run in screened if run), key=lambda run: -run.log_likelihood)
    finishing = Climb(settings.covariance_floor, settings.tolerance, settings.max_iterations)
    failures: list[FitFailure] = []
    for run in ranked:
        end = _attempt(sample, run.following, finishing, run.path)
        failure = _unsound(end, settings)
        if end and not failure:
            return _fit(sample, end, run.iterations + end.iterations, len(starts))
        failures += [failure] if failure else []
    return failures[0] if failures else FitFailure("impossible_data", "No start of the model can explain the returns.")


def filter_forward(returns: Floats, model: Fit) -> tuple[float, ...] | FitFailure:
    """P(state on the last day | returns up to it) under `model`, shape (k,); nothing is fitted. See `filter_path`."""
    path = filter_path(returns, model)
    return path if isinstance(path, FitFailure) else tuple(path[-1].tolist())


def filter_path(returns: Floats, model: Fit) -> Floats | FitFailure:
    """P(state on a day | returns up to that day) under `model`, shape (n, k); nothing is fitted, nothing is smoothed.

    `returns`: shape (n,), n >= 1, no NaN; they may reach beyond the days the model was fitted on. The recursion starts
    from the long-run shares of the states and gives every move a small chance: a day that the fitted window
    happened not to contain must shift the belief, not break it.
    """
    from robotrading.strategy.hmm_em import RAREST_MOVE, Parameters, Sample, filtered  # noqa: PLC0415

    missing = _missing(returns)
    if missing:
        return missing
    sample = Sample.scaled(returns, model.centre, model.scale)
    opened = np.maximum(np.array(model.transitions), RAREST_MOVE)
    parameters = Parameters(
        start=np.array(model.occupancy) / model.observations,
        transitions=opened / opened.sum(axis=1, keepdims=True),
        means=(np.array(model.means) - model.centre) / model.scale,
        variances=(np.array(model.volatilities) / model.scale) ** 2,
    )
    likelihood, forward = filtered(sample, parameters)
    if not math.isfinite(likelihood):
        return FitFailure("impossible_data", "The stored model gives the returns no finite likelihood.")
    return forward


def usable_state(state: FitState | None, last_day: date, settings: HmmSettings) -> FitState | None:
    """The stored fit if it was made with these settings and not after `last_day` (a rehearsal must not know it)."""
    if state is None or state.settings != settings.key() or state.day > last_day:
        return None
    return state


def refit_due(state: FitState, dates: Days, settings: HmmSettings) -> bool:
    """Whether `refit_after_days` trading days or more of `dates` lie after the stored fit."""
    newer = int((dates > np.datetime64(state.day, "D")).sum())
    return newer >= settings.refit_after_days


def _unusable(returns: Floats, settings: HmmSettings) -> FitFailure | None:
    """What is wrong with the returns before any model is tried."""
    needed = settings.states * DAYS_PER_STATE
    if len(returns) < needed:
        return FitFailure(
            "too_short", f"There are {len(returns)} returns; {settings.states} states need {needed} or more."
        )
    missing = _missing(returns)
    if missing:
        return missing
    volatility = float(returns.std())
    if volatility < NO_MOVEMENT:
        return FitFailure(
            "constant", f"The daily volatility of {len(returns)} returns is {volatility:.1e}: no movement."
        )
    return None


def _missing(returns: Floats) -> FitFailure | None:
    missing = int((~np.isfinite(returns)).sum())
    if not missing:
        return None
    return FitFailure("missing_prices", f"{missing} of {len(returns)} returns are missing or not finite.")


def _warm_starts(sample: Sample, warm: Fit | None, settings: HmmSettings) -> tuple[Parameters, ...]:
    from robotrading.strategy.hmm_start import warm_start  # noqa: PLC0415

    if warm is None or len(warm.means) != settings.states:
        return ()
    shares = np.array(warm.occupancy) / warm.observations
    volatilities = np.array(warm.volatilities)
    return (warm_start(sample, shares, np.array(warm.transitions), np.array(warm.means), volatilities**2),)


def _attempt(sample: Sample, start: Parameters, how: Climb, path: Secant | None = None) -> Run | None:
    """A climb, or None when the kernel meets a day that is impossible under every state."""
    from robotrading.strategy.hmm_em import climb  # noqa: PLC0415

    try:
        return climb(sample, start, how, path)
    except ValueError:
        return None


def _unsound(run: Run | None, settings: HmmSettings) -> FitFailure | None:
    """Why the end of a climb is not a model to act on, or None."""
    if run is None or not (math.isfinite(run.log_likelihood) and np.isfinite(run.parameters.means).all()):
        return FitFailure("not_finite", "The likelihood has no finite value along the climb.")
    fewest, smallest = float(run.occupancy.min()), float(run.parameters.variances.min())
    gaining = f"Still gaining {settings.tolerance:g} or moving after {run.iterations} steps."
    shrunk = "One state has shrunk onto days that hardly move at all."
    verdicts = (
        (run.fell, "likelihood_fell", f"The likelihood fell at step {run.iterations}; a sound climb cannot."),
        (not run.converged, "not_converged", gaining),
        (fewest < FEWEST_DAYS, "few_days", f"One state holds {fewest:.1f} days; {FEWEST_DAYS:.0f} are needed."),
        (smallest <= settings.covariance_floor, "variance_floor", shrunk),
        (_has_twins(run.parameters), "identical_states", "Two states have the same moments: there is one regime."),
    )
    return next((FitFailure(rule, reason) for wrong, rule, reason in verdicts if wrong), None)


def _has_twins(parameters: Parameters) -> bool:
    means, logs = parameters.means, 0.5 * np.log(parameters.variances)
    apart = np.abs(logs[:, None] - logs) / SAME_VOLATILITY
    shifted = np.abs(means[:, None] - means) / (SAME_MEAN * np.exp(np.maximum(logs[:, None], logs)))
    alike = np.maximum(apart, shifted) < 1.0
    return bool(alike.sum() > len(means))


def _fit(sample: Sample, run: Run, iterations: int, starts: int) -> Fit:
    """Back into units of returns, states in the order of their moments."""
    at = run.parameters
    order = np.lexsort((-at.variances, at.means))
    return Fit(
        start=tuple(at.start[order].tolist()),
        transitions=tuple(tuple(row) for row in at.transitions[np.ix_(order, order)].tolist()),
        means=tuple((sample.centre + sample.scale * at.means[order]).tolist()),
        volatilities=tuple((sample.scale * np.sqrt(at.variances[order])).tolist()),
        occupancy=tuple(run.occupancy[order].tolist()),
        centre=sample.centre,
        scale=sample.scale,
        observations=len(sample),
        log_likelihood=run.log_likelihood - len(sample) * math.log(sample.scale),
        iterations=iterations,
        converged=run.converged,
        starts=starts,
    )
