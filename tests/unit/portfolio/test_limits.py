"""The rules at the door: each one alone, all together, and over any sequence of orders and partial fills."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import LimitBreached
from robotrading.domain.orders import Intent, OrderType, Side
from robotrading.portfolio.limits import RULES, LimitSettings, OrderView, Scope, breaches, check_order, day_loss
from tests.unit.portfolio.plan_worlds import DAY, KIND, NOW, D, quote, stock

A = stock("A")
RULEBOOK = LimitSettings()


def account(held: Decimal | int = 100, **others: object) -> Account:
    base = Account(
        "DU1", "USD", D(100_000), D(200_000), {"USD": D(50_000)}, (Position(A, D(held), D(90)),), NOW, D(100_000)
    )
    return replace(base, **others)


def view(**others: object) -> OrderView:
    base = OrderView(
        account=account(),
        expected_account_id="DU1",
        expected_paper=True,
        quote=quote(A, "100"),
        now=NOW,
        market_open=True,
        halted="",
        capital=D(100_000),
        budget=D(100_000),
        currency="USD",
        owned=D(100),
        positions_count=1,
        turnover_today=D(0),
        cash_available=D(50_000),
    )
    return replace(base, **others)


def order(
    side: Side = Side.BUY, quantity: Decimal | str | int = 10, limit: str | None = "100.30", **others: object
) -> Intent:
    price = None if limit is None else D(limit)
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    base = Intent("rt-1", "s1", KIND, DAY, A, side, D(quantity), kind, D(100), "because", price)
    return replace(base, **others)


def broken(intent: Intent, world: OrderView, limits: LimitSettings = RULEBOOK) -> list[str]:
    return [breach.rule for breach in breaches(intent, world, limits)]


@pytest.mark.parametrize("intent", [order(), order(Side.SELL, limit="99.70"), order(limit=None), order(Side.SELL, 100)])
def test_an_ordinary_order_passes(intent: Intent) -> None:
    check_order(intent, view(), RULEBOOK)


OLD = quote(A, "100")
BREACHES = [
    ("account_id", {"expected_account_id": "U9"}, {}, "the broker's account is DU1, the configuration names U9"),
    ("paper_mode", {"expected_paper": False}, {}, "the account is a paper account, the configuration says live"),
    ("halted", {"halted": "by hand"}, {}, "trading is halted: by hand"),
    ("open_ticket", {"open_ticket": "rt-0 is unknown"}, {}, "not settled: rt-0 is unknown"),
    ("currency", {"currency": "EUR"}, {}, "it trades in USD and the session's bounds are in EUR"),
    ("trading_hours", {"market_open": False}, {}, "the market is closed at 2025-09-26 19:30 UTC"),
    ("quiet_time", {"quiet": "the reset, until noon"}, {}, "or is about to be, a quiet time: the reset, until noon"),
    ("day_stopped", {"day_stopped": "it lost 6 %"}, {}, "no entry for the rest of the day: it lost 6 %"),
    ("reentry", {"closed_today": True}, {}, "the bot closed it today"),
    ("quote_known", {"quote": None}, {}, "there is no usable quote"),
    ("quote_fresh", {"quote": replace(OLD, at=NOW - timedelta(seconds=901))}, {}, "901 s old, limits.max_quote_age is 900"),
    ("price_jump", {"quote": replace(OLD, close=D(60))}, {}, "lies 66.7 % from the last close 60, the bound is 50.0 %"),
    ("order_value", {}, {"max_order_value": D(1000)}, "it is worth 1003.00 USD, more than 1000.00 USD"),
    ("daily_loss", {"day_start_value": D(106_000)}, {}, "the day has lost 5.7 %, the bound is 5.0 %"),
    ("position_value", {}, {"max_position_share": D("0.11")}, "the position would be worth 11033.00 USD"),
    ("turnover", {"turnover_today": D(199_500)}, {}, "turnover would be 200503.00 USD, more than 200000.00 USD"),
    ("cash", {"cash_available": D("1003.99"), "commission": D(1)}, {}, "it needs 1004.00 USD with commission"),
    ("cash", {"cash_available": None}, {}, "shows no cash in USD"),
    ("buying_power", {"account": account(buying_power=D(1000))}, {}, "the buying power is 1000.00 USD"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "world", "limits", "words"), BREACHES)
def test_each_rule_stops_a_buy_and_says_why(
    rule: str, world: dict[str, object], limits: dict[str, object], words: str
) -> None:
    found = breaches(order(), view(**world), replace(RULEBOOK, **limits))
    assert [b.rule for b in found] == [rule]
    assert words in str(found[0])
    assert str(found[0]).startswith("buy 10 A: ")
    with pytest.raises(LimitBreached, match=re.escape(words)):
        check_order(order(), view(**world), replace(RULEBOOK, **limits))


@pytest.mark.parametrize(("rule", "world", "limits", "words"), BREACHES)
def test_a_reducing_sell_is_stopped_only_by_the_rules_for_every_order(
    rule: str, world: dict[str, object], limits: dict[str, object], words: str
) -> None:
    scope = {r.__name__: s for r, s in RULES}[rule]
    expected = [rule] if scope is Scope.EVERY else []
    assert broken(order(Side.SELL), view(**world), replace(RULEBOOK, **limits)) == expected


@pytest.mark.parametrize(("delayed", "oldest"), [(False, 900), (True, 900 + 1200)])
def test_the_last_trade_has_an_age_too_and_delayed_data_may_be_delayed(delayed: bool, oldest: int) -> None:
    """What the broker has just answered may tell of an old trade; a trade without a time has no age."""
    for seconds, stops in ((oldest, False), (oldest + 1, True)):
        seen = replace(OLD, delayed=delayed, traded_at=NOW - timedelta(seconds=seconds))
        for side in Side:
            limit = "100.30" if side is Side.BUY else "99.70"
            assert broken(order(side, limit=limit), view(quote=seen)) == ["quote_fresh"] * stops
    more = " and 1200 s more for delayed data" * delayed
    words = f"the last trade is {oldest + 1} s old, limits.max_quote_age is 900 s{more} (quote_fresh)"
    assert words in str(breaches(order(), view(quote=seen), RULEBOOK)[0])
    assert broken(order(), view(quote=replace(OLD, delayed=delayed, at=NOW - timedelta(seconds=901)))) == [
        "quote_fresh"
    ]


def test_a_new_position_needs_a_free_place_and_a_held_one_does_not() -> None:
    full = {"positions_count": 600}
    assert broken(order(), view(**full, owned=D(0))) == ["positions_count"]
    assert broken(order(), view(positions_count=599, owned=D(0))) == []
    assert broken(order(), view(**full)) == []
    assert broken(order(), view(**full, owned=D(0), open_buy_quantity=D(1))) == []
    assert broken(order(Side.SELL), view(**full)) == []


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (order(quantity="NaN"), "one is NaN"),
        (order(quantity=0), "one is 0"),
        (order(quantity=-3), "one is -3"),
        (order(quantity="2.5"), "quantity 2.5 is not a multiple of the lot of 1"),
        (order(instrument=replace(A, min_quantity=D(20))), "quantity 10 is below the smallest order of 20"),
        (order(limit="100.305"), "price 100.305 is not on the tick of 0.01"),
        (order(limit="0"), "one is 0"),
        (order(limit="Infinity"), "one is Infinity"),
        (order(stop_price=D("90.001")), "price 90.001 is not on the tick"),
        (order(arrival_price=D("NaN")), "one is NaN"),
    ],
)
def test_senseless_numbers_are_refused_before_anything_is_computed(intent: Intent, words: str) -> None:
    (breach,) = breaches(intent, view(halted="too"), RULEBOOK)
    assert breach.rule == "sound_numbers"
    assert words in str(breach)


@pytest.mark.parametrize(
    ("side", "limit", "stopped"),
    [
        (Side.BUY, "105", False),
        (Side.BUY, "105.01", True),
        (Side.BUY, "94.99", True),
        (Side.SELL, "95", False),
        (Side.SELL, "94.99", True),
    ],
)
def test_the_collar_binds_limits_on_both_sides(side: Side, limit: str, stopped: bool) -> None:
    assert broken(order(side, limit=limit), view()) == ["price_collar"] * stopped


def test_without_a_limit_the_decided_price_must_be_near_the_quote() -> None:
    assert broken(order(limit=None, arrival_price=D(90)), view()) == ["price_collar"]


@pytest.mark.parametrize(
    ("price", "close", "rules"),
    [
        ("100", "200", []),
        ("100", "200.01", ["price_jump"]),
        ("100", "250", ["price_jump"]),
        ("1", "0.5", ["price_jump", "price_collar"]),
        ("0", "100", ["quote_known"]),
    ],
)
def test_a_price_jumps_down_as_well_as_up_and_the_bound_itself_is_no_jump(price, close, rules) -> None:
    seen = view(quote=replace(quote(A, price), close=D(close)))
    assert broken(order(), seen) == rules


def test_each_bound_may_be_reached() -> None:
    """A quantity of ten at 100.30 is worth 1003, in a position of 11033."""
    limits = replace(RULEBOOK, max_order_value=D(1003), max_position_share=D("0.11033"), max_turnover_share=D("0.02"))
    rich = account(buying_power=D(1004))
    there = {"turnover_today": D(997), "cash_available": D(1004), "commission": D(1), "account": rich}
    old = replace(OLD, at=NOW - timedelta(seconds=900))
    assert broken(order(), view(**there, quote=old), limits) == []
    assert broken(order(), view(**there | {"account": account(buying_power=D("1003.5"))}), limits) == ["buying_power"]


def test_fractions_and_pennies_are_numbers_above_zero() -> None:
    coin = replace(A, lot=D("0.001"), min_quantity=D("0.5"), tick=D("0.0001"))
    cheap = {"instrument": coin, "arrival_price": D("0.4")}
    world = view(quote=quote(coin, "0.4"), owned=D(0), account=account(0))
    assert broken(order(quantity="0.5", limit="0.4001", **cheap), world) == []
    assert broken(order(quantity="0.499", limit="0.4001", **cheap), world) == ["sound_numbers"]


@pytest.mark.parametrize("close", [None, D(0), D("NaN")])
def test_without_a_last_close_there_is_no_jump(close: Decimal | None) -> None:
    assert broken(order(), view(quote=replace(OLD, close=close))) == []


@pytest.mark.parametrize(("start", "stopped"), [(None, True), (D(0), True), (D(105_264), True), (D(105_260), False)])
def test_a_day_whose_start_is_unknown_or_that_lost_too_much_takes_no_entry(
    start: Decimal | None, stopped: bool
) -> None:
    world = view(account=account(day_start_value=None), day_start_value=start)
    assert broken(order(), world) == ["daily_loss"] * stopped
    assert broken(order(), world, replace(RULEBOOK, max_daily_loss_share=D(1))) == []
    assert broken(order(Side.SELL), world) == []


def test_the_accounts_own_day_start_serves_when_the_ledger_has_none() -> None:
    assert broken(order(), view(account=account(day_start_value=D(120_000)))) == ["daily_loss"]


def test_open_sells_count_against_what_is_owned() -> None:
    assert broken(order(Side.SELL, 60), view(open_sell_quantity=D(40))) == []
    found = breaches(order(Side.SELL, 61), view(open_sell_quantity=D(40)), RULEBOOK)
    assert [b.rule for b in found] == ["ownership"]
    assert "101 would be sold with open sells, the bot owns 100 and the account holds 100" in str(found[0])


def test_holdings_of_others_are_never_sold() -> None:
    """200 in the account, 100 of them the bot's: the 101st is refused, with and without permission to go short."""
    world = view(account=account(200))
    assert "ownership" in broken(order(Side.SELL, 101), world)
    for held in (200, "100.5"):
        world = view(account=account(D(held)))
        assert "ownership" in broken(order(Side.SELL, 101), world, replace(RULEBOOK, allow_short=True))


