"""The fallback chain: hidden Markov model, moving average, hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from robotrading.strategy.classic import MovingAverageSettings
from robotrading.strategy.hmm import HmmSettings


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """The links to try, in order (`hmm`, `moving_average`, `hold`), and each link's settings.

    `workers` is the number of processes for a universe; 0 means one per core. The result does not depend on it.
    """

    chain: tuple[str, ...] = ("hmm", "moving_average", "hold")
    hmm: HmmSettings = field(default_factory=HmmSettings)
    moving_average: MovingAverageSettings = field(default_factory=MovingAverageSettings)
    workers: int = 0
