"""The verdict on a run that sent nothing, or not all: why, in the words of the first reason, and what was left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_worlds import filled, intent, plan, report, share, targets

from robotrading.domain.orders import Side
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.report import Outcome, StepResult
from robotrading.domain.skip import Skip
from robotrading.session.verdict import verdict

BUY, SELL = intent("AAPL"), intent("KO", Side.SELL)
NEAR = Refusal(share("AAPL"), RefusalRule.WITHIN_BAND, "near enough")
BLOCKED = Refusal(share("KO"), RefusalRule.OPEN_ORDER, "an order has no answer")
SHUT = Skip("AAPL", "door", "the market is closed.", "trading_hours")
OLD = Skip("MSFT", "prices", "too old", "stale")
STEPS = (StepResult("prices", 1.0, (OLD,)), StepResult("buys", 1.0, (SHUT,)))


@pytest.mark.parametrize(
    ("made", "skips", "said"),
    [
        (plan([], [NEAR]), (), "Nothing to do: every holding is within its band."),
        (plan([], [NEAR, BLOCKED]), (), "No order is possible now; what is left alone has its reason."),
        (plan([], [BLOCKED]), (OLD, SHUT), "No order is possible now: the market is closed."),
        (plan([BUY, SELL, SELL]), (OLD,), "Would place 3 orders: 2 to sell, 1 to buy."),
    ],
)
def test_a_plan_is_told_by_what_it_orders_and_why_not(made: Plan, skips: tuple[Skip, ...], said: str) -> None:
    assert verdict(report(Outcome.NOTHING_TO_DO, plan=made, steps=(StepResult("buys", 1.0, skips),))) == said


def test_a_closed_market_is_told_before_anything_of_a_plan() -> None:
    known = report(Outcome.NOTHING_TO_DO, plan=plan([BUY]))
    assert verdict(known, "the market is closed until Monday") == "Nothing was sent: the market is closed until Monday."


def test_what_was_left_out_is_counted_behind_the_orders() -> None:
    """Frozen instruments always; orders that were stopped where others were sent; skipped data is no order."""
    wanted = targets(("AAPL", "0.5"), ("KO", "0.3"))
    wanted = replace(wanted, weights=(wanted.weights[0], replace(wanted.weights[1], frozen=True)))
    frozen = "1 instrument left as they are for want of good data."
    told = report(Outcome.PARTLY, targets=wanted, steps=STEPS, tickets=(filled(BUY, "100"),))
    assert verdict(told) == f"Bought 1 of 1 order, all filled. {frozen} 1 order stopped or left in doubt."
    unsent = report(Outcome.FAILED, targets=wanted, steps=STEPS, plan=plan([BUY, SELL]))
    assert verdict(unsent) == f"None of 2 planned orders was sent: the market is closed. {frozen}"
