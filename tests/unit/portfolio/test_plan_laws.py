"""The laws of planning, for any world."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.portfolio.bands import band_width
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.plan import PlanInputs, PlanSettings, make_plan, resize_buys
from tests.unit.portfolio.plan_worlds import FREE, D, buys, filled, rules, sells, worlds

many = settings(max_examples=200)


@many
@given(worlds(), rules)
def test_second_plan_trades_nothing(world: PlanInputs, how: PlanSettings) -> None:
    """After a plan has filled as reckoned, planning again trades nothing, in either band mode."""
    first = make_plan(world, how)
    second = make_plan(filled(world, first.intents, how), how)
    assert second.intents == ()


@many
@given(worlds(), rules)
def test_second_plan_trades_nothing_at_arrival_prices_when_cash_was_no_question(
    world: PlanInputs, how: PlanSettings
) -> None:
    """Fills at the arrival price change nothing either, when no buy was cut for lack of cash."""
    rich = replace(world, cash=world.budget * 10, account_cash=world.budget * 10)
    first = make_plan(rich, how)
    assert make_plan(filled(rich, first.intents, how, at_worst=False), how).intents == ()


@many
@given(worlds(), rules)
def test_a_plan_sells_no_more_than_is_owned_and_sells_come_first(world: PlanInputs, how: PlanSettings) -> None:
    plan = make_plan(world, how)
    assert list(plan.intents) == sells(plan.intents) + buys(plan.intents)
    assert all(i.quantity <= world.owned[i.instrument] for i in sells(plan.intents))
    assert len({i.instrument for i in plan.intents}) == len(plan.intents)


@many
@given(worlds(), rules)
def test_buys_never_take_cash_below_zero_at_the_worst_prices(world: PlanInputs, how: PlanSettings) -> None:
    """Everything at its limit, every commission paid: buys leave the cash at zero or above, in session and account."""
    plan = make_plan(world, how)
    after = filled(world, plan.intents, how)
    if buys(plan.intents):
        assert after.cash >= 0
        assert after.account_cash >= 0


@many
@given(worlds(), rules)
def test_buys_leave_the_buffer_alone_where_there_is_no_friction(world: PlanInputs, how: PlanSettings) -> None:
    """Without commissions and at the arrival price, buys leave the whole buffer, in the session and in the account."""
    how = replace(how, costs=FREE, limit_offset=D(0))
    plan = make_plan(world, how)
    if buys(plan.intents):
        after = filled(world, plan.intents, how)
        assert min(after.cash, after.account_cash) >= how.cash_buffer * world.budget


@many
@given(worlds(), rules, st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_does_not_matter(world: PlanInputs, how: PlanSettings, rng: random.Random) -> None:
    def shuffled(mapping: dict[object, object]) -> dict[object, object]:
        pairs = list(mapping.items())
        rng.shuffle(pairs)
        return dict(pairs)

    weights = list(world.targets.weights)
    rng.shuffle(weights)
    other = replace(
        world,
        owned=shuffled(dict(world.owned)),
        quotes=shuffled(dict(world.quotes)),
        targets=replace(world.targets, weights=tuple(weights)),
    )
    assert make_plan(other, how) == make_plan(world, how)


@many
@given(worlds(), rules)
def test_every_instrument_is_traded_or_has_a_sentence(world: PlanInputs, how: PlanSettings) -> None:
    """Each wanted or owned instrument is in the lines, and is ordered or refused, never both, unless nothing is at stake."""
    plan = make_plan(world, how)
    ordered, refused = {i.instrument for i in plan.intents}, [r.instrument for r in plan.refusals]
    assert len(refused) == len(set(refused))
    assert not ordered & set(refused)
    for line in plan.lines:
        idle = not line.owned and not line.weight_target
        assert idle or line.instrument in ordered or line.instrument in refused
    assert all(r.reason for r in plan.refusals)
    assert all(i.reason for i in plan.intents)


@many
@given(worlds(), rules)
def test_each_order_is_sound(world: PlanInputs, how: PlanSettings) -> None:
    """Whole lots, not below the smallest order, prices on the tick, and not away from the target past a lot."""
    plan = make_plan(world, how)
    lines = {line.instrument: line for line in plan.lines}
    for intent in plan.intents:
        item, line = intent.instrument, lines[intent.instrument]
        assert intent.quantity > 0
        assert intent.quantity % item.lot == 0
        assert intent.quantity >= item.min_quantity
        assert intent.limit_price is None or intent.limit_price % item.tick == 0
        lot_weight = item.lot * intent.arrival_price / world.budget
        width = band_width(line.weight_target, how.bands)
        before, after = abs(line.weight_now - line.weight_target), abs(line.weight_after - line.weight_target)
        assert after <= max(before, width + lot_weight) + D("3e-6")


@many
@given(worlds(), rules, st.data())
def test_limits_hold_after_any_subset_of_fills(world: PlanInputs, how: PlanSettings, data: st.DataObject) -> None:
    """Whatever part of the plan fills: order value, position value, turnover and number of positions stay bounded."""
    limits = LimitSettings(
        max_order_value=data.draw(st.sampled_from([D(500), D(20_000)])),
        max_position_share=data.draw(st.sampled_from([D("0.05"), D("0.3")])),
        max_positions=data.draw(st.integers(0, 4)),
        max_turnover_share=data.draw(st.sampled_from([D("0.1"), D(1)])),
    )
    how = replace(how, limits=limits)
    plan = make_plan(world, how)
    done = [i for i in plan.intents if data.draw(st.booleans())]
    after = filled(world, done, how)
    assert all(i.value <= limits.max_order_value for i in plan.intents)
    for intent in buys(done):
        worth = after.owned[intent.instrument] * max(intent.arrival_price, intent.limit_price or D(0))
        assert worth <= limits.max_position_share * world.budget
    if buys(plan.intents):
        assert after.turnover_today <= limits.max_turnover_share * world.budget
    count = sum(1 for q in after.owned.values() if q)
    assert count <= max(limits.max_positions, sum(1 for q in world.owned.values() if q))


@many
@given(worlds(), rules, st.integers(0, 100))
def test_resized_buys_fit_the_cash_that_came_in(world: PlanInputs, how: PlanSettings, share: int) -> None:
    """Resizing never raises a quantity, never overspends, keeps ids, and loses nobody without a sentence."""
    plan = make_plan(world, how)
    planned = buys(plan.intents)
    spent_before = world.cash - filled(world, planned, how).cash
    cash = spent_before * Decimal(share) / 100
    kept, refused = resize_buys(plan.intents, cash, how)
    assert world.cash - filled(world, kept, how).cash <= max(cash, D(0))
    by_id = {i.intent_id: i for i in planned}
    assert all(i.quantity <= by_id[i.intent_id].quantity for i in kept)
    assert {i.instrument for i in kept} | {r.instrument for r in refused} == {i.instrument for i in planned}
    assert share < 100 or kept == tuple(planned)
