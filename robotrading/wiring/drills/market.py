"""What is traded in the pretend world, at which prices, and what the sessions' models are told of them.

Entry points: `INSTRUMENTS`, `UNIVERSES`, `DrillMarket`, `Beliefs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument, SecType
from robotrading.domain.market import Bars, Quote
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.market import SpreadRules, spellings
from robotrading.wiring.drills.story import SYMBOLS

D = Decimal
CALENDAR = WeekdayCalendar()
ALPHA = Instrument("ALPHA", AssetClass.EQUITIES)
BRAVO = Instrument("BRAVO", AssetClass.EQUITIES)
FUND = Instrument("FUND", AssetClass.BONDS)
COIN = Instrument("COIN-USD", AssetClass.CRYPTO, exchange="PAXOS", lot=D("0.0001"), min_quantity=D("0.0001"))
BRAVO_AS_BOND = replace(BRAVO, asset_class=AssetClass.BONDS)
PRICES = {ALPHA: D(100), BRAVO: D(50), FUND: D(20), COIN: D(1000)}
INSTRUMENTS = {instrument.symbol: instrument for instrument in PRICES}
UNIVERSES = {
    AssetClass.EQUITIES: (ALPHA, BRAVO),
    AssetClass.BONDS: (FUND, BRAVO_AS_BOND),
    AssetClass.CRYPTO: (COIN,),
}
"""Of each session; one fund belongs to two."""
SHARES = {AssetClass.EQUITIES: D("0.5"), AssetClass.BONDS: D("0.3"), AssetClass.CRYPTO: D("0.2")}
"""Of the capital, for each session."""
HISTORY_DAYS = 40
_FIRST_DAY = date(2025, 6, 2)
_STALE_DAYS = 8


class DrillMarket:
    """Prices set by the story; the close of the day before stays known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spreads = SpreadRules()
        self._last = dict(PRICES)
        self._close = dict(PRICES)
        self._sides = {instrument: self._spreads.sides(instrument, price) for instrument, price in PRICES.items()}
        self._by_name = {
            (name, instrument.sec_type, instrument.currency): instrument
            for instrument in PRICES
            for name in spellings(instrument)
        }

    def lookup(self, symbol: str, sec_type: SecType, currency: str) -> Instrument | None:
        return self._by_name.get((symbol, sec_type, currency))

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(PRICES)

    def bars(self, instrument: Instrument, first: date, last: date) -> Bars | None:  # noqa: ARG002  the port's form
        return None

    def quote(self, instrument: Instrument) -> Quote | None:
        last = self._last.get(instrument)
        if last is None:
            return None
        bid, ask = self._sides[instrument]
        return Quote(instrument, bid, ask, last, self._close[instrument], self._clock.now(), "drill")

    def price(self, instrument: Instrument) -> Decimal:
        return self._last[instrument]

    def move(self, instrument: Instrument, percent: Decimal) -> None:
        """By percent of the price, on the tick, never below 1."""
        price = max((self._last[instrument] * (100 + percent) / 100).quantize(D("0.01")), D(1))
        self._last[instrument] = price
        self._sides[instrument] = self._spreads.sides(instrument, price)

    def close(self, instrument: Instrument) -> Decimal:
        """Of the last day that is over."""
        return self._close[instrument]

    def end_day(self) -> None:
        self._close = dict(self._last)


class Beliefs:
    """The source of daily bars of one process: moving averages that give the strengths asked for, and end at `closes`.

    `ways` say how the source behaves per symbol: `well`, `dead` (a skip), `stale` (old bars), `broken` (bars that the
    checks refuse), `absent` (the source as a whole does not answer).
    """

    name = "beliefs"

    def __init__(
        self,
        clock: Clock,
        strengths: Sequence[float],
        ways: Mapping[str, str],
        closes: Callable[[Instrument], Decimal],
    ) -> None:
        self._clock = clock
        self._closes = closes
        self._strength = dict(zip(SYMBOLS, strengths, strict=True))
        self._ways = ways

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:  # noqa: ARG002  the port's form
        if any(self._ways.get(one.symbol) == "absent" for one in instruments):
            raise FeedUnavailable("beliefs: the source does not answer")
        return {instrument: self._bars(instrument, last) for instrument in instruments}

    def _bars(self, instrument: Instrument, last: date) -> Bars | Skip:
        way = self._ways.get(instrument.symbol, "well")
        if way == "dead":
            return Skip(instrument.symbol, "prices", "the source has nothing for it")
        days = CALENDAR.days(instrument.asset_class, _FIRST_DAY, last)
        days = days[-HISTORY_DAYS - _STALE_DAYS : -_STALE_DAYS] if way == "stale" else days[-HISTORY_DAYS:]
        closes = 100.0 * (1 + 0.0005 * np.cos(np.arange(HISTORY_DAYS)))
        closes[-5:] *= 1 + self._strength[instrument.symbol] * 0.05 / 0.75
        closes *= float(self._closes(instrument)) / closes[-1]
        if way == "broken":
            closes[-7] = -1.0
        return Bars.from_closes(instrument, days, closes, as_of=self._clock.now(), source=self.name)
