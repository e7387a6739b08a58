"""Laws of account values, positions, lists of orders and quotes as they are read."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from ibkr_values import AAPL, ACCOUNT, COIN, NOW

from robotrading.adapters.ibkr.accounts import account_of, positions_of, require_flat
from robotrading.adapters.ibkr.connection import check_account
from robotrading.adapters.ibkr.contracts import contract_for
from robotrading.adapters.ibkr.library import Contract, Order
from robotrading.adapters.ibkr.listings import Reading, completed_orders_of, open_orders_of
from robotrading.adapters.ibkr.orders import is_ours
from robotrading.adapters.ibkr.quotes import Times, is_enough, quote_of
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.orders import Side, TicketStatus

D = Decimal
ROWS = [
    ("AccountReady", "true", "", ACCOUNT),
    ("NetLiquidation", "102000.55", "USD", ACCOUNT),
    ("BuyingPower", "204000", "USD", ACCOUNT),
    ("AvailableFunds", "51000", "USD", ACCOUNT),
    ("TotalCashBalance", "90000", "BASE", ACCOUNT),
    ("TotalCashBalance", "85000", "USD", ACCOUNT),
    ("TotalCashBalance", "5000", "EUR", ACCOUNT),
    ("CashBalance", "1", "GBP", ACCOUNT),
    ("PreviousDayEquityWithLoanValue", "101000", "USD", ACCOUNT),
    ("NetLiquidation", "7", "EUR", "DU_OTHER"),
]


def read(rows: list[tuple[str, str, str, str]]):
    return account_of(rows, (), ACCOUNT, NOW, paper=True)


def test_values_are_taken_per_currency_and_the_gateways_own_sum_is_not_added() -> None:
    account = read(ROWS)
    assert account.cash == {"USD": D(85_000), "EUR": D(5_000)}
    assert (account.net_liquidation, account.base_currency) == (D("102000.55"), "USD")
    assert (account.buying_power, account.day_start_value) == (D(204_000), D(101_000))


def test_available_funds_and_cash_balances_stand_in() -> None:
    rows = [row for row in ROWS if row[0] not in ("BuyingPower", "TotalCashBalance")]
    account = read(rows)
    assert account.buying_power == 51_000
    assert account.cash == {"GBP": D(1)}


def test_no_positions_are_flat_only_where_the_values_count_none() -> None:
    for text in ("0.00", "0", ""):
        require_flat([*ROWS, ("GrossPositionValue", text, "USD", ACCOUNT)], ACCOUNT)
    require_flat([*ROWS, ("GrossPositionValue", "12", "USD", "DU_OTHER")], ACCOUNT)
    with pytest.raises(BrokerUnavailable, match=r"2000\.00 USD"):
        require_flat([*ROWS, ("GrossPositionValue", "2000.00", "USD", ACCOUNT)], ACCOUNT)


@pytest.mark.parametrize("missing", ["NetLiquidation", "cash", "power"])
def test_what_is_missing_is_unknown_never_zero(missing: str) -> None:
    tags = {"cash": ("TotalCashBalance", "CashBalance"), "power": ("BuyingPower", "AvailableFunds")}
    gone = tags.get(missing, (missing,))
    with pytest.raises(BrokerUnavailable):
        read([row for row in ROWS if row[0] not in gone])


def test_values_that_are_not_current_are_not_used() -> None:
    with pytest.raises(BrokerUnavailable, match="not current"):
        read([("AccountReady", "false", "", ACCOUNT), *ROWS[1:]])


NO_NUMBERS = ["", "nan", "inf", "N/A", "1.7976931348623157E308"]
"""The last is how the gateway writes that a number is not set."""


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_value_that_is_no_number_is_unknown_and_never_reckoned_with(text: str) -> None:
    for tag in ("NetLiquidation", "TotalCashBalance"):
        rows = [
            (name, text if (name, currency) == (tag, "USD") else value, currency, owner)
            for name, value, currency, owner in ROWS
        ]
        with pytest.raises(BrokerUnavailable, match=f"{tag} in USD is not known"):
            read(rows)
    rows = [(name, text if name == "BuyingPower" else value, currency, owner) for name, value, currency, owner in ROWS]
    assert read(rows).buying_power == 51_000
    require_flat([*ROWS, ("GrossPositionValue", text, "USD", ACCOUNT)], ACCOUNT)


def test_an_unknown_yesterday_is_none() -> None:
    assert read([row for row in ROWS if row[0] != "PreviousDayEquityWithLoanValue"]).day_start_value is None


def test_positions_of_other_kinds_are_counted_and_none_is_dropped() -> None:
    option = Contract(secType="OPT", symbol="SPY", localSymbol="SPY 261218C00700000", currency="USD")
    rows = [
        (ACCOUNT, contract_for(AAPL), 40.0, 45.5),
        (ACCOUNT, option, -2.0, 310.0),
        (ACCOUNT, contract_for(COIN), 0.00000001, 60000.0),
        (ACCOUNT, Contract(secType="STK", symbol="GONE", currency="USD"), 0.0, 0.0),
        ("DU_OTHER", contract_for(AAPL), 1000.0, 1.0),
    ]
    positions, others = positions_of(rows, ACCOUNT, {})
    assert [(p.instrument.key, p.quantity, p.avg_cost) for p in positions] == [
        (AAPL.key, D(40), D("45.5")),
        (COIN.key, D("1E-8"), D(60_000)),
    ]
    assert [(skip.subject, skip.rule) for skip in others] == [("SPY 261218C00700000", "other_kind")]
    assert "-2.0 of OPT" in others[0].reason


@pytest.mark.parametrize("quantity", [float("nan"), float("inf"), sys.float_info.max])
def test_a_quantity_that_is_no_number_is_unknown_and_not_a_holding(quantity: float) -> None:
    with pytest.raises(BrokerUnavailable, match="the quantity held of STK AAPL USD is not known"):
        positions_of([(ACCOUNT, contract_for(AAPL), quantity, 45.5)], ACCOUNT, {})


@pytest.mark.parametrize("cost", [float("nan"), sys.float_info.max])
def test_a_cost_that_is_not_known_hides_no_holding(cost: float) -> None:
    positions, _ = positions_of([(ACCOUNT, contract_for(AAPL), 40.0, cost)], ACCOUNT, {})
    assert [(p.quantity, p.avg_cost) for p in positions] == [(D(40), D(0))]


@pytest.mark.parametrize("con_id", [265598, 0])
def test_a_contract_told_twice_is_held_once_as_it_was_told_last(con_id: int) -> None:
    """An execution while the list is on its way sends the new quantity between the others."""
    rows = [
        (ACCOUNT, contract_for(AAPL, con_id), 40.0, 45.5),
        (ACCOUNT, contract_for(COIN), 1.0, 10.0),
        ("DU_OTHER", contract_for(AAPL, con_id), 7.0, 1.0),
        (ACCOUNT, contract_for(AAPL, con_id), 50.0, 46.0),
    ]
    positions, _ = positions_of(rows, ACCOUNT, {})
    assert [(p.instrument.key, p.quantity) for p in positions] == [(AAPL.key, D(50)), (COIN.key, D(1))]
    sold, _ = positions_of([*rows, (ACCOUNT, contract_for(AAPL, con_id), 0.0, 0.0)], ACCOUNT, {})
    assert [p.instrument.key for p in sold] == [COIN.key]


def test_a_coin_at_two_exchanges_is_one_position() -> None:
    rows = [
        (ACCOUNT, Contract(secType="CRYPTO", symbol="BTC", currency="USD", exchange=venue), 1.0, cost)
        for venue, cost in (("PAXOS", 10.0), ("ZEROHASH", 30.0))
    ]
    positions, _ = positions_of(rows, ACCOUNT, {})
    assert [(p.quantity, p.avg_cost) for p in positions] == [(D(2), D(20))]
    flat, _ = positions_of([rows[0], (ACCOUNT, rows[1][1], -1.0, 5.0)], ACCOUNT, {})
    assert [(p.quantity, p.avg_cost) for p in flat] == [(D(0), D(0))]


# Lists of orders

READING = Reading(ACCOUNT, {}, is_ours)


def state(status: str, **texts: str):
    from robotrading.adapters.ibkr import library

    return library._library.OrderState(status=status, **texts)


def order(**terms: object) -> Order:
    fields = {"action": "BUY", "totalQuantity": 10.0, "orderRef": "rt-eq-20260304-AAPL-B-1", "account": ACCOUNT}
    return Order(**{**fields, **terms})


def test_open_orders_take_their_newest_status_and_foreign_ones_have_no_reference() -> None:
    rows = [
        ("order", 1, (contract_for(AAPL), order(permId=1), state("PreSubmitted"))),
        ("status", 1, ("Submitted", 4.0)),
        ("order", 2, (contract_for(AAPL), order(permId=2, orderRef="hand", action="SELL"), state("PreSubmitted"))),
        ("order", 3, (contract_for(AAPL), order(permId=3, account="DU_OTHER"), state("Submitted"))),
        ("order", 4, (Contract(secType="FUT", symbol="ES", currency="USD"), order(permId=4), state("Submitted"))),
    ]
    orders, others = open_orders_of(rows, READING)
    assert [(o.intent_id, o.broker_id, o.side, o.filled, o.status) for o in orders] == [
        ("rt-eq-20260304-AAPL-B-1", 1, Side.BUY, D(4), TicketStatus.PARTIAL),
        ("", 2, Side.SELL, D(0), TicketStatus.WORKING),
    ]
    assert [skip.subject for skip in others] == ["ES"]


def test_an_order_that_gets_its_permanent_id_while_it_is_listed_is_one_order_and_the_newest_word_counts() -> None:
    ids = {"clientId": 101, "orderId": 5}
    rows = [
        ("order", (101, 5), (contract_for(AAPL), order(**ids), state("PendingSubmit"))),
        ("order", (101, 6), (contract_for(AAPL), order(clientId=101, orderId=6, orderRef=""), state("PendingSubmit"))),
        ("status", (101, 5), ("PendingSubmit", 0.0)),
        ("order", 9, (contract_for(AAPL), order(permId=9, **ids), state("Cancelled"))),
        ("status", 9, ("Cancelled", 4.0)),
    ]
    orders, _ = open_orders_of(rows, READING)
    assert [(o.intent_id, o.broker_id, o.filled, o.status) for o in orders] == [
        ("", 0, D(0), TicketStatus.SENT),
        ("rt-eq-20260304-AAPL-B-1", 9, D(4), TicketStatus.CANCELLED),
    ]


def test_a_completed_filled_order_has_its_quantity_in_filled_quantity() -> None:
    rows = [
        (contract_for(AAPL), order(totalQuantity=0.0, filledQuantity=10.0), state("Filled")),
        (contract_for(AAPL), order(), state("Cancelled", completedStatus="Cancelled by Trader")),
    ]
    orders, others = completed_orders_of(rows, READING)
    assert [(o.quantity, o.filled, o.status, o.reason) for o in orders] == [
        (D(10), D(10), TicketStatus.FILLED, ""),
        (D(10), D(0), TicketStatus.CANCELLED, "Cancelled by Trader"),
    ]
    assert others == ()


# Quotes


def test_live_prices_stand_over_delayed_ones_and_missing_ones_are_none() -> None:
    quote = quote_of(AAPL, [(1, 99.0), (66, 95.0), (67, 96.0), (4, -1.0), (9, 0.0), (37, 5.0)], NOW)
    assert quote is not None
    assert (quote.bid, quote.ask, quote.last, quote.close, quote.delayed) == (D(99), D(96), None, None, False)


def test_delayed_prices_say_so_and_no_price_is_no_quote() -> None:
    quote = quote_of(AAPL, [(66, 95.0), (75, 94.0)], NOW)
    assert quote is not None
    assert quote.delayed
    assert quote_of(AAPL, [(1, -1.0), (2, float("nan"))], NOW) is None


def test_both_sides_and_the_last_price_are_enough() -> None:
    assert not is_enough(COIN, [(1, 99.0), (2, 100.0)])
    assert is_enough(COIN, [(66, 99.0), (67, 100.0), (68, 99.5)])


def test_the_time_of_a_shares_last_trade_is_waited_for_too() -> None:
    """Of coins and currencies there may be none."""
    prices = [(1, 99.0), (2, 100.0), (4, 99.5)]
    assert not is_enough(AAPL, prices)
    assert is_enough(AAPL, [*prices, (45, "1758900000")])
    assert is_enough(AAPL, prices, times=False)


def test_a_gateway_that_never_tells_times_is_not_waited_for():
    prices = [(1, 99.0), (2, 100.0), (4, 99.5)]
    without = quote_of(AAPL, prices, datetime(2025, 9, 26, tzinfo=UTC))
    times = Times()
    for _ in range(Times.PATIENCE):
        assert times.expected
        times.note(without)
    assert not times.expected
    times.note(quote_of(AAPL, [*prices, (45, "1758900000")], datetime(2025, 9, 26, tzinfo=UTC)))
    assert times.expected


def test_the_last_trade_has_the_time_of_the_same_kind_of_data_as_the_prices() -> None:
    times = [(45, "1758900000"), (88, "1758899000")]
    live, delayed = quote_of(AAPL, [(4, 99.0), *times], NOW), quote_of(AAPL, [(68, 99.0), *times], NOW)
    assert live is not None
    assert delayed is not None
    assert (live.at, live.traded_at) == (NOW, datetime.fromtimestamp(1758900000, UTC))
    assert (delayed.at, delayed.traded_at) == (NOW, datetime.fromtimestamp(1758899000, UTC))


@pytest.mark.parametrize("text", ["", "0", "-5", "yesterday", "1758900000000", "1e9", "²"])
def test_what_is_no_time_is_no_age(text: str) -> None:
    quote = quote_of(AAPL, [(4, 99.0), (45, text)], NOW)
    assert quote is not None
    assert quote.traded_at is None
    assert quote_of(AAPL, [(45, text)], NOW) is None


# The account's identity

WRONG: list[tuple[list[str], dict[str, object], str]] = [
    (["DU1"], {"account": "DU2"}, "not one of this login's"),
    (["DU1", "DU2"], {}, "2 accounts"),
    ([], {}, "0 accounts"),
    (["U1"], {}, "is a live account"),
    (["DU1"], {"account": "DU1", "paper": False}, "is a paper account"),
    (["U1"], {"paper": False}, "must be named"),
]


@pytest.mark.parametrize(("accounts", "terms", "words"), WRONG)
def test_a_wrong_account_is_refused_with_the_way_out(accounts: list[str], terms: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_account(accounts, GatewaySettings(**terms))  # type: ignore[arg-type]


def test_the_only_paper_account_needs_no_name() -> None:
    assert check_account(["DU1"], GatewaySettings()) == "DU1"
    assert check_account(["U1", "U2"], GatewaySettings(account="U2", paper=False)) == "U2"
