"""What a plan says and does, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.skip import Skip
from robotrading.portfolio.bands import BandSettings, TradeTo
from robotrading.portfolio.costs import CostSettings
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.plan import PlanInputs, PlanSettings, make_plan, plan_id_for, resize_buys
from robotrading.portfolio.sizing import SizingSettings
from tests.unit.portfolio.plan_worlds import NOW, D, inputs, quote, settings, stock, targets

A, B, C, D_ = stock("A"), stock("B"), stock("C"), stock("D")


def orders(plan: Plan) -> list[tuple[str, Side, Decimal]]:
    return [(i.instrument.symbol, i.side, i.quantity) for i in plan.intents]


def why(plan: Plan, item: Instrument) -> tuple[RefusalRule, str]:
    return next((r.rule, r.reason) for r in plan.refusals if r.instrument == item)


def test_a_first_purchase_buys_the_nearest_whole_lots() -> None:
    plan = make_plan(inputs({A: "0.5", B: "0.3"}, {A: "333", B: "7"}), settings())
    assert orders(plan) == [("A", Side.BUY, D(150)), ("B", Side.BUY, D(4286))]
    assert [(line.weight_now, line.weight_target, line.weight_after) for line in plan.lines] == [
        (D(0), D("0.5"), D("0.4995")),
        (D(0), D("0.3"), D("0.30002")),
    ]


def test_an_order_carries_everything_that_is_needed_later() -> None:
    world = inputs({A: "0.5"}, {A: "100"}, attempts={(A.key, "buy"): 2})
    (order,) = make_plan(world, settings(limit_offset=D("0.003"))).intents
    assert order.intent_id == "rt-eq-20250926-A-B-3"
    assert (order.session_id, order.kind, order.trading_date) == ("s1", world.kind, world.trading_date)
    assert (order.order_type, order.arrival_price, order.limit_price) == (OrderType.LIMIT, D(100), D("100.30"))
    assert order.reason == "holds 0.0 %, target 50.0 % +-1.0 % (because)"


@pytest.mark.parametrize(
    ("order_type", "limit"),
    [(OrderType.MARKET, None), (OrderType.MOC, None), (OrderType.LOC, D("100.30")), (OrderType.MIDPRICE, D("100.30"))],
)
def test_order_types_without_a_limit_have_none(order_type: OrderType, limit: Decimal | None) -> None:
    rules = settings(limit_offset=D("0.003"), order_type=order_type)
    assert make_plan(inputs({A: "0.5"}, {A: "100"}), rules).intents[0].limit_price == limit


def test_a_stop_is_no_rebalancing_order() -> None:
    with pytest.raises(ConfigError, match=r"execution\.order_type is stop: a rebalancing order is one of"):
        PlanSettings(order_type=OrderType.STOP)


@pytest.mark.parametrize("budget", ["0", "-5", "NaN"])
def test_without_a_budget_there_is_no_plan(budget: str) -> None:
    with pytest.raises(ConfigError, match="it must be above zero"):
        inputs({A: "0.5"}, {A: "100"}, budget=budget)


def test_within_the_band_nothing_moves() -> None:
    plan = make_plan(inputs({A: "0.50"}, {A: "100"}, {A: "505"}), settings())
    assert orders(plan) == []
    assert why(plan, A) == (RefusalRule.WITHIN_BAND, "holds 50.5 %, target 50.0 %: within the band of +-1.0 %")


def test_outside_the_band_the_trade_goes_to_target_or_to_the_edge() -> None:
    world = inputs({A: "0.40", B: "0.3"}, {A: "100", B: "100"}, {A: "500", B: "200"})
    assert orders(make_plan(world, settings())) == [("A", Side.SELL, D(100)), ("B", Side.BUY, D(100))]
    edge = settings(bands=BandSettings(trade_to=TradeTo.EDGE))
    assert orders(make_plan(world, edge)) == [("A", Side.SELL, D(90)), ("B", Side.BUY, D(90))]


def test_what_left_the_universe_is_sold_to_zero_however_small() -> None:
    """Neither band nor minimum value keeps it, and the sentence says why it goes."""
    plan = make_plan(inputs({}, {A: "10"}, {A: "3"}), PlanSettings())
    assert orders(plan) == [("A", Side.SELL, D(3))]
    assert plan.intents[0].reason == "holds 0.03 % and is no longer in the universe"


def test_what_left_the_universe_stays_when_selling_brings_nothing() -> None:
    costs = CostSettings(maximum_share=D(2))
    plan = make_plan(inputs({}, {A: "0.30"}, {A: "3"}), settings(costs=costs))
    assert why(plan, A) == (RefusalRule.COSTS, "selling 0.90 USD would cost 1.00 USD")


def test_a_fraction_of_a_lot_stays_behind() -> None:
    plan = make_plan(inputs({A: "0"}, {A: "100"}, {A: "3.5"}), settings())
    assert orders(plan) == [("A", Side.SELL, D(3))]
    rest = make_plan(inputs({A: "0"}, {A: "100"}, {A: "0.5"}), settings())
    rule, reason = why(rest, A)
    assert rule is RefusalRule.LOT
    assert "0.50 lots of 1" in reason


def test_a_sell_is_not_rounded_up_past_what_is_owned() -> None:
    plan = make_plan(inputs({A: "0.00001"}, {A: "100"}, {A: "10.7"}), settings())
    assert orders(plan) == [("A", Side.SELL, D(10))]


def test_frozen_means_untouched_and_its_line_says_so() -> None:
    world = inputs({A: "0.5"}, {A: "100"}, {A: "900"})
    plan = make_plan(replace(world, targets=targets({A: "0.5"}, [A])), settings())
    assert orders(plan) == []
    assert why(plan, A) == (RefusalRule.FROZEN, "because")
    assert plan.lines[0].weight_target == plan.lines[0].weight_now == D("0.9")


def test_a_blocked_instrument_is_left_alone() -> None:
    plan = make_plan(inputs({A: "0.5"}, {A: "100"}, blocked={A.key: "order X has no answer yet"}), settings())
    assert why(plan, A) == (RefusalRule.OPEN_ORDER, "order X has no answer yet")


def test_a_foreign_currency_is_refused() -> None:
    euro = stock("E", currency="EUR")
    rule, reason = why(make_plan(inputs({euro: "0.5"}, {euro: "100"}), settings()), euro)
    assert rule is RefusalRule.CURRENCY
    assert "trades in EUR and the session's money is USD" in reason


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Skip("A", "quotes", "not subscribed"), "no price: not subscribed"),
        (None, "no price was asked for"),
        (Quote(A, None, None, None, None, NOW, "feed"), "the quote of feed has no usable price"),
        (Quote(A, None, None, D(0), None, NOW, "feed"), "the quote of feed has no usable price"),
    ],
)
def test_without_a_price_nothing_is_traded(found: Quote | Skip | None, words: str) -> None:
    world = inputs({A: "0.5"}, {}, {A: "5"}, cash=1000, quotes={} if found is None else {A: found})
    plan = make_plan(world, settings())
    assert why(plan, A) == (RefusalRule.NO_QUOTE, words)
    assert plan.lines[0].price is None


def test_a_short_position_is_never_touched() -> None:
    assert why(make_plan(inputs({A: "0.5"}, {A: "10"}, {A: "-5"}), settings()), A)[0] is RefusalRule.NOT_OWNED


def test_small_and_costly_trades_are_left() -> None:
    world = inputs({A: "0.001", B: "0.1"}, {A: "10", B: "100"}, budget=10_000)
    costs = CostSettings(per_unit=D(0), minimum=D(6), max_cost_share=D("0.005"))
    plan = make_plan(world, settings(costs=costs, sizing=SizingSettings(D(100))))
    assert why(plan, A) == (RefusalRule.TOO_SMALL, "a trade of 10.00 USD is below the minimum of 100.00 USD")
    assert why(plan, B)[0] is RefusalRule.COSTS
    assert "would take 0.60 % of 1000.00 USD, more than 0.50 %" in why(plan, B)[1]


def test_the_spread_counts_as_a_cost() -> None:
    world = inputs({A: "0.5"}, {A: "100"})
    wide = replace(world, quotes={A: quote(A, "100", "2")})
    rules = settings(costs=replace(settings().costs, max_cost_share=D("0.005")))
    assert orders(make_plan(world, rules))
    assert why(make_plan(wide, rules), A)[0] is RefusalRule.COSTS


def test_an_order_below_the_smallest_is_left() -> None:
    coin = stock("COIN", lot="0.0001", min_quantity="0.01")
    plan = make_plan(inputs({coin: "0.002"}, {coin: "60000"}), settings())
    assert why(plan, coin) == (RefusalRule.LOT, "0.0033 is below the smallest order of 0.01")


def test_fractions_follow_the_lot() -> None:
    coin = stock("COIN", lot="0.0001")
    assert orders(make_plan(inputs({coin: "0.5"}, {coin: "61234.5"}), settings())) == [("COIN", Side.BUY, D("0.8165"))]


def test_sells_pay_for_buys() -> None:
    """No free cash: what the sell brings at its limit, less its commission, is what is spent."""
    costs = CostSettings(per_unit=D(0), minimum=D(50), maximum_share=D(1), max_cost_share=D(1))
    world = inputs({B: "0.5"}, {A: "100", B: "10"}, {A: "100"}, budget=10_000)
    plan = make_plan(world, settings(costs=costs, cash_buffer=D(0), limit_offset=D("0.01")))
    assert orders(plan) == [("A", Side.SELL, D(100)), ("B", Side.BUY, D(500))]
    assert plan.intents[0].limit_price == D(99)
    assert orders(make_plan(replace(world, account_cash=D(-7000)), settings(costs=costs)))[1][2] < D(300)


def test_short_cash_cuts_the_buys_alike_and_says_so() -> None:
    world = inputs({A: "0.4", B: "0.4"}, {A: "10", B: "20"}, cash=40_000)
    plan = make_plan(world, settings(cash_buffer=D(0)))
    assert orders(plan) == [("A", Side.BUY, D(2000)), ("B", Side.BUY, D(1000))]
    assert plan.intents[0].reason.endswith("2000 instead of 4000: the cash does not reach further")


def test_without_cash_each_buy_is_refused() -> None:
    plan = make_plan(inputs({A: "0.4"}, {A: "10"}, cash=0), settings())
    assert why(plan, A)[0] is RefusalRule.NO_CASH


def test_the_accounts_cash_bounds_the_sessions() -> None:
    world = replace(inputs({A: "0.4"}, {A: "10"}), account_cash=D(12_000))
    assert orders(make_plan(world, settings())) == [("A", Side.BUY, D(1000))]


@pytest.mark.parametrize(
    ("limits", "sizing", "quantity", "words"),
    [
        (LimitSettings(max_order_value=D(5000)), SizingSettings(D(0)), 50, "the limit of 5000.00 USD"),
        (LimitSettings(), SizingSettings(D(0), D(30)), 30, "the limit of 30 units"),
        (LimitSettings(max_position_share=D("0.1")), SizingSettings(D(0)), 100, "a position of 10.0 %"),
    ],
)
def test_a_trade_is_cut_to_its_limits(limits: LimitSettings, sizing: SizingSettings, quantity: int, words: str) -> None:
    plan = make_plan(inputs({A: "0.2"}, {A: "100"}), settings(limits=limits, sizing=sizing))
    assert orders(plan) == [("A", Side.BUY, D(quantity))]
    assert f"{quantity} of 200 by the limit of" in plan.intents[0].reason
    assert words in plan.intents[0].reason


def test_position_limits_are_a_share_of_the_capital_when_it_is_given() -> None:
    limits = LimitSettings(max_position_share=D("0.1"))
    world = inputs({A: "0.2"}, {A: "100"}, capital=D(200_000))
    assert orders(make_plan(world, settings(limits=limits))) == [("A", Side.BUY, D(200))]


def test_a_limit_below_one_lot_refuses() -> None:
    plan = make_plan(inputs({A: "0.2"}, {A: "100"}), settings(limits=LimitSettings(max_order_value=D(99))))
    assert why(plan, A) == (RefusalRule.LIMIT, "the limit of 99.00 USD leaves no room for one lot")


def test_a_large_exit_goes_in_pieces() -> None:
    plan = make_plan(inputs({}, {A: "100"}, {A: "900"}), settings(limits=LimitSettings(max_order_value=D(50_000))))
    assert orders(plan) == [("A", Side.SELL, D(500))]


def test_new_positions_beyond_the_limit_are_refused_the_smallest_first() -> None:
    """A position that is about to be sold keeps its place: its sell may not fill."""
    world = inputs({A: "0.1", B: "0.2"}, {A: "100", B: "100", C: "100"}, {C: "100"})
    plan = make_plan(world, settings(limits=LimitSettings(max_positions=2)))
    assert orders(plan) == [("C", Side.SELL, D(100)), ("B", Side.BUY, D(200))]
    assert why(plan, A) == (RefusalRule.LIMIT, "the limit of 2 positions is reached")


def test_places_are_counted_by_what_is_really_held() -> None:
    """Too many are held already, none is, only in name, or the very one that is bought."""
    full = {A: "100", B: "100", C: "100"}
    new = {stock(name): "0.1" for name in ("Z", "X", "Y")}
    prices = dict.fromkeys([A, B, C, *new], "100")
    plan = make_plan(
        inputs(new | dict.fromkeys(full, "0.1"), prices, full), settings(limits=LimitSettings(max_positions=2))
    )
    assert orders(plan) == []
    assert [r.instrument.symbol for r in plan.refusals] == ["A", "B", "C", "X", "Y", "Z"]
    for owned, most, bought in (({C: "0"}, 1, [A]), ({A: "0"}, 0, []), ({A: "1"}, 1, [A]), ({C: "1"}, 1, [])):
        world = inputs({A: "0.2"} | dict.fromkeys(owned, "0.2"), {A: "100", C: "100"}, owned)
        plan = make_plan(
            replace(world, targets=targets({A: "0.2"})), settings(limits=LimitSettings(max_positions=most))
        )
        assert [i.instrument for i in plan.intents if i.side is Side.BUY] == bought


def test_the_largest_go_first_and_the_lines_say_what_is_held_after() -> None:
    world = inputs({A: "0.1", B: "0.3", C: "0.05"}, {A: "100", B: "100", C: "100", D_: "100"}, {C: "200", D_: "300"})
    plan = make_plan(world, settings())
    assert orders(plan) == [
        ("D", Side.SELL, D(300)), ("C", Side.SELL, D(150)), ("B", Side.BUY, D(300)), ("A", Side.BUY, D(100)),
    ]  # fmt: skip
    shown = [(line.weight_now, line.weight_target, line.weight_after) for line in plan.lines]
    assert shown == [
        (0, D("0.1"), D("0.1")),
        (0, D("0.3"), D("0.3")),
        (D("0.2"), D("0.05"), D("0.05")),
        (D("0.3"), 0, 0),
    ]


def test_turnover_bounds_the_buys_and_never_the_sells() -> None:
    world = inputs({A: "0.2"}, {A: "100", C: "100"}, {C: "100"}, turnover_today=D(85_000))
    plan = make_plan(world, settings(limits=LimitSettings(max_turnover_share=D(1))))
    assert orders(plan) == [("C", Side.SELL, D(100)), ("A", Side.BUY, D(50))]


def test_tick_and_lot_come_from_the_target_else_from_the_quote() -> None:
    coarse = stock("A", lot="10")
    bought = make_plan(inputs({coarse: "0.333"}, {A: "100"}), settings())
    assert bought.intents[0].quantity == D(330)
    world = inputs({}, {coarse: "100"}, {A: "15"})
    assert make_plan(world, settings()).intents[0].quantity == D(10)


def world_and_plan() -> tuple[PlanInputs, Plan]:
    world = inputs({A: "0.4", B: "0.000001"}, {A: "100", B: "50"})
    return world, make_plan(world, settings())


def test_the_plan_id_is_a_known_value() -> None:
    """The same on every machine and every Python: a change of this value is a change of the format."""
    assert world_and_plan()[1].plan_id == "b21b016334e8ba67"


def test_the_plan_id_does_not_see_times_sessions_attempts_or_spelling() -> None:
    world, plan = world_and_plan()
    other = replace(
        world, session_id="s2", now=NOW + timedelta(hours=3), attempts={(A.key, "buy"): 4}, cash=D("100000.000")
    )
    padded = replace(other, quotes={A: quote(A, "100.00"), B: quote(B, "50.0")})
    assert make_plan(padded, settings()).plan_id == plan.plan_id


@pytest.mark.parametrize(
    "change",
    [
        {"account_id": "DU2"},
        {"trading_date": NOW.date() + timedelta(days=1)},
        {"quotes": {A: quote(A, "100.01"), B: quote(B, "50")}},
        {"targets": targets({A: "0.41", B: "0.000001"})},
        {"blocked": {B.key: "open"}},
    ],
)
def test_the_plan_id_sees_every_decision(change: dict[str, object]) -> None:
    world, plan = world_and_plan()
    assert make_plan(replace(world, **change), settings()).plan_id != plan.plan_id


def test_the_plan_id_sees_each_part_of_an_order() -> None:
    _, plan = world_and_plan()
    (order,) = plan.intents
    changes = [
        {"side": Side.SELL},
        {"quantity": D(1)},
        {"order_type": OrderType.MARKET},
        {"limit_price": None},
        {"arrival_price": D(1)},
        {"instrument": C},
    ]

    def named(intents):
        return plan_id_for(plan.kind, plan.account_id, plan.trading_date, intents, plan.refusals)

    ids = {named([replace(order, **change)]) for change in changes} | {named([order])}
    assert len(ids) == len(changes) + 1
    assert named([replace(order, reason="other words", intent_id="x")]) == plan.plan_id
    both = [*plan.refusals, Refusal(C, RefusalRule.NO_QUOTE, "none")]
    of = (plan.kind, plan.account_id, plan.trading_date, [order])
    assert plan_id_for(*of, both) == plan_id_for(*of, both[::-1])


def test_resized_buys_say_what_happened() -> None:
    world = inputs({A: "0.4", B: "0.4"}, {A: "100", B: "100"})
    plan = make_plan(world, settings())
    kept, refused = resize_buys(plan.intents, D(40_000), settings())
    assert [i.quantity for i in kept] == [D(200), D(200)]
    assert kept[0].reason.endswith("cut from 400 to 200: less cash came in than planned")
    assert kept[0].intent_id == plan.intents[0].intent_id
    assert refused == ()
    none, all_refused = resize_buys(plan.intents, D(20), settings())
    assert none == ()
    assert all_refused[0].rule is RefusalRule.NO_CASH
    assert "does not reach" in all_refused[0].reason


def test_nothing_is_bought_on_a_stopped_day_and_sells_go_on() -> None:
    world = inputs({A: "0.5", B: "0.1"}, {A: "100", B: "100"}, {B: "500"}, day_stopped="it lost 6 %")
    plan = make_plan(world, settings())
    assert orders(plan) == [("B", Side.SELL, D(400))]
    rule, reason = why(plan, A)
    assert rule is RefusalRule.DAY_STOPPED
    assert reason.endswith("no entry for the rest of the day: it lost 6 %")


def test_what_was_closed_today_is_not_planned_again_unless_the_rule_is_off() -> None:
    world = inputs({A: "0.5", B: "0.4"}, {A: "100", B: "100"}, closed_today={A.key})
    plan = make_plan(world, settings())
    assert orders(plan) == [("B", Side.BUY, D(400))]
    assert why(plan, A)[0] is RefusalRule.REENTRY
    loose = settings(limits=LimitSettings(block_reentry=False, max_position_share=D(1)))
    assert len(make_plan(world, loose).intents) == 2


def test_what_was_closed_today_may_still_be_sold() -> None:
    world = inputs({A: "0.1"}, {A: "100"}, {A: "500"}, closed_today={A.key})
    assert orders(make_plan(world, settings())) == [("A", Side.SELL, D(400))]


FEES = CostSettings(per_unit=D("0.1"), minimum=D(0), maximum_share=D(1), max_cost_share=D(1))


def test_the_buffer_pays_for_the_way_to_the_limits_and_for_commissions_first() -> None:
    """98 lots of ten at 101 and 98.00 of commission are 99,078: all but the 922 that the buffer has left of its 2,000."""
    tens = stock("A", lot="10")
    how = settings(costs=FEES, cash_buffer=D("0.02"), limit_offset=D("0.01"))
    assert orders(make_plan(inputs({tens: "0.98"}, {tens: "100"}), how)) == [("A", Side.BUY, D(980))]


def test_what_sells_lose_on_their_way_is_paid_by_the_buffer_too() -> None:
    """They bring 98,900 and use the whole buffer up, so that all of it may be spent."""
    how = settings(costs=FEES, cash_buffer=D("0.02"), limit_offset=D("0.01"))
    world = inputs({A: "0.98"}, {A: "100", C: "100"}, {C: "1000"})
    assert orders(make_plan(world, how)) == [("C", Side.SELL, D(1000)), ("A", Side.BUY, D(978))]


def test_the_sessions_cash_bounds_where_the_account_has_more() -> None:
    world = replace(inputs({A: "0.4"}, {A: "10"}, cash=12_000), account_cash=D(90_000))
    assert orders(make_plan(world, settings(cash_buffer=D(0)))) == [("A", Side.BUY, D(1200))]


def test_resizing_reckons_each_buy_at_its_own_limit_or_at_the_offset_and_leaves_the_sells() -> None:
    coin = stock("A", lot="0.01")
    world = inputs({coin: "0.4", B: "0.1"}, {coin: "100", B: "100"}, {B: "300"})
    limited = make_plan(world, settings(limit_offset=D("0.003"))).intents
    assert [i.side for i in limited] == [Side.SELL, Side.BUY]
    wide = settings(limit_offset=D("0.01"), order_type=OrderType.MARKET)
    assert resize_buys(limited, D(40_120), wide) == (limited[1:], ())
    market = make_plan(world, wide).intents
    assert resize_buys(market, D(40_400), wide) == (market[1:], ())
    (cut,), _ = resize_buys(market, D(40_399), wide)
    assert cut.quantity == D("399.99")
    assert cut.reason.endswith("; cut from 400 to 399.99: less cash came in than planned")
