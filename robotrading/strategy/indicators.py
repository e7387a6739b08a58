"""Numbers read off a price series: moving averages and realised volatility.

Entry points: `moving_average`, `annual_volatility`, `days_per_year`.
Invariants: only the last `days` bars count; a series that is too short or has a gap there is `BarsRejected`, never NaN.
"""

from __future__ import annotations

import math

import numpy as np

from robotrading.domain.errors import BarsRejected
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Bars

EXCHANGE_DAYS = 252
CALENDAR_DAYS = 365


def days_per_year(asset_class: AssetClass) -> int:
    """Trading days in a year: 365 for what trades every day, 252 otherwise."""
    return CALENDAR_DAYS if asset_class is AssetClass.CRYPTO else EXCHANGE_DAYS


def moving_average(bars: Bars, days: int) -> float:
    """Mean of the last `days` adjusted closes, in the instrument's currency."""
    closes = bars.adj_close[-days:]
    if len(closes) < days:
        raise BarsRejected(
            "too_short", f"{bars.instrument}: a {days}-day average needs {days} bars, there are {len(bars)}."
        )
    missing = int((~(closes > 0)).sum())
    if missing:
        text = f"{bars.instrument}: {missing} of the last {days} closes are missing or not positive."
        raise BarsRejected("missing_prices", text)
    return float(closes.mean())


def annual_volatility(bars: Bars, days: int) -> float:
    """Annualised standard deviation (n - 1) of the last `days` daily log returns, a fraction (0.2 for 20 %).

    Needs `days` + 1 bars, `days` >= 2. A series that did not move gives 0.0.
    """
    if len(bars) < days + 1:
        raise BarsRejected(
            "too_short", f"{bars.instrument}: volatility over {days} days needs {days + 1} bars, there are {len(bars)}."
        )
    returns = bars.select(slice(-days - 1, None)).log_returns()
    missing = int((~np.isfinite(returns)).sum())
    if missing:
        raise BarsRejected("missing_prices", f"{bars.instrument}: {missing} of the last {days} returns are missing.")
    return float(returns.std(ddof=1)) * math.sqrt(days_per_year(bars.instrument.asset_class))
