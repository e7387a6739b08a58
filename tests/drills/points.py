"""Where a session process is killed: each step of the executor and of recovery, as data.

Entry points: `Point`, `POINTS`, `SAMPLE` (the few that every change has to pass), `point`. A point's name says where the
process dies in the words of the session; `deaths` are the processes that die before one is left in peace.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """What is interrupted."""

    LEDGER = "ledger"
    """A method of the Ledger port."""
    BROKER = "broker"
    """A method of the Broker port."""
    WIRE = "wire"
    """The socket: `placeOrder`, `cancelOrder`, or the pacer's `turn` before an order."""
    DISK = "disk"
    """The ledger's transaction that books a fill: the event is written, the position is not, nothing is committed."""


class When(StrEnum):
    """Before the call, after it, or (bytes on the wire) when half of it is done."""

    BEFORE = "before"
    HALFWAY = "halfway"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Death:
    """The `nth` call of `call` at `place` that fits the filters, in one process.

    `side` is `B` or `S`, the order's; `event` the kind of an appended event; `fill` narrows it to an execution that is
    the `first` or `last` of its order, or to the report of its `commission`.
    """

    place: Place
    call: str
    when: When
    nth: int = 1
    side: str = ""
    event: str = ""
    fill: str = ""

    def __str__(self) -> str:
        words = [self.when, self.call if self.place is not Place.DISK else "the commit of"]
        if self.event:
            words.append(f"{self.fill} {self.event}".strip())
        what = {"S": "of sells", "B": "of buys"}.get(self.side, "")
        number = f"(no. {self.nth})" if self.nth > 1 else ""
        return " ".join(filter(None, [self.place + ":", *words, what, number]))


@dataclass(frozen=True, slots=True)
class Point:
    """One drill. `liquidity` bounds the units that trade in a step while the first process lives (0: no bound).

    With `silence` nothing trades from the death until after the next run, which so meets orders still at work.
    `gateway_dies` kills the gateway after the session, and brings it back with its order ids begun anew.
    `command_dies` kills the command that started the session just before the session itself.
    """

    name: str
    deaths: tuple[Death, ...]
    liquidity: int = 90
    silence: bool = False
    gateway_dies: bool = False
    command_dies: bool = False


_L, _B, _W, _D = Place.LEDGER, Place.BROKER, Place.WIRE, Place.DISK
_BEFORE, _HALF, _AFTER = When.BEFORE, When.HALFWAY, When.AFTER
SLOW = 1
"""So few units a step that no order ends by itself in time."""


def _append(when: When, event: str, side: str, nth: int = 1, fill: str = "") -> Death:
    return Death(_L, "append", when, nth, side, event, fill)


def _ledger(when: When, call: str, side: str = "", nth: int = 1) -> Death:
    return Death(_L, call, when, nth, side)


def _broker(when: When, call: str, side: str = "", nth: int = 1) -> Death:
    return Death(_B, call, when, nth, side)


def _wire(when: When, call: str = "placeOrder", side: str = "S", nth: int = 1) -> Death:
    return Death(_W, call, when, nth, side)


IN_FLIGHT = _wire(_AFTER, nth=3)
"""The death whose traces recovery finds: three sells at the broker, the last without an answer."""
UNSENT = _append(_AFTER, "sent", "S", 2)
"""One sell at the broker, and one that the journal calls sent although it never left."""

