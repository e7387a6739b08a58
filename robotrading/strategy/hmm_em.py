"""Expectation maximisation on hmmlearn's compiled kernels.

Entry points: `Sample`, `Parameters`, `Run`, `climb`, `filtered`.
Invariants: everything here is in units of the sample (`Sample.scores` has mean 0 and variance 1), so that tolerances
and floors mean the same for a Treasury fund and a coin; nothing depends on a random number or on earlier calls.

The forward, backward and transition sums are hmmlearn's (`hmmlearn._hmmc`, implementation "scaling"). What surrounds
them in `GaussianHMM.fit` (input validation, k-means, the general multivariate density) costs more than they do and is
replaced by the one-dimensional case. The EM equations are Rabiner (1989), "A tutorial on hidden Markov models",
eqs. 19-25, 40 and 52-54. Importing `hmmlearn._hmmc` alone leaves scikit-learn out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from hmmlearn import _hmmc

from robotrading.domain.market import Floats

LOG_TWO_PI = math.log(2.0 * math.pi)
SAFE_LOG_DENSITY = -600.0
"""Above it a density is far from the smallest double, and the kernels need no help against underflow."""
TINY = 1e-300
LONGEST_STEP = 1.0
"""An extrapolation that moves a log-odds, mean or log-variance further than this is not trusted."""
RAREST_MOVE = 1e-6
"""A transition below this counts as this in the coordinates: one that EM drives to zero has no finite log-odds."""
FALL = 1e-8
"""How far (relative) rounding may lower a likelihood that EM says cannot fall."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Standardised returns, prepared once for many steps.

    `scores`: shape (n,), (return - centre) / scale. `design`: shape (n, 3), columns 1, z, z^2; `moments` its
    transpose, contiguous. `extremes` are the positions of the smallest and largest score. No NaN.
    """

    centre: float
    scale: float
    scores: Floats
    design: Floats
    moments: Floats
    extremes: tuple[int, int]

    @classmethod
    def of(cls, returns: Floats) -> Self:
        """Standardise `returns`, shape (n,), finite and not constant."""
        return cls.scaled(returns, float(returns.mean()), float(returns.std()))

    @classmethod
    def scaled(cls, returns: Floats, centre: float, scale: float) -> Self:
        """Returns in the units of an earlier sample; `scale` > 0."""
        scores = (returns - centre) / scale
        moments = np.stack([np.ones_like(scores), scores, scores * scores])
        design = np.ascontiguousarray(moments.T)
        return cls(centre, scale, scores, design, moments, (int(scores.argmin()), int(scores.argmax())))

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """Of k states: `start` (k,), `transitions` (k, k) with rows summing to 1, `means` and `variances` (k,)."""

    start: Floats
    transitions: Floats
    means: Floats
    variances: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Secant:
    """The last two EM steps in unbounded coordinates: log-odds of leaving, means, log variances.

    `point` and `residual` (where the step leads, less the point) are those of the last; `change` and `turn` are how
    much these two differ from the step before. None until there were so many steps.
    """

    point: Floats | None = None
    residual: Floats | None = None
    change: Floats | None = None
    turn: Floats | None = None

    def extended(self, at: Parameters, following: Parameters, point: Floats | None = None) -> Secant:
        """With one more step; `point` saves working out the coordinates of `at` where they are known."""
        point = _coordinates(at) if point is None else point
        residual = _coordinates(following) - point
        if self.point is None or self.residual is None:
            return Secant(point, residual)
        return Secant(point, residual, point - self.point, residual - self.residual)

    def leap(self, following: Parameters, floor: float) -> tuple[Parameters, Floats] | None:
        """Where the secant through the two steps has no residual left, with its coordinates; None when not to trust."""
        if self.point is None or self.residual is None or self.change is None or self.turn is None:
            return None
        bend = float(self.turn @ self.turn)
        if bend < TINY:
            return None
        back = float(self.turn @ self.residual) / bend
        step = self.residual - back * (self.change + self.turn)
        if not float(np.abs(step).max()) < LONGEST_STEP:
            return None
        there = self.point + step
        leap = _parameters(there, following.start, len(following.means))
        return (leap, there) if float(leap.variances.min()) >= floor else None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Where a climb ended: the likelihood of `parameters`, and the expected days `occupancy` (k,) in each state.

    `log_likelihood` is of the scores. `following` is one EM step further and `path` how it got there, for going on.
    `fell` says that the likelihood went down where EM cannot.
    """

    parameters: Parameters
    following: Parameters
    occupancy: Floats
    log_likelihood: float
    iterations: int
    converged: bool
    fell: bool
    path: Secant


