"""One rule each: bands, costs, sizes, and how numbers are written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType, Side
from robotrading.portfolio.bands import BandSettings, TradeTo, band_width, goal_weight
from robotrading.portfolio.costs import CostSettings, commission, trading_cost, worth_trading
from robotrading.portfolio.sizing import (
    carries_limit,
    lots_for,
    marketable_price,
    nearest_lots,
    usable_price,
    usable_spread,
    whole_lots,
)
from robotrading.portfolio.wording import money, percent, plain
from tests.unit.portfolio.plan_worlds import NOW, D, costs, quote, stock


def test_the_smaller_band_triggers() -> None:
    bands = BandSettings(absolute=D("0.01"), relative=D("0.2"))
    assert band_width(D("0.03"), bands) == D("0.006")
    assert band_width(D("0.20"), bands) == D("0.01")
    assert band_width(D(0), bands) == 0


@pytest.mark.parametrize(
    ("now", "to_target", "to_edge"),
    [("0.10", None, None), ("0.11", None, None), ("0.09", None, None), ("0.13", "0.10", "0.11"), ("0", "0.10", "0.09")],
)
def test_a_trade_starts_outside_the_band_and_ends_at_target_or_edge(
    now: str, to_target: str | None, to_edge: str | None
) -> None:
    """Standing on the edge is standing inside."""
    for mode, goal in ((TradeTo.TARGET, to_target), (TradeTo.EDGE, to_edge)):
        found = goal_weight(D(now), D("0.10"), BandSettings(trade_to=mode))
        assert found == (None if goal is None else D(goal))


@pytest.mark.parametrize(
    ("quantity", "price", "fee"),
    [("1000", "50", "5"), ("10", "50", "1"), ("10", "5", "0.5"), ("0", "50", "0")],
    ids=["per_unit", "minimum", "maximum_share", "nothing"],
)
def test_commission_follows_the_schedule(quantity: str, price: str, fee: str) -> None:
    assert commission(D(quantity), D(price), CostSettings()) == D(fee)


def test_crypto_commission_is_a_share_of_the_value() -> None:
    schedule = CostSettings(per_unit=D(0), minimum=D("1.75"), share=D("0.0018"))
    assert commission(D("0.1"), D(60_000), schedule) == D("10.8")
    assert commission(D("0.01"), D(60_000), schedule) == D("1.75")
    assert commission(D("0.001"), D(60_000), schedule) == D("0.6")


def test_half_the_spread_counts_and_the_bound_itself_is_worth_it() -> None:
    schedule = CostSettings(per_unit=D(0), minimum=D(1), max_cost_share=D("0.005"))
    assert trading_cost(D(10), D(100), D("0.8"), schedule) == D(5)
    assert worth_trading(D(10), D(100), D("0.8"), schedule)
    assert not worth_trading(D(10), D(100), D("0.81"), schedule)


amounts = st.decimals(D("0.001"), D(10_000), places=3)


@settings(max_examples=200)
@given(amounts, amounts, st.decimals(D("0.01"), D(1000), places=2), costs)
def test_larger_orders_cost_more_but_not_in_proportion(
    a: Decimal, b: Decimal, price: Decimal, rule: CostSettings
) -> None:
    """Commission never falls with the quantity, splitting never saves, the share of the value never rises."""
    whole = commission(a + b, price, rule)
    assert whole >= commission(a, price, rule)
    assert whole <= commission(a, price, rule) + commission(b, price, rule)
    assert whole / (a + b) <= commission(a, price, rule) / a + D("1e-20")


def test_lots() -> None:
    assert lots_for(D(1000), D(40), D("0.5")) == D(50)
    assert whole_lots(D("10.7"), D(1)) == 10
    assert whole_lots(D("0.3"), D("0.1")) == 3
    assert [nearest_lots(D(x)) for x in ("0.5", "0.51", "1.5", "2.4")] == [0, 1, 1, 2]


def test_limits_are_marketable_and_on_the_tick() -> None:
    """A buy is rounded up, a sell down: a coarse tick never makes an order rest."""
    item = stock()
    assert marketable_price(item, Side.BUY, D("100.01"), D("0.003")) == D("100.32")
    assert marketable_price(item, Side.SELL, D("100.01"), D("0.003")) == D("99.70")
    assert marketable_price(item, Side.SELL, D("0.004"), D("0.003")) == D("0.01")


@settings(max_examples=100)
@given(
    st.decimals(D("0.02"), D(5000), places=4),
    st.decimals(0, D("0.05"), places=4),
    st.sampled_from(Side),
    st.sampled_from(["0.01", "0.05", "0.0001", "0.25"]),
)
def test_a_limit_lies_less_than_a_tick_past_its_offset(price: Decimal, offset: Decimal, side: Side, tick: str) -> None:
    item = replace(stock(), tick=D(tick))
    limit = marketable_price(item, side, price, offset)
    through = price * (1 + side.sign * offset)
    assert limit % item.tick == 0
    assert 0 <= (limit - through) * side.sign < item.tick or limit == item.tick


def test_a_price_that_is_not_above_zero_is_no_price() -> None:
    item = stock()
    assert usable_price(None) is None
    assert usable_price(quote(item, "12.5")) == D("12.5")
    for bad in ("0", "-1", "NaN", "Infinity"):
        assert usable_price(Quote(item, None, None, D(bad), None, NOW, "test")) is None
    assert usable_price(Quote(item, None, None, None, None, NOW, "test")) is None


def test_a_spread_is_positive_or_unknown() -> None:
    item = stock()
    assert usable_spread(quote(item, 10, "0.02")) == D("0.02")
    assert usable_spread(quote(item, 10, "-0.02")) == 0
    assert usable_spread(Quote(item, None, D(3), None, None, NOW, "test")) == 0
    assert usable_spread(Quote(item, D(3), D("NaN"), None, None, NOW, "test")) == 0


def test_which_orders_carry_a_limit() -> None:
    assert carries_limit(OrderType.LIMIT)
    assert not carries_limit(OrderType.MARKET)


def test_numbers_are_written_for_people() -> None:
    assert [percent(D(x)) for x in ("0.12", "0.002", "0", "-0.034")] == ["12.0 %", "0.20 %", "0.0 %", "-3.4 %"]
    assert [plain(D(x)) for x in ("1E+3", "0.00150", "34.0", "-0.0", "7")] == ["1000", "0.0015", "34", "0", "7"]
    assert money(D("1234.5"), "USD") == "1234.50 USD"