_BEFORE_TRADING = {
    "before the run is in the ledger": _ledger(_BEFORE, "start_run"),
    "after the run is in the ledger": _ledger(_AFTER, "start_run"),
    "before connecting": _broker(_BEFORE, "connect"),
    "after connecting": _broker(_AFTER, "connect"),
    "before asking for executions": _broker(_BEFORE, "executions"),
    "after asking for executions": _broker(_AFTER, "executions"),
    "before asking for contract rules": _broker(_BEFORE, "refine"),
    "after asking for contract rules": _broker(_AFTER, "refine"),
    "before asking for quotes": _broker(_BEFORE, "quotes"),
    "after asking for quotes": _broker(_AFTER, "quotes"),
    "before asking for the account": _broker(_BEFORE, "account"),
    "after asking for the account": _broker(_AFTER, "account"),
    "before the day's equity is kept": _ledger(_BEFORE, "save_equity"),
    "before the day's capital is pinned": _ledger(_BEFORE, "pin_capital"),
    "after the day's capital is pinned": _ledger(_AFTER, "pin_capital"),
    "before the plan is kept": _ledger(_BEFORE, "save_plan"),
    "after the plan is kept": _ledger(_AFTER, "save_plan"),
}
_SELLS = {
    "before the first sell's intent": _ledger(_BEFORE, "record_intent", "S"),
    "after the first sell's intent": _ledger(_AFTER, "record_intent", "S"),
    "after the second sell's intent": _ledger(_AFTER, "record_intent", "S", 2),
    "after the last sell's intent": _ledger(_AFTER, "record_intent", "S", 3),
    "before the first sell is called sent": _append(_BEFORE, "sent", "S"),
    "after the first sell is called sent": _append(_AFTER, "sent", "S"),
    "after the last sell is called sent": _append(_AFTER, "sent", "S", 3),
    "before the first sell is handed over": _broker(_BEFORE, "submit", "S"),
    "before the pacer's turn of the second sell": _wire(_BEFORE, "turn", nth=2),
    "before the first sell's bytes": _wire(_BEFORE),
    "in the middle of the second sell's bytes": _wire(_HALF, nth=2),
    "after the first sell's bytes": _wire(_AFTER),
    "after the second sell's bytes": _wire(_AFTER, nth=2),
    "after the last sell's bytes": IN_FLIGHT,
    "after the first sell is handed over": _broker(_AFTER, "submit", "S"),
    "after the last sell is handed over": _broker(_AFTER, "submit", "S", 3),
    "before the first sell is called acknowledged": _append(_BEFORE, "acknowledged", "S"),
    "after the first sell is called acknowledged": _append(_AFTER, "acknowledged", "S"),
    "before a sell's first fill is booked": _append(_BEFORE, "fill", "S", 1, "first"),
    "before a sell's first fill is committed": Death(_D, "book_fill", _BEFORE, 1, "S"),
    "after a sell's first fill is booked": _append(_AFTER, "fill", "S", 1, "first"),
    "before a sell's commission is booked": _append(_BEFORE, "fill", "S", 1, "commission"),
    "after a sell's commission is booked": _append(_AFTER, "fill", "S", 1, "commission"),
    "before a sell's last fill is booked": _append(_BEFORE, "fill", "S", 1, "last"),
    "after a sell's last fill is booked": _append(_AFTER, "fill", "S", 1, "last"),
    "before the last sell's last fill is booked": _append(_BEFORE, "fill", "S", 3, "last"),
    "after the last sell's last fill is booked": _append(_AFTER, "fill", "S", 3, "last"),
}
_BETWEEN = {
    "between sells and buys, before the account": _broker(_BEFORE, "account", nth=2),
    "between sells and buys, after the account": _broker(_AFTER, "account", nth=2),
    "between sells and buys, after the quotes": _broker(_AFTER, "quotes", nth=2),
    "between sells and buys, after the equity is kept": _ledger(_AFTER, "save_equity", nth=2),
}
_BUYS = {
    "before the first buy's intent": _ledger(_BEFORE, "record_intent", "B"),
    "after the first buy's intent": _ledger(_AFTER, "record_intent", "B"),
    "after the second buy is called sent": _append(_AFTER, "sent", "B", 2),
    "before the last buy is handed over": _broker(_BEFORE, "submit", "B", 3),
    "before the pacer's turn of the first buy": _wire(_BEFORE, "turn", "B"),
    "in the middle of the last buy's bytes": _wire(_HALF, side="B", nth=3),
    "after the first buy's bytes": _wire(_AFTER, side="B"),
    "after the last buy's bytes": _wire(_AFTER, side="B", nth=3),
    "after the second buy is handed over": _broker(_AFTER, "submit", "B", 2),
    "after the second buy is called acknowledged": _append(_AFTER, "acknowledged", "B", 2),
    "before a buy's first fill is booked": _append(_BEFORE, "fill", "B", 1, "first"),
    "before a buy's second fill is committed": Death(_D, "book_fill", _BEFORE, 2, "B"),
    "after a buy's first fill is booked": _append(_AFTER, "fill", "B", 1, "first"),
    "before the last buy's last fill is booked": _append(_BEFORE, "fill", "B", 3, "last"),
    "after the last buy's last fill is booked": _append(_AFTER, "fill", "B", 3, "last"),
    "before the positions are compared": _broker(_BEFORE, "account", nth=3),
    "after the positions are compared": _broker(_AFTER, "account", nth=3),
    "before saying goodbye": _broker(_BEFORE, "disconnect"),
    "after saying goodbye": _broker(_AFTER, "disconnect"),
    "before the report is kept": _ledger(_BEFORE, "finish_run"),
    "after the report is kept": _ledger(_AFTER, "finish_run"),
}
_CANCELS = {
    "before the cancel is journalled": _append(_BEFORE, "cancel_sent", "S"),
    "after the cancel is journalled": _append(_AFTER, "cancel_sent", "S"),
    "before the cancel is handed over": _broker(_BEFORE, "cancel", "S"),
    "before the cancel's bytes": _wire(_BEFORE, "cancelOrder"),
    "after the cancel's bytes": _wire(_AFTER, "cancelOrder"),
    "after the second cancel is handed over": _broker(_AFTER, "cancel", "S", 2),
    "before the end of a cancelled sell is booked": _append(_BEFORE, "cancelled", "S"),
    "after the end of a cancelled sell is booked": _append(_AFTER, "cancelled", "S"),
}
_RECOVERY = {
    "in recovery, before the run is in the ledger": _ledger(_BEFORE, "start_run"),
    "in recovery, after connecting": _broker(_AFTER, "connect"),
    "in recovery, before asking for open orders": _broker(_BEFORE, "open_orders"),
    "in recovery, after asking for open orders": _broker(_AFTER, "open_orders"),
    "in recovery, after asking for completed orders": _broker(_AFTER, "completed_orders"),
    "in recovery, before asking for executions": _broker(_BEFORE, "executions"),
    "in recovery, after asking for executions": _broker(_AFTER, "executions"),
    "in recovery, before the first fill is booked": _append(_BEFORE, "fill", "S"),
    "in recovery, before the first fill is committed": Death(_D, "book_fill", _BEFORE, 1, "S"),
    "in recovery, after the first fill is booked": _append(_AFTER, "fill", "S"),
    "in recovery, before the third fill is booked": _append(_BEFORE, "fill", "S", 3),
    "in recovery, after the third fill is booked": _append(_AFTER, "fill", "S", 3),
    "in recovery, in the middle of the fourth fill": Death(_D, "book_fill", _BEFORE, 4, "S"),
    "in recovery, after the last sell's last fill is booked": _append(_AFTER, "fill", "S", 3, "last"),
    "between recovery and plan, before the quotes": _broker(_BEFORE, "quotes"),
    "between recovery and plan, after the account": _broker(_AFTER, "account"),
    "after recovery, before the new plan is kept": _ledger(_BEFORE, "save_plan"),
    "after recovery, after the new plan is kept": _ledger(_AFTER, "save_plan"),
    "after recovery, after the first buy's bytes": _wire(_AFTER, side="B"),
    "after recovery, before the report is kept": _ledger(_BEFORE, "finish_run"),
}
_DOUBT = {
    "in recovery, before an unsent sell is called unknown": _append(_BEFORE, "unknown", "S"),
    "in recovery, after an unsent sell is called unknown": _append(_AFTER, "unknown", "S"),
}
_STILL_AT_WORK = {
    "after the first sell's bytes, still at work afterwards": _wire(_AFTER),
    "after a sell's first fill, still at work afterwards": _append(_AFTER, "fill", "S", 1, "first"),
    "after the cancel is journalled, still at work afterwards": _append(_AFTER, "cancel_sent", "S"),
}
_GATEWAY = {
    "after the second sell's bytes, and the gateway": _wire(_AFTER, nth=2),
    "after the first sell is called sent, and the gateway": _append(_AFTER, "sent", "S"),
    "after a sell's first fill is booked, and the gateway": _append(_AFTER, "fill", "S", 1, "first"),
    "between sells and buys, and the gateway": _broker(_BEFORE, "account", nth=2),
    "after the last buy's bytes, and the gateway": _wire(_AFTER, side="B", nth=3),
    "before the report is kept, and the gateway": _ledger(_BEFORE, "finish_run"),
}
_COMMAND = {
    "after the first sell is called sent, and the command": _append(_AFTER, "sent", "S"),
    "after the second sell's bytes, and the command": _wire(_AFTER, nth=2),
    "before the report is kept, and the command": _ledger(_BEFORE, "finish_run"),
    "after the report is kept, and the command": _ledger(_AFTER, "finish_run"),
}

