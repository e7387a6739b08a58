"""Each order type, time in force and group on the pretend exchange."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.exchange_types import (
    AccountChanged,
    Charged,
    Executed,
    OrderChanged,
    OrderMessage,
    OrderStatus,
)
from tests.unit.sim.sim_world import ABC, COIN, NOON, UNPRICED, XYZ, World, request

D = Decimal

SELL = Side.SELL


def test_nothing_fills_inside_place() -> None:
    world = World()
    order = world.placed()
    assert order.status is OrderStatus.SUBMITTED
    assert not world.exchange.executions()


def test_a_market_order_pays_the_ask_and_a_sale_gets_the_bid() -> None:
    world = World(holdings={XYZ: D(5)})
    bought, sold = world.placed(ABC), world.placed(XYZ, SELL, 5)
    assert world.exchange.step() == 2
    assert world.now(bought).avg_fill_price == D("100.01")
    assert world.now(sold).avg_fill_price == D("49.99")


def test_slippage_worsens_market_orders_but_never_breaks_a_limit() -> None:
    world = World(slippage=D("0.001"))
    market, limit = world.placed(), world.placed(limit_price="100.05")
    world.exchange.step()
    assert world.now(market).avg_fill_price == D("100.12")  # 100.01 * 1.001, up to the next tick
    assert world.now(limit).avg_fill_price == D("100.05")


@pytest.mark.parametrize(("side", "limit", "price"), [(Side.BUY, "99", "98.99"), (SELL, "101", "101.01")])
def test_a_limit_order_waits_for_its_price(side: Side, limit: str, price: str) -> None:
    world = World(holdings={ABC: D(10)})
    order = world.placed(side=side, limit_price=limit)
    assert world.exchange.step() == 0
    assert world.now(order).status is OrderStatus.SUBMITTED
    world.price(ABC, price)
    assert world.exchange.step() == 1
    assert (world.now(order).avg_fill_price - D(limit)) * side.sign <= 0


def test_a_stop_sleeps_then_trades_at_the_market() -> None:
    world = World(holdings={ABC: D(10)})
    order = world.placed(side=SELL, order_type=OrderType.STOP, stop_price=95)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.PRE_SUBMITTED
    world.price(ABC, 90)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.FILLED
    assert world.now(order).avg_fill_price == D("89.99")


def test_a_stop_limit_that_is_jumped_over_works_as_a_limit() -> None:
    world = World(holdings={ABC: D(10)})
    order = world.placed(side=SELL, order_type=OrderType.STOP_LIMIT, stop_price=95, limit_price=94)
    world.price(ABC, 90)
    world.exchange.step()
    assert (world.now(order).status, world.now(order).triggered) == (OrderStatus.SUBMITTED, True)
    world.price(ABC, "94.50")
    world.exchange.step()
    assert world.now(order).status is OrderStatus.FILLED


@pytest.mark.parametrize("distance", [{"trail_amount": 5}, {"trail_percent": 5}])
def test_a_trailing_stop_follows_up_and_never_down(distance: dict[str, int]) -> None:
    world = World(holdings={ABC: D(10)})
    order = world.placed(side=SELL, order_type=OrderType.TRAIL, **distance)
    levels = []
    for price in (100, 120, 118, 117):
        world.price(ABC, price)
        world.exchange.step()
        levels.append(world.now(order).stop_level)
    low, high = (D(95), D(115)) if "trail_amount" in distance else (D(95), D(114))
    assert levels == [low, high, high, high]
    world.price(ABC, high)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.FILLED


def test_a_buying_trailing_stop_follows_down() -> None:
    world = World()
    order = world.placed(order_type=OrderType.TRAIL, trail_amount=5, stop_price=110)
    world.price(ABC, 90)
    world.exchange.step()
    assert world.now(order).stop_level == 95
    world.price(ABC, 96)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.FILLED


@pytest.mark.parametrize("kind", [OrderType.MIDPRICE, OrderType.ADAPTIVE])
def test_midprice_and_adaptive_fill_between_the_sides(kind: OrderType) -> None:
    world = World()
    world.market.set_price(ABC, D(100), D("99.90"), D("100.11"))
    order, capped = world.placed(order_type=kind), world.placed(order_type=kind, limit_price=100)
    world.exchange.step()
    assert world.now(order).avg_fill_price == D("100.01")  # the middle, 100.005, against us
    assert world.now(capped).status is OrderStatus.SUBMITTED


def test_partial_fills_share_the_steps_liquidity_in_order_of_arrival() -> None:
    world = World(liquidity=D(15))
    first, second = world.placed(quantity=10), world.placed(quantity=10)
    world.exchange.step()
    assert (world.now(first).filled, world.now(second).filled) == (10, 5)
    assert world.now(second).status is OrderStatus.SUBMITTED
    world.exchange.step()
    assert world.now(second).status is OrderStatus.FILLED
    assert [e.cum_quantity for e in world.exchange.executions()] == [10, 5, 10]


def test_an_immediate_order_leaves_nothing_behind() -> None:
    world = World(liquidity=D(4))
    partly, not_at_all = world.placed(tif=TimeInForce.IOC), world.placed(limit_price=90, tif=TimeInForce.IOC)
    world.exchange.step()
    assert (world.now(partly).status, world.now(partly).filled) == (OrderStatus.CANCELLED, 4)
    assert world.now(not_at_all).status is OrderStatus.CANCELLED
    assert world.codes() == [202, 202]


def test_a_fill_is_told_in_the_brokers_order() -> None:
    world = World()
    world.placed()
    world.events.clear()
    world.exchange.step()
    assert [type(event) for event in world.events] == [Executed, OrderChanged, Charged, AccountChanged]


def test_without_a_price_an_order_waits() -> None:
    world = World()
    order = world.placed(UNPRICED, quantity=1, limit_price=5)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.SUBMITTED
    assert world.place(UNPRICED, quantity=1) is not None
    assert world.codes() == [201]


def test_a_coin_is_bought_with_cash_in_lots() -> None:
    world = World()
    order = world.placed(COIN, quantity=0, cash_quantity=500, tif=TimeInForce.IOC)
    world.exchange.step()
    after = world.now(order)
    assert (after.status, after.quantity, after.filled) == (OrderStatus.FILLED, D("0.4995"), D("0.4995"))
    assert D(0) <= 500 - after.filled * after.avg_fill_price < D("0.1001") * 2


def test_too_little_cash_for_a_lot_is_cancelled() -> None:
    world = World()
    order = world.placed(COIN, quantity=0, cash_quantity="0.05", tif=TimeInForce.IOC)
    world.exchange.step()
    assert (world.now(order).status, world.now(order).filled) == (OrderStatus.CANCELLED, 0)


# Groups and brackets -----------------------------------------------------------------------------------------------


def test_a_fill_cancels_its_oca_siblings() -> None:
    world = World(holdings={ABC: D(10)})
    target = world.placed(side=SELL, limit_price=110, oca_group="exit", tif=TimeInForce.GTC)
    stop = world.placed(side=SELL, order_type=OrderType.STOP, stop_price=90, oca_group="exit", tif=TimeInForce.GTC)
    other = world.placed(XYZ, limit_price=40)
    world.price(ABC, 111)
    world.exchange.step()
    statuses = [world.now(order).status for order in (target, stop, other)]
    assert statuses == [OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.SUBMITTED]
    world.placed(side=SELL, limit_price=110, oca_group="exit")
    assert world.codes()[-1] == 201


def test_a_reducing_group_takes_the_filled_part_off_the_others() -> None:
    world = World(holdings={ABC: D(10)}, liquidity=D(4))
    terms = {"oca_group": "exit", "oca_type": 3}
    target = world.placed(side=SELL, limit_price=110, **terms)
    stop = world.placed(side=SELL, order_type=OrderType.STOP, stop_price=90, **terms)
    world.price(ABC, 111)
    world.exchange.step()
    assert (world.now(target).filled, world.now(stop).quantity) == (4, 6)
    world.exchange.step()
    world.exchange.step()
    assert world.now(stop).status is OrderStatus.CANCELLED


def bracket(world: World) -> tuple[int, int, int]:
    """Parent, target and stop as a client sends them: only the last one transmits."""
    first = world.exchange.next_order_id(1)
    world.placed(limit_price=100, transmit=False)
    world.placed(side=SELL, limit_price=110, parent_id=first, transmit=False)
    world.placed(side=SELL, order_type=OrderType.STOP, stop_price=90, parent_id=first)
    return first, first + 1, first + 2


def statuses(world: World, *ids: int) -> list[OrderStatus | None]:
    orders = [world.exchange.find(1, order_id) for order_id in ids]
    return [order.status if order else None for order in orders]


def test_a_bracket_is_held_until_its_last_part_then_lives_as_a_whole() -> None:
    world = World()
    ids = bracket(world)
    held = [e.order.status for e in world.events if isinstance(e, OrderChanged)][:2]
    assert held == [OrderStatus.PENDING_SUBMIT] * 2
    assert statuses(world, *ids) == [OrderStatus.SUBMITTED, OrderStatus.PRE_SUBMITTED, OrderStatus.PRE_SUBMITTED]
    world.price(ABC, 120)
    world.exchange.step()
    assert not world.exchange.executions(), "children must not trade before their parent"
    world.price(ABC, 99)
    world.exchange.step()
    world.price(ABC, 111)
    world.exchange.step()
    assert statuses(world, *ids) == [OrderStatus.FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED]
    assert world.held(ABC) == 0


def test_a_held_order_does_not_trade() -> None:
    world = World()
    order = world.placed(transmit=False)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.PENDING_SUBMIT


def test_cancelling_an_unfilled_parent_ends_its_children() -> None:
    world = World()
    ids = bracket(world)
    assert world.exchange.cancel(1, ids[0])
    assert statuses(world, *ids) == [OrderStatus.CANCELLED] * 3
    assert world.placed(side=SELL, limit_price=110, parent_id=ids[0]).code == 201


def test_a_partly_filled_parent_leaves_children_for_what_it_got() -> None:
    world = World(liquidity=D(4))
    ids = bracket(world)
    world.price(ABC, 99)
    world.exchange.step()
    world.exchange.cancel(1, ids[0])
    child = world.exchange.find(1, ids[1])
    assert child is not None
    assert child.quantity == 4
    assert child.status is not OrderStatus.CANCELLED


def test_a_child_of_nobody_is_refused() -> None:
    world = World()
    assert world.place(side=SELL, limit_price=110, parent_id=77) is None
    assert world.codes() == [135]


# Cancel and modify -------------------------------------------------------------------------------------------------


def test_cancel_says_what_it_could_not_do() -> None:
    world = World()
    order = world.placed()
    assert not world.exchange.cancel(1, 99)
    world.exchange.step()
    assert not world.exchange.cancel(1, order.order_id)
    assert world.codes() == [10147, 10148]
    assert world.now(order).status is OrderStatus.FILLED


def test_a_global_cancel_spares_other_clients_only_when_asked() -> None:
    world = World()
    mine = world.placed(limit_price=90)
    foreign = world.exchange.place(2, 1, mine.request)
    assert foreign is not None
    world.exchange.cancel_all(1)
    assert [o.perm_id for o in world.exchange.open_orders()] == [foreign.perm_id]
    world.exchange.cancel_all()
    assert not world.exchange.open_orders()


def test_the_same_id_changes_an_open_order() -> None:
    world = World()
    order = world.placed(limit_price=90)
    changed = world.placed(limit_price=80)
    again = world.exchange.place(1, order.order_id, changed.request)
    assert again is not None
    assert (again.perm_id, again.request.limit_price) == (order.perm_id, D(80))


def test_a_refused_change_leaves_the_order_at_work() -> None:
    world = World(cash={"USD": D(2000)})
    order = world.placed(limit_price=90)
    larger = world.exchange.place(1, order.order_id, world_request(quantity=1000, limit_price=90))
    assert larger == order
    assert world.codes() == [201]
    other = world.exchange.place(1, order.order_id, world_request(side=SELL, limit_price=90))
    assert other == order
    assert world.codes() == [201, 105]
    notice = world.events[-1]
    assert isinstance(notice, OrderMessage)
    assert notice.perm_id == order.perm_id


def world_request(**terms: object):
    return request(ABC, terms.pop("side", Side.BUY), terms.pop("quantity", 10), **terms)


def test_changing_a_stop_starts_it_anew() -> None:
    world = World(holdings={ABC: D(10)})
    order = world.placed(side=SELL, order_type=OrderType.TRAIL, trail_amount=5)
    world.exchange.step()
    terms = {"side": SELL, "order_type": OrderType.TRAIL, "trail_amount": 10}
    changed = world.exchange.place(1, order.order_id, world_request(**terms))
    assert changed is not None
    assert changed.stop_level is None
    world.exchange.step()
    assert world.now(order).stop_level == 90


def test_an_order_is_transmitted_later_by_its_own_id() -> None:
    world = World()
    order = world.placed(transmit=False)
    world.exchange.place(1, order.order_id, world_request(transmit=False, quantity=5))
    assert world.now(order).status is OrderStatus.PENDING_SUBMIT
    world.exchange.place(1, order.order_id, world_request(quantity=5))
    world.exchange.step()
    assert (world.now(order).status, world.now(order).filled) == (OrderStatus.FILLED, 5)


# Hours -------------------------------------------------------------------------------------------------------------

FRIDAY_EVENING = datetime(2025, 9, 26, 22, 0, tzinfo=UTC)


def test_an_order_in_a_shut_market_waits_for_the_open() -> None:
    world = World(calendar=WeekdayCalendar(), at=FRIDAY_EVENING)
    order = world.placed()
    assert order.status is OrderStatus.PRE_SUBMITTED
    assert world.exchange.step() == 0
    world.clock.set(datetime(2025, 9, 29, 14, 30, tzinfo=UTC))
    assert world.exchange.step() == 1
    assert world.now(order).status is OrderStatus.FILLED


def test_a_day_order_ends_with_its_trading_day() -> None:
    world = World(calendar=WeekdayCalendar())
    day, gtc = world.placed(limit_price=90), world.placed(limit_price=90, tif=TimeInForce.GTC)
    world.clock.set(datetime(2025, 9, 26, 21, 0, tzinfo=UTC))
    world.exchange.step()
    assert (world.now(day).status, world.now(gtc).status) == (OrderStatus.CANCELLED, OrderStatus.SUBMITTED)


def test_without_a_calendar_a_day_order_ends_with_the_utc_day_when_asked() -> None:
    world = World()
    order = world.placed(limit_price=90)
    world.exchange.expire()
    assert world.now(order).status is OrderStatus.SUBMITTED
    world.clock.advance(86400)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.SUBMITTED
    world.exchange.expire()
    assert world.now(order).status is OrderStatus.CANCELLED


def test_an_immediate_order_in_a_shut_market_is_cancelled() -> None:
    world = World(calendar=WeekdayCalendar(), at=FRIDAY_EVENING)
    order = world.placed(tif=TimeInForce.IOC)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.CANCELLED


def test_orders_on_close_get_the_closing_price_or_nothing() -> None:
    world = World(calendar=WeekdayCalendar())
    moc = world.placed(order_type=OrderType.MOC)
    good = world.placed(order_type=OrderType.LOC, limit_price=101)
    bad = world.placed(order_type=OrderType.LOC, limit_price=99)
    world.exchange.step()
    assert {world.now(o).status for o in (moc, good, bad)} == {OrderStatus.PRE_SUBMITTED}
    world.clock.set(datetime(2025, 9, 26, 21, 0, tzinfo=UTC))
    world.exchange.step()
    assert (world.now(moc).avg_fill_price, world.now(good).avg_fill_price) == (100, 100)
    assert world.now(bad).status is OrderStatus.CANCELLED


def test_a_market_that_never_opens_again_keeps_orders_waiting() -> None:
    class Never(WeekdayCalendar):
        def hours(self, *_: object) -> None:
            return None

    world = World(calendar=Never(time(9), time(10)))
    order = world.placed(order_type=OrderType.MOC)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.PRE_SUBMITTED
    assert world.clock.now() == NOON
