"""What can go wrong, what sets it off, and on which layer it can be played.

Entry points: `FaultKind`, `Trigger`, `Layer`, `Shape` with the table `SHAPES`, and `WHERE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType


class FaultKind(StrEnum):
    """Every kind of misfortune. The comments name what is seen from the Broker or Ledger port."""

    # The connection
    DROP = "drop"
    """The connection ends; what is on its way is lost."""
    DROP_BEFORE_ORDER = "drop_before_order"
    """It ends after the order was handed over and before the broker has read it."""
    DROP_BEFORE_ACK = "drop_before_ack"
    """It ends after the exchange has accepted the order and before anybody is told."""
    FROZEN = "frozen"
    """The gateway keeps its sockets and answers nothing."""
    REFUSED = "refused"
    """Nobody accepts the connection."""
    CLIENT_ID_IN_USE = "client_id_in_use"
    """326: another client has the id."""
    WRONG_ACCOUNT = "wrong_account"
    """The login is one of another account."""
    LINK_DATA_LOST = "link_data_lost"
    """1100, and 1101 afterwards: what happened meanwhile is never told, only listed."""
    LINK_DATA_KEPT = "link_data_kept"
    """1100, and 1102 afterwards: what happened meanwhile is told late."""
    ID_ROLLBACK = "id_rollback"
    """The gateway restarts and hands out order ids that it has handed out before."""
    # One order
    ORDER_LOST = "order_lost"
    """Accepted by the socket, never at the exchange, nothing is said."""
    NO_CALLBACK = "no_callback"
    """At the exchange, and nothing is ever told of it; the lists know it."""
    FILLS_FIRST = "fills_first"
    """Executions come ahead of every status."""
    DUPLICATES = "duplicates"
    """Every callback comes more than once."""
    PRICE_CORRECTED = "price_corrected"
    """The first execution is corrected to another price."""
    QUANTITY_BUSTED = "quantity_busted"
    """The first execution is corrected to a smaller quantity."""
    PARTIAL_THEN_SILENCE = "partial_then_silence"
    """A part fills and is told; of the rest nothing is heard, and it does not trade for a while."""
    REJECTED_INACTIVE = "rejected_inactive"
    """201, with the status Inactive."""
    REJECTED_CANCELLED = "rejected_cancelled"
    """201, with the status Cancelled."""
    OFF_TICK = "off_tick"
    """110: no order comes to be."""
    CANCELLED_UNASKED = "cancelled_unasked"
    """202 without a request: the exchange cancels a working order."""
    # Positions and prices
    POSITIONS_HUNG = "positions_hung"
    """A question for positions is never answered."""
    POSITIONS_EMPTY = "positions_empty"
    """A question for positions is answered with none although there are some."""
    DATA_FARM_BROKEN = "data_farm_broken"
    """2103: no market data."""
    HISTORY_FARM_BROKEN = "history_farm_broken"
    """2105: no history; seen by what asks the gateway for bars."""
    DATA_TAKEN = "data_taken"
    """10197: another session has taken the market data."""
    QUOTES_SLOW = "quotes_slow"
    QUOTES_MISSING = "quotes_missing"
    """The broker has no price for anything."""
    QUOTES_STALE = "quotes_stale"
    """Old prices handed out as new; only the time of the last trade tells."""
    QUOTES_ABSURD = "quotes_absurd"
    """Prices and closes that are a multiple of the true ones; the exchange goes on trading at the true ones."""
    # The machine
    CLOCK_JUMP = "clock_jump"
    """The wall clock leaps while monotonic time goes on."""
    DISK_FULL = "disk_full"
    DATABASE_LOCKED = "database_locked"
    DATABASE_GONE = "database_gone"


class Trigger(StrEnum):
    """What is counted. `SECONDS` counts time since the start of the run, the others occurrences from 1."""

    SUBMIT = "submit"
    """An order handed over."""
    QUESTION = "question"
    """Any other call of the broker (in process), any request but orders and cancels (on the wire)."""
    EVENT = "event"
    """Something told of an order."""
    CONNECT = "connect"
    LEDGER = "ledger"
    """Any call of the ledger."""
    SECONDS = "seconds"


class Layer(StrEnum):
    """Where a kind can be played."""

    BROKER = "broker"
    """The in-process broker."""
    GATEWAY = "gateway"
    """The gateway on a socket, through the real client library."""
    LEDGER = "ledger"
    CLOCK = "clock"


class Extent(StrEnum):
    """How far a fault reaches."""

    MOMENT = "moment"
    """Once, when it is set off."""
    COUNTED = "counted"
    """`Fault.times` occurrences of its trigger in a row."""
    LASTING = "lasting"
    """`Fault.seconds` from when it is set off."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which triggers a kind may have, how it lasts, and what its `amount` means.

    `usual` and `least` to `most` are the amount where none is given and the range of the sensible ones.
    """

    triggers: frozenset[Trigger]
    extent: Extent
    amount: str = ""
    usual: Decimal = Decimal(0)
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    pause: str = ""
    """What `Fault.seconds` means where the kind is not a lasting one; '' where it means nothing."""


_OF_ORDERS = frozenset({Trigger.SUBMIT})
_OF_CONNECTS = frozenset({Trigger.CONNECT})
_OF_LEDGER = frozenset({Trigger.LEDGER})
_AT_BROKER = frozenset({Trigger.SUBMIT, Trigger.QUESTION, Trigger.EVENT, Trigger.CONNECT, Trigger.SECONDS})
_ANYWHEN = frozenset(Trigger)
_D = Decimal
_ORDER = Shape(_OF_ORDERS, Extent.COUNTED)
_UNTIL_CORRECTED = "until the correction; none for at once"
_STATE = Shape(_AT_BROKER, Extent.LASTING)
_LOGIN = Shape(_OF_CONNECTS, Extent.COUNTED)
_JOURNAL = Shape(_OF_LEDGER, Extent.COUNTED)

SHAPES: Mapping[FaultKind, Shape] = MappingProxyType(
    {
        FaultKind.DROP: Shape(_AT_BROKER, Extent.MOMENT),
        FaultKind.DROP_BEFORE_ORDER: _ORDER,
        FaultKind.DROP_BEFORE_ACK: _ORDER,
        FaultKind.FROZEN: _STATE,
        FaultKind.REFUSED: _LOGIN,
        FaultKind.CLIENT_ID_IN_USE: _LOGIN,
        FaultKind.WRONG_ACCOUNT: _LOGIN,
        FaultKind.LINK_DATA_LOST: _STATE,
        FaultKind.LINK_DATA_KEPT: _STATE,
        FaultKind.ID_ROLLBACK: Shape(_AT_BROKER, Extent.MOMENT),
        FaultKind.ORDER_LOST: _ORDER,
        FaultKind.NO_CALLBACK: _ORDER,
        FaultKind.FILLS_FIRST: _ORDER,
        FaultKind.DUPLICATES: Shape(_OF_ORDERS, Extent.COUNTED, "how often each is told", _D(2), _D(2), _D(5)),
        FaultKind.PRICE_CORRECTED: Shape(
            _OF_ORDERS, Extent.COUNTED, "factor on the price", _D("1.01"), _D("0.9"), _D("1.1"), _UNTIL_CORRECTED
        ),
        FaultKind.QUANTITY_BUSTED: Shape(
            _OF_ORDERS, Extent.COUNTED, "share that stays", _D("0.5"), _D(0), _D("0.99"), _UNTIL_CORRECTED
        ),
        FaultKind.PARTIAL_THEN_SILENCE: Shape(
            _OF_ORDERS,
            Extent.COUNTED,
            "share that fills",
            _D("0.5"),
            _D("0.01"),
            _D("0.99"),
            "until the rest trades; none for never",
        ),
        FaultKind.REJECTED_INACTIVE: _ORDER,
        FaultKind.REJECTED_CANCELLED: _ORDER,
        FaultKind.OFF_TICK: _ORDER,
        FaultKind.CANCELLED_UNASKED: Shape(_OF_ORDERS, Extent.COUNTED, pause="until the cancel; none for at once"),
        FaultKind.POSITIONS_HUNG: _STATE,
        FaultKind.POSITIONS_EMPTY: _STATE,
        FaultKind.DATA_FARM_BROKEN: _STATE,
        FaultKind.HISTORY_FARM_BROKEN: _STATE,
        FaultKind.DATA_TAKEN: _STATE,
        FaultKind.QUOTES_SLOW: Shape(_AT_BROKER, Extent.LASTING, "seconds an answer takes", _D(30), _D(0), _D(3600)),
        FaultKind.QUOTES_MISSING: _STATE,
        FaultKind.QUOTES_STALE: Shape(_AT_BROKER, Extent.LASTING, "age in seconds", _D(86_400), _D(1), _D(10_000_000)),
        FaultKind.QUOTES_ABSURD: Shape(
            _AT_BROKER, Extent.LASTING, "factor on the prices", _D(100), _D("0.0001"), _D(10_000)
        ),
        FaultKind.CLOCK_JUMP: Shape(
            _ANYWHEN, Extent.MOMENT, "seconds, signed", _D(3600), _D(-1_000_000), _D(1_000_000)
        ),
        FaultKind.DISK_FULL: _JOURNAL,
        FaultKind.DATABASE_LOCKED: _JOURNAL,
        FaultKind.DATABASE_GONE: _JOURNAL,
    }
)

_BOTH = frozenset({Layer.BROKER, Layer.GATEWAY})
_ELSEWHERE: Mapping[FaultKind, frozenset[Layer]] = {
    FaultKind.HISTORY_FARM_BROKEN: frozenset({Layer.GATEWAY}),
    FaultKind.CLOCK_JUMP: frozenset({Layer.CLOCK}),
    FaultKind.DISK_FULL: frozenset({Layer.LEDGER}),
    FaultKind.DATABASE_LOCKED: frozenset({Layer.LEDGER}),
    FaultKind.DATABASE_GONE: frozenset({Layer.LEDGER}),
}
WHERE: Mapping[FaultKind, frozenset[Layer]] = MappingProxyType(
    {kind: _ELSEWHERE.get(kind, _BOTH) for kind in FaultKind}
)
"""The layers on which each kind is played; on the others it is passed over."""