POINTS: tuple[Point, ...] = (
    *(Point(name, (death,)) for name, death in {**_BEFORE_TRADING, **_SELLS, **_BETWEEN, **_BUYS}.items()),
    *(Point(name, (death,), SLOW) for name, death in _CANCELS.items()),
    *(Point(name, (IN_FLIGHT, death)) for name, death in _RECOVERY.items()),
    *(Point(name, (UNSENT, death)) for name, death in _DOUBT.items()),
    *(Point(name, (death,), SLOW, silence=True) for name, death in _STILL_AT_WORK.items()),
    *(Point(name, (death,), gateway_dies=True) for name, death in _GATEWAY.items()),
    *(Point(name, (death,), command_dies=True) for name, death in _COMMAND.items()),
    Point(
        "in recovery, after the first fill is booked, twice",
        (IN_FLIGHT, _RECOVERY_FILL := _append(_AFTER, "fill", "S"), _RECOVERY_FILL),
    ),
    Point("at work while the gateway dies", (_wire(_AFTER, nth=3),), SLOW, gateway_dies=True),
)

SAMPLE = (
    "after the first sell's intent",
    "after the first sell is called sent",
    "in the middle of the second sell's bytes",
    "after the last sell's bytes",
    "before a sell's first fill is committed",
    "after the first buy's bytes",
    "after the cancel is journalled",
    "in recovery, after the third fill is booked",
    "after the second sell's bytes, and the gateway",
)


def point(name: str) -> Point:
    """By its name. Raises KeyError."""
    return {one.name: one for one in POINTS}[name]