def densities(sample: Sample, at: Parameters) -> tuple[Floats, float]:
    """Shape (n, k) emission densities and the logarithm that was taken out of them.

    A log density is a concave parabola in the score, so the widest state's is lowest at one of the two extreme
    scores: when it is representable there, no row can underflow. Otherwise each row is divided by its largest entry,
    which changes no posterior and is added back to the log-likelihood.
    """
    means, variances = at.means, at.variances
    slope = means / variances
    parabola = np.empty((3, len(means)))
    parabola[0] = -0.5 * (LOG_TWO_PI + np.log(variances) + means * slope)
    parabola[1] = slope
    parabola[2] = -0.5 / variances
    logs = sample.design @ parabola
    low, high = sample.extremes
    widest = int(variances.argmax())
    if min(logs[low, widest], logs[high, widest]) > SAFE_LOG_DENSITY:
        return np.exp(logs, out=logs), 0.0
    top = logs.max(axis=1)
    logs -= top[:, None]
    return np.exp(logs, out=logs), float(top.sum())


def filtered(sample: Sample, at: Parameters) -> tuple[float, Floats]:
    """The log-likelihood of the scores, and P(state on day t | scores up to t), shape (n, k).

    This is the forward recursion scaled to sum 1 on each day (Rabiner 1989, eq. 92): row t is made of rows 0 to t only.
    """
    emissions, taken_out = densities(sample, at)
    log_likelihood, forward, _ = _hmmc.forward_scaling(at.start, at.transitions, emissions)
    return log_likelihood + taken_out, forward


def em_step(sample: Sample, at: Parameters, floor: float) -> tuple[float, Parameters, Floats]:
    """The log-likelihood of `at`, the parameters one EM step further, and the expected days in each state of `at`.

    ValueError (from the kernel) when a day is impossible under every reachable state.
    """
    emissions, taken_out = densities(sample, at)
    log_likelihood, forward, scaling = _hmmc.forward_scaling(at.start, at.transitions, emissions)
    backward = _hmmc.backward_scaling(at.start, at.transitions, emissions, scaling)
    moves = _hmmc.compute_scaling_xi_sum(forward, at.transitions, backward, emissions)
    posterior = np.multiply(forward, backward, out=forward)  # times scaling: divided out below, where it is cheaper
    days, firsts, squares = (sample.moments / scaling) @ posterior
    safe_days = np.maximum(days, TINY)
    means = firsts / safe_days
    variances = np.maximum(squares / safe_days - means * means, floor)
    moves += TINY
    moves /= np.add.reduce(moves, axis=1, keepdims=True)
    following = Parameters(posterior[0] / scaling[0], moves, means, variances)
    return log_likelihood + taken_out, following, days


@dataclass(frozen=True, slots=True)
class Climb:
    """How to climb: variances stay at `floor` or above; see `climb`."""

    floor: float
    tolerance: float
    steps: int
    extrapolate: bool = True


def climb(sample: Sample, at: Parameters, how: Climb, path: Secant | None = None) -> Run:
    """EM from `at` until a step gains less than `tolerance`, or for `steps` steps (1 or more).

    With `extrapolate` the last two EM steps are extrapolated (Anderson acceleration with memory one; Walker and Ni
    2011, SIAM J. Numer. Anal. 49). A point reached that way is kept only when its likelihood did not fall; otherwise
    the climb goes on from the plain EM step. So each kept point is at least as likely as the one before, and the fixed
    points are those of EM. Without it the steps are those of hmmlearn's own fit. `path` is that of an earlier run to
    go on from.
    """
    best: Run | None = None
    path = path or Secant()
    trial, point, jumped = at, None, False
    for iteration in range(1, how.steps + 1):
        likelihood, following, days = em_step(sample, trial, how.floor)
        gain = likelihood - best.log_likelihood if best else math.inf
        if jumped and best and not gain >= 0.0:
            path, trial, point, jumped = Secant(), best.following, None, False
            continue
        path = path.extended(trial, following, point)
        fell = gain < -FALL * abs(likelihood)
        best = Run(trial, following, days, likelihood, iteration, gain < how.tolerance, fell, path)
        if best.converged:
            break
        leap = path.leap(following, how.floor) if how.extrapolate else None
        jumped = leap is not None
        trial, point = leap or (following, None)
    return cast("Run", best)


def _coordinates(at: Parameters) -> Floats:
    """Shape (k * k + 2k,): log transitions relative to staying (the diagonal is 0), means, log variances."""
    logs = np.log(np.maximum(at.transitions, RAREST_MOVE))
    odds = logs - logs.diagonal()[:, None]
    return np.concatenate([odds.ravel(), at.means, np.log(at.variances)])


def _parameters(coordinates: Floats, start: Floats, states: int) -> Parameters:
    edge = states * states
    transitions = np.exp(coordinates[:edge].reshape(states, states))
    transitions /= np.add.reduce(transitions, axis=1, keepdims=True)
    return Parameters(start, transitions, coordinates[edge : edge + states], np.exp(coordinates[edge + states :]))
