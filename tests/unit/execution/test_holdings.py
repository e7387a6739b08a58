"""What happened to an account beside the bot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, Side
from robotrading.domain.skip import Skip
from robotrading.execution.holdings import changes, seen, unbelievable, worth_more
from tests.unit.execution.histories import AAPL, MSFT, NOW, D, executed, intent, ticket

LATER = NOW + timedelta(days=1)
QUANTITIES = st.integers(0, 200).map(Decimal)


def was(quantity, owned=0, of=AAPL):
    return Holding(of, D(quantity), D(owned), NOW)


def now(quantity, owned=0, of=AAPL):
    return Holding(of, D(quantity), D(owned), LATER)


def one(first, last, quote=None):
    (change,) = changes((first,), (last,), {AAPL: quote} if quote else None)
    return change


@given(QUANTITIES, QUANTITIES, st.integers(-100, 100).map(Decimal))
def test_what_the_bot_traded_is_never_reported(protected, owned, traded):
    after = max(owned + traded, D(0))
    first = Holding(AAPL, protected + owned, owned, NOW)
    assert changes((first,), (Holding(AAPL, protected + after, after, LATER),)) == ()


@given(QUANTITIES, QUANTITIES, QUANTITIES, QUANTITIES)
def test_whatever_else_moves_a_holding_is_reported_and_blocks_where_ownership_is_in_doubt(held, owned, after, mine):
    first, last = Holding(AAPL, held, owned, NOW), Holding(AAPL, after, mine, LATER)
    found = changes((first,), (last,))
    explained = after - held == mine - owned
    assert bool(found) is not explained
    if found and after < mine:
        assert found[0].blocks
    if found and not (owned or mine):
        assert not found[0].blocks


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (was(0), now(30), "30 appeared since 2025-09-26 that the bot did not buy"),
        (was(100), now(130), "30 more are held than on 2025-09-26"),
        (was(100), now(70), "30 fewer are held than on 2025-09-26"),
        (was(100), now(0), "100 that were not the bot's are gone"),
        (was(110, 10), now(75, 20), "45 fewer are held"),
        (was(100), now(200), "100 more are held"),
        (was(0), now("0.5"), "0.5 appeared"),
        (was("0.2"), now("0.7"), "0.5 more are held"),
    ],
)
def test_the_persons_own_trades_are_told_and_block_nothing(first, last, words):
    change = one(first, last)
    assert change.sentence.startswith(f"AAPL: {words}")
    assert not change.blocks


WHOLE = [f"{new}:1" for new in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50)]


@pytest.mark.parametrize("ratio", [*WHOLE, "3:2", "4:3", "5:4", "5:2", "1:10", "1:4", "2:3"])
def test_a_ratio_in_what_the_bot_owns_looks_like_a_split_and_blocks(ratio):
    new, old = map(Decimal, ratio.split(":"))
    change = one(was(120, 120), now(120 * new / old, 120))
    assert change.blocks
    if new > old:
        assert f"a {ratio} split" in change.sentence
        assert f"positions set AAPL {(120 * new / old).normalize():f}" in change.sentence


def test_a_reverse_split_pays_the_fraction_in_cash():
    change = one(was(105, 105), now(10, 105))
    assert "1:10 split" in change.sentence
    assert "positions set AAPL 10 " in change.sentence


@pytest.mark.parametrize(
    ("before", "after"),
    [(110, 10), ("105", "10.2"), (1, 0), (0, 1)],
)
def test_what_no_ratio_and_no_fraction_paid_in_cash_explains_is_no_split(before, after):
    """One lot too few, a fraction that stayed, the last unit gone, the first one come."""
    found = one(was(before, before), now(after, before))
    assert "split" not in found.sentence
    assert found.blocks is (D(after) < D(before))


@pytest.mark.parametrize(
    ("first", "last", "mine"),
    [
        (was(110, 10), now(220, 10), "20"),
        (was(120, 20), now(180, 20), "30"),
        (was(120, 20), now(12, 20), "2"),
        (was(120, 10), now(160, 10), "13.3333"),
        (was(1, 1), now(2, 1), "2"),
        (was(10, 10), now(1, 10), "1"),
        (was(110, 10), now(200, 0), "0"),
        (was(100), now(220, 10), "20"),
    ],
)
def test_a_split_of_the_bots_part_and_the_persons_names_the_bots(first, last, mine):
    """Also where the bot has sold or bought its part since."""
    change = one(first, last)
    assert change.blocks
    assert "split" in change.sentence
    assert f"positions set AAPL {mine} " in change.sentence


def test_each_instrument_is_compared_with_itself():
    """What comes, goes, or was traded by the bot beside another that has moved."""
    coin, before = replace(AAPL, symbol="ZZZ"), (was(100), was(5, 5, MSFT))
    after = (now(70), now(9, 0, coin))
    assert [str(change.instrument) for change in changes(before, after)] == ["AAPL", "ZZZ"]
    assert changes((was(100),), (now(100), now(5, 5, MSFT))) == ()
    assert changes((was(100), was(5, 5, MSFT)), (now(100),)) == ()


def test_a_reverse_split_lifts_the_price():
    for price, fits in (("1000", True), ("100", False), ("10", False)):
        quote = Quote(AAPL, None, None, D(price), D(100), LATER, "test")
        assert ("so does its price" in one(was(105, 105), now(10, 105), quote).sentence) is fits
    bare = Quote(AAPL, None, None, D(50), None, LATER, "test")
    assert "price" not in one(was(10, 10), now(20, 10), bare).sentence


@pytest.mark.parametrize(
    ("last", "told"), [("50", True), ("57", True), ("58", False), ("42", False), ("98", False), (None, True)]
)
def test_a_price_that_fell_with_the_ratio_is_told(last, told):
    price = None if last is None else D(last)
    quote = Quote(AAPL, None, None, price, D(100), LATER, "test")
    sentence = one(was(10, 10), now(20, 10), quote).sentence
    assert ("so does its price" in sentence) is (told and last is not None)


def test_without_a_quote_nothing_is_said_about_the_price():
    assert "price" not in one(was(10, 10), now(20, 10), Skip("AAPL", "quotes", "no data")).sentence


def test_a_person_who_says_what_is_the_bots_explains_a_split():
    """The ledger's quantity is put right: what is held is what was to be expected."""
    assert changes((was(50, 50),), (now(100, 100),)) == ()


