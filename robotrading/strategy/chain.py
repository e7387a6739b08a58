"""The fallback chain: hidden Markov model, moving average, hold.

Entry points: `signal_for`, `bars_needed`.
Invariants: a signal depends on bars up to its `as_of` and on the given state alone, so that no later bar changes an
earlier signal; every link that could not speak leaves a `Skip`; when none can, the signal is to hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from robotrading.domain.errors import BarsRejected, ConfigError
from robotrading.domain.market import Bars
from robotrading.domain.signals import Signal, Stance
from robotrading.domain.skip import Skip
from robotrading.strategy.classic import MovingAverageSettings, crossover_strength
from robotrading.strategy.hmm import FitFailure, FitState, HmmSettings, filter_forward, fit, refit_due, usable_state
from robotrading.strategy.indicators import days_per_year

STEP = "signal"


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """The links to try, in order (`hmm`, `moving_average`, `hold`), and each link's settings.

    `workers` is the number of processes for a universe; 0 means one per core. The result does not depend on it.
    """

    chain: tuple[str, ...] = ("hmm", "moving_average", "hold")
    hmm: HmmSettings = field(default_factory=HmmSettings)
    moving_average: MovingAverageSettings = field(default_factory=MovingAverageSettings)
    workers: int = 0


def signal_for(bars: Bars, settings: SignalSettings, state: FitState | None = None) -> tuple[Signal, FitState | None]:
    """The first link of the chain that can speak, and the fit to remember for the next session.

    The state is the one given while it stands, a new one after a refit, None when no fit could be made. `hold` ends the
    chain whether it is named or not. ConfigError when a link is unknown.
    """
    skips: list[Skip] = []
    for link in settings.chain:
        signal: Signal | Skip
        match link:
            case "hmm":
                signal, state = _hmm(bars, settings.hmm, state)
            case "moving_average":
                signal = _crossover(bars, settings.moving_average)
            case "hold":
                break
            case _:
                allowed = "hmm, moving_average, hold"
                raise ConfigError(f"signal.chain: {link!r} is not a link; allowed are {allowed}.")
        if isinstance(signal, Signal):
            return _with_trail(signal, skips), state
        skips.append(signal)
    return hold(bars, tuple(skips)), state


def bars_needed(settings: SignalSettings) -> int:
    """How many of the last bars can matter to any link."""
    return max(settings.hmm.lookback_days + 1, settings.moving_average.slow_days, settings.moving_average.fast_days)


def hold(bars: Bars, skips: tuple[Skip, ...]) -> Signal:
    """No opinion: keep the position as it is. `as_of` is the day the source answered when there is no bar at all."""
    as_of = bars.last_day if len(bars) else bars.as_of.date()
    return Signal(bars.instrument, Stance.HOLD, 0.0, "hold", as_of, skips=skips)


def _hmm(bars: Bars, settings: HmmSettings, state: FitState | None) -> tuple[Signal | Skip, FitState | None]:
    """Filter the stored fit forward while it is young, fit again otherwise; then read the regime of the last day."""
    from robotrading.strategy.hmm_regime import regime_of, stance_of, strength_of  # noqa: PLC0415  with the kernels

    if len(bars) < 2:
        return _skip(bars, "hmm", "too_short", f"There are {len(bars)} bars."), None
    window = bars.select(slice(-settings.lookback_days - 1, None))
    returns = window.log_returns()
    stored = usable_state(state, bars.last_day, settings)
    if stored is None or refit_due(stored, window.dates, settings):
        result = fit(returns, settings, stored.fit if stored else None)
        if isinstance(result, FitFailure):
            return _skip(bars, "hmm", result.rule, result.reason), None
        stored = FitState(bars.last_day, settings.key(), result)
    probabilities = filter_forward(returns, stored.fit)
    if isinstance(probabilities, FitFailure):
        return _skip(bars, "hmm", probabilities.rule, probabilities.reason), None
    strength = strength_of(stored.fit, probabilities, days_per_year(bars.instrument.asset_class))
    regime = regime_of(stored.fit, probabilities)
    return Signal(bars.instrument, stance_of(strength), strength, "hmm", bars.last_day, regime), stored


def _crossover(bars: Bars, settings: MovingAverageSettings) -> Signal | Skip:
    try:
        strength = crossover_strength(bars, settings)
    except BarsRejected as error:
        return _skip(bars, "moving_average", error.rule, str(error))
    stance = Stance.LONG if strength > 0 else Stance.REDUCE if strength < 0 else Stance.NEUTRAL
    return Signal(bars.instrument, stance, strength, "moving_average", bars.last_day)


def _with_trail(signal: Signal, skips: list[Skip]) -> Signal:
    return replace(signal, skips=tuple(skips)) if skips else signal


def _skip(bars: Bars, link: str, rule: str, reason: str) -> Skip:
    return Skip(bars.instrument.symbol, STEP, f"{link}: {reason}", rule)
