"""What travels between the pretend exchange and those who trade on it.

Entry points: `OrderRequest` (what is asked), `ExchangeOrder` (an order as it stands), `Execution`, `Commission`,
`Holding`, `AccountValue`, the events (`ExchangeEvent`), and `ExchangeSettings`.
Invariants: everything is frozen; an order is identified by (`client_id`, `order_id`) while its client lives and by
`perm_id` for ever; an execution's identity is the part of `exec_id` before the last dot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.portfolio.costs import CostSettings


class OrderStatus(StrEnum):
    """Spelled as the TWS protocol spells it."""

    PENDING_SUBMIT = "PendingSubmit"
    """Held back: `transmit` was false, a child waits for its last sibling."""
    PRE_SUBMITTED = "PreSubmitted"
    """Accepted but not at work: market shut, stop not triggered, parent not filled."""
    SUBMITTED = "Submitted"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"
    """Refused after acceptance (201): margin, no short sale."""

    @property
    def done(self) -> bool:
        return self in (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.INACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order as a client words it.

    `quantity` in units, positive; `cash_quantity` in the instrument's currency replaces it (crypto market buys).
    `limit_price`, `stop_price`, `trail_amount` in its currency; `trail_percent` in percent of price. `parent_id` is
    the client's order id of the parent, 0 for none. `oca_type` as in TWS: 1 cancels the siblings on any fill, 2 and 3
    reduce them by the filled quantity.
    """

    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal = Decimal(0)
    cash_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: TimeInForce = TimeInForce.DAY
    order_ref: str = ""
    account_id: str = ""
    """Empty takes the exchange's first account."""
    oca_group: str = ""
    oca_type: int = 1
    parent_id: int = 0
    transmit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order as it stands. `stop_level` is the present trigger of a stop or a trailing stop.

    `seen_price` is the best price a trailing stop has seen; `triggered` says that a stop works as its child order
    type now. `code` and `reason` say why it was refused or cancelled.
    """

    client_id: int
    order_id: int
    perm_id: int
    account_id: str
    request: OrderRequest
    status: OrderStatus
    quantity: Decimal
    submitted_at: datetime
    updated_at: datetime
    filled: Decimal = Decimal(0)
    avg_fill_price: Decimal = Decimal(0)
    last_fill_price: Decimal = Decimal(0)
    stop_level: Decimal | None = None
    seen_price: Decimal | None = None
    triggered: bool = False
    reason: str = ""
    code: int | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def key(self) -> tuple[int, int]:
        return self.client_id, self.order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill, or the correction of one. `cum_quantity` and `avg_price` are the order's after this fill."""

    exec_id: str
    perm_id: int
    client_id: int
    order_id: int
    account_id: str
    order_ref: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
    cum_quantity: Decimal
    avg_price: Decimal
    exchange: str

    @property
    def fill_id(self) -> str:
        """Identity over corrections: the part before the last dot."""
        return self.exec_id.rpartition(".")[0]

    @property
    def revision(self) -> int:
        return int(self.exec_id.rpartition(".")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What one execution cost; `realized_pnl` in the same currency, None where nothing was closed."""

    exec_id: str
    amount: Decimal
    currency: str
    realized_pnl: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position of an account: signed quantity, average cost per unit with commissions, in its currency."""

    account_id: str
    instrument: Instrument
    quantity: Decimal
    avg_cost: Decimal
    realized_pnl: Decimal = Decimal(0)
    market_price: Decimal | None = None
    """The market's price when this was asked; None when it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValue:
    """One row of the account's table; `currency` is a code, `BASE` for the sum, '' where there is none."""

    account_id: str
    key: str
    value: str
    currency: str


# Events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """Status, filled quantity or terms of an order are different now. `order.status` may repeat."""

    order: ExchangeOrder


@dataclass(frozen=True, slots=True)
class Executed:
    execution: Execution


@dataclass(frozen=True, slots=True)
class Charged:
    """A commission report; follows its `Executed`."""

    execution: Execution
    commission: Commission


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """An error or a notice about an order (200, 103, 110, 201, 202, 434, 10147, 10148, 10243 ...).

    `perm_id` is 0 where no order came to be: then nothing else is ever said about this request.
    """

    client_id: int
    order_id: int
    code: int
    text: str
    perm_id: int = 0
    order_ref: str = ""


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Cash or positions of an account are different now; ask for them."""

    account_id: str


ExchangeEvent = OrderChanged | Executed | Charged | OrderMessage | AccountChanged


# Settings ----------------------------------------------------------------------------------------------------------


def default_commissions() -> dict[AssetClass, CostSettings]:
    """Tables like the broker's: shares by the piece, crypto by value."""
    shares = CostSettings()
    crypto = CostSettings(
        per_unit=Decimal(0), minimum=Decimal("1.75"), maximum_share=Decimal("0.01"), share=Decimal("0.0018")
    )
    return {AssetClass.EQUITIES: shares, AssetClass.BONDS: shares, AssetClass.CRYPTO: crypto}


@dataclass(frozen=True, slots=True)
class AccountSeed:
    """An account as it is opened: cash per currency and holdings that the bot did not buy (quantity, unit cost)."""

    account_id: str = "DU1234567"
    cash: dict[str, Decimal] = field(default_factory=lambda: {"USD": Decimal(100_000)})
    holdings: tuple[tuple[Instrument, Decimal, Decimal], ...] = ()
    base_currency: str = "USD"
    exchange_rates: dict[str, Decimal] = field(default_factory=dict)
    """Units of base currency for one unit of a currency; the base itself is 1."""


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """The rules of the pretend market.

    `liquidity` is the most units of one instrument filled in a step, None for no bound. `slippage` is the fraction by
    which market orders fill worse than the quote. `leverage` times equity is the buying power (1 is a cash account).
    `short_selling` False refuses a sell beyond what is held and not yet promised to other orders. `fractional_shares`
    False refuses stock quantities that are not whole (10243).
    """

    liquidity: Decimal | None = None
    slippage: Decimal = Decimal(0)
    leverage: Decimal = Decimal(1)
    short_selling: bool = False
    fractional_shares: bool = False
    commissions: dict[AssetClass, CostSettings] = field(default_factory=default_commissions)
    first_order_id: int = 1
    first_perm_id: int = 1_900_000_001
