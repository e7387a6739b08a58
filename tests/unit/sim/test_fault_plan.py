"""Laws of fault plans: what a file may say, what a seed draws, what a script counts."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.errors import ConfigError
from robotrading.sim.clock import VirtualClock, run_virtual
from robotrading.sim.faults.agenda import Agenda
from robotrading.sim.faults.kinds import SHAPES, WHERE, Extent, FaultKind, Layer, Trigger
from robotrading.sim.faults.plan import (
    ALL_KINDS,
    MOST_FAULTS,
    Fault,
    FaultPlan,
    plan_for,
    plan_from_json,
    plan_to_json,
    read_plan,
    write_plan,
)
from robotrading.sim.faults.script import Script
from tests.unit.sim.fault_stage import fault
from tests.unit.sim.sim_world import NOON

D = Decimal
K, T = FaultKind, Trigger


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Any fault that its kind's shape allows."""
    kind = draw(st.sampled_from(FaultKind))
    shape = SHAPES[kind]
    on = draw(st.sampled_from(sorted(shape.triggers)))
    long = shape.extent is Extent.LASTING or bool(shape.pause)
    seconds = st.none() | st.floats(0, 1e6, allow_nan=False)
    amounts = st.none() | st.decimals(shape.least, shape.most, places=4)
    return Fault(
        kind=kind,
        on=on,
        at=draw(st.floats(0, 1e6)) if on is T.SECONDS else draw(st.integers(1, 1000)),
        times=draw(st.integers(0, 5)),
        seconds=draw(seconds) if long else None,
        amount=draw(amounts) if shape.amount else None,
        after=draw(st.booleans()) if T.LEDGER in shape.triggers else False,
    )


PLANS = st.builds(FaultPlan, st.integers(0, 2**62), st.lists(faults(), max_size=5).map(tuple))


@given(PLANS)
def test_a_plan_written_and_read_is_the_same_plan(plan: FaultPlan) -> None:
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_plan_is_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, plan_for(7))
    assert read_plan(path) == plan_for(7)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_plan(tmp_path / "none.json")


