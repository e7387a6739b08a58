"""Deposits and withdrawals are seen by cash that no trade explains, and only where nothing else explains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_worlds import NOW, account, fill, intent, share

from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill, Side
from robotrading.portfolio.flows import Flows, Unclear, inferred
from robotrading.portfolio.performance import Flow

D = Decimal
LATER = NOW + timedelta(days=1)


def look(usd: str, value: str, later: bool = False, **more: object) -> Account:
    known = {"cash": {"USD": D(usd)}, "net_liquidation": D(value), "at": LATER if later else NOW}
    return replace(account(**known), **more)


def bought(symbol: str, quantity: str, price: str, side: Side = Side.BUY, commission: str = "1") -> Fill:
    made = fill(intent(symbol, side), D(quantity), D(price), D(commission))
    return replace(made, at=NOW + timedelta(hours=1))


def held(symbol: str, quantity: str) -> Position:
    return Position(share(symbol), D(quantity), D(100))


def test_cash_that_no_trade_explains_was_paid_in():
    found = inferred([look("1000", "10000"), look("6010", "15030", later=True)], [])
    assert found == Flows(NOW, LATER, (Flow(NOW, LATER, D(5010)),))


def test_cash_that_goes_was_paid_out():
    found = inferred([look("6000", "10000"), look("1000", "4950", later=True)], [])
    assert [flow.amount for flow in found.found] == [D(-5000)]


def test_what_the_bot_traded_is_no_flow():
    after = look("2498", "10002", later=True, positions=(held("AAA", "50"),))
    before = look("5000", "10000", positions=(held("BBB", "25"),))
    fills = [bought("AAA", "50", "100"), bought("BBB", "25", "100", Side.SELL)]
    assert inferred([before, after], fills) == Flows(NOW, LATER)


def test_a_payment_beside_trades_is_found_to_the_cent():
    before = look("5000", "10000", positions=(held("BBB", "25"),))
    after = look("12498", "20000", later=True, positions=(held("AAA", "50"),))
    fills = [bought("AAA", "50", "100"), bought("BBB", "25", "100", Side.SELL)]
    assert [flow.amount for flow in inferred([before, after], fills).found] == [D(10000)]


@given(st.decimals("-100", "100", places=2))
def test_what_may_be_a_dividend_or_a_fee_is_performance(small: Decimal):
    before, after = look("1000", "10000"), look(str(1000 + small), str(10000 + small), later=True)
    assert inferred([before, after], []).found == ()


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (look("1000", "10000", later=True, positions=(held("KO", "50"),)), "holdings changed too"),
        (look("1000", "9990", later=True), "value did not change"),
        (look("5000", "9990", later=True, cash={"USD": D(1000), "EUR": D(3500)}), "another currency"),
        (look("5000", "15000", later=True, cash={"USD": D(5000), "EUR": D(4500)}), "another currency"),
    ],
)
def test_what_may_be_something_else_is_told_and_not_taken(after: Account, why: str):
    """A person's own trade, cash that the broker had not booked yet, an exchange of currencies."""
    found = inferred([look("5000", "10000"), after], [])
    assert found.found == ()
    assert [why in one.why for one in found.unclear] == [True]
    assert isinstance(found.unclear[0], Unclear)


def test_nothing_is_known_without_two_looks():
    assert not inferred([], []).known
    assert not inferred([look("1", "1")], []).known
    assert inferred([look("0", "0"), look("0", "0", later=True)], []).known


def test_an_account_that_was_empty_was_filled():
    assert [flow.amount for flow in inferred([look("0", "0"), look("500", "500", later=True)], []).found] == [D(500)]


def test_looks_close_together_count_once():
    """Two sessions side by side: the one sees the cash of the other's sale before its position is gone."""
    half = replace(look("9000", "10000"), at=LATER - timedelta(minutes=20))
    assert inferred([look("5000", "10000"), half, look("5000", "10010", later=True)], []) == Flows(NOW, LATER)
    assert not inferred([half, look("5000", "10010", later=True)], []).known


SHARES = (held("AAA", "950"),)


def priced(before: str, after: str) -> Callable[[datetime], Mapping[Instrument, Decimal]]:
    return lambda at: {share("AAA"): D(before if at == NOW else after)}


def test_a_loss_beside_a_payment_does_not_hide_it_where_prices_are_known():
    """2,000 came in while 950 shares fell by 1.50: the value went up by 575 only, and all of the 2,000 were paid in."""
    before = look("5000", "100000", positions=SHARES)
    after = look("7000", "100575", later=True, positions=SHARES)
    known = inferred([before, after], [], prices=priced("100", "98.5"))
    assert known.found == (Flow(NOW, LATER, D(2000)),)
    assert [one.why for one in inferred([before, after], []).unclear] == ["the account's value did not change with it"]


def test_a_fall_of_prices_is_no_witness_of_a_withdrawal():
    """2,000 became something that is not among the holdings, while 950 shares fell by 1.50."""
    before = look("5000", "100000", positions=SHARES)
    after = look("3000", "98575", later=True, positions=SHARES)
    assert inferred([before, after], [], prices=priced("100", "98.5")).found == ()


def test_what_the_bot_traded_meanwhile_is_part_of_what_the_market_did():
    """950 shares fell by 1.50, 100 more were bought on the way down, 2,000 came in."""
    before = look("15000", "110000", positions=SHARES)
    after = look("7099", "110524", later=True, positions=(held("AAA", "1050"),))
    fills = [bought("AAA", "100", "99")]
    assert [flow.amount for flow in inferred([before, after], fills, prices=priced("100", "98.5")).found] == [D(2000)]


