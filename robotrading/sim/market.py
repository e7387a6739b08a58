"""What the pretend exchange and its gateway need to know of the market.

Entry points: `Market` (the protocol), `FeedMarket` (quotes made from a feed's daily bars), `SpreadRules`.
Invariants: no price is later than the clock's day; a quote's bid is below its ask, both on the instrument's tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Protocol

import numpy as np

from robotrading.domain.instrument import AssetClass, Instrument, SecType
from robotrading.domain.market import Bars, Quote
from robotrading.domain.ports import Calendar, Clock, Feed


class Market(Protocol):
    """Instruments and their prices at the clock's now."""

    def lookup(self, symbol: str, sec_type: SecType, currency: str) -> Instrument | None:
        """By Yahoo-like symbol (`BRK-B`, `BTC-USD`); the broker's spelling (`BRK B`, `BTC`) is understood too."""
        ...

    def quote(self, instrument: Instrument) -> Quote | None: ...

    def bars(self, instrument: Instrument, first: date, last: date) -> Bars | None:
        """Daily bars, never later than the clock's day; None where nothing is known."""
        ...

    def instruments(self) -> tuple[Instrument, ...]: ...


@dataclass(frozen=True, slots=True)
class SpreadRules:
    """Ask less bid in basis points of the price, per asset class; at least one tick remains after rounding."""

    basis_points: Mapping[AssetClass, Decimal] = field(
        default_factory=lambda: {
            AssetClass.EQUITIES: Decimal(4),
            AssetClass.BONDS: Decimal(2),
            AssetClass.CRYPTO: Decimal(10),
        }
    )

    def sides(self, instrument: Instrument, price: Decimal) -> tuple[Decimal, Decimal]:
        """Bid and ask around a price, rounded away from it to the tick; the bid is never below one tick."""
        half = price * self.basis_points[instrument.asset_class] / 20_000
        bid = max(to_tick(price - half, instrument.tick, ROUND_FLOOR), instrument.tick)
        ask = to_tick(price + half, instrument.tick, ROUND_CEILING)
        return bid, max(ask, bid + instrument.tick)


