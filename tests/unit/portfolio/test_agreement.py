"""Laws of holding the broker's prices against the last close of another house."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.config.defaults import default_config
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis, Quote
from robotrading.domain.skip import Skip
from robotrading.portfolio.agreement import Close, agreed, last_close
from tests.unit.portfolio.plan_worlds import NOW, D, quote, stock

A = stock("A")
DAY = date(2025, 9, 25)
BOUNDS = {kind: D("0.4") for kind in AssetClass}
CLOSE = Close(D(100), DAY, "yahoo")


def judged(price: str | Decimal, close: Close | None = CLOSE, bound: str = "0.4") -> Quote | Skip:
    asked = quote(A, price)
    answer = agreed({A: asked}, {A: close}, {AssetClass.EQUITIES: D(bound)})[A]
    assert answer is asked or isinstance(answer, Skip)
    return answer


@pytest.mark.parametrize(("price", "stays"), [("60", True), ("59.99", False), ("140", True), ("140.01", False)])
def test_a_price_within_the_bound_of_the_close_stays_and_another_is_a_skip(price: str, stays: bool) -> None:
    assert isinstance(judged(price), Quote) is stays


def test_the_reason_names_both_prices_their_distance_the_source_and_what_follows() -> None:
    answer = judged("12.3", Close(D("42.1234567"), DAY, "yahoo"))
    assert isinstance(answer, Skip)
    assert (answer.subject, answer.step, answer.rule) == ("A", "quotes", "price_disagrees")
    assert answer.reason == (
        "the broker's price 12.3 is 70.8 % away from the last close 42.1235 of yahoo (2025-09-25), the bound is 40.0 %: "
        "one of the two is wrong, or a split is in one of them only; nothing is traded in it"
    )


def test_what_has_no_close_or_no_price_stays_as_it_is() -> None:
    silent = Skip("A", "quotes", "nothing has a price")
    empty = Quote(A, None, None, None, None, NOW, "test")
    assert isinstance(judged("1000000", None), Quote)
    assert agreed({A: silent}, {A: CLOSE}, BOUNDS) == {A: silent}
    assert agreed({A: empty}, {A: CLOSE}, BOUNDS) == {A: empty}
    assert agreed({A: quote(A, "5")}, {}, BOUNDS) == {A: quote(A, "5")}


def test_adjusted_prices_are_not_money_and_only_a_third_or_a_threefold_is_called_wrong() -> None:
    close = replace(CLOSE, basis=PriceBasis.ADJUSTED)
    assert isinstance(judged("33.34", close), Quote)
    assert isinstance(judged("300", close), Quote)
    assert isinstance(judged("20", close, "0.8"), Quote), "a wider bound of one's own stays"
    assert isinstance(judged("450", close, "4"), Quote)
    for price in ("33", "301", "1", "10000"):
        answer = judged(price, close)
        assert isinstance(answer, Skip)
        assert "the last adjusted close 100 of yahoo" in answer.reason


def test_each_class_has_its_own_bound() -> None:
    coin = Instrument("BTC-USD", AssetClass.CRYPTO)
    bounds = {AssetClass.EQUITIES: D("0.1"), AssetClass.CRYPTO: D("0.5")}
    answer = agreed({A: quote(A, "120"), coin: quote(coin, "120")}, {A: CLOSE, coin: CLOSE}, bounds)
    assert isinstance(answer[A], Skip)
    assert isinstance(answer[coin], Quote)


@given(st.decimals("0.01", "100000", places=2), st.sampled_from(["0.01", "0.5", "2", "100"]))
def test_no_half_double_or_hundredfold_price_passes_with_the_defaults(price: Decimal, factor: str) -> None:
    """A split that one of the two does not know yet looks just like that."""
    for session in default_config().sessions.values():
        bound = session.limits.max_source_gap
        assert isinstance(judged(price * D(factor), replace(CLOSE, price=price), str(bound)), Skip)


# The close


def series(*closes: float) -> Bars:
    days = np.arange("2025-09-01", "2025-12-01", dtype="datetime64[D]")[: len(closes)]
    return Bars.from_closes(A, days, np.array(closes), as_of=NOW, source="yahoo")


def test_the_last_close_is_the_newest_that_is_a_price() -> None:
    assert last_close(series(1.0, 2.5, 0.25)) == Close(D("0.25"), date(2025, 9, 3), "yahoo")
    assert last_close(series(1.0, 2.5, float("nan"), 0.0, -1.0, float("inf"))) == Close(
        D("2.5"), date(2025, 9, 2), "yahoo"
    )


def test_without_any_price_there_is_no_close() -> None:
    assert last_close(series()) is None
    assert last_close(series(float("nan"), 0.0)) is None


# What prices really do


@pytest.mark.parametrize(
    ("file", "kind", "symbols", "refused"),
    [
        ("equities_daily.parquet", AssetClass.EQUITIES, (), 15),
        ("bonds_daily.parquet", AssetClass.BONDS, (), 0),
        ("crypto_daily.parquet", AssetClass.CRYPTO, ("BTC-USD", "ETH-USD"), 0),
    ],
)
def test_hardly_a_true_price_of_twenty_years_was_ever_further_from_the_last_close(
    shared, file: str, kind: AssetClass, symbols: tuple[str, ...], refused: int
) -> None:
    """By the worst moment of each day; figures in the decision record on prices that disagree."""
    import pandas as pd

    days = pd.read_parquet(shared / "data" / file).sort_values(["symbol", "date"])
    if symbols:
        days = days[days.symbol.isin(symbols)]
    before = days.groupby("symbol").close.shift()
    worst = np.maximum(days.high / before - 1, 1 - days.low / before)
    bound = float(default_config().sessions[kind].limits.max_source_gap)
    assert int((worst > bound).sum()) == refused


def test_a_split_that_one_side_does_not_know_is_always_noticed(shared) -> None:
    import pandas as pd

    days = pd.read_parquet(shared / "data" / "as_traded_daily.parquet").sort_values(["symbol", "date"])
    before = days.groupby("symbol").close.shift()
    falls = (1 - days.close / before)[days.split != 1].dropna()
    assert len(falls) == 13
    assert falls.min() > float(default_config().sessions[AssetClass.EQUITIES].limits.max_source_gap)
