"""Why, in plain words: from the report's own numbers, not from the arithmetic that the plan wrote down.

Entry points: `why`, `Reasons`, `belief`, `RULE_WORDS`.
"""

from __future__ import annotations

from decimal import Decimal

from robotrading.adapters.notify.report.words import model_name, percent
from robotrading.domain.orders import Intent, Side
from robotrading.domain.planning import Line, RefusalRule, TargetWeight
from robotrading.domain.report import SessionReport
from robotrading.domain.signals import Signal

RULE_WORDS = {
    RefusalRule.WITHIN_BAND: "within their bands",
    RefusalRule.TOO_SMALL: "the difference is too small to trade",
    RefusalRule.COSTS: "trading would cost too much of its value",
    RefusalRule.NO_CASH: "the cash does not reach",
    RefusalRule.LOT: "less than one lot away from the target",
    RefusalRule.FROZEN: "kept as they are, for want of good data or a signal",
    RefusalRule.NO_QUOTE: "no quote",
    RefusalRule.OPEN_ORDER: "an earlier order has no known end",
    RefusalRule.NOT_OWNED: "not bought by the bot",
    RefusalRule.LIMIT: "a safety limit forbids it",
    RefusalRule.CURRENCY: "in another currency than the session's",
    RefusalRule.REENTRY: "closed today, and not entered again on the same day",
    RefusalRule.DAY_STOPPED: "no entries for the rest of the day",
}
"""What a rule says of several instruments at once."""

_SLIGHT = Decimal("0.005")


def why(report: SessionReport, intent: Intent) -> str:
    """A sentence for somebody who has never seen the strategy; the plan's own words where the report knows no more."""
    return Reasons(report).why(intent)


class Reasons:
    """The same for many intents of one report: its rows, targets and signals are looked up, not searched through."""

    def __init__(self, report: SessionReport) -> None:
        self._lines = {line.instrument: line for line in (report.plan.lines if report.plan else ())}
        self._targets = {one.instrument: one for one in (report.targets.weights if report.targets else ())}
        self._signals = {signal.instrument: signal for signal in report.signals}

    def why(self, intent: Intent) -> str:
        """As `why` of the module."""
        line = self._lines.get(intent.instrument)
        if line is None:
            return intent.reason
        return _said(intent, line, self._targets.get(intent.instrument), self._signals.get(intent.instrument))


def _said(intent: Intent, line: Line, target: TargetWeight | None, signal: Signal | None) -> str:
    move, believed = _move(line, intent.side), belief(signal)
    if target is None:
        gone = "it is no longer in the universe" if not line.weight_target else believed
        return f"{move}: {gone}." if gone else intent.reason
    usual = _share(target)
    if not usual:
        return f"{move}, its usual share{'; ' + believed if believed else ''}."
    return f"{move}: {usual}{', since ' + believed if believed else ''}."


def _move(line: Line, side: Side) -> str:
    if side is Side.BUY:
        return (
            f"Raised from {percent(line.weight_now)} to {percent(line.weight_target)} of the budget"
            if line.weight_now
            else f"New, {percent(line.weight_target)} of the budget"
        )
    if not line.weight_target:
        return "Sold off"
    return f"Lowered from {percent(line.weight_now)} to {percent(line.weight_target)} of the budget"


def _share(target: TargetWeight) -> str:
    """How what is wanted differs from what it would be without a signal; '' where it hardly does."""
    base, weight = target.base, target.weight
    if not base or abs(weight / base - 1) < _SLIGHT:
        return ""
    return f"{'more' if weight > base else 'less'} than its usual share of {percent(base)}"


def belief(signal: Signal | None) -> str:
    """What the link of the chain that spoke thinks, as the end of a sentence; '' where nothing is known."""
    if signal is None:
        return ""
    if signal.regime is not None and signal.regime.labels:
        chance = percent(max(signal.regime.probabilities, default=0.0), 0)
        return f"the model sees the market as {signal.regime.current} ({chance})"
    if signal.model == "hold":
        return "no model had anything to say"
    return f"the {model_name(signal.model)} says {signal.stance} ({signal.strength:+.2f})"
