"""Prices of trades, as pure functions of an order and a quote."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side
from robotrading.sim.exchange_types import ExchangeOrder, OrderStatus
from robotrading.sim.matching import armed, reference_price, trade_price, trade_quantity
from tests.unit.sim.sim_world import ABC, COIN, NOON, request

D = Decimal
cents = st.integers(5_000, 15_000).map(lambda n: D(n) / 100)


BID, LAST, ASK = D(99), D(100), D(101)


def quote(bid: D | None = BID, ask: D | None = ASK, last: D | None = LAST) -> Quote:
    return Quote(ABC, bid, ask, last, None, NOON, "test")


def order(side: Side = Side.BUY, **terms: Any) -> ExchangeOrder:
    asked = request(ABC, side, 10, **terms)
    return ExchangeOrder(
        client_id=1,
        order_id=1,
        perm_id=1,
        account_id="DU1",
        request=asked,
        status=OrderStatus.SUBMITTED,
        quantity=asked.quantity,
        submitted_at=NOON,
        updated_at=NOON,
        stop_level=asked.stop_price,
    )


@given(
    side=st.sampled_from(Side),
    limit=cents,
    bid=cents,
    last=cents,
    slippage=st.sampled_from([D(0), D("0.01")]),
    kind=st.sampled_from(OrderType),
)
def test_no_price_is_beyond_the_limit_or_off_the_tick(
    *, side: Side, limit: D, bid: D, last: D, slippage: D, kind: OrderType
) -> None:
    terms: dict[str, Any] = {"limit_price": limit, "order_type": kind}
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT):
        terms["stop_price"] = limit
    working = replace(order(side, **terms), triggered=True)
    price = trade_price(working, quote(bid, bid + D("0.03"), last), slippage)
    if price is not None:
        assert (price - limit) * side.sign <= 0
        assert price % ABC.tick == 0


@given(st.sampled_from(Side), st.lists(cents, min_size=1, max_size=20))
def test_a_trailing_level_never_moves_away(side: Side, lasts: list[D]) -> None:
    working = order(side, order_type=OrderType.TRAIL, trail_amount=3)
    levels = []
    for last in lasts:
        working = armed(working, quote(last=last))
        levels.append(working.stop_level)
        best = (max if side is Side.SELL else min)(lasts[: len(levels)])
        if not working.triggered:
            assert working.stop_level == best - 3 * -side.sign
    assert levels == sorted(levels, reverse=side is Side.BUY)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, D(100)), (Side.SELL, D(100))])
def test_a_side_that_is_not_quoted_gives_way_to_the_last_price(side: Side, price: D) -> None:
    assert trade_price(order(side), quote(None, None), D(0)) == price
    assert trade_price(order(side), quote(None, None, None), D(0)) is None
    assert trade_price(order(side, order_type=OrderType.MOC), quote(last=None), D(0)) == 100
    assert trade_price(order(side, order_type=OrderType.MIDPRICE), quote(None, None), D(0)) == price


def test_a_limit_beyond_the_last_price_of_an_empty_book_waits() -> None:
    assert trade_price(order(limit_price=99), quote(None, None), D(0)) is None


def test_a_stop_needs_a_price_to_be_touched() -> None:
    stop = order(Side.SELL, order_type=OrderType.STOP, stop_price=95)
    assert armed(stop, quote(None, None, None)) is stop
    assert armed(stop, quote(D(90), D(92), None)).triggered
    assert not armed(stop, quote()).triggered


def test_margin_counts_on_the_dearest_likely_price() -> None:
    assert reference_price(order(limit_price=90).request, quote()) == 90
    assert reference_price(order().request, quote()) == 101
    assert reference_price(order().request, quote(None, None)) == 100
    stop = order(order_type=OrderType.STOP, stop_price=120).request
    assert reference_price(stop, quote()) == reference_price(stop, None) == 120
    assert reference_price(order().request, None) is None


def test_scarce_liquidity_is_handed_out_in_lots() -> None:
    assert trade_quantity(COIN, D("0.5"), None) == D("0.5")
    assert trade_quantity(COIN, D("0.5"), D("0.12345")) == D("0.1234")
    assert trade_quantity(ABC, D(5), D(-1)) == 0
