"""Historical bars as the gateway writes them, and as we keep them.

Entry points: `shows_of`, `duration_text`, `bars_of`. Pure. `close` comes from the trades (adjusted for splits),
`adj_close` from the adjusted series (distributions too); dividends and splits are not told and are 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

from robotrading.adapters.ibkr.requests import Rows
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, Interval
from robotrading.domain.skip import Skip

TRADES, ADJUSTED, COINS = "TRADES", "ADJUSTED_LAST", "AGGTRADES"
SOURCE = "ibkr"
DAYS_OF_A_YEAR = 365
"""Beyond this many days the service wants years."""


def shows_of(instrument: Instrument) -> tuple[str, ...]:
    """The kinds of series to ask for; coins have trades over all venues only, and no distributions."""
    return (COINS,) if instrument.asset_class is AssetClass.CRYPTO else (TRADES, ADJUSTED)


def duration_text(first: date, today: date) -> str:
    """A duration up to today that begins at `first` or before."""
    days = max(1, (today - first).days + 1)
    return f"{days} D" if days <= DAYS_OF_A_YEAR else f"{-(-days // DAYS_OF_A_YEAR)} Y"


def bars_of(instrument: Instrument, rows: Mapping[str, Rows], span: tuple[date, date], as_of: datetime) -> Bars | Skip:
    """Bars of the days within `span`, both included; NaN in `adj_close` where only trades are known."""
    first, last = span
    kept = [bar for bar in rows.get(TRADES, rows.get(COINS, [])) if first <= _day(bar) <= last]
    if not kept:
        return Skip(instrument.symbol, SOURCE, f"no bars of {instrument} from {first} to {last}", "no_data")
    adjusted = {_day(bar): bar.close for bar in rows[ADJUSTED]} if ADJUSTED in rows else None
    return Bars(
        instrument=instrument,
        interval=Interval.DAY,
        dates=np.array([_day(bar) for bar in kept], dtype="datetime64[D]"),
        open=_column(kept, "open"),
        high=_column(kept, "high"),
        low=_column(kept, "low"),
        close=_column(kept, "close"),
        adj_close=_adjusted(kept, adjusted),
        volume=np.array([bar.volume if bar.volume >= 0 else np.nan for bar in kept]),
        dividend=np.zeros(len(kept)),
        split=np.ones(len(kept)),
        as_of=as_of,
        source=SOURCE,
    )


def _day(bar: Any) -> date:
    """Daily bars are dated `yyyymmdd`, in the exchange's own days."""
    text = str(bar.date)
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def _column(bars: Rows, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([getattr(bar, name) for bar in bars], dtype=np.float64)


def _adjusted(bars: Rows, adjusted: Mapping[date, float] | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if adjusted is None:
        return _column(bars, "close")
    return np.array([adjusted.get(_day(bar), np.nan) for bar in bars], dtype=np.float64)
