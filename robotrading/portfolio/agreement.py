"""The broker's prices held against the last complete day of the source of prices.

Entry points: `Close`, `last_close`, `agreed`.
A broker's price that is wrong together with the broker's own close looks right by itself. The source of prices is
another house: where the two differ by more than a day can move a price, one of them is wrong, or a split is in one of
them only. Nobody here can know which, so nothing is traded in the instrument, neither bought nor sold.
Invariants: what has no close to be held against stays as it is; a quote is never changed, only left out with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis, Quote
from robotrading.domain.skip import Skip
from robotrading.portfolio.sizing import usable_price
from robotrading.portfolio.wording import percent, plain

RULE = "price_disagrees"
FALL_OF_ADJUSTED, RISE_OF_ADJUSTED = Decimal(2) / 3, Decimal(2)
"""Adjusted prices are not money: only a third, or three times as much, cannot be explained by distributions."""


@dataclass(frozen=True, slots=True)
class Close:
    """The last complete close that a source has of an instrument, in its currency."""

    price: Decimal
    day: date
    source: str
    basis: PriceBasis = PriceBasis.REAL


def last_close(bars: Bars) -> Close | None:
    """The newest close that is a price; None where there is none."""
    usable = np.flatnonzero(np.isfinite(bars.close) & (bars.close > 0))
    if not len(usable):
        return None
    last = int(usable[-1])
    day: date = bars.dates[last].astype(date)
    return Close(Decimal(repr(float(bars.close[last]))), day, bars.source, bars.basis)


def agreed(
    quotes: Mapping[Instrument, Quote | Skip],
    closes: Mapping[Instrument, Close | None],
    bounds: Mapping[AssetClass, Decimal],
) -> dict[Instrument, Quote | Skip]:
    """The quotes, with a skip in the place of each that lies further from its close than its class's bound."""
    return {
        instrument: _judged(instrument, quote, closes.get(instrument), bounds) for instrument, quote in quotes.items()
    }


def _judged(
    instrument: Instrument, quote: Quote | Skip, close: Close | None, bounds: Mapping[AssetClass, Decimal]
) -> Quote | Skip:
    price = usable_price(quote) if isinstance(quote, Quote) else None
    if close is None or price is None:
        return quote
    gap = price / close.price - 1
    fall = rise = bounds[instrument.asset_class]
    if close.basis is PriceBasis.ADJUSTED:
        fall, rise = max(fall, FALL_OF_ADJUSTED), max(rise, RISE_OF_ADJUSTED)
    if -fall <= gap <= rise:
        return quote
    kind = "adjusted close" if close.basis is PriceBasis.ADJUSTED else "close"
    reason = (
        f"the broker's price {plain(price)} is {percent(abs(gap))} away from the last {kind} {_short(close.price)} of "
        f"{close.source} ({close.day}), the bound is {percent(fall if gap < 0 else rise)}: one of the two is wrong, "
        "or a split is in one of them only; nothing is traded in it"
    )
    return Skip(instrument.symbol, "quotes", reason, RULE)


def _short(price: Decimal) -> str:
    """Six digits: sources serve floating point numbers."""
    return plain(Decimal(f"{price:.6g}"))
