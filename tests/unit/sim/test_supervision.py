"""Laws of what the exchange's staff can do: corrections, holding back, refusing, forgetting ids."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.orders import Side
from robotrading.sim.exchange_types import OrderMessage, OrderStatus
from robotrading.sim.records import latest_revisions
from robotrading.sim.supervision import Verdict
from tests.unit.sim.sim_world import ABC, ACCOUNT, XYZ, World, request

D = Decimal


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10), st.integers(90, 110)), max_size=6))
def test_after_any_corrections_cash_and_holdings_are_those_of_the_latest_revisions(
    corrections: list[tuple[int, int, int]],
) -> None:
    here = World()
    for quantity in (10, 4, 7):
        here.placed(quantity=quantity)
        here.exchange.step()
    for which, quantity, price in corrections:
        old = here.exchange.executions()[which]
        here.exchange.supervision.correct(old.exec_id, D(price), D(quantity))
    latest = latest_revisions(here.exchange.executions())
    assert len(latest) == 3
    assert here.held(ABC) == sum(one.quantity for one in latest)
    spent = sum(one.quantity * one.price for one in latest)
    fees = sum(here.exchange.commission(one.exec_id).amount for one in latest)
    assert here.exchange.cash(ACCOUNT)["USD"] == D(100_000) - spent - fees
    for order in here.exchange.completed_orders():
        assert order.filled == sum(one.quantity for one in latest if one.perm_id == order.perm_id)


def test_a_busted_trade_leaves_no_holding_and_no_average() -> None:
    here = World()
    order = here.placed()
    here.exchange.step()
    execution = here.exchange.executions()[0]
    assert here.exchange.supervision.correct(execution.exec_id, quantity=D(0)).revision == 2
    assert here.held(ABC) == 0
    assert (here.now(order).filled, here.now(order).avg_fill_price) == (0, 0)
    assert here.now(order).status is OrderStatus.FILLED


def test_what_was_never_executed_cannot_be_corrected() -> None:
    with pytest.raises(KeyError, match="not known"):
        World().exchange.supervision.correct("0.1.01.01", D(1))


def test_an_order_trades_no_more_than_it_is_allowed_until_the_bound_is_lifted() -> None:
    here = World()
    order = here.placed(limit_price=101)
    here.exchange.supervision.allow(order.perm_id, D(4))
    assert [here.exchange.step() for _ in range(2)] == [1, 0]
    assert here.now(order).filled == 4
    here.exchange.supervision.allow(order.perm_id, D(3))
    here.exchange.step()
    assert here.now(order).filled == 7
    here.exchange.supervision.allow(order.perm_id, None)
    here.exchange.step()
    assert here.now(order).status is OrderStatus.FILLED


def test_a_withdrawn_order_is_cancelled_with_202_and_a_done_one_is_left_alone() -> None:
    here = World()
    order = here.placed(limit_price=90)
    for _ in range(2):
        here.exchange.supervision.withdraw(order.perm_id, "by the exchange")
    assert here.now(order).status is OrderStatus.CANCELLED
    assert here.codes() == [202]


@pytest.mark.parametrize("status", [OrderStatus.INACTIVE, OrderStatus.CANCELLED])
def test_an_order_turned_down_is_known_and_never_works(status: OrderStatus) -> None:
    here = World()
    order = here.exchange.turn_down(1, 1, request(ABC, Side.BUY, 10), Verdict(status, 201, "no"))
    assert here.exchange.completed_orders() == (here.now(order),)
    assert (order.status, order.code, order.account_id) == (status, 201, ACCOUNT)
    assert here.exchange.step() == 0
    assert here.exchange.next_order_id(1) == 2


def test_an_announcement_changes_nothing() -> None:
    here = World()
    here.exchange.supervision.announce(OrderMessage(1, 1, 110, "off"))
    assert here.codes() == [110]
    assert here.exchange.completed_orders() == here.exchange.open_orders() == ()


def test_forgotten_ids_come_again_but_never_those_of_open_orders() -> None:
    here = World(holdings={XYZ: D(5)})
    first = here.placed()
    here.exchange.step()
    here.exchange.supervision.forget_order_ids()
    again = here.placed(limit_price=90)
    assert again.key == first.key
    assert again.perm_id != first.perm_id
    here.exchange.supervision.correct(here.exchange.executions()[0].exec_id, D(99))
    assert here.exchange.find(*first.key) == here.now(again), "a correction of the old order does not hide the new one"
    here.exchange.supervision.forget_order_ids()
    assert here.exchange.next_order_id(1) == again.order_id + 1
    assert here.exchange.cancel(*again.key)
