"""Gaussian hidden Markov model over daily log returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HmmSettings:
    """How the model is fitted; days are trading days.

    `covariance_floor` is a fraction of the sample variance. `refit_after_days`: a stored fit younger than that is
    only filtered forward, an older one is fitted again, warm-started from it.
    """

    states: int = 2
    starts: int = 3
    lookback_days: int = 1260
    max_iterations: int = 200
    tolerance: float = 1e-2
    covariance_floor: float = 1e-3
    refit_after_days: int = 5
