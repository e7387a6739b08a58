"""The ledger and the clock that fail by plan."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.errors import LedgerError
from robotrading.sim.clock import VirtualClock
from robotrading.sim.faults.clock import JumpingClock
from robotrading.sim.faults.kinds import WHERE, FaultKind, Layer, Trigger
from robotrading.sim.faults.ledger import faulty_ledger
from robotrading.sim.faults.plan import FaultPlan
from robotrading.sim.faults.script import Script
from tests.unit.sim.fault_stage import buy, fault
from tests.unit.sim.sim_world import ABC, NOON

K, T = FaultKind, Trigger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    store = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield store
    store.close()


LEDGERS = sorted(kind for kind in FaultKind if Layer.LEDGER in WHERE[kind])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", LEDGERS)
def test_a_call_fails_before_its_effect_or_when_it_has_had_it(kind: FaultKind, after: bool, ledger: SqlLedger) -> None:
    play = Script(FaultPlan(0, (fault(kind, T.LEDGER, 2, after=after),)), VirtualClock(NOON))
    failing = faulty_ledger(ledger, play)
    assert failing.halted() == ""
    with pytest.raises(LedgerError, match="record_intent: the ledger can"):
        failing.record_intent(buy(), NOON)
    assert (ledger.ticket(buy().intent_id) is not None) is after
    assert failing.owned(ABC) == 0
    assert [one.fault.kind for one in play.happened] == [kind]


def test_a_database_that_is_gone_stays_gone_but_can_be_closed(ledger: SqlLedger) -> None:
    play = Script(FaultPlan(0, (fault(K.DATABASE_GONE, T.LEDGER, 1, times=0),)), VirtualClock(NOON))
    failing = faulty_ledger(ledger, play)
    for _ in range(3):
        with pytest.raises(LedgerError, match="gone"):
            failing.halted()
    failing.close()


def test_the_clocks_kinds_are_those_shown_here() -> None:
    assert {kind for kind in FaultKind if Layer.CLOCK in WHERE[kind]} == {K.CLOCK_JUMP}


def test_the_wall_clock_leaps_and_monotonic_time_goes_on() -> None:
    world = VirtualClock(NOON)
    forward = fault(K.CLOCK_JUMP, T.SECONDS, 5, amount=Decimal(3600))
    back = fault(K.CLOCK_JUMP, T.QUESTION, 1, amount=Decimal(-7200))
    play = Script(FaultPlan(0, (forward, back)), world)
    clock = JumpingClock(world, play)
    seen = []
    for seconds in (0, 4, 1, 1):
        world.advance(seconds)
        seen.append(((clock.now() - NOON).total_seconds(), clock.monotonic()))
    assert seen == [(0, 0), (4, 4), (3605, 5), (3606, 6)]
    play.occurs(T.QUESTION, Layer.BROKER)
    assert (clock.now() - NOON).total_seconds() == 6 - 3600
    assert clock.monotonic() == 6
