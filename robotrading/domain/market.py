"""Prices as they arrive: read-only columns with their origin.

Entry points: `Interval`, `PriceBasis`, `Bars`, `Quote`, `Constituent`.
Invariants: every array of a `Bars` is read-only and of the same length; `dates` stand in the source's order (the checks
refuse what is not strictly increasing); two prices are kept apart: `close` is money (adjusted for splits at most),
`adj_close` is adjusted for distributions too and serves returns only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from robotrading.domain.instrument import Instrument

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]


class Interval(StrEnum):
    """Length of a bar."""

    DAY = "1d"


class PriceBasis(StrEnum):
    """What `Bars.close` is worth for sizing an order."""

    REAL = "real"
    """The price that was paid, in shares of today (split-adjusted)."""
    ADJUSTED = "adjusted"
    """Only adjusted prices are known: good for returns, an approximation for sizes, and the report says so."""


PRICE_COLUMNS = ("open", "high", "low", "close", "adj_close")
COLUMNS = (*PRICE_COLUMNS, "volume", "dividend", "split")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Daily bars of one instrument.

    `dates`: shape (n,), datetime64[D], the exchange-local trading day (crypto: the UTC day). All other columns: shape
    (n,), float64; prices in the instrument's currency, NaN where the source had nothing. `volume` in units traded,
    NaN if unknown. `dividend` in currency per share on its ex-day, 0.0 where none or unknown. `split` new shares per
    old on its day, 1.0 where none or unknown. `as_of` is when the source answered, aware UTC.
    """

    instrument: Instrument
    interval: Interval
    dates: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    adj_close: Floats
    volume: Floats
    dividend: Floats
    split: Floats
    as_of: datetime
    source: str
    basis: PriceBasis = PriceBasis.REAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "dates", _frozen(self.dates, "datetime64[D]"))
        for name in COLUMNS:
            object.__setattr__(self, name, _frozen(getattr(self, name), np.float64))
        lengths = {name: len(getattr(self, name)) for name in ("dates", *COLUMNS)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.instrument}: columns differ in length: {lengths}")

    @classmethod
    def from_closes(  # noqa: PLR0913  one call site per feed; a settings type would only rename the columns
        cls,
        instrument: Instrument,
        dates: Days,
        close: Floats,
        *,
        adj_close: Floats | None = None,
        as_of: datetime,
        source: str,
        basis: PriceBasis = PriceBasis.REAL,
    ) -> Self:
        """Bars where only a close is known: open, high and low equal it, volume is NaN."""
        n = len(dates)
        return cls(
            instrument=instrument,
            interval=Interval.DAY,
            dates=dates,
            open=close,
            high=close,
            low=close,
            close=close,
            adj_close=close if adj_close is None else adj_close,
            volume=np.full(n, np.nan),
            dividend=np.zeros(n),
            split=np.ones(n),
            as_of=as_of,
            source=source,
            basis=basis,
        )

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def first_day(self) -> date:
        """First trading day; IndexError when there are no bars."""
        return self.dates[0].astype(date)  # type: ignore[no-any-return]

    @property
    def last_day(self) -> date:
        """Last trading day; IndexError when there are no bars."""
        return self.dates[-1].astype(date)  # type: ignore[no-any-return]

    def select(self, keep: npt.NDArray[np.bool_] | slice) -> Self:
        """The same series with the chosen rows only (a mask or a slice)."""
        return replace(self, dates=self.dates[keep], **{name: getattr(self, name)[keep] for name in COLUMNS})

    def until(self, last: date) -> Self:
        """Bars up to and including `last`."""
        return self.select(self.dates <= np.datetime64(last, "D"))

    def since(self, first: date) -> Self:
        """Bars from `first` on."""
        return self.select(self.dates >= np.datetime64(first, "D"))

    def log_returns(self) -> Floats:
        """Shape (n - 1,): differences of log `adj_close`; NaN where a price is missing or not positive."""
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.where(self.adj_close > 0, np.log(self.adj_close), np.nan)
        return np.diff(logs)

    def to_frame(self) -> pd.DataFrame:
        """A fresh pandas copy, indexed by day."""
        import pandas as pd  # noqa: PLC0415  heavy, and only wanted here

        columns = {name: getattr(self, name).copy() for name in COLUMNS}
        return pd.DataFrame(columns, index=pd.DatetimeIndex(self.dates.copy(), name="date"))


def _frozen(values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    """The array itself when it is read-only already, a read-only view otherwise."""
    array = np.asarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True)
class Quote:
    """What the market says now, in the instrument's currency; a side that is not quoted is None.

    `at` is when the broker answered, `traded_at` when the instrument last traded, as the exchange says; None where
    nobody says so. A broker that hands out an old price as new is found out by the latter only.
    """

    instrument: Instrument
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    close: Decimal | None
    at: datetime
    source: str
    delayed: bool = False
    traded_at: datetime | None = None

    @property
    def mid(self) -> Decimal | None:
        """Midpoint of a two-sided quote."""
        if self.bid is None or self.ask is None:
            return None
        return (self.bid + self.ask) / 2

    @property
    def price(self) -> Decimal | None:
        """The best single price: midpoint, else last, else the previous close."""
        for candidate in (self.mid, self.last, self.close):
            if candidate is not None:
                return candidate
        return None

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid


@dataclass(frozen=True, slots=True)
class Constituent:
    """One member of an index; `weight` is a fraction of the index (0.0705 for 7.05 %)."""

    symbol: str
    name: str
    weight: Decimal