def test_what_the_account_does_not_hold_is_not_sold() -> None:
    assert "ownership" in broken(order(Side.SELL, 60), view(account=account(50)))


def test_going_short_needs_permission_and_counts_as_an_entry() -> None:
    short = replace(RULEBOOK, allow_short=True)
    assert broken(order(Side.SELL, 130), view()) == ["ownership"]
    assert broken(order(Side.SELL, 130), view(), short) == []
    assert broken(order(Side.SELL, 130), view(day_start_value=D(200_000)), short) == ["daily_loss"]
    assert broken(order(Side.SELL, 400), view(), short) == ["position_value"]


def test_open_sells_turn_a_sell_into_an_entry() -> None:
    short, lost = replace(RULEBOOK, allow_short=True), view(day_start_value=D(200_000), open_sell_quantity=D(90))
    assert broken(order(Side.SELL, 10), lost, short) == []
    assert broken(order(Side.SELL, 11), lost, short) == ["daily_loss"]


def test_open_buys_count_towards_the_position() -> None:
    assert broken(order(), view(open_buy_quantity=D(139))) == []
    assert broken(order(), view(open_buy_quantity=D(140))) == ["position_value"]


def test_bounds_are_judged_at_the_dearest_known_price() -> None:
    limits = replace(RULEBOOK, max_order_value=D(1040))
    assert broken(order(), view(quote=quote(A, "104.10")), limits) == ["order_value"]
    assert broken(order(limit=None), view(), replace(RULEBOOK, max_order_value=D(1000))) == []


