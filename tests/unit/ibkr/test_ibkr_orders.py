"""Laws of the orders that leave: every type's fields, and what is refused before it leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibkr_values import ACCOUNT, COIN, intent

from robotrading.adapters.ibkr.decimals import exact, known, plain
from robotrading.adapters.ibkr.orders import is_ours, order_for
from robotrading.domain.errors import OrderRejected
from robotrading.domain.orders import OrderType, Side, TimeInForce

D = Decimal
TYPES: list[tuple[OrderType, dict[str, object], dict[str, object]]] = [
    (OrderType.MARKET, {}, {"orderType": "MKT"}),
    (OrderType.LIMIT, {"limit_price": D("101.50")}, {"orderType": "LMT", "lmtPrice": "101.5"}),
    (OrderType.MIDPRICE, {}, {"orderType": "MIDPRICE"}),
    (OrderType.MIDPRICE, {"limit_price": D(99)}, {"orderType": "MIDPRICE", "lmtPrice": "99"}),
    (OrderType.ADAPTIVE, {}, {"orderType": "MKT", "algoStrategy": "Adaptive"}),
    (OrderType.ADAPTIVE, {"limit_price": D(99)}, {"orderType": "LMT", "lmtPrice": "99"}),
    (OrderType.MOC, {}, {"orderType": "MOC", "tif": "DAY"}),
    (OrderType.LOC, {"limit_price": D(99)}, {"orderType": "LOC", "lmtPrice": "99"}),
    (OrderType.STOP, {"stop_price": D(90)}, {"orderType": "STP", "auxPrice": "90"}),
    (OrderType.STOP_LIMIT, {"stop_price": D(90), "limit_price": D(89)}, {"auxPrice": "90", "lmtPrice": "89"}),
    (OrderType.TRAIL, {"trail_percent": D("2.5")}, {"orderType": "TRAIL", "trailingPercent": "2.5"}),
    (OrderType.TRAIL, {"trail_percent": D(2), "stop_price": D(90)}, {"trailStopPrice": "90"}),
]


@pytest.mark.parametrize(("kind", "terms", "expected"), TYPES)
def test_each_type_has_its_fields(kind: OrderType, terms: dict[str, Any], expected: dict[str, object]) -> None:
    order = order_for(intent(order_type=kind, **terms), ACCOUNT)
    assert {name: getattr(order, name) for name in expected} == expected


def test_reference_account_side_and_hours() -> None:
    wanted = intent(side=Side.SELL, tif=TimeInForce.GTC, oca_group="g")
    order = order_for(wanted, ACCOUNT)
    assert (order.orderRef, order.account, order.action, order.tif) == (wanted.intent_id, ACCOUNT, "SELL", "GTC")
    assert (order.ocaGroup, order.ocaType, order.outsideRth, order.transmit) == ("g", 1, False, True)
    assert is_ours(order.orderRef)


def test_an_order_object_is_never_used_twice() -> None:
    wanted = intent()
    assert order_for(wanted, ACCOUNT) is not order_for(wanted, ACCOUNT)


def test_buying_coins_at_the_market_names_money() -> None:
    order = order_for(intent(COIN, quantity=D("0.0123"), arrival_price=D("60000.10")), ACCOUNT)
    assert (order.cashQty, order.totalQuantity, order.tif) == ("738.01", "0", "IOC")


def test_selling_coins_at_the_market_names_the_quantity() -> None:
    order = order_for(intent(COIN, Side.SELL, quantity=D("0.00000012")), ACCOUNT)
    assert (order.totalQuantity, order.tif) == ("0.00000012", "IOC")
    assert known(order.cashQty) is None


@pytest.mark.parametrize(("tif", "sent"), [(TimeInForce.DAY, "Minutes"), (TimeInForce.IOC, "IOC")])
def test_limits_for_coins_live_minutes_at_most(tif: TimeInForce, sent: str) -> None:
    order = order_for(intent(COIN, order_type=OrderType.LIMIT, limit_price=D(99), tif=tif), ACCOUNT)
    assert order.tif == sent


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("limit_price must", {"order_type": OrderType.LIMIT}),
    ("limit_price and stop_price must", {"order_type": OrderType.STOP_LIMIT}),
    ("trail_percent must", {"order_type": OrderType.TRAIL}),
    ("above zero", {"quantity": D(0)}),
    ("whole number of shares", {"quantity": D("1.5")}),
    ("for the day only", {"order_type": OrderType.MOC, "tif": TimeInForce.GTC}),
    ("market and limit orders only", {"instrument": COIN, "order_type": OrderType.STOP, "stop_price": D(9)}),
    ("live minutes", {"instrument": COIN, "tif": TimeInForce.GTC}),
    ("no groups", {"instrument": COIN, "oca_group": "g"}),
]


@pytest.mark.parametrize(("words", "terms"), REFUSED)
def test_what_the_broker_would_refuse_does_not_leave(words: str, terms: dict[str, Any]) -> None:
    with pytest.raises(OrderRejected, match=words):
        order_for(intent(**terms), ACCOUNT)


@given(st.decimals(min_value=D("1e-9"), max_value=D("1e12"), places=9))
def test_quantities_are_written_exactly_and_without_exponent(quantity: Decimal) -> None:
    text = plain(quantity)
    assert D(text) == quantity
    assert "E" not in text.upper()


@given(st.decimals(min_value=D(0), max_value=D("1e7"), places=8))
def test_what_the_library_read_into_a_float_is_the_decimal_that_was_written(quantity: Decimal) -> None:
    assert exact(float(str(quantity))) == quantity


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf"])
def test_no_number_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        exact(text)


def test_not_set_is_none() -> None:
    values = (None, "", 1.7976931348623157e308, float("nan"), float("inf"))
    assert [known(value) for value in values] == [None] * 5
    assert known(0.0) == 0
