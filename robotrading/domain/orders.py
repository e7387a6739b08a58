"""Orders from intention to execution.

Entry points: `Intent` (what we want, durable before it leaves), `OrderEvent` (what happened, append-only), `Fill`,
`Ticket` (an intent folded with its events), `BrokerOrder` (what the broker says it has).
Invariants: `intent_id` is a function of content (`intent_id_for`) and travels as the broker's order reference; a
ticket's status moves only along the table in `execution/lifecycle.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.instrument import AssetClass, Instrument


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    MIDPRICE = "midprice"
    ADAPTIVE = "adaptive"
    MOC = "market_on_close"
    LOC = "limit_on_close"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAIL = "trailing_stop"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "good_till_cancelled"
    IOC = "immediate_or_cancel"


@dataclass(frozen=True, slots=True)
class Intent:
    """An order we mean to place.

    `quantity` is positive, in units of the instrument and a multiple of its lot; prices are in its currency and on
    its tick. `arrival_price` is the market's price when the decision was made (slippage is measured against it).
    `kind` is the session kind that owns what is bought. `stop_price` is for stops, `trail_percent` (percent of price)
    for trailing stops; orders of one `oca_group` cancel each other. `reason` is the sentence a person reads.
    """

    intent_id: str
    session_id: str
    kind: AssetClass
    trading_date: date
    instrument: Instrument
    side: Side
    quantity: Decimal
    order_type: OrderType
    arrival_price: Decimal
    reason: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: TimeInForce = TimeInForce.DAY
    oca_group: str = ""

    @property
    def value(self) -> Decimal:
        """Worst-case value in the instrument's currency: quantity times the dearer of limit and arrival price."""
        return self.quantity * max(self.limit_price or self.arrival_price, self.arrival_price)


def intent_id_for(kind: AssetClass, trading_date: date, instrument: Instrument, side: Side, attempt: int) -> str:
    """The order reference: the same content gives the same id on every machine, e.g. `rt-eq-20250926-AAPL-B-1`."""
    return f"rt-{kind[:2]}-{trading_date:%Y%m%d}-{instrument.symbol}-{side[0].upper()}-{attempt}"


def kind_of(reference: str) -> AssetClass | None:
    """Whose session's order reference it is; None of one that is not ours."""
    return next((kind for kind in AssetClass if reference.startswith(f"rt-{kind[:2]}-")), None)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.

    `fill_id` is the part of the broker's execution id before its last dot, `revision` the part after it: a correction
    has the same id and a higher revision, and replaces what it corrects. `commission` is None until the broker has
    reported it.
    """

    fill_id: str
    intent_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
    revision: int = 1
    commission: Decimal | None = None
    commission_currency: str = ""


class EventKind(StrEnum):
    """What can happen to an intent; the ledger appends, and never edits."""

    SENT = "sent"
    """Handed to the socket. Whether it arrived is not known yet."""
    ACKNOWLEDGED = "acknowledged"
    """The broker has it and it works."""
    FILL = "fill"
    """An execution, its correction, or its commission report; `OrderEvent.fill` is set."""
    FILLED = "filled"
    """The broker says the whole quantity is done; executions may arrive before or after."""
    CANCEL_SENT = "cancel_sent"
    CANCELLED = "cancelled"
    """The broker confirms that nothing of it works any more."""
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """No answer within its bound: blocks the instrument until the broker or a person settles it."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of an intent's history. `broker_id` is the permanent id (permId), 0 while unknown.

    `protected` goes with SENT: what the account held of the instrument beyond the bot's own when the order left. No
    order of ours changes it, so that it tells later whether something happened unseen.
    """

    intent_id: str
    kind: EventKind
    at: datetime
    fill: Fill | None = None
    broker_id: int = 0
    reason: str = ""
    code: int | None = None
    protected: Decimal | None = None


class TicketStatus(StrEnum):
    PLANNED = "planned"
    SENT = "sent"
    WORKING = "working"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        """Nothing more is expected (a late execution is still booked)."""
        return self in (TicketStatus.FILLED, TicketStatus.CANCELLED, TicketStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An intent with all that has happened to it. `fills` hold the latest revision of each execution.

    `protected` is what the account held beyond the bot's own when the order left, None where nobody looked.
    """

    intent: Intent
    status: TicketStatus = TicketStatus.PLANNED
    broker_id: int = 0
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    code: int | None = None
    cancel_sent: bool = False
    updated_at: datetime | None = None
    protected: Decimal | None = None

    @property
    def filled(self) -> Decimal:
        """Quantity executed."""
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def avg_price(self) -> Decimal | None:
        """Quantity-weighted price of the executions, without commission; None when nothing was executed."""
        filled = self.filled
        if not filled:
            return None
        return sum((fill.quantity * fill.price for fill in self.fills), Decimal(0)) / filled

    @property
    def commission(self) -> Decimal:
        """Commissions reported so far."""
        return sum((fill.commission or Decimal(0) for fill in self.fills), Decimal(0))

    @property
    def slippage(self) -> Decimal | None:
        """Cost against the arrival price per unit, positive when worse for us; None when nothing was executed."""
        price = self.avg_price
        if price is None:
            return None
        return (price - self.intent.arrival_price) * self.intent.side.sign


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker lists it, open or completed.

    `intent_id` is its order reference, empty for a foreign order.
    """

    intent_id: str
    broker_id: int
    instrument: Instrument
    side: Side
    quantity: Decimal
    filled: Decimal
    status: TicketStatus
    reason: str = ""
