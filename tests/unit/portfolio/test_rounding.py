"""Rounding to lots out of one purse, against brute force."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.orders import Side
from robotrading.portfolio.rounding import allocate, fair_floors
from robotrading.portfolio.sizing import SizingSettings, nearest_lots
from robotrading.portfolio.wish import TradeRules, Wish
from tests.unit.portfolio.plan_worlds import FREE, D, costs, stock


def wish(symbol: str, ideal: str | Decimal, price: str | Decimal, lot: str = "1") -> Wish:
    want = D(ideal)
    return Wish(stock(symbol, lot=lot), Side.BUY, want, nearest_lots(want), D(price), D(price), D(0), "because")


@st.composite
def wish_lists(draw: st.DrawFn) -> list[Wish]:
    amounts = st.decimals(D("0.1"), D(12), places=2)
    prices = st.decimals(D(1), D(300), places=2)
    return [wish(f"S{n}", draw(amounts), draw(prices)) for n in range(draw(st.integers(1, 6)))]


trade_rules = st.builds(
    TradeRules, costs, st.builds(SizingSettings, min_trade_value=st.sampled_from([D(0), D(50), D(200)]))
)
shares = st.decimals(D(0), D("1.2"), places=3)


def spent(wishes: list[Wish], lots: tuple[int, ...] | list[int], rules: TradeRules) -> Decimal:
    return sum((w.cost(n, rules.costs) for w, n in zip(wishes, lots, strict=True)), D(0))


def distance(wishes: list[Wish], lots: tuple[int, ...] | list[int]) -> Decimal:
    return sum((w.gap(n) for w, n in zip(wishes, lots, strict=True)), D(0))


def purse_of(wishes: list[Wish], share: Decimal, rules: TradeRules) -> Decimal:
    return share * spent(wishes, [w.most + 1 for w in wishes], rules)


@settings(max_examples=200)
@given(wish_lists(), shares, trade_rules)
def test_rounding_gains_at_least_half_of_what_the_best_choice_of_one_more_lot_each_gains(
    wishes: list[Wish], share: Decimal, rules: TradeRules
) -> None:
    """The documented bound, proven against every combination of floor and floor plus one."""
    purse = purse_of(wishes, share, rules)
    raw, floors = fair_floors(wishes, purse, rules)
    options = [
        [low] + [up + 1] * (up + 1 <= w.most and w.allows(up + 1, rules))
        for w, low, up in zip(wishes, floors, raw, strict=True)
    ]
    affordable = [distance(wishes, c) for c in product(*options) if spent(wishes, c, rules) <= purse]
    start = distance(wishes, floors)
    best = min(affordable, default=start)
    assert start - distance(wishes, allocate(wishes, purse, rules)) >= (start - best) / 2


@settings(max_examples=200)
@given(wish_lists(), shares, trade_rules)
def test_the_purse_is_never_overdrawn_and_nothing_affordable_is_left(
    wishes: list[Wish], share: Decimal, rules: TradeRules
) -> None:
    purse = purse_of(wishes, share, rules)
    lots = allocate(wishes, purse, rules)
    left = purse - spent(wishes, lots, rules)
    assert left >= 0
    for w, n in zip(wishes, lots, strict=True):
        assert 0 <= n <= w.most
        assert n == 0 or w.allows(n, rules)
        for more in range(n + 1, w.most + 1):
            extra = w.cost(more, rules.costs) - w.cost(n, rules.costs)
            assert extra > left or not w.allows(more, rules)


@settings(max_examples=100)
@given(wish_lists())
def test_with_cash_for_all_every_wish_is_rounded_to_the_nearest_lot(wishes: list[Wish]) -> None:
    rules = TradeRules(FREE, SizingSettings(D(0)))
    assert allocate(wishes, D(10**9), rules) == tuple(nearest_lots(w.ideal) for w in wishes)


def test_short_cash_cuts_all_alike() -> None:
    """Half the cash gives half of each wish, not all of the first."""
    wishes = [wish("A", 100, 10), wish("B", 200, 10), wish("C", 50, 20)]
    assert allocate(wishes, D(2000), TradeRules(FREE, SizingSettings(D(0)))) == (50, 100, 25)


def test_an_overdrawn_purse_buys_nothing() -> None:
    assert allocate([wish("A", 3, 10)], D(-5), TradeRules(FREE, SizingSettings(D(0)))) == (0,)


def test_one_large_step_beats_many_small_ones_when_it_gains_more() -> None:
    """Greedy by gain per cash would take the cheap lot and leave no cash for the one that matters."""
    cheap, dear = wish("A", "0.99", 50), wish("B", "0.7", 100)
    assert allocate([cheap, dear], D(100), TradeRules(FREE, SizingSettings(D(0)))) == (0, 1)


def test_when_fair_shares_are_too_small_to_trade_the_largest_wish_is_served_first() -> None:
    rules = TradeRules(FREE, SizingSettings(D(100)))
    wishes = [wish("A", 11, 10), wish("B", 12, 10), wish("C", 13, 10)]
    assert allocate(wishes, D(150), rules) == (0, 0, 13)


def test_crypto_lots_are_allocated_without_counting_them_one_by_one() -> None:
    """A hundred million lots are one step, and the purse is used to the last lot."""
    one, two = wish("A", 10**8, 60_000, "0.00000001"), wish("B", 10**8, 3_000, "0.00000001")
    rules = TradeRules(FREE, SizingSettings(D(100)))
    lots = allocate([one, two], D(31_500), rules)
    assert D(31_500) - spent([one, two], lots, rules) < D("0.001")
    assert abs(lots[0] - lots[1]) <= 20
