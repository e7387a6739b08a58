"""What a session run needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.construct import ConstructSettings
from robotrading.portfolio.costs import CostSettings
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.sizing import SizingSettings
from robotrading.strategy.chain import SignalSettings
from robotrading.strategy.checks import CheckSettings


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How orders are placed and awaited; times in seconds.

    A limit order is priced `limit_offset` (fraction) through the arrival price, so that it fills like a market order
    but never far from what was planned. After `fill_timeout` what is left is cancelled; a cancel that is not
    confirmed within `cancel_timeout` leaves the ticket UNKNOWN. `tolerance` is how far a price may have moved
    (fraction) since a plan was shown for `run --plan`.
    """

    order_type: OrderType = OrderType.LIMIT
    limit_offset: Decimal = Decimal("0.003")
    fill_timeout: float = 120.0
    cancel_timeout: float = 20.0
    max_open_orders: int = 50
    tolerance: Decimal = Decimal("0.01")


class UniverseKind(StrEnum):
    LIST = "list"
    SP500 = "sp500"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class UniverseSettings:
    """Which instruments a session considers. `top` keeps the heaviest N of an index, 0 keeps all."""

    kind: UniverseKind = UniverseKind.LIST
    symbols: tuple[str, ...] = ()
    file: str = ""
    top: int = 0
    exchange: str = "SMART"
    currency: str = "USD"
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    min_quantity: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """One asset class: its share of the capital, its universe, and every rule of its pipeline.

    `share` is the fraction of the bot's capital. `schedule` says in words when the service runs the session (see
    `session/schedule.py`); `deadline` (seconds) and `memory_mb` bound the process. `sources` is the order of fallback.
    """

    kind: AssetClass
    share: Decimal
    universe: UniverseSettings
    sources: tuple[str, ...]
    enabled: bool = True
    schedule: str = "30 minutes before the close"
    deadline: float = 1500.0
    memory_mb: int = 2048
    client_id: int = 101
    history_days: int = 1300
    checks: CheckSettings = field(default_factory=CheckSettings)
    signal: SignalSettings = field(default_factory=SignalSettings)
    construct: ConstructSettings = field(default_factory=ConstructSettings)
    bands: BandSettings = field(default_factory=BandSettings)
    costs: CostSettings = field(default_factory=CostSettings)
    sizing: SizingSettings = field(default_factory=SizingSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)


@dataclass(frozen=True, slots=True)
class CapitalSettings:
    """The capital given to the bot: an `amount` of `currency`, or a `share` of what is there when it is None.

    What is there: the cash in `currency` and the market value of what the bot owns. Other holdings never count.
    """

    amount: Decimal | None = None
    share: Decimal = Decimal("1.0")
    currency: str = "USD"
