"""Series with known regimes, for tests of the signal."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars

AAPL = Instrument("AAPL", AssetClass.EQUITIES)
AS_OF = datetime(2026, 1, 2, 22, tzinfo=UTC)
FIRST = date(2020, 1, 1)


def regime_path(rng, days, stay):
    """Shape (days,): 0 or 1, staying with probability `stay[state]`."""
    path, moves = np.zeros(days, dtype=int), rng.random(days)
    for day in range(1, days):
        path[day] = path[day - 1] if moves[day] < stay[path[day - 1]] else 1 - path[day - 1]
    return path


def regime_returns(seed, days=1260, means=(0.0008, -0.0015), volatilities=(0.008, 0.025), stay=(0.98, 0.95)):
    """Daily log returns of a calm and a turbulent state."""
    rng = np.random.default_rng(seed)
    path = regime_path(rng, days, stay)
    return np.array(means)[path] + np.array(volatilities)[path] * rng.standard_normal(days)


def bars_of(returns, instrument=AAPL, first=FIRST):
    """One bar more than returns, starting at 100."""
    closes = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    dates = np.datetime64(first, "D") + np.arange(len(closes))
    return Bars.from_closes(instrument, dates, closes, as_of=AS_OF, source="test")