def test_prices_are_asked_for_only_where_they_may_decide():
    def never(at: datetime) -> Mapping[Instrument, Decimal]:
        raise AssertionError(at)

    assert inferred([look("1000", "10000"), look("1001", "9000", later=True)], [], prices=never).found == ()


@given(st.integers(1, 30), st.integers(20, 60))
def test_runs_that_follow_each_other_closely_all_day_are_many_looks(minutes: int, number: int):
    """A schedule of every few minutes: a payment in the middle of the day is found all the same."""
    looks = [replace(look("1000", "10000"), at=NOW + timedelta(minutes=minutes * n)) for n in range(number)]
    paid = [replace(one, cash={"USD": D(6000)}, net_liquidation=D(15000)) for one in looks]
    length = minutes * number
    flows = inferred([*looks[: number // 2], *paid[number // 2 :]], [])
    if length > 90:
        assert [flow.amount for flow in flows.found] == [D(5000)]


PRICE = st.integers(20, 300).map(Decimal)


def executed(symbol: str, side: Side, quantity: int, price: Decimal, *, hours: int, fee: int | None) -> Fill:
    made = fill(intent(symbol, side), D(quantity), price, None if fee is None else D(fee))
    return replace(made, at=NOW + timedelta(hours=hours))


@given(st.data(), st.sampled_from([-1, 1]), st.booleans())
def test_whatever_the_market_did_a_payment_is_told_from_cash_that_went_elsewhere(
    data: st.DataObject, sign: int, paid: bool
) -> None:
    """Kept, sold, bought, bought and sold again; unpriced, foreign: what prices tell of them hides and invents nothing.

    Where it was no payment the value has not changed with the cash: something unseen was bought or sold for it.
    """
    then = {name: data.draw(PRICE) for name in ("KEPT", "SOLD", "OLD")}
    now = {name: data.draw(PRICE) for name in ("KEPT", "NEW", "YOUNG")}
    fills = [
        executed("NEW", Side.BUY, 200, data.draw(PRICE), hours=1, fee=900),
        executed("SOLD", Side.SELL, 300, data.draw(PRICE), hours=2, fee=None),
        executed("BLIND", Side.BUY, 100, D(50), hours=3, fee=1),
        executed("TWICE", Side.BUY, 10, D(50), hours=4, fee=1),
        executed("TWICE", Side.SELL, 10, D(50), hours=5, fee=1),
    ]
    still = [held("OLD", "900"), held("YOUNG", "900"), Position(share("ABROAD", "EUR"), D(900), D(9))]
    start = (held("KEPT", "300"), held("KEPT", "200"), held("SOLD", "300"), *still)
    end = (held("KEPT", "500"), held("NEW", "200"), held("BLIND", "100"), *still)
    spent = sum((f.side.sign * f.quantity * f.price + (f.commission or D(0)) for f in fills), D(0))
    amount = sign * data.draw(st.integers(8000, 20_000).map(Decimal))
    first = D(200_000)
    last = first - spent + amount
    before = first + 500 * then["KEPT"] + 300 * then["SOLD"]
    after = last + 500 * now["KEPT"] + 200 * now["NEW"] + 5000 - (0 if paid else amount)
    looks = [
        look(str(first), str(before), positions=start),
        look(str(last), str(after), later=True, positions=end),
    ]
    known = {NOW: {**then, "ABROAD": D(10)}, LATER: {**now, "ABROAD": D(99)}}

    def prices(at: datetime) -> Mapping[Instrument, Decimal]:
        return {share(name, "EUR" if name == "ABROAD" else "USD"): price for name, price in known[at].items()}

    found = inferred(reversed(looks), reversed(fills), prices)
    assert [flow.amount for flow in found.found] == ([amount] if paid else [])
    assert [one.amount for one in found.unclear] == ([] if paid else [amount])


def test_a_commission_is_looked_for_in_its_own_currency() -> None:
    before = look("5000", "6000", cash={"USD": D(5000), "EUR": D(1000)})
    after = look("0", "6000", later=True, cash={"USD": D(4000), "EUR": D(900)}, positions=(held("AAA", "10"),))
    one = replace(bought("AAA", "10", "100", commission="100"), commission_currency="EUR")
    assert inferred([before, after], [one]) == Flows(NOW, LATER)


def test_of_several_currencies_the_accounts_own_is_named_else_the_first() -> None:
    before = look("5000", "10000")
    for cash, named in (({"USD": 4000, "EUR": 900}, "USD"), ({"USD": 5000, "EUR": 900, "CHF": 800}, "CHF")):
        money = {name: D(amount) for name, amount in cash.items()}
        (told,) = inferred([before, look("0", "10000", later=True, cash=money)], []).unclear
        assert (told.currency, abs(told.amount)) == (named, D(1000 if named == "USD" else 800))


def test_each_execution_counts_between_its_own_two_looks_in_whatever_order_they_come() -> None:
    first = look("5000", "6000")
    second = look("3000", "6000", later=True, positions=(held("AAA", "20"),))
    third = replace(look("2000", "6000", positions=(held("AAA", "30"),)), at=LATER + timedelta(days=1))
    early, late = bought("AAA", "20", "100", commission="0"), bought("AAA", "10", "100", commission="0")
    late = replace(late, at=LATER + timedelta(hours=1))
    assert inferred([third, first, second], [late, early]) == Flows(NOW, third.at)


def test_what_is_small_is_so_beside_the_larger_of_both_values() -> None:
    for values in (("1000", "10000"), ("10000", "1000")):
        looks = [look("1000", values[0]), look("1050", values[1], later=True)]
        assert inferred(looks, []) == Flows(NOW, LATER)
