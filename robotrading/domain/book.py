"""What is held, by whom, and with how much cash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from robotrading.domain.instrument import Instrument

ACCOUNT_OWNER = "account"
"""Owner of a position as the broker reports it: all that is held, whoever bought it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A quantity held. `owner` is a session kind in the ledger, `ACCOUNT_OWNER` in the broker's answer.

    `quantity` is in units of the instrument, negative when short; `avg_cost` per unit, in its currency, commissions
    included.
    """

    instrument: Instrument
    quantity: Decimal
    avg_cost: Decimal
    owner: str = ACCOUNT_OWNER
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What an account held of an instrument when it was looked at, and how much of that the bot owned."""

    instrument: Instrument
    quantity: Decimal
    owned: Decimal
    at: datetime

    @property
    def protected(self) -> Decimal:
        """The person's own part; negative when the account holds less than the bot should own."""
        return self.quantity - self.owned


@dataclass(frozen=True, slots=True)
class Closed:
    """An instrument whose last unit an owner sold on a trading day of its exchange."""

    instrument: Instrument
    owner: str
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's account at one instant.

    `net_liquidation` and `buying_power` are in `base_currency`; `cash` per currency, settled or not, as the broker
    counts it. `positions` is complete: a broker that did not answer raises `BrokerUnavailable` instead of returning
    an empty tuple. `day_start_value` is yesterday's closing equity, None if unknown.
    """

    account_id: str
    base_currency: str
    net_liquidation: Decimal
    buying_power: Decimal
    cash: dict[str, Decimal]
    positions: tuple[Position, ...]
    at: datetime
    day_start_value: Decimal | None = None
    paper: bool = True

    def holding(self, instrument: Instrument) -> Decimal:
        """Quantity held of an instrument, zero when there is none."""
        return sum((p.quantity for p in self.positions if p.instrument == instrument), Decimal(0))
