"""Our instruments and the broker's contracts.

Entry points: `contract_for`, `instrument_of`, `refined`.
Invariants: a contract sent to the gateway is always built here from an instrument, with its exchange (contracts from
the gateway's portfolio lack one, and are refused with 321 when used for an order); `instrument_of(contract_for(i)) ==
i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.decimals import exact, known
from robotrading.adapters.ibkr.library import Contract
from robotrading.domain.instrument import AssetClass, Instrument, SecType
from robotrading.domain.skip import Skip

SMART = "SMART"
CRYPTO_EXCHANGE = "PAXOS"
"""Where a coin is traded when the configuration does not name one; ZEROHASH is the other."""
WHOLE_SHARE = Decimal(1)
QUOTED_FROM = Decimal(1)
"""Tick bands that begin at or below this price decide an instrument's tick; pennies below it may be finer."""


def contract_for(instrument: Instrument, con_id: int = 0) -> Any:
    """A fresh contract: `BRK-B` is `BRK B`, `BTC-USD` is BTC in USD at its exchange. `con_id` makes it unambiguous."""
    crypto = instrument.asset_class is AssetClass.CRYPTO
    symbol = instrument.symbol.removesuffix(f"-{instrument.currency}") if crypto else instrument.symbol
    return Contract(
        secType=str(instrument.sec_type),
        conId=con_id,
        symbol=symbol if crypto else symbol.replace("-", " "),
        exchange=_exchange(instrument),
        currency=instrument.currency,
    )


def _exchange(instrument: Instrument) -> str:
    """Coins are not routed: they name their exchange."""
    if instrument.asset_class is AssetClass.CRYPTO and instrument.exchange in ("", SMART):
        return CRYPTO_EXCHANGE
    return instrument.exchange or SMART


def instrument_of(contract: Any, remembered: Mapping[str, Instrument]) -> Instrument | None:
    """What we call a contract; None for kinds that the bot does not trade (options, futures, bonds, cash).

    `remembered` (by key) gives back an instrument as the session named it: the broker cannot tell a bond fund from any
    other share.
    """
    if contract.secType == SecType.STOCK:
        found = Instrument(contract.symbol.replace(" ", "-"), AssetClass.EQUITIES, SMART, contract.currency)
    elif contract.secType == SecType.CRYPTO:
        symbol = f"{contract.symbol}-{contract.currency}"
        exchange = contract.exchange or CRYPTO_EXCHANGE
        found = Instrument(symbol, AssetClass.CRYPTO, exchange, contract.currency, lot=Decimal("0.00000001"))
    else:
        return None
    return remembered.get(found.key, found)


def describe(contract: Any) -> str:
    """A contract of any kind in words, for reports."""
    parts = (contract.secType, contract.localSymbol or contract.symbol, contract.lastTradeDateOrContractMonth)
    return " ".join(part for part in (*parts, contract.currency) if part)


def only_match(instrument: Instrument, details: Sequence[Any]) -> Any | Skip:
    """The one contract that the broker's answers mean, or why there is none."""
    matching = {
        item.contract.conId: item
        for item in details
        if item.contract.currency == instrument.currency and item.contract.secType == instrument.sec_type
    }
    if not matching:
        return Skip(instrument.symbol, "refine", f"the broker knows no {instrument.key}", "unknown_contract")
    if len(matching) > 1:
        names = ", ".join(f"{item.contract.primaryExchange or '?'} {key}" for key, item in matching.items())
        return Skip(instrument.symbol, "refine", f"the broker knows several: {names}", "ambiguous_contract")
    return next(iter(matching.values()))


def market_rule_id(details: Any, exchange: str) -> int | None:
    """The tick rule of the exchange we send to; rules stand in the order of the exchanges. None when not told."""
    exchanges = details.validExchanges.split(",")
    rules = details.marketRuleIds.split(",")
    by_exchange = dict(zip(exchanges, rules, strict=False))
    text = by_exchange.get(exchange, "")
    return int(text) if text.isdigit() else None


def refined(instrument: Instrument, details: Any, increments: Iterable[Any] = ()) -> Instrument:
    """The instrument with the broker's tick, lot and minimum.

    Stock lots are whole shares at least: the details promise 0.0001, but such orders are refused with 10243.
    `increments` are the (lowEdge, increment) of a market rule; the coarsest that applies from one unit of currency on
    is taken, since a multiple of it is valid below as well.
    """
    ticks = [exact(band.increment) for band in increments if exact(band.lowEdge) <= QUOTED_FROM]
    tick = max([*ticks, known(details.minTick) or Decimal(0)]) or instrument.tick
    lot = known(details.sizeIncrement) or instrument.lot
    smallest = known(details.minSize) or instrument.min_quantity
    if instrument.sec_type is SecType.STOCK:
        lot, smallest = max(WHOLE_SHARE, lot), max(WHOLE_SHARE, smallest)
    return replace(instrument, tick=tick, lot=lot, min_quantity=smallest, name=instrument.name or details.longName)