def test_buying_power_in_another_currency_is_not_compared() -> None:
    assert broken(order(), view(account=account(base_currency="EUR", buying_power=D(1)))) == []


def test_the_first_breach_in_the_order_of_the_table_is_raised() -> None:
    world = view(expected_account_id="U9", halted="by hand", cash_available=D(0))
    assert broken(order(), world) == ["account_id", "halted", "cash"]
    with pytest.raises(LimitBreached) as caught:
        check_order(order(), world, RULEBOOK)
    assert caught.value.rule == "account_id"


def test_each_rule_has_a_sentence_and_the_document_lists_all_in_order() -> None:
    document = (Path(__file__).parents[3] / "docs" / "planning.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", document, re.MULTILINE)
    assert rows == [("sound_numbers", "every"), *((rule.__name__, str(scope)) for rule, scope in RULES)]
    assert all(rule.__doc__ for rule, _ in RULES)


BOUNDS = LimitSettings(
    max_order_value=D(3000), max_position_share=D("0.05"), max_positions=2, max_turnover_share=D("0.1")
)
steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(Side), st.integers(1, 60), st.integers(0, 4)), max_size=25
)


@settings(max_examples=150)
@given(steps, st.integers(0, 20))
def test_no_sequence_of_orders_and_partial_fills_exceeds_a_bound(steps, foreign) -> None:
    """Whatever is tried: bounds hold, nothing is sold beyond what was bought, foreign units stay where they are."""
    items = [stock(f"S{n}") for n in range(3)]
    owned = dict.fromkeys(items, D(0))
    cash, turnover = D(8000), D(0)
    for place, side, quantity, quarters in steps:
        item = items[place]
        positions = tuple(Position(i, owned[i] + foreign, D(1)) for i in items if owned[i] + foreign)
        world = view(
            account=account(positions=positions),
            quote=quote(item, "100"),
            owned=owned[item],
            positions_count=sum(1 for q in owned.values() if q),
            turnover_today=turnover,
            cash_available=cash,
        )
        intent = order(side, quantity, instrument=item)
        if breaches(intent, world, BOUNDS):
            continue
        done = D(quantity * quarters // 4)
        owned[item] += side.sign * done
        cash -= side.sign * done * D("100.30")
        turnover += intent.value if side is Side.BUY else done * D("100.30")
        assert intent.value <= BOUNDS.max_order_value
        assert 0 <= owned[item] * D("100.30") <= D(5000)
        assert sum(1 for q in owned.values() if q) <= BOUNDS.max_positions
        assert cash >= 0
        assert side is Side.SELL or turnover <= D(10_000)


def test_what_was_closed_today_may_be_entered_again_where_that_is_wanted() -> None:
    assert broken(order(), view(closed_today=True), replace(RULEBOOK, block_reentry=False)) == []


@pytest.mark.parametrize(
    ("equity", "start", "share", "lost"),
    [
        (95, 100, "0.05", True),
        (96, 100, "0.05", False),
        (95, None, "0.05", False),
        (95, 0, "0.05", False),
        (0, 100, "1", False),
    ],
)
def test_a_day_is_lost_by_its_bound_and_only_where_its_start_is_known(equity, start, share, lost) -> None:
    bound = replace(RULEBOOK, max_daily_loss_share=D(share))
    assert bool(day_loss(D(equity), None if start is None else D(start), bound)) is lost
