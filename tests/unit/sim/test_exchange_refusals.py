"""What the exchange refuses, and in which code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.exchange_types import OrderChanged, OrderMessage, OrderStatus
from tests.unit.sim.sim_world import ABC, COIN, EUR, UNKNOWN, UNPRICED, XYZ, World, request

D = Decimal
SELL = Side.SELL
IOC = TimeInForce.IOC

WRONG_WORDS: list[tuple[int, Any, Side, Any, dict[str, Any]]] = [
    (200, UNKNOWN, Side.BUY, 1, {}),
    (321, ABC, Side.BUY, 1, {"account_id": "DU99"}),
    (434, ABC, Side.BUY, 0, {}),
    (434, COIN, Side.BUY, 0, {"cash_quantity": 0, "tif": IOC}),
    (321, ABC, Side.BUY, -1, {}),
    (10243, ABC, Side.BUY, "1.5", {}),
    (201, COIN, SELL, "0.00001", {"tif": IOC}),
    (10244, ABC, Side.BUY, 0, {"cash_quantity": 100}),
    (10244, COIN, Side.BUY, 1, {"cash_quantity": 100, "tif": IOC}),
    (10289, COIN, Side.BUY, 1, {"tif": IOC}),
    (321, ABC, Side.BUY, 1, {"order_type": OrderType.LIMIT}),
    (321, ABC, Side.BUY, 1, {"order_type": OrderType.STOP}),
    (321, ABC, Side.BUY, 1, {"order_type": OrderType.STOP_LIMIT, "limit_price": 1}),
    (321, ABC, Side.BUY, 1, {"order_type": OrderType.TRAIL}),
    (110, ABC, Side.BUY, 1, {"limit_price": "10.005"}),
    (110, ABC, Side.BUY, 1, {"limit_price": "-1"}),
    (110, ABC, Side.BUY, 1, {"order_type": OrderType.STOP, "stop_price": "10.005"}),
    (387, COIN, Side.BUY, 1, {"order_type": OrderType.STOP, "stop_price": 900, "tif": IOC}),
    (111, COIN, Side.BUY, 1, {"limit_price": 900, "tif": TimeInForce.GTC}),
    (111, COIN, SELL, 1, {"tif": TimeInForce.DAY}),
    (113, ABC, Side.BUY, 1, {"order_type": OrderType.MOC, "tif": TimeInForce.GTC}),
]


@pytest.mark.parametrize(("code", "instrument", "side", "quantity", "terms"), WRONG_WORDS)
def test_a_wrongly_worded_order_never_comes_to_be(
    code: int, instrument: Any, side: Side, quantity: Any, terms: dict[str, Any]
) -> None:
    world = World()
    assert world.exchange.preview(1, 1, request(instrument, side, quantity, **terms))
    assert world.place(instrument, side, quantity, **terms) is None
    assert world.codes() == [code]
    assert not world.exchange.open_orders()
    assert not world.exchange.completed_orders()
    assert isinstance(world.events[0], OrderMessage)
    assert world.events[0].perm_id == 0


def test_fractions_of_shares_pass_where_the_setting_allows_them() -> None:
    assert World(fractional_shares=True).placed(quantity="1.5").status is OrderStatus.SUBMITTED


def test_the_id_of_a_finished_order_is_not_taken_again() -> None:
    world = World()
    order = world.placed()
    world.exchange.step()
    assert world.exchange.place(1, order.order_id, request(ABC, Side.BUY, 1)) is None
    assert world.codes() == [103]
    assert world.exchange.next_order_id(1) == order.order_id + 1


def test_an_order_beyond_the_cash_is_inactive_with_201() -> None:
    world = World(cash={"USD": D(1000)})
    order = world.placed(quantity=10)
    assert (order.status, order.code) == (OrderStatus.INACTIVE, 201)
    assert "MUST EXCEED THE INITIAL MARGIN [1001.10 USD]" in order.reason
    assert [type(e) for e in world.events] == [OrderMessage, OrderChanged]
    assert world.exchange.completed_orders() == (order,)


def test_open_orders_count_against_the_cash() -> None:
    world = World(cash={"USD": D(1500)})
    first = world.placed(limit_price=100)
    assert world.placed(XYZ, limit_price=50).code == 201
    world.exchange.cancel(1, first.order_id)
    assert world.placed(XYZ, limit_price=50).code is None


def test_of_an_oca_group_only_the_dearest_counts() -> None:
    world = World(cash={"USD": D(1500)})
    for price in (100, 90):
        assert world.placed(limit_price=price, oca_group="either").code is None
    assert world.placed(XYZ, quantity=5, limit_price=50).code is None
    assert world.placed(XYZ, quantity=5, limit_price=50).code == 201


def test_cash_of_another_currency_pays_nothing() -> None:
    world = World(cash={"USD": D(10_000), "EUR": D(100)})
    assert world.placed(EUR, quantity=10).code == 201
    order = world.placed(EUR, quantity=4)
    world.exchange.step()
    assert world.now(order).status is OrderStatus.FILLED
    assert world.exchange.cash("DU1")["USD"] == 10_000


def test_a_currency_without_exchange_rate_is_refused() -> None:
    world = World()
    world.exchange._books["DU1"].seed.exchange_rates.pop("EUR")
    try:
        order = world.placed(EUR, quantity=1)
        assert order.code == 201
        assert "exchange rate" in order.reason
    finally:
        world.exchange._books["DU1"].seed.exchange_rates["EUR"] = D("1.1")


def test_a_market_order_without_any_price_is_refused() -> None:
    order = World().placed(UNPRICED, quantity=1)
    assert order.code == 201
    assert "No price is known" in order.reason


def test_what_is_not_held_is_not_sold() -> None:
    world = World(holdings={ABC: D(10)})
    assert world.placed(side=SELL, quantity=11).code == 201
    assert world.placed(side=SELL, quantity=6, limit_price=200).code is None
    refused = world.placed(side=SELL, quantity=6)
    assert refused.code == 201
    assert "10 held, 6 of it promised" in refused.reason


def test_a_short_sale_passes_where_allowed_and_within_margin() -> None:
    world = World(cash={"USD": D(1500)}, short_selling=True)
    assert world.placed(side=SELL, quantity=20).code == 201
    order = world.placed(side=SELL, quantity=10)
    world.exchange.step()
    assert world.held(ABC) == -10
    assert world.now(order).status is OrderStatus.FILLED
    assert world.placed(UNPRICED, SELL, 1).code == 201
    assert world.placed(COIN, SELL, 1, tif=IOC).code == 201, "nobody lends coins"


def test_margin_lets_an_account_buy_beyond_its_cash_and_no_further() -> None:
    world = World(cash={"USD": D(1000)}, leverage=D(2))
    assert world.value("BuyingPower") == 2000
    assert world.placed(quantity=15).code is None
    assert world.placed(quantity=10).code == 201
    world.exchange.step()
    assert world.exchange.cash("DU1")["USD"] < 0
    assert world.value("AvailableFunds") == world.value("BuyingPower")


def test_selling_what_was_sold_meanwhile_is_cancelled_not_shorted() -> None:
    """Two children of different parents may come to protect the same shares."""
    world = World()
    ids = []
    for limit in (110, 111):
        parent = world.placed(quantity=5, limit_price=101, transmit=False)
        ids.append(world.placed(side=SELL, quantity=5, limit_price=limit, parent_id=parent.order_id).order_id)
    world.exchange.step()
    world.placed(side=SELL, quantity=5)
    refused = world.exchange.completed_orders()[-1]
    assert refused.code == 201
    world.exchange._books["DU1"].lots.clear()
    world.price(ABC, 120)
    world.exchange.step()
    assert [world.exchange.find(1, i).status for i in ids] == [OrderStatus.CANCELLED] * 2  # type: ignore[union-attr]
    assert world.held(ABC) == 0


def test_a_preview_leaves_no_trace() -> None:
    world = World(cash={"USD": D(1000)})
    assert world.exchange.preview(1, 1, request(ABC, Side.BUY, 1)) is None
    refused = world.exchange.preview(1, 1, request(ABC, Side.BUY, 100))
    assert refused is not None
    assert refused[0] == 201
    order = world.placed(quantity=1, limit_price=90)
    assert world.exchange.preview(1, order.order_id, request(ABC, Side.BUY, 2, limit_price=90)) is None
    assert world.now(order) == order
    assert not world.exchange.completed_orders()


def test_a_child_larger_than_its_parent_sells_what_is_there() -> None:
    world = World()
    parent = world.placed(quantity=5, limit_price=101, transmit=False)
    child = world.placed(side=SELL, quantity=8, limit_price=105, parent_id=parent.order_id)
    world.exchange.step()
    world.price(ABC, 106)
    world.exchange.step()
    assert (world.now(child).filled, world.held(ABC)) == (5, 0)
    world.exchange.step()
    assert world.now(child).status is OrderStatus.CANCELLED


def test_margin_counts_positions_at_market_prices() -> None:
    world = World(cash={"USD": D(1000)}, holdings={ABC: D(10), XYZ: D(1)}, leverage=D(2))
    world.price(ABC, 200)  # equity 3050, gross 2050: power 6100 - 2050
    assert world.placed(XYZ, quantity=82, limit_price=50).code == 201
    assert world.placed(XYZ, quantity=80, limit_price=50).code is None


def test_an_order_is_not_made_smaller_than_what_it_has_filled() -> None:
    world = World(liquidity=D(6))
    order = world.placed(limit_price=101)
    world.exchange.step()
    assert world.exchange.place(1, order.order_id, request(ABC, Side.BUY, 6, limit_price=101)) is not None
    assert world.codes() == [201]
    assert world.now(order).quantity == 10
