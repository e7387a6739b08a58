"""From beliefs to weights.

Entry points: `build_targets`, `ConstructSettings`, `signal_factor`.
Invariants: every weight lies in [0, `max_weight`]; the weights sum to at most 1 - `cash_buffer`; a weight never exceeds
base x `scale_max` and, unless the cap says so, never falls below base x `scale_min`; a reduced signal leaves cash and
raises no other weight above what its own signal asks; the order of the inputs does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.errors import DataError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.planning import Targets, TargetWeight
from robotrading.domain.signals import Signal, Stance
from robotrading.portfolio import schemes
from robotrading.portfolio.wording import percent


class Scheme(StrEnum):
    """How the base weights come about."""

    EQUAL = "equal"
    FIXED = "fixed"
    INVERSE_VOLATILITY = "inverse_volatility"
    MARKET_CAP = "market_cap"


@dataclass(frozen=True, slots=True)
class ConstructSettings:
    """Base weights and what the signal may do to them; weights are fractions of the class budget.

    The signal multiplies a base weight by a factor within [`scale_min`, `scale_max`]. `fixed` maps symbols to weights
    for `Scheme.FIXED`. `cash_buffer` is never invested. `max_weight` caps each instrument after scaling.
    """

    scheme: Scheme = Scheme.EQUAL
    fixed: dict[str, Decimal] = field(default_factory=dict)
    volatility_days: int = 63
    scale_min: Decimal = Decimal("0.5")
    scale_max: Decimal = Decimal("1.25")
    max_weight: Decimal = Decimal("0.25")
    cash_buffer: Decimal = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class _Draft:
    """One instrument on its way: `asked` is base x factor under the cap, `why_frozen` is '' for those that may move."""

    instrument: Instrument
    base: Decimal
    factor: Decimal
    asked: Decimal
    story: str
    why_frozen: str = ""


def build_targets(  # noqa: PLR0913, PLR0917  the things a weight depends on; a bag would only hide them
    kind: AssetClass,
    instruments: Sequence[Instrument],
    signals: Mapping[Instrument, Signal],
    bars: Mapping[Instrument, Bars],
    settings: ConstructSettings,
    index_weights: Mapping[Instrument, Decimal] | None,
    as_of: date,
) -> Targets:
    """Target weights of a session's universe, ordered by instrument key.

    An instrument without bars, without a signal or with a HOLD stance is frozen: it keeps its base share of the budget,
    so that the others do not swell, and the plan leaves what is held of it alone. Bars after `as_of` are not used.
    Raises `DataError` when market-cap weights are wanted and no index weights came, `ConfigError` for negative weights.
    """
    universe = sorted(set(instruments), key=lambda i: i.key)
    room = 1 - settings.cash_buffer
    bases = _bases(universe, bars, settings, index_weights, as_of) if universe else {}
    drafts = []
    for instrument in universe:
        base, signal = bases.get(instrument), signals.get(instrument)
        why = _why_frozen(base, signal, settings.scheme, has_bars=instrument in bars)
        reserved = schemes.cut(room / len(universe)) if settings.scheme is Scheme.INVERSE_VOLATILITY else Decimal(0)
        drafts.append(_draft(instrument, reserved if base is None else base, signal, why, settings))
    boost = _affordable_boost(drafts, room)
    weights = tuple(_settle(draft, boost, settings) for draft in drafts)
    return Targets(kind, weights, 1 - sum((w.weight for w in weights), Decimal(0)), as_of)


def signal_factor(strength: float, settings: ConstructSettings) -> Decimal:
    """Piecewise linear: -1 gives `scale_min`, 0 gives 1, +1 gives `scale_max`; strengths beyond are clamped.

    The strength is read to six decimals, so that the last bits of a floating sum do not change a plan.
    """
    asked = Decimal(f"{min(max(strength, -1.0), 1.0):.6f}")
    reach = settings.scale_max - 1 if asked > 0 else 1 - settings.scale_min
    return 1 + asked * reach


def _bases(
    universe: Sequence[Instrument],
    bars: Mapping[Instrument, Bars],
    settings: ConstructSettings,
    index_weights: Mapping[Instrument, Decimal] | None,
    as_of: date,
) -> schemes.Weights:
    room = 1 - settings.cash_buffer
    match settings.scheme:
        case Scheme.EQUAL:
            return schemes.equal(universe, room)
        case Scheme.FIXED:
            return schemes.fixed(universe, settings.fixed, room)
        case Scheme.INVERSE_VOLATILITY:
            days = settings.volatility_days
            found = {i: schemes.daily_volatility(bars[i], days, as_of) for i in universe if i in bars}
            return schemes.inverse_volatility(universe, {i: v for i, v in found.items() if v is not None}, room)
        case Scheme.MARKET_CAP if index_weights:
            return schemes.market_cap(universe, index_weights, room)
    raise DataError(
        "construct.scheme is market_cap and no index weights came: check the source of the index, "
        "or choose equal, fixed or inverse_volatility"
    )


def _draft(
    instrument: Instrument, base: Decimal, signal: Signal | None, why: str, settings: ConstructSettings
) -> _Draft:
    if why or signal is None:
        return _Draft(instrument, base, Decimal(1), min(base, settings.max_weight), "", why)
    factor = signal_factor(signal.strength, settings)
    asked = min(schemes.cut(base * factor), settings.max_weight)
    return _Draft(instrument, base, factor, asked, _story(signal))


def _why_frozen(base: Decimal | None, signal: Signal | None, scheme: Scheme, *, has_bars: bool) -> str:
    if not has_bars:
        return "no usable prices"
    if base is None:
        return "the index does not list it" if scheme is Scheme.MARKET_CAP else "its volatility is not known"
    if signal is None:
        return "no signal"
    if signal.stance is Stance.HOLD:
        return f"the signal ({signal.model}) says hold"
    if not math.isfinite(signal.strength):
        return f"the signal's strength is {signal.strength}, which is no number"
    return ""


def _story(signal: Signal) -> str:
    """Who spoke, in brackets: the regime and its probability, else the model and its strength."""
    if signal.regime is None:
        return f"{signal.model} {signal.strength:+.2f}"
    return f"{signal.regime.current} {max(signal.regime.probabilities) * 100:.0f} %"


def _affordable_boost(drafts: Sequence[_Draft], room: Decimal) -> Decimal:
    """The fraction of all boosts (weights asked above base) that fits into `room`; 1 when all of them do.

    Only boosts are cut: nobody is pushed below his base because others are liked, so that each factor stays within
    its bounds. The bases alone always fit.
    """
    modest = sum((min(d.asked, d.base) for d in drafts), Decimal(0))
    extra = sum((max(d.asked - d.base, Decimal(0)) for d in drafts), Decimal(0))
    return min(Decimal(1), max(room - modest, Decimal(0)) / extra) if extra else Decimal(1)


def _settle(draft: _Draft, boost: Decimal, settings: ConstructSettings) -> TargetWeight:
    name = {Scheme.MARKET_CAP: "index", Scheme.INVERSE_VOLATILITY: "inverse volatility"}.get(
        settings.scheme, str(settings.scheme)
    )
    start = f"{percent(draft.base)} {name} weight"
    if draft.why_frozen:
        reason = f"kept as it is, {draft.why_frozen} ({start} stays reserved)"
        return TargetWeight(draft.instrument, draft.base, draft.asked, reason, frozen=True)
    weight = draft.asked
    reason = f"{start} x {draft.factor:.2f} ({draft.story}) = {percent(draft.base * draft.factor)}"
    if draft.base * draft.factor > settings.max_weight:
        reason += f", capped at {percent(settings.max_weight)}"
    if boost < 1 and weight > draft.base:
        weight = schemes.cut(draft.base + boost * (weight - draft.base))
        reason += f", cut to {percent(weight)} since the weights may sum to {percent(1 - settings.cash_buffer)}"
    return TargetWeight(draft.instrument, draft.base, weight, reason)
