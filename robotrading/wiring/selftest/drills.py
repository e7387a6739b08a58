"""The drills as data: what happens, by which plan, and what must come of it.

Entry points: `Drill`, `Stroke`, `Struck`, `Expect`, `DRILLS`, `drill_named`.
Every drill is two runs on the same day: one with its misfortune, and one without that must recover. The promises of
`checks` hold for all of them; `expect` is what a drill demands beyond those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.errors import ConfigError
from robotrading.sim.faults.kinds import FaultKind, Trigger
from robotrading.sim.faults.plan import Fault, FaultPlan


class Struck(StrEnum):
    """What is struck from outside, where no plan of the gateway reaches."""

    SESSION = "session"
    """kill -9 of the session's process."""
    COMMAND = "command"
    """kill -9 of the command and the pretend gateway in it."""
    EVERYTHING = "everything"
    """kill -9 of both at once, as when the power fails."""
    DISK = "disk"
    """The session can write nothing more to its ledger, as on a full disk."""
    LEDGER = "ledger"
    """Another program holds the ledger locked for `Stroke.seconds`."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A blow at the `nth` order of a run: when it has arrived, or (`accepted`) when the exchange has taken it."""

    what: Struck
    nth: int = 1
    accepted: bool = False
    seconds: float = 0.0


class Expect(StrEnum):
    """What must be true after the drill, beyond what holds for every drill."""

    SETTLED = "settled"
    """After the second run no order is in doubt."""
    DOUBT = "doubt"
    """An order that never reached the broker may stay in doubt; it is named, and nothing is ordered on top of it."""
    NOTHING_SENT = "nothing_sent"
    """The first run orders nothing at all; after the second no order is in doubt."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. `story` says what happens, `holds` what must come of it, each in a few words."""

    name: str
    story: str
    holds: str = "found again, booked once, nothing left open"
    faults: tuple[Fault, ...] = ()
    stroke: Stroke | None = None
    expect: Expect = Expect.SETTLED
    everyone: bool = field(default=False)
    """All sessions side by side; otherwise the sessions take turns over the drills."""

    @property
    def plan(self) -> FaultPlan:
        return FaultPlan(faults=self.faults)


def _on(kind: FaultKind, nth: int = 1, times: int = 1, seconds: float | None = None, amount: str = "") -> Fault:
    """At the n-th order."""
    size = Decimal(amount) if amount else None
    return Fault(kind=kind, on=Trigger.SUBMIT, at=nth, times=times, seconds=seconds, amount=size)


def _asked(kind: FaultKind, seconds: float | None = None, amount: str = "") -> Fault:
    """From the first question on."""
    return Fault(kind=kind, on=Trigger.QUESTION, seconds=seconds, amount=Decimal(amount) if amount else None)


def _login(kind: FaultKind, times: int = 1) -> Fault:
    return Fault(kind=kind, on=Trigger.CONNECT, times=times)


_NAMED = "in doubt, named, nothing on top of it"
_FOUND_OR_NAMED = "found again; what was under way is named"
_NOTHING = "nothing is ordered, and the report says why"

