"""What must hold after a drill: a sound story passes, and each way to break it is seen and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome, SessionReport, StepResult
from robotrading.sim.exchange_types import Execution, Holding
from robotrading.sim.faults.kinds import WHERE, Layer
from robotrading.wiring.drills.facts import Placement, Strike
from robotrading.wiring.selftest.checks import Ended, Played, breaches
from robotrading.wiring.selftest.drills import DRILLS, Drill, Expect, drill_named
from robotrading.wiring.selftest.record import Line

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
TEN, FORTY = Decimal(10), Decimal(40)
REF = "rt-eq-20250926-AAPL-B-1"
CUT = drill_named("no-word")
LOST = drill_named("order-lost")
QUIET = drill_named("wrong-account")

INTENT = Intent(
    REF, "run-1", AssetClass.EQUITIES, NOW.date(), AAPL, Side.BUY, TEN, OrderType.LIMIT, Decimal(100), "because"
)
FILL = Fill("0001.01", REF, AAPL, Side.BUY, TEN, Decimal(100), NOW, commission=Decimal(1))
TICKET = Ticket(INTENT, TicketStatus.FILLED, 7, (FILL,))
EXECUTION = Execution(
    exec_id="0001.01.01",
    perm_id=7,
    client_id=101,
    order_id=1,
    account_id="DU1",
    order_ref=REF,
    instrument=replace(AAPL, tick=Decimal("0.05")),  # the broker's own tick makes no other instrument of it
    side=Side.BUY,
    quantity=TEN,
    price=Decimal(100),
    at=NOW,
    cum_quantity=TEN,
    avg_price=Decimal(100),
    exchange="SMART",
)
PLACED = Line(1, placed=Placement(REF, 7, AAPL, Side.BUY, TEN, None, NOW, journalled="sent"))
STRUCK = Line(1, strike=Strike(EXECUTION, 1.0, NOW))


def report(number: int, tickets: tuple[Ticket, ...] = (), outcome: Outcome = Outcome.DONE) -> SessionReport:
    steps = (StepResult("recover", 0.1),)
    return SessionReport(
        f"run-{number}", AssetClass.EQUITIES, "rehearsal", NOW.date(), NOW, NOW, outcome, "said", steps, tickets=tickets
    )


def ended(number: int, *reports: SessionReport) -> Ended:
    return Ended(number, 3.0, 1, reports or (report(number),))


def holding(quantity: Decimal) -> Holding:
    return Holding(account_id="DU1", instrument=AAPL, quantity=quantity, avg_cost=TEN)


SOUND = Played(
    drill=CUT,
    runs=(ended(1), ended(2)),
    lines=(PLACED, STRUCK, Line(1, word="1 s: drop")),
    tickets={REF: TICKET},
    positions=(Position(AAPL, TEN, Decimal(100), "equities"),),
    held=(holding(TEN + FORTY),),
    still_open=(),
    own=((AAPL, FORTY),),
    stored={"run-1": 1, "run-2": 1},
)


def lost(status: TicketStatus = TicketStatus.UNKNOWN) -> Played:
    """The order never reached the exchange, and the last report names it."""
    ticket = Ticket(INTENT, status, reason="silence")
    return replace(
        SOUND,
        drill=LOST,
        runs=(ended(1), ended(2, report(2, (ticket,)))),
        lines=(Line(1, word="order_lost"),),
        tickets={REF: ticket},
        positions=(),
        held=(holding(FORTY),),
    )


def test_a_sound_story_breaks_nothing() -> None:
    assert breaches(SOUND) == []
    assert SOUND.took_place


def test_an_order_that_nobody_can_tell_of_may_stay_in_doubt_where_it_is_named() -> None:
    assert breaches(lost()) == []


BROKEN: dict[str, tuple[Callable[[], Played], str]] = {
    "an order without its intent": (
        lambda: replace(SOUND, lines=(replace(PLACED, placed=replace(PLACED.placed, journalled="")), STRUCK)),
        "without an intent on the disk",
    ),
    "an order sent twice": (
        lambda: replace(SOUND, lines=(PLACED, replace(PLACED, placed=replace(PLACED.placed, perm_id=8)), STRUCK)),
        "reached the exchange twice",
    ),
    "an execution that is not booked": (
        lambda: replace(SOUND, tickets={REF: replace(TICKET, fills=())}, positions=()),
        "does not know 0001.01.01",
    ),
    "an execution that never was": (lambda: replace(SOUND, lines=(PLACED,)), "never was"),
    "positions beside the executions": (
        lambda: replace(SOUND, positions=(Position(AAPL, FORTY, TEN, "equities"),)),
        "its executions add up to 10",
    ),
    "holdings of the person moved": (
        lambda: replace(SOUND, held=(holding(FORTY),)),
        "the person's AAPL were 40, now 30",
    ),
    "an order beyond its bound": (
        lambda: replace(
            SOUND,
            lines=(replace(PLACED, placed=replace(PLACED.placed, limit=Decimal(101))), STRUCK),
            bounds={AssetClass.EQUITIES: Decimal(1000)},
        ),
        "is worth 1010.00, limits.max_order_value is 1000",
    ),
    "an order left at work": (lambda: replace(SOUND, still_open=(REF,)), "still works at the exchange"),
    "a run without its report": (lambda: replace(SOUND, stored={"run-1": 0, "run-2": 1}), "run-1 has no stored report"),
    "too few reports": (
        lambda: replace(SOUND, runs=(replace(ended(1), sessions=2), ended(2))),
        "run 1 left 1 reports for 2 sessions",
    ),
    "a run without end": (lambda: replace(SOUND, runs=(replace(ended(1), late=True), ended(2))), "had not ended"),
    "a run that died": (
        lambda: replace(SOUND, runs=(replace(ended(1), reports=None, trouble="exit code 1; ouch"), ended(2))),
        "run 1 died: exit code 1; ouch",
    ),
    "a second run that fails": (
        lambda: replace(SOUND, runs=(ended(1), ended(2, report(2, outcome=Outcome.FAILED)))),
        "the run afterwards failed",
    ),
    "a ledger that does not hold together": (lambda: replace(SOUND, ledger_findings=("ledger: odd",)), "ledger: odd"),
    "doubt where none may be": (lambda: replace(lost(), drill=CUT), "is still unknown"),
    "doubt that nobody names": (
        lambda: replace(lost(), runs=(ended(1), ended(2))),
        "the last report does not name it",
    ),
    "an order on top of a doubt": (
        lambda: replace(
            lost(), lines=(replace(PLACED, run=2, placed=replace(PLACED.placed, reference="rt-eq-20250926-AAPL-B-2")),)
        ),
        f"was sent while {REF} was in doubt",
    ),
    "an order where none may be": (lambda: replace(SOUND, drill=QUIET), "was ordered all the same"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_told(case: str) -> None:
    made, sentence = BROKEN[case]
    assert any(sentence in told for told in breaches(made())), breaches(made())


def test_a_misfortune_that_never_came_proves_nothing() -> None:
    assert not replace(SOUND, lines=(PLACED, STRUCK)).took_place
    assert replace(SOUND, drill=DRILLS[0], lines=(PLACED, STRUCK)).took_place
    assert not replace(SOUND, drill=DRILLS[0], lines=()).took_place


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_can_be_played_on_the_wire(drill: Drill) -> None:
    """Its faults are the gateway's; a stroke and a plan never come together; its words fit a table."""
    assert all(Layer.GATEWAY in WHERE[fault.kind] for fault in drill.faults)
    assert not (drill.faults and drill.stroke)
    assert len(drill.story) < 80
    assert len(drill.holds) < 60
    assert drill.expect is not Expect.NOTHING_SENT or not drill.stroke


def test_names_of_drills_are_words_and_each_is_taken_once() -> None:
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)
