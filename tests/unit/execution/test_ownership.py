"""The bot owns quantities, not symbols."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.book import Account, Position
from robotrading.domain.orders import EventKind, Side
from robotrading.execution.ownership import Owned, book, open_quantity, protected, quantities, shortfalls
from tests.unit.execution.histories import AAPL, MSFT, NOW, D, executed, fill, intent, ticket

BUY, SELL = intent(10), intent(10, Side.SELL)
UNITS = st.integers(1, 50).map(D)
PRICE = st.decimals("0.01", "900", places=2)
COSTS = st.one_of(st.none(), st.decimals("0", "5", places=2))


def account(**held: str) -> Account:
    of = {"AAPL": AAPL, "MSFT": MSFT}
    positions = tuple(Position(of[name], D(quantity), D(90)) for name, quantity in held.items())
    return Account("DU1", "USD", D(1000), D(1000), {"USD": D(1000)}, positions, NOW)


@st.composite
def trades(draw, side=Side.BUY):
    of = BUY if side is Side.BUY else SELL
    return replace(fill(of, draw(UNITS)), price=draw(PRICE), commission=draw(COSTS))


def close(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= D("1e-18") * max(abs(one), abs(other), D(1))


@given(st.lists(trades(), min_size=1, max_size=6))
def test_the_average_cost_of_buys_is_what_was_spent_per_unit(bought):
    owned = Owned()
    for one in bought:
        owned = book(owned, one)
    spent = sum(one.quantity * one.price + (one.commission or D(0)) for one in bought)
    units = sum(one.quantity for one in bought)
    assert (owned.quantity, owned.cost) == (units, spent)
    assert owned.avg_cost == spent / units


@given(trades(), st.integers(1, 49).map(D))
def test_a_sell_leaves_the_average_cost_as_it_is(bought, sold):
    before = book(Owned(), bought)
    after = book(before, replace(fill(SELL, sold), price=D(500)))
    if sold < bought.quantity:
        assert close(after.avg_cost, before.avg_cost)
    else:
        assert after.cost == 0


@given(trades(), trades(), trades())
def test_a_correction_taken_back_leaves_what_was_there(first, second, corrected):
    before = book(book(Owned(), first), second)
    there = book(before, replace(corrected, fill_id="f2"), second)
    back = book(there, second, replace(corrected, fill_id="f2"))
    assert (back.quantity, back.cost) == (before.quantity, before.cost)


@given(trades(), trades(Side.SELL), st.integers(1, 50).map(D))
def test_a_corrected_sell_counts_once(bought, sold, other):
    """As often as a sell is corrected, what is owned is the buy less its newest revision."""
    owned = book(book(Owned(), bought), sold)
    again = replace(sold, quantity=other, revision=2)
    assert book(owned, again, sold).quantity == bought.quantity - other


def test_fractions_of_a_unit_cost_their_part():
    """Crypto is bought by the thousandth: what is owned below one unit is neither nothing nor a whole one."""
    first = book(Owned(), fill(BUY, "0.5", price="100"))
    assert book(first, fill(BUY, "0.25", "f2", price="120")) == Owned(D("0.75"), D(80))
    assert book(first, fill(SELL, "0.3", price="90")) == Owned(D("0.2"), D(20))
    assert Owned().avg_cost == 0


def test_a_commission_that_comes_after_half_was_sold_is_added_and_nothing_else():
    bought = fill(BUY, 10, price="100")
    half = book(book(Owned(), bought), fill(SELL, 5, price="120"))
    assert half == Owned(D(5), D(500))
    assert book(half, replace(bought, commission=D(1)), bought) == Owned(D(5), D(501))


def test_a_commission_that_comes_after_all_was_sold_leaves_nothing_behind():
    bought = fill(BUY, 10, price="100")
    none = book(book(Owned(), bought), fill(SELL, 10))
    assert book(none, replace(bought, commission=D(1)), bought) == Owned()


def test_a_buy_after_too_much_was_sold_costs_what_is_left_of_it():
    short = book(Owned(), fill(SELL, 4))
    assert short == Owned(D(-4))
    assert short.avg_cost == 0
    assert book(short, fill(BUY, 10, price="50")) == Owned(D(6), D(300))


def test_a_cost_never_falls_below_zero():
    dear, cheap = fill(BUY, 10, price="100"), fill(BUY, 10, price="1", revision=2)
    half = book(book(Owned(), dear), fill(SELL, 8))
    assert book(half, cheap, dear) == Owned(D(2), D(0))


def test_open_quantity_is_of_one_side_one_instrument_and_what_is_not_ended():
    unknown = ticket(intent(9, Side.SELL), EventKind.SENT, EventKind.UNKNOWN)
    partial = ticket(intent(5, Side.SELL, number=2), executed(intent(5, Side.SELL, number=2), 2))
    others = [ticket(intent(7)), ticket(intent(3, Side.SELL, MSFT)), ticket(intent(4, Side.SELL), EventKind.REJECTED)]
    assert open_quantity([unknown, partial, *others], AAPL, Side.SELL) == D(12)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_protected_and_owned_make_what_is_held(mine, more, long_term):
    owned = [Position(AAPL, D(mine), D(1), "equities"), Position(AAPL, D(more), D(1), "bonds")]
    held = account(AAPL=str(mine + more + long_term), MSFT="7")
    kept = protected(held, owned)
    assert {one.instrument: one.quantity for one in kept} == {MSFT: D(7)} | ({AAPL: D(long_term)} if long_term else {})
    assert quantities(owned) == {AAPL: D(mine + more)}
    assert not shortfalls(held, owned)


def test_an_account_that_holds_less_than_is_owned_is_told_of_in_a_sentence():
    owned = [Position(AAPL, D(10), D(1), "equities"), Position(MSFT, D(3), D(1), "equities")]
    (sentence,) = shortfalls(account(AAPL="4", MSFT="3"), owned)
    assert "AAPL: the ledger owns 10, the account holds only 4" in sentence
    both = shortfalls(account(), [Position(MSFT, D("0.4"), D(1), "equities"), *owned[:1]])
    assert [sentence.partition(":")[0] for sentence in both] == ["AAPL", "MSFT"]


def test_a_large_account_is_compared_in_one_pass():
    """A thousand positions twice over: looking each up in the list anew took half a second of a waiting session."""
    many = [Position(replace(AAPL, symbol=f"S{number:04}"), D(2), D(1), "equities") for number in range(1000)]
    held = replace(account(), positions=tuple(many[1:]))
    began = time.process_time()
    (sentence,) = shortfalls(held, many)
    assert time.process_time() - began < 0.3
    assert sentence.startswith("S0000: the ledger owns 2, the account holds only 0")
