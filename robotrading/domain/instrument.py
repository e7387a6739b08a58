"""What is traded, and how its symbol is written.

Entry points: `AssetClass`, `SecType`, `Instrument`.
Invariants: an instrument's `key` is a function of kind, symbol and currency alone, so that it is the same on every
venue, in every session and after every restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class AssetClass(StrEnum):
    """The three session kinds; a bond is held through an exchange-traded fund."""

    EQUITIES = "equities"
    BONDS = "bonds"
    CRYPTO = "crypto"


class SecType(StrEnum):
    """The broker's kind of security."""

    STOCK = "STK"
    CRYPTO = "CRYPTO"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that can be bought.

    `symbol` is written as Yahoo does (`BRK-B`, `BTC-USD`); adapters translate to their service's spelling.
    `tick` is the smallest price step, `lot` the smallest quantity step, `min_quantity` the smallest order; all in units
    of the instrument or its currency. Equality and hashing use the identity (symbol, class, currency) only, so that
    an instrument refined with the broker's tick and lot is still the same instrument.
    """

    symbol: str
    asset_class: AssetClass
    exchange: str = field(default="SMART", compare=False)
    currency: str = "USD"
    tick: Decimal = field(default=Decimal("0.01"), compare=False)
    lot: Decimal = field(default=Decimal(1), compare=False)
    min_quantity: Decimal = field(default=Decimal(0), compare=False)
    name: str = field(default="", compare=False)

    @property
    def sec_type(self) -> SecType:
        return SecType.CRYPTO if self.asset_class is AssetClass.CRYPTO else SecType.STOCK

    @property
    def key(self) -> str:
        """Identity in the ledger, e.g. `STK:AAPL:USD`. A fund keeps its key in whichever session it is traded."""
        return f"{self.sec_type}:{self.symbol}:{self.currency}"

    def __str__(self) -> str:
        return self.symbol
