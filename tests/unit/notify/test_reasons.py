"""Why something was bought or sold, in words that need no knowledge of the strategy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_worlds import D, intent, line, plan, report, share, signal, targets

from robotrading.adapters.notify.report.reasons import RULE_WORDS, why
from robotrading.domain.orders import Side
from robotrading.domain.planning import RefusalRule, TargetWeight
from robotrading.domain.report import Outcome, SessionReport
from robotrading.domain.signals import Stance


def told(side: Side, now: str, target: str, base: str | None, **changes: object) -> str:
    """The sentence for one order of AAA; without `base` it has left the universe."""
    made = intent("AAA", side, reason="the plan's arithmetic")
    wanted = targets()
    if base is not None:
        wanted = replace(wanted, weights=(TargetWeight(share("AAA"), D(base), D(target), "x"),))
    known: dict[str, object] = {
        "plan": plan([made], (), [line("AAA", now, target, target)]),
        "targets": wanted,
        "signals": (signal("AAA"),),
    }
    return why(report(Outcome.DONE, **(known | changes)), made)


@pytest.mark.parametrize(
    ("side", "now", "target", "base", "sentence"),
    [
        (Side.BUY, "0", "0.1", "0.08", "New, 10.0 % of the budget: more than its usual share of 8.0 %, since the model sees the market as calm, rising (98 %)."),
        (Side.BUY, "0.05", "0.08", "0.08", "Raised from 5.0 % to 8.0 % of the budget, its usual share; the model sees the market as calm, rising (98 %)."),
        (Side.SELL, "0.12", "0.04", "0.08", "Lowered from 12.0 % to 4.0 % of the budget: less than its usual share of 8.0 %, since the model sees the market as calm, rising (98 %)."),
        (Side.SELL, "0.12", "0", None, "Sold off: it is no longer in the universe."),
        (Side.BUY, "0", "0.1", None, "New, 10.0 % of the budget: the model sees the market as calm, rising (98 %)."),
    ],
)  # fmt: skip
def test_each_move_has_its_words(side: Side, now: str, target: str, base: str | None, sentence: str):
    assert told(side, now, target, base) == sentence


def test_a_model_without_regimes_speaks_for_itself():
    simple = replace(signal("AAA", "moving_average", Stance.REDUCE, -0.4), regime=None)
    text = told(Side.SELL, "0.12", "0.04", "0.08", signals=(simple,))
    assert text.endswith("since the moving average says reduce (-0.40).")
    silent = replace(signal("AAA", "hold", Stance.HOLD, 0.0), regime=None)
    assert told(Side.BUY, "0", "0.1", "0.08", signals=(silent,)).endswith("since no model had anything to say.")
    assert told(Side.SELL, "0.12", "0.04", "0.08", signals=()).endswith("less than its usual share of 8.0 %.")


def test_where_the_report_knows_no_more_the_plan_speaks():
    assert told(Side.BUY, "0", "0.1", "0.08", plan=None) == "the plan's arithmetic"
    assert told(Side.BUY, "0", "0.1", None, signals=()) == "the plan's arithmetic"


def test_every_rule_has_words():
    assert set(RULE_WORDS) == set(RefusalRule)


def test_a_report_without_anything_still_answers():
    empty: SessionReport = report(Outcome.FAILED)
    assert why(empty, intent("AAA", reason="r")) == "r"
