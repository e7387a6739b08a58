"""Where to start climbing: deterministic starting values from quantiles of the data.

Entry points: `cold_starts`, `warm_start`.
Invariants: no random numbers and no k-means; a start depends on the sample alone; every start gives each state at
least a share of the days, a positive variance and a chance to move to each other state.

Daily returns fall into states mainly by how much they move. So most starts split the days by recent or present
movement, and each takes another quantile and persistence; one of them splits by the sign and size of the return
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from robotrading.domain.market import Floats
from robotrading.strategy.hmm_em import Parameters, Sample

SMALLEST_VARIANCE = 0.01
SMALLEST_MOVE = 1e-4


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Rank the days by movement over `window` days (0: by the return itself).

    The lowest state takes the share `calm`, the others an equal part of the rest each.
    """

    window: int
    calm: float
    persistence: float


_RECIPES = (
    _Recipe(window=10, calm=0.8, persistence=0.95),
    _Recipe(window=1, calm=0.85, persistence=0.9),
    _Recipe(window=5, calm=0.5, persistence=0.95),
    *(
        _Recipe(window, calm, persistence)
        for persistence, window, calm in product((0.97, 0.6), (21, 1, 0, 5), (0.7, 0.5, 0.9))
    ),
)
MOST_STARTS = len(_RECIPES)


def cold_starts(sample: Sample, states: int, count: int) -> tuple[Parameters, ...]:
    """The first `count` recipes (at most `MOST_STARTS`), for `states` states."""
    return tuple(_split(sample, states, recipe) for recipe in _RECIPES[:count])


def warm_start(sample: Sample, start: Floats, transitions: Floats, means: Floats, variances: Floats) -> Parameters:
    """An earlier fit, in units of returns, as a start on this sample.

    A transition or start that had become impossible gets a small chance again: EM can never leave a zero.
    """
    opened = np.maximum(transitions, SMALLEST_MOVE)
    first = np.maximum(start, SMALLEST_MOVE)
    return Parameters(
        start=first / first.sum(),
        transitions=opened / opened.sum(axis=1, keepdims=True),
        means=(means - sample.centre) / sample.scale,
        variances=np.maximum(variances / sample.scale**2, SMALLEST_VARIANCE),
    )


def _split(sample: Sample, states: int, recipe: _Recipe) -> Parameters:
    """Group the days by rank, so that no group is empty even when many days are equal; take the groups' moments."""
    days = len(sample)
    tail = (1.0 - recipe.calm) / (states - 1)
    cuts = [round(days * (recipe.calm + tail * group)) for group in range(states - 1)]
    ranked = sample.moments.take(np.argpartition(_key(sample, recipe.window), cuts), axis=1)
    counts, firsts, squares = np.add.reduceat(ranked, [0, *cuts], axis=1)
    means = firsts / counts
    transitions = np.full((states, states), (1.0 - recipe.persistence) / (states - 1))
    transitions.flat[:: states + 1] = recipe.persistence
    return Parameters(
        start=counts / days,
        transitions=transitions,
        means=means,
        variances=np.maximum(squares / counts - means * means, SMALLEST_VARIANCE),
    )


def _key(sample: Sample, window: int) -> Floats:
    """Shape (n,): what to rank the days by; the mean square over the `window` days up to each, or the score itself."""
    squares: Floats = sample.moments[2]
    if window == 0:
        return sample.scores
    if window == 1:
        return squares
    sums = np.cumsum(squares)
    means: Floats = sums / np.minimum(np.arange(1, len(sums) + 1), window)
    means[window:] = (sums[window:] - sums[:-window]) / window
    return means
