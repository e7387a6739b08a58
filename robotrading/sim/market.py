"""What the pretend exchange and its gateway need to know of the market."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from robotrading.domain.instrument import Instrument, SecType
from robotrading.domain.market import Bars, Quote


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
