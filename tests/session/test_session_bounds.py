"""What a session's bounds and weights are about: its own positions, and all of its universe."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import Outcome
from robotrading.domain.skip import Skip
from robotrading.portfolio.construct import ConstructSettings
from tests.session.bench import ALPHA, BO, BRAVO, COIN, CR, EQ, PRICES, Bench, settings

D = Decimal


def spec_with(bench: Bench, kind, **limits):
    spec = bench.spec(kind)
    return {"settings": replace(spec.settings, limits=replace(spec.settings.limits, **limits))}


def test_the_positions_of_other_sessions_take_no_place(bench):
    """Two shares and two bond funds are owned; a session that may have one position still opens it."""
    assert bench.run(EQ).outcome is Outcome.DONE
    assert bench.run(BO).outcome is Outcome.DONE
    report = bench.run(CR, **spec_with(bench, CR, max_positions=1))
    assert report.outcome is Outcome.DONE, report.verdict
    assert bench.owned(COIN) > 0


def test_a_session_does_not_open_more_positions_than_it_may(bench):
    report = bench.run(EQ, **spec_with(bench, EQ, max_positions=1))
    assert len(report.tickets) == 1
    assert [refusal.rule for refusal in report.plan.refusals] == [RefusalRule.LIMIT]
    again = bench.run(EQ, **spec_with(bench, EQ, max_positions=1))
    assert again.tickets == ()


def test_the_door_counts_the_positions_that_its_own_orders_open(bench):
    """A plan was made with room for two; the bound was lowered before it is run."""
    plan = bench.run(EQ, trade=False).plan
    report = bench.run(EQ, plan_id=plan.plan_id, **spec_with(bench, EQ, max_positions=1))
    assert len(report.tickets) == 1
    assert [skip.rule for skip in report.skips] == ["positions_count"]


def test_what_the_broker_does_not_describe_keeps_its_share_and_swells_nobody(bench):
    """One of two equal shares has no contract rules for a moment: the other is not bought twice."""
    equal = replace(settings(EQ), construct=ConstructSettings(max_weight=D(1)))
    whole = bench.run(EQ, settings=equal, trade=False)
    broker = bench.broker()
    ask = broker.refine

    async def forgetful(instruments):
        found = dict(await ask(instruments))
        return found | {ALPHA: Skip("ALPHA", "refine", "the broker knows no ALPHA (code 200)")}

    broker.refine = forgetful  # type: ignore[method-assign]
    report = bench.run(EQ, settings=equal, world=bench.world(broker=broker))
    wanted = {target.instrument: target.weight for target in whole.targets.weights}
    found = {target.instrument: target.weight for target in report.targets.weights}
    assert found[BRAVO] == wanted[BRAVO]
    assert found[ALPHA] == wanted[ALPHA]
    (refusal,) = report.plan.refusals
    assert (refusal.instrument, "contract rules" in refusal.reason) == (ALPHA, True)
    assert bench.owned(ALPHA) == 0
    assert bench.owned(BRAVO) > 0


def test_a_plan_leaves_room_for_what_another_session_holds_of_a_fund(bench):
    """25 % of the capital are in BRAVO through the shares; through the bonds it may grow to 30 %, and no order fails."""
    bench.run(EQ)
    report = bench.run(BO, **spec_with(bench, BO, max_position_share=D("0.3")))
    assert report.outcome is Outcome.DONE, report.verdict
    (bought,) = [ticket for ticket in report.tickets if ticket.intent.instrument == BRAVO]
    assert "by the limit of a position of 30.0 %" in bought.intent.reason
    assert D(29_000) < bench.owned(BRAVO) * PRICES[BRAVO] <= D(30_000)