DRILLS: tuple[Drill, ...] = (
    Drill("normal-day", "nothing happens; all sessions side by side", "all orders done", everyone=True),
    Drill(
        "cut-before-order",
        "the connection breaks before the broker has read an order",
        _NAMED,
        (_on(FaultKind.DROP_BEFORE_ORDER),),
        expect=Expect.DOUBT,
    ),
    Drill(
        "cut-before-answer",
        "it breaks when the broker has the order and nobody is told",
        _FOUND_OR_NAMED,
        (_on(FaultKind.DROP_BEFORE_ACK),),
        expect=Expect.DOUBT,
    ),
    Drill("order-lost", "an order vanishes without a word", _NAMED, (_on(FaultKind.ORDER_LOST),), expect=Expect.DOUBT),
    Drill("no-word", "nothing is ever told of two orders", faults=(_on(FaultKind.NO_CALLBACK, times=2),)),
    Drill(
        "told-three-times",
        "everything is told three times, fills before statuses",
        "each execution booked once",
        (_on(FaultKind.DUPLICATES, times=0, amount="3"), _on(FaultKind.FILLS_FIRST, times=0)),
    ),
    Drill(
        "half-and-silence",
        "half an order is filled, then silence",
        faults=(_on(FaultKind.PARTIAL_THEN_SILENCE),),
    ),
    Drill(
        "corrected",
        "the exchange corrects a price, and takes back half an execution",
        "the ledger follows, nothing is sold twice",
        (_on(FaultKind.PRICE_CORRECTED), _on(FaultKind.QUANTITY_BUSTED, 2)),
    ),
    Drill(
        "refused",
        "orders are refused (201 both ways, 110), one is cancelled unasked",
        "told as what they are, nothing left open",
        (
            _on(FaultKind.REJECTED_INACTIVE),
            _on(FaultKind.REJECTED_CANCELLED, 2),
            _on(FaultKind.CANCELLED_UNASKED, 3),
            _on(FaultKind.OFF_TICK, 4),
        ),
    ),
    Drill("gateway-frozen", "the gateway stops answering for 6 s", faults=(_on(FaultKind.FROZEN, 2, seconds=6.0),)),
    Drill(
        "door-closed",
        "the gateway refuses the connection, then the client id (326)",
        "tried again until it works",
        (_login(FaultKind.REFUSED), Fault(kind=FaultKind.CLIENT_ID_IN_USE, on=Trigger.CONNECT, at=2)),
    ),
    Drill(
        "link-lost",
        "1100, fills meanwhile, 1101: nothing is told afterwards",
        faults=(_on(FaultKind.LINK_DATA_LOST, seconds=1.5),),
    ),
    Drill(
        "link-kept",
        "1100, fills meanwhile, 1102: all is told late",
        faults=(_on(FaultKind.LINK_DATA_KEPT, seconds=1.5),),
    ),
    Drill(
        "gateway-restart",
        "the gateway restarts and counts its order ids anew",
        _FOUND_OR_NAMED,
        (_on(FaultKind.ID_ROLLBACK, 2),),
        expect=Expect.DOUBT,
    ),
    Drill(
        "positions-empty",
        "the broker says that the account holds nothing",
        "not believed: nothing is ordered",
        (_asked(FaultKind.POSITIONS_EMPTY),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill(
        "positions-silent",
        "the broker never says what the account holds",
        "unknown is not nothing: no order",
        (_asked(FaultKind.POSITIONS_HUNG),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill(
        "wrong-account",
        "the gateway is logged in to another account",
        _NOTHING,
        (_login(FaultKind.WRONG_ACCOUNT, times=0),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill(
        "no-quotes",
        "the broker has no price for anything",
        _NOTHING,
        (_asked(FaultKind.QUOTES_MISSING),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill(
        "absurd-quotes",
        "all prices, yesterday's closes too, are a hundredfold",
        "the price source denies them: nothing is ordered",
        (_asked(FaultKind.QUOTES_ABSURD, amount="100"),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill(
        "old-quotes",
        "the broker hands out prices of yesterday as new",
        _NOTHING,
        (_asked(FaultKind.QUOTES_STALE, amount="86400"),),
        expect=Expect.NOTHING_SENT,
    ),
    Drill("disk-full", "the ledger's disk fills up at an order", stroke=Stroke(Struck.DISK)),
    Drill(
        "ledger-locked",
        "another program locks the ledger for 2 s at an order",
        stroke=Stroke(Struck.LEDGER, seconds=2.0),
    ),
    Drill(
        "session-killed",
        "kill -9 of the session when an order arrives",
        _FOUND_OR_NAMED,
        stroke=Stroke(Struck.SESSION),
        expect=Expect.DOUBT,
    ),
    Drill(
        "command-killed",
        "kill -9 of the command; an order is at the exchange",
        _FOUND_OR_NAMED,
        stroke=Stroke(Struck.COMMAND, accepted=True),
        expect=Expect.DOUBT,
    ),
    Drill(
        "power-cut",
        "everything is killed at once; an order is at the exchange",
        _FOUND_OR_NAMED,
        stroke=Stroke(Struck.EVERYTHING, accepted=True),
        expect=Expect.DOUBT,
    ),
)


def drill_named(name: str, known: Sequence[Drill] = DRILLS) -> Drill:
    """Raises `ConfigError` with the names that there are."""
    for drill in known:
        if drill.name == name:
            return drill
    raise ConfigError(f"there is no drill {name!r}; `robotrading selftest --list` has them all")
