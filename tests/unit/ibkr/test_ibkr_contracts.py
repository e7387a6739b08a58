"""Laws of the two spellings of an instrument, and of what the broker's details may change."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibkr_values import AAPL, COIN

from robotrading.adapters.ibkr.contracts import (
    contract_for,
    describe,
    instrument_of,
    market_rule_id,
    only_match,
    refined,
)
from robotrading.adapters.ibkr.library import Contract, ContractDetails
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.skip import Skip

SYMBOLS = st.from_regex(r"[A-Z]{1,5}(-[A-Z])?", fullmatch=True)
CURRENCIES = st.sampled_from(["USD", "EUR", "JPY"])


@given(symbol=SYMBOLS, currency=CURRENCIES)
def test_a_share_comes_back_from_its_contract(symbol: str, currency: str) -> None:
    share = Instrument(symbol, AssetClass.EQUITIES, currency=currency)
    assert instrument_of(contract_for(share), {}) == share


@given(coin=st.from_regex(r"[A-Z]{3,5}", fullmatch=True), currency=CURRENCIES)
def test_a_coin_comes_back_from_its_contract(coin: str, currency: str) -> None:
    instrument = Instrument(f"{coin}-{currency}", AssetClass.CRYPTO, "PAXOS", currency)
    assert instrument_of(contract_for(instrument), {}) == instrument


def test_the_broker_writes_class_shares_with_a_space() -> None:
    contract = contract_for(Instrument("BRK-B", AssetClass.EQUITIES))
    assert (contract.symbol, contract.secType, contract.exchange) == ("BRK B", "STK", "SMART")


@pytest.mark.parametrize(("exchange", "sent"), [("ZEROHASH", "ZEROHASH"), ("SMART", "PAXOS"), ("", "PAXOS")])
def test_a_coin_names_its_exchange(exchange: str, sent: str) -> None:
    coin = Instrument("ETH-USD", AssetClass.CRYPTO, exchange)
    contract = contract_for(coin, 7)
    assert (contract.symbol, contract.exchange, contract.currency, contract.conId) == ("ETH", sent, "USD", 7)


def test_a_contract_for_an_order_always_has_an_exchange() -> None:
    """Contracts of the gateway's portfolio lack one; ours are built from the instrument."""
    from_portfolio = Contract(secType="STK", symbol="AAPL", currency="USD", conId=265598)
    instrument = instrument_of(from_portfolio, {})
    assert instrument is not None
    assert contract_for(instrument).exchange == "SMART"


def test_a_fund_is_what_the_session_called_it() -> None:
    fund = Instrument("TLT", AssetClass.BONDS)
    assert instrument_of(contract_for(fund), {fund.key: fund}) is fund


@pytest.mark.parametrize("kind", ["OPT", "FUT", "BOND", "CASH", "FUND", "BAG"])
def test_other_kinds_are_not_named(kind: str) -> None:
    assert instrument_of(Contract(secType=kind, symbol="X", currency="USD"), {}) is None


def test_a_contract_in_words_leaves_out_what_is_empty() -> None:
    option = Contract(secType="OPT", symbol="SPY", lastTradeDateOrContractMonth="20261218", currency="USD")
    assert describe(option) == "OPT SPY 20261218 USD"


def details(con_id: int = 1, **terms: object) -> ContractDetails:
    contract = Contract(secType="STK", conId=con_id, symbol="AAPL", currency="USD", primaryExchange="NASDAQ")
    return ContractDetails(**{"contract": contract, "minTick": 0.01, **terms})


def test_one_match_is_taken_and_repetitions_of_it_are_one() -> None:
    found = details()
    assert only_match(AAPL, [found, found]) is found


def test_no_match_and_several_are_skips() -> None:
    foreign = details()
    foreign.contract.currency = "EUR"
    none, several = only_match(AAPL, [foreign]), only_match(AAPL, [details(1), details(2)])
    assert isinstance(none, Skip)
    assert none.rule == "unknown_contract"
    assert isinstance(several, Skip)
    assert several.rule == "ambiguous_contract"
    assert "NASDAQ 2" in several.reason


def test_shares_are_whole_although_the_details_promise_fractions() -> None:
    better = refined(AAPL, details(minSize=0.0001, sizeIncrement=0.0001, longName="APPLE INC"))
    assert (better.lot, better.min_quantity, better.name) == (Decimal(1), Decimal(1), "APPLE INC")


def test_board_lots_and_coins_keep_the_brokers_steps() -> None:
    assert refined(AAPL, details(minSize=100.0, sizeIncrement=100.0)).lot == 100
    coin = refined(COIN, details(minTick=0.25, minSize=0.00001, sizeIncrement=1e-08))
    assert (coin.tick, coin.lot, coin.min_quantity) == (Decimal("0.25"), Decimal("0.00000001"), Decimal("0.00001"))


def test_nothing_told_changes_nothing() -> None:
    bare = refined(COIN, details(minTick=0.0, minSize=0.0, sizeIncrement=0.0))
    assert (bare.tick, bare.lot, bare.min_quantity) == (COIN.tick, COIN.lot, COIN.min_quantity)


def test_the_tick_is_the_coarsest_that_applies_from_one_on() -> None:
    bands = [SimpleNamespace(lowEdge=0.0, increment=0.0001), SimpleNamespace(lowEdge=1.0, increment=0.01)]
    dear = SimpleNamespace(lowEdge=1000.0, increment=0.5)
    assert refined(AAPL, details(minTick=0.0001), [*bands, dear]).tick == Decimal("0.01")


def test_the_rule_is_that_of_the_exchange() -> None:
    found = details(validExchanges="NYSE,SMART", marketRuleIds="26,557")
    assert market_rule_id(found, "SMART") == 557
    assert market_rule_id(found, "LSE") is None
    assert market_rule_id(details(), "SMART") is None
