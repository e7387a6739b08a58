"""What a model believes about an instrument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from robotrading.domain.instrument import Instrument
from robotrading.domain.skip import Skip


class Stance(StrEnum):
    """What the signal asks of the weight."""

    LONG = "long"
    """More than neutral."""
    NEUTRAL = "neutral"
    REDUCE = "reduce"
    """Less than neutral."""
    HOLD = "hold"
    """No opinion could be formed: keep the position exactly as it is, order nothing."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Where the model thinks the market stands.

    `labels` name the states by their moments, from lowest to highest mean return; `probabilities` are filtered (known
    at `Signal.as_of`, never smoothed with later bars) and sum to 1; `means` and `volatilities` are per trading day.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    means: tuple[float, ...]
    volatilities: tuple[float, ...]
    log_likelihood: float
    converged: bool
    iterations: int
    starts: int

    @property
    def current(self) -> str:
        """The likeliest state's label."""
        return self.labels[max(range(len(self.labels)), key=self.probabilities.__getitem__)]


@dataclass(frozen=True, slots=True)
class Signal:
    """One instrument's signal.

    `strength` is in [-1, 1]: +1 asks for the upper bound of the weight, -1 for the lower, 0 is neutral. `model` is
    the link of the chain that spoke (`hmm`, `moving_average`, `hold`), `skips` say why the earlier links did not.
    `as_of` is the trading day of the last bar used.
    """

    instrument: Instrument
    stance: Stance
    strength: float
    model: str
    as_of: date
    regime: Regime | None = None
    skips: tuple[Skip, ...] = ()