def test_a_person_writes_only_what_is_not_as_usual() -> None:
    plan = plan_from_json(b'{"faults": [{"kind": "frozen", "on": "question", "at": 3, "seconds": 20}]}')
    assert plan == FaultPlan(0, (Fault(kind=K.FROZEN, on=T.QUESTION, at=3, seconds=20.0),))
    assert b"times" not in plan_to_json(plan)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ('{"seed": "x"}', "seed"),
        ('{"faults": {}}', "faults"),
        ('{"fault": []}', "'fault' is no key"),
        ('{"faults": [{"kind": "drop", "on": "submit", "sceonds": 3}]}', "'sceonds' is no key"),
        ('{"faults": [{"kind": "flood", "on": "submit"}]}', "flood"),
        ('{"faults": [{"kind": "drop"}]}', "missing required field `on`"),
        ('{"faults": [{"kind": "drop", "on": "ledger"}]}', "on: ledger cannot set it off"),
        ('{"faults": [{"kind": "drop", "on": "submit", "at": 0}]}', "at: 0"),
        ('{"faults": [{"kind": "drop", "on": "submit", "at": 1.5}]}', "at: 1.5"),
        ('{"faults": [{"kind": "drop", "on": "seconds", "at": -1}]}', "at: -1"),
        ('{"faults": [{"kind": "drop", "on": "submit", "times": -1}]}', "times: -1"),
        ('{"faults": [{"kind": "frozen", "on": "submit", "seconds": -1}]}', "seconds: -1"),
        ('{"faults": [{"kind": "drop", "on": "submit", "seconds": 1}]}', "has no length"),
        ('{"faults": [{"kind": "drop", "on": "submit", "after": true}]}', "after: only a ledger"),
        ('{"faults": [{"kind": "drop", "on": "submit", "amount": "1"}]}', "amount: 1 is given"),
        ('{"faults": [{"kind": "duplicates", "on": "submit", "amount": "99"}]}', "not between 2 and 5"),
        ('{"faults": [{"kind": "duplicates", "on": "submit", "amount": "NaN"}]}', "not between"),
    ],
)
def test_a_bad_file_gives_one_clear_message(content: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.json: not a fault plan: ") as caught:
        plan_from_json(content.encode(), "mine.json")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kind_or_trigger_that_is_none_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="fault 2: 'drops' is no kind of fault; there are ") as kind:
        plan_from_json(b'{"faults": [{"kind": "drop", "on": "submit"}, {"kind": "drops", "on": "submit"}]}')
    assert all(f" {name}," in f"{kind.value}," for name in FaultKind)
    with pytest.raises(ConfigError, match="fault 1: 'submitted' sets nothing off; there are ") as trigger:
        plan_from_json(b'{"faults": [{"kind": "drop", "on": "submitted"}]}')
    assert all(f" {name}," in f"{trigger.value}," for name in Trigger)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_make_anything_but_a_plan_or_that_message(content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        plan_from_json(content)


# Drawing


@given(st.integers(0, 2**62), st.sampled_from([0.5, 1.0, 3.0]))
def test_a_seed_draws_one_plan(seed: int, intensity: float) -> None:
    plan = plan_for(seed, intensity)
    assert plan == plan_for(seed, intensity, list(reversed(ALL_KINDS)))
    assert plan.seed == seed
    assert 1 <= len(plan.faults) <= MOST_FAULTS * intensity


def test_a_seed_draws_the_same_plan_for_ever() -> None:
    """Written down: a seed in a report must replay on another machine, with another Python."""
    assert [(one.kind, one.on, one.at, one.seconds, one.amount, one.after) for one in plan_for(2025).faults] == [
        (K.POSITIONS_HUNG, T.EVENT, 2, 3600.0, None, False),
        (K.DROP_BEFORE_ORDER, T.SUBMIT, 8, None, None, False),
        (K.WRONG_ACCOUNT, T.CONNECT, 3, None, None, False),
    ]


def test_seeds_reach_every_kind_and_trigger() -> None:
    drawn = [one for seed in range(600) for one in plan_for(seed).faults]
    assert {one.kind for one in drawn} == set(FaultKind)
    assert {one.on for one in drawn} == set(Trigger)
    assert {one.after for one in drawn} == {True, False}
    assert None in {one.seconds for one in drawn if SHAPES[one.kind].extent is Extent.LASTING}


def test_only_the_kinds_asked_for_are_drawn_and_none_at_intensity_nought() -> None:
    assert {one.kind for seed in range(50) for one in plan_for(seed, 1, {K.DROP}).faults} == {K.DROP}
    assert plan_for(1, 0) == FaultPlan(1)
    assert plan_for(1, 1, ()) == FaultPlan(1)
    for seed, intensity in ((-1, 1.0), (1, -0.5)):
        with pytest.raises(ValueError, match="negative"):
            plan_for(seed, intensity)


# The table


def test_every_kind_has_a_shape_and_a_layer() -> None:
    assert SHAPES.keys() == WHERE.keys() == set(FaultKind)
    assert all(WHERE.values())
    for kind, shape in SHAPES.items():
        assert shape.triggers, kind
        assert shape.least <= shape.usual <= shape.most, kind


# The script


def script(*planned: Fault) -> tuple[Script, VirtualClock]:
    clock = VirtualClock(NOON)
    clock.advance(1000)
    return Script(FaultPlan(0, planned), clock), clock


@pytest.mark.parametrize(("times", "befallen"), [(1, [3]), (2, [3, 4]), (0, [3, 4, 5, 6])])
def test_a_counted_fault_befalls_its_occurrences(times: int, befallen: list[int]) -> None:
    play, _ = script(fault(K.ORDER_LOST, at=3, times=times))
    assert [number for number in range(1, 7) if play.occurs(T.SUBMIT, Layer.BROKER)] == befallen
    assert [one.occurrence for one in play.happened] == befallen
    assert play.count(T.SUBMIT) == 6


def test_a_counted_fault_passes_over_layers_where_it_cannot_be_played() -> None:
    play, _ = script(fault(K.DISK_FULL, T.LEDGER))
    assert play.occurs(T.LEDGER, Layer.BROKER) == ()
    assert play.happened == []


def test_a_lasting_fault_begins_with_its_trigger_and_ends_after_its_seconds() -> None:
    play, clock = script(fault(K.FROZEN, T.QUESTION, 2, seconds=10.0))
    play.occurs(T.QUESTION, Layer.BROKER)
    assert play.in_force(K.FROZEN) is None
    play.occurs(T.QUESTION, Layer.BROKER)
    frozen = play.in_force(K.FROZEN)
    assert frozen is not None
    assert play.ends_in(frozen) == 10
    assert play.alarms([K.FROZEN]) == (10.0,)
    clock.advance(10)
    assert play.in_force(K.FROZEN) is None
    play.occurs(T.QUESTION, Layer.BROKER)
    assert play.in_force(K.FROZEN) is None, "it happens once"
    assert [str(one) for one in play.happened] == ["0 s: frozen (question 2)"]


def test_a_time_comes_by_itself_whoever_looks_and_whenever() -> None:
    play, clock = script(fault(K.FROZEN, T.SECONDS, 5, seconds=10.0), fault(K.DROP, T.SECONDS, 7))
    assert play.alarms([K.FROZEN, K.DROP]) == (5.0, 7.0)
    assert play.alarms([K.DROP]) == (7.0,)
    clock.advance(14)
    assert play.in_force(K.FROZEN) is not None
    assert play.alarms([K.FROZEN]) == (1.0,)
    assert len(play.due(K.DROP)) == 1
    assert play.due(K.DROP) == ()
    clock.advance(1)
    assert play.in_force(K.FROZEN) is None


def test_of_two_states_the_longer_one_counts_and_one_for_ever_has_no_end() -> None:
    short, ever = fault(K.FROZEN, T.CONNECT, seconds=5.0), fault(K.FROZEN, T.CONNECT)
    play, clock = script(short, replace(short, seconds=50.0), ever)
    play.occurs(T.CONNECT, Layer.BROKER)
    assert play.in_force(K.FROZEN) == ever
    assert play.ends_in(ever) is None
    clock.advance(1e9)
    assert play.in_force(K.FROZEN) == ever


def test_an_agenda_between_two_loops_is_caught_up_with_later() -> None:
    """In the order of their times, each once, nothing before its time."""
    play, clock = script()
    agenda, done = Agenda(play), []
    agenda.add(2.0, lambda: done.append("second"))
    agenda.add(1.0, lambda: done.append("first"))
    agenda.add(5.0, lambda: done.append("third"))
    clock.advance(2)
    agenda.catch_up()
    agenda.catch_up()
    assert done == ["first", "second"]

    async def next_program() -> None:
        agenda.arm()
        await asyncio.sleep(4)

    run_virtual(next_program(), clock)
    assert done == ["first", "second", "third"]