def to_tick(price: Decimal, tick: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """The price on the grid of ticks, rounded as a `decimal` rounding mode says."""
    return (price / tick).to_integral_value(rounding) * tick


def spellings(instrument: Instrument) -> tuple[str, ...]:
    """Every way a symbol is written: ours (`BRK-B`, `BTC-USD`) and the broker's (`BRK B`, `BTC`)."""
    if instrument.sec_type is SecType.CRYPTO:
        return instrument.symbol, instrument.symbol.removesuffix(f"-{instrument.currency}")
    return instrument.symbol, instrument.symbol.replace("-", " "), instrument.symbol.replace("-", ".")


class FeedMarket:
    """Quotes made from the newest daily bar that is not later than the clock's day.

    The last price is that bar's close (real, or adjusted where the feed has nothing else), `Quote.close` the one
    before it. Bars of all instruments are loaded in one call at the first question of a clock's day; `ahead_days`
    loads as many days more at once, for worlds whose clock moves through known history, and shows none of them early.
    Errors: `FeedUnavailable` of the feed passes through.
    """

    def __init__(  # noqa: PLR0913  a market is its parts
        self,
        feed: Feed,
        clock: Clock,
        instruments: Sequence[Instrument],
        spreads: SpreadRules | None = None,
        *,
        calendar: Calendar | None = None,
        history_days: int = 1900,
        ahead_days: int = 0,
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._spreads = spreads or SpreadRules()
        self._calendar = calendar
        self._history = timedelta(days=history_days)
        self._ahead = timedelta(days=ahead_days)
        self._instruments = {instrument.key: instrument for instrument in instruments}
        self._by_name = {
            (name, instrument.sec_type, instrument.currency): instrument
            for instrument in self._instruments.values()
            for name in spellings(instrument)
        }
        self._bars: dict[str, Bars] = {}
        self._loaded_until: date | None = None
        self._overrides: dict[str, tuple[Decimal, Decimal | None, Decimal | None]] = {}
        self._kept: dict[str, tuple[date, tuple[Decimal, Decimal, Decimal, Decimal | None] | None]] = {}

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self._instruments.values())

    def lookup(self, symbol: str, sec_type: SecType, currency: str) -> Instrument | None:
        return self._by_name.get((symbol, sec_type, currency))

    def quote(self, instrument: Instrument) -> Quote | None:
        """Two-sided quote at the clock's now; None where there is no price (or no such instrument)."""
        known = self._instruments.get(instrument.key)
        if known is None:
            return None
        prices = self._prices(known)
        if prices is None:
            return None
        last, bid, ask, previous = prices
        return Quote(
            instrument=known,
            bid=bid,
            ask=ask,
            last=last,
            close=previous,
            at=self._clock.now(),
            source=self._feed.name,
        )

    def bars(self, instrument: Instrument, first: date, last: date) -> Bars | None:
        known = self._instruments.get(instrument.key)
        if known is None:
            return None
        self._load()
        bars = self._bars.get(known.key)
        if bars is None:
            return None
        kept = bars.since(first).until(min(last, self._day(known)))
        return kept if len(kept) else None

    def set_price(
        self, instrument: Instrument, price: Decimal, bid: Decimal | None = None, ask: Decimal | None = None
    ) -> None:
        """From now on this is the last price; bid and ask follow the spread rule unless they are given."""
        known = self._instruments.get(instrument.key)
        if known is None:
            raise KeyError(f"{instrument}: not in this market; it trades {sorted(self._instruments)}")
        self._overrides[known.key] = (price, bid, ask)
        self._kept.pop(known.key, None)

    def clear_price(self, instrument: Instrument) -> None:
        """Back to the feed's price."""
        self._overrides.pop(instrument.key, None)
        self._kept.pop(instrument.key, None)

    def _prices(self, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal, Decimal | None] | None:
        """Last, bid, ask and previous close; reckoned once a day, since every open order asks again and again."""
        day = self._day(instrument)
        kept = self._kept.get(instrument.key)
        if kept is None or kept[0] != day:
            kept = self._kept[instrument.key] = (day, self._reckoned(instrument))
        return kept[1]

    def _reckoned(self, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal, Decimal | None] | None:
        closes = self._closes(instrument)
        override = self._overrides.get(instrument.key)
        if override is None and not closes:
            return None
        last, bid, ask = override or (closes[-1], None, None)
        own_bid, own_ask = self._spreads.sides(instrument, last)
        has_previous = len(closes) > 1 or (override is not None and closes)
        return (
            last,
            own_bid if bid is None else bid,
            own_ask if ask is None else ask,
            closes[0] if has_previous else None,
        )

    def _closes(self, instrument: Instrument) -> list[Decimal]:
        """The last two known closes, oldest first, on the tick; fewer where there are fewer."""
        self._load()
        bars = self._bars.get(instrument.key)
        if bars is None:
            return []
        end = int(np.searchsorted(bars.dates, np.datetime64(self._day(instrument), "D"), side="right"))
        tail = bars.close[max(0, end - 10) : end]
        tail = tail[np.isfinite(tail) & (tail > 0)][-2:]
        return [max(to_tick(Decimal(repr(float(x))), instrument.tick), instrument.tick) for x in tail]

    def _day(self, instrument: Instrument) -> date:
        now = self._clock.now()
        if self._calendar is None:
            return now.date()
        return self._calendar.trading_day(instrument.asset_class, now)

    def _load(self) -> None:
        today = self._clock.now().date()
        if self._loaded_until is not None and today <= self._loaded_until:
            return
        last = today + self._ahead
        answers = self._feed.daily(self.instruments(), today - self._history, last)
        self._bars = {
            instrument.key: bars for instrument, bars in answers.items() if isinstance(bars, Bars) and len(bars)
        }
        self._loaded_until = last
        self._kept.clear()
