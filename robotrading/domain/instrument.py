"""What is traded, and how its symbol is written.

Entry points: `AssetClass`, `SecType`, `Instrument`.
Invariants: an instrument's `key` is a function of kind, symbol and currency alone, so that it is the same on every
venue, in every session and after every restart.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """One thing that can be bought.

    `symbol` is written as Yahoo does (`BRK-B`, `BTC-USD`); adapters translate to their service's spelling. `tick` is
    the smallest price step, `lot` the smallest quantity step, `min_quantity` the smallest order; all in units of the
    instrument or its currency. Two instruments are equal when they have the same `key`: a fund is the same thing in
    whichever session it is traded, and after the broker has refined its tick and lot.
    """

    symbol: str
    asset_class: AssetClass
    exchange: str = "SMART"
    currency: str = "USD"
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    min_quantity: Decimal = Decimal(0)
    name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instrument) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[bool, str, str]:
        return self.asset_class is AssetClass.CRYPTO, self.symbol, self.currency

    @property
    def sec_type(self) -> SecType:
        return SecType.CRYPTO if self.asset_class is AssetClass.CRYPTO else SecType.STOCK

    @property
    def key(self) -> str:
        """Identity in the ledger, e.g. `STK:AAPL:USD`. A fund keeps its key in whichever session it is traded."""
        return f"{self.sec_type}:{self.symbol}:{self.currency}"

    def __str__(self) -> str:
        return self.symbol
