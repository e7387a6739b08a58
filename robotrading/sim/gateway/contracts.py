"""Contracts: ids, the broker's spelling, and what is told about them.

Entry points: `ContractBook`, `Listing`.
Invariants: a contract id is a function of the instrument's key (and, in the unlikely case of two keys on one number, of
the order in which they were first asked for); `find` answers any spelling that `listing` produces.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from robotrading.domain.instrument import Instrument, SecType
from robotrading.sim.gateway.requests import ContractQuery
from robotrading.sim.market import Market

_STOCK_VENUES = ("SMART", "NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "IEX", "ISLAND")
_CRYPTO_VENUES = ("PAXOS", "ZEROHASH")
_STOCK_RULE = 26
_FIRST_OTHER_RULE = 3_000
_CON_ID_RANGE = 900_000_000
_FIRST_CON_ID = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument in the broker's words. Size steps as the real gateway tells them: a stock's 0.0001 is a trap."""

    instrument: Instrument
    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str
    valid_exchanges: tuple[str, ...]
    market_rule: int
    min_size: Decimal
    size_increment: Decimal
    suggested_increment: Decimal


class ContractBook:
    """All contracts of a market, found by id or by description."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings: dict[Instrument, Listing] = {}
        self._by_id: dict[int, Listing] = {}
        self._ticks: dict[int, Decimal] = {_STOCK_RULE: Decimal("0.01")}
        self._complete = False

    def listing(self, instrument: Instrument) -> Listing:
        """The instrument's contract, made on first sight."""
        known = self._listings.get(instrument)
        if known is None:
            known = _crypto(instrument, self._ids) if instrument.sec_type is SecType.CRYPTO else self._stock(instrument)
            self._listings[instrument] = known
            self._by_id[known.con_id] = known
        return known

    def _stock(self, instrument: Instrument) -> Listing:
        return _stock(instrument, self._ids)

    def _ids(self, instrument: Instrument) -> tuple[int, int]:
        """Contract id and market rule of a new contract."""
        con_id = _FIRST_CON_ID + zlib.crc32(instrument.key.encode()) % _CON_ID_RANGE
        while con_id in self._by_id:
            con_id += 1
        return con_id, self._rule(instrument.tick)

    def _rule(self, tick: Decimal) -> int:
        for rule, known in self._ticks.items():
            if known == tick:
                return rule
        rule = _FIRST_OTHER_RULE + len(self._ticks)
        self._ticks[rule] = tick
        return rule

    def tick_of_rule(self, rule: int) -> Decimal | None:
        """Price step of a market rule, None for a rule that no contract has."""
        self._list_all()
        return self._ticks.get(rule)

    def find(self, query: ContractQuery) -> Listing | None:
        """The one contract that the query describes; None when there is none."""
        if query.con_id:
            return self._by_con_id(query)
        if query.sec_type not in ("STK", "CRYPTO"):
            return None
        name = query.symbol or _symbol_of(query)
        if not name:
            return None
        instrument = self._market.lookup(name, SecType(query.sec_type), query.currency or "USD")
        return self._at_venue(instrument, query.exchange)

    def _by_con_id(self, query: ContractQuery) -> Listing | None:
        if query.con_id not in self._by_id:
            self._list_all()
        listing = self._by_id.get(query.con_id)
        return self._at_venue(listing.instrument, query.exchange) if listing else None

    def by_id(self, con_id: int) -> Listing | None:
        """A contract that has been told of before."""
        return self._by_id.get(con_id)

    def _at_venue(self, instrument: Instrument | None, exchange: str) -> Listing | None:
        if instrument is None:
            return None
        listing = self.listing(instrument)
        return listing if exchange in ("", *listing.valid_exchanges) else None

    def _list_all(self) -> None:
        if not self._complete:
            for instrument in self._market.instruments():
                self.listing(instrument)
            self._complete = True

    def matching(self, pattern: str, limit: int = 16) -> list[Listing]:
        """Contracts whose symbol or name contains the pattern, by symbol."""
        self._list_all()
        wanted = pattern.strip().upper()
        found = [
            listing
            for listing in self._listings.values()
            if wanted and (wanted in listing.symbol.upper() or wanted in listing.instrument.name.upper())
        ]
        return sorted(found, key=lambda listing: (len(listing.symbol), listing.symbol))[:limit]


def _symbol_of(query: ContractQuery) -> str:
    """The symbol in a local name: crypto's carries the currency behind a dot."""
    return query.local_symbol.partition(".")[0] if query.sec_type == "CRYPTO" else query.local_symbol


_Ids = Callable[[Instrument], tuple[int, int]]


def _stock(instrument: Instrument, ids: _Ids) -> Listing:
    con_id, rule = ids(instrument)
    symbol = instrument.symbol.replace("-", " ")
    primary = "NASDAQ" if instrument.exchange in ("", "SMART") else instrument.exchange
    venues = _STOCK_VENUES if primary in _STOCK_VENUES else (*_STOCK_VENUES, primary)
    return Listing(
        instrument=instrument,
        con_id=con_id,
        symbol=symbol,
        sec_type="STK",
        exchange="SMART",
        primary_exchange=primary,
        currency=instrument.currency,
        local_symbol=symbol,
        trading_class="NMS",
        valid_exchanges=venues,
        market_rule=rule,
        min_size=Decimal("0.0001"),
        size_increment=Decimal("0.0001"),
        suggested_increment=Decimal(100),
    )


def _crypto(instrument: Instrument, ids: _Ids) -> Listing:
    con_id, rule = ids(instrument)
    symbol = instrument.symbol.partition("-")[0]
    return Listing(
        instrument=instrument,
        con_id=con_id,
        symbol=symbol,
        sec_type="CRYPTO",
        exchange="PAXOS" if instrument.exchange in ("", "SMART") else instrument.exchange,
        primary_exchange="",
        currency=instrument.currency,
        local_symbol=f"{symbol}.{instrument.currency}",
        trading_class=symbol,
        valid_exchanges=_CRYPTO_VENUES,
        market_rule=rule,
        min_size=instrument.min_quantity or instrument.lot,
        size_increment=instrument.lot,
        suggested_increment=instrument.lot,
    )
