"""Input checks before a model is fitted: named rules that heal a series, or refuse it.

Entry points: `check` (all rules in their order), `Checked`, `CheckSettings`, `RULES` (their names).
Invariants: a clean series comes back as the same object; healing only ever leaves days out and never invents a price;
what was healed passes, and healing it again changes nothing; whatever the arrays hold, the answer is `Checked` or a
`Skip` that names the rule, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars, Days
from robotrading.domain.skip import Skip
from robotrading.strategy import checks_days, checks_jumps, checks_values, heal
from robotrading.strategy.checks_context import CheckSettings, Context, Healing, Refusal

__all__ = ["RULES", "CheckSettings", "Checked", "check"]

STEP = "checks"


@dataclass(frozen=True, slots=True)
class Checked:
    """A series fit to be modelled, and one `Skip` per healing rule that left days out."""

    bars: Bars
    healed: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class _Heal:
    rule: Healing


@dataclass(frozen=True, slots=True)
class _Refuse:
    rule: Refusal


_LIST: tuple[_Heal | _Refuse, ...] = (
    _Refuse(checks_values.wrong_instrument),
    _Refuse(checks_values.infinite_value),
    _Refuse(checks_days.missing_date),
    _Heal(heal.empty_day),
    _Refuse(checks_values.no_prices),
    _Heal(heal.repeated_row),
    _Refuse(checks_days.unsorted_days),
    _Refuse(checks_days.contradictory_day),
    _Refuse(checks_values.non_positive_price),
    _Refuse(checks_values.negative_volume),
    _Refuse(checks_values.impossible_event),
    _Heal(heal.unfinished_day),
    _Refuse(checks_days.future_bar),
    _Heal(heal.bad_tick),
    _Refuse(checks_days.too_short),
    _Refuse(checks_days.stale_series),
    _Refuse(checks_days.wrong_calendar),
    _Refuse(checks_days.gap),
    _Refuse(checks_days.missing_days),
    _Refuse(checks_jumps.bad_ticks),
    _Refuse(checks_jumps.hundredfold_slip),
    _Refuse(checks_jumps.half_adjusted_split),
    _Refuse(checks_jumps.unadjusted_split),
    _Refuse(checks_jumps.distribution_twice),
    _Refuse(checks_jumps.spliced_adjustment),
    _Refuse(checks_jumps.implausible_jump),
    _Refuse(checks_values.impossible_bar),
    _Refuse(checks_values.constant_run),
    _Refuse(checks_values.no_volume),
    _Refuse(checks_values.too_calm),
    _Refuse(checks_values.not_stationary),
)
RULES = tuple(step.rule.__name__ for step in _LIST)
"""The names of all rules, in the order in which they are asked."""


def check(
    bars: Bars, settings: CheckSettings, days: Days, last_complete: date, *, expected: Instrument | None = None
) -> Checked | Skip:
    """Heal or refuse one series.

    `days` are the calendar's trading days, sorted, from the first bar or earlier to `last_complete` or later (days
    outside are ignored); `expected` is the instrument that was asked for, the series' own when None.
    """
    context = Context(settings, days, last_complete, expected or bars.instrument)
    symbol, healed = bars.instrument.symbol, []
    with np.errstate(all="ignore"):
        for name, step in zip(RULES, _LIST, strict=True):
            if isinstance(step, _Heal):
                bars, reason = step.rule(bars, context)
                if reason is not None:
                    healed.append(Skip(symbol, STEP, reason, name))
            elif (refused := step.rule(bars, context)) is not None:
                return Skip(symbol, STEP, refused, name)
    return Checked(bars, tuple(healed))