def test_the_first_look_has_nothing_to_compare_with():
    assert changes((), (now(10),)) == ()


def test_everything_gone_is_told_too():
    (change,) = changes((was(10),), ())
    assert "gone" in change.sentence


def account(*positions, cash="1000", net="1000", euros=None):
    money = {"USD": D(cash)} | ({} if euros is None else {"EUR": D(euros)})
    return Account("DU1", "USD", D(net), D(0), money, positions, NOW)


def position(of, quantity, owner="account"):
    return Position(of, D(quantity), D(10), owner)


def test_a_look_has_what_is_held_and_what_is_the_bots():
    found = seen(account(position(MSFT, 5), position(AAPL, 7)), [position(AAPL, 3, "equities")], NOW)
    assert [(str(one.instrument), one.quantity, one.owned, one.protected) for one in found] == [
        ("AAPL", 7, 3, 4),
        ("MSFT", 5, 0, 5),
    ]
    assert seen(account(position(MSFT, 0)), [], NOW) == ()
    gone = seen(account(), [position(MSFT, 2, "bonds"), position(AAPL, 3, "equities")], NOW)
    assert [(str(one.instrument), one.quantity, one.owned) for one in gone] == [("AAPL", 0, 3), ("MSFT", 0, 2)]


def test_no_positions_where_the_ledger_owns_some_is_unknown_not_flat():
    owned = [position(AAPL, 3, "equities"), position(MSFT, 3, "bonds")]
    sentence = unbelievable(account(), owned, ())
    assert "AAPL, MSFT" in sentence
    assert "unknown, not flat" in sentence
    assert unbelievable(account(position(AAPL, 1)), owned, ()) == ""
    assert unbelievable(account(), [], ()) == ""


@pytest.mark.parametrize(("selling", "believed"), [(3, True), (2, False)])
def test_open_sells_of_all_that_is_owned_explain_an_empty_account(selling, believed):
    sell = ticket(intent(selling, Side.SELL), EventKind.SENT)
    assert (unbelievable(account(), [position(AAPL, 3, "equities")], [sell]) == "") is believed


@pytest.mark.parametrize(
    ("there", "fits"),
    [
        (account(cash="1000", net="1010"), True),
        (account(cash="500", net="1010"), False),
        (account(cash="985", net="1010"), False),
        (account(net="0"), True),
        (account(cash="500", net="1010", euros=1), True),
        (account(position(AAPL, 1), cash="500", net="1010"), True),
    ],
)
def test_an_empty_account_worth_more_than_its_cash_is_no_witness(there, fits):
    assert (worth_more(there) == "") is fits


def test_partly_executed_sells_count_by_what_is_left():
    sell = ticket(intent(3, Side.SELL), EventKind.SENT, executed(intent(3, Side.SELL), 2))
    assert unbelievable(account(), [position(AAPL, 1, "equities")], [sell]) == ""
