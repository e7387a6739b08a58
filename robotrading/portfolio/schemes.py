"""Base weights before any signal: one function per scheme.

Entry points: `equal`, `fixed`, `inverse_volatility`, `market_cap`, `daily_volatility`.
Invariants: weights are not negative, sum to at most `room`, are cut (never rounded up) to eight decimals so that the
same world gives the same weights on every machine; an instrument without an answer is missing from the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_DOWN, Decimal

import numpy as np

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars

WEIGHT_STEP = Decimal("1e-8")
Weights = dict[Instrument, Decimal]


def cut(weight: Decimal) -> Decimal:
    """A weight cut to eight decimals."""
    return weight.quantize(WEIGHT_STEP, ROUND_DOWN)


def equal(instruments: Sequence[Instrument], room: Decimal) -> Weights:
    """The same share for everybody: w_i = room / n."""
    return {instrument: cut(room / len(instruments)) for instrument in instruments}


def fixed(instruments: Sequence[Instrument], weights: Mapping[str, Decimal], room: Decimal) -> Weights:
    """The configured weights by symbol, all scaled down alike when they sum to more than `room`; not listed means 0.

    Raises `ConfigError` for a negative weight.
    """
    for symbol, weight in weights.items():
        if not weight.is_finite() or weight < 0:
            raise ConfigError(f"construct.fixed.{symbol} is {weight}: a weight is a number from 0 to 1; set it so")
    chosen = {instrument: weights.get(instrument.symbol, Decimal(0)) for instrument in instruments}
    return _fitted(chosen, room, only_down=True)


def inverse_volatility(
    instruments: Sequence[Instrument], volatilities: Mapping[Instrument, float], room: Decimal
) -> Weights:
    """w_i proportional to 1 / sigma_i among the instruments with a volatility.

    Those without one keep an equal share (room / n) out of the others' reach, so that an outage of one series does not
    swell the rest; they are missing from the result.
    """
    known = [instrument for instrument in instruments if instrument in volatilities]
    if not known:
        return {}
    shares = {instrument: Decimal(f"{1 / volatilities[instrument]:.10g}") for instrument in known}
    return _fitted(shares, room * len(known) / len(instruments), only_down=False)


def market_cap(
    instruments: Sequence[Instrument], index_weights: Mapping[Instrument, Decimal], room: Decimal
) -> Weights:
    """Index weights renormalised over the universe; an instrument that the index does not list is missing."""
    known = {i: index_weights[i] for i in instruments if i in index_weights and index_weights[i] > 0}
    return _fitted(known, room, only_down=False)


def _fitted(shares: Mapping[Instrument, Decimal], room: Decimal, *, only_down: bool) -> Weights:
    """Shares scaled to sum to `room`; with `only_down` a sum below `room` is left as it is."""
    total = sum(shares.values(), Decimal(0))
    if not total or (only_down and total <= room):
        return {instrument: cut(share) for instrument, share in shares.items()}
    return {instrument: cut(share * room / total) for instrument, share in shares.items()}


def daily_volatility(bars: Bars, days: int, as_of: date) -> float | None:
    """Standard deviation (n - 1) of the last `days` daily log returns of `adj_close` up to `as_of`, per trading day.

    NaN returns are left out; None when fewer than half of the days (or two) remain, or when the price does not move.
    Since only ratios of volatilities matter here, nothing is annualised.
    """
    window = bars.until(as_of) if len(bars) and bars.last_day > as_of else bars
    returns = window.select(slice(-(days + 1), None)).log_returns()
    returns = returns[np.isfinite(returns)]
    if len(returns) < max(2, days // 2):
        return None
    volatility = float(np.std(returns, ddof=1))
    return volatility if volatility > 1e-9 else None
