"""Laws of the ledger under anything a broker may say, in any order, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import EQ, NOW, D, fill, intent

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Side
from robotrading.execution.lifecycle import replay

NUMBERS = count(1)
SOME = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


WORD = st.tuples(
    st.sampled_from([kind for kind in EventKind if kind is not EventKind.FILL]),
    st.integers(0, 3),
    st.sampled_from(["", "because"]),
    st.sampled_from([None, 201]),
    st.sampled_from([None, D("2.5")]),
)
EXECUTION = st.tuples(
    st.sampled_from(["a", "b", "c", "person-1"]), st.integers(1, 6), st.integers(1, 3), st.sampled_from([None, "0.5"])
)
HISTORY = st.lists(st.tuples(st.integers(0, 2), st.one_of(WORD, EXECUTION)), max_size=14)


def orders(instrument: Instrument) -> list[Intent]:
    return [
        intent(instrument=instrument),
        intent(instrument=instrument, attempt=2),
        intent(Side.SELL, instrument=instrument),
    ]


def as_event(of: Intent, number: int, said: tuple) -> OrderEvent:
    at = NOW + timedelta(seconds=number)
    if isinstance(said[0], EventKind):
        kind, broker_id, reason, code, protected = said
        return OrderEvent(of.intent_id, kind, at, None, broker_id, reason, code, protected)
    name, quantity, revision, commission = said
    prefix = f"person-{of.intent_id}" if name.startswith("person") else f"{of.intent_id}.{name}"
    paid = {} if commission is None else {"commission": D(commission), "commission_currency": "USD"}
    return fill(of, str(quantity), f"10{revision}", prefix, at=at, revision=revision, **paid)


@SOME
@given(HISTORY)
def test_the_stored_ticket_is_the_replay_of_what_was_said(database: Database, history) -> None:
    """Whatever was appended, kept or found to be nothing new; and the ledger's own check agrees."""
    ledger = SqlLedger(database)
    mine = orders(Instrument(f"T{next(NUMBERS)}", EQ))
    said: dict[str, list[OrderEvent]] = {one.intent_id: [] for one in mine}
    for one in mine:
        ledger.record_intent(one, NOW)
    for number, (which, what) in enumerate(history):
        event = as_event(mine[which], number, what)
        said[event.intent_id].append(event)
        returned = ledger.append(event)
        assert ledger.ticket(event.intent_id) == returned
    for one in mine:
        stored = ledger.ticket(one.intent_id)
        assert stored == replay(one, said[one.intent_id]) == replay(one, ledger.events(one.intent_id))
    assert check(database, NOW) == ()


@SOME
@given(st.data())
def test_any_order_of_executions_and_corrections_gives_the_same_quantity(database: Database, data) -> None:
    ledger = SqlLedger(database)
    drawn = data.draw(
        st.lists(
            st.tuples(st.integers(0, 2), EXECUTION), max_size=8, unique_by=lambda one: (one[0], one[1][0], one[1][2])
        )
    )
    told = [one for one in drawn if not one[1][0].startswith("person")]
    found = []
    for arrangement in (told, data.draw(st.permutations(told)), [*told, *told]):
        instrument = Instrument(f"Q{next(NUMBERS)}", EQ)
        mine = orders(instrument)
        for one in mine:
            ledger.record_intent(one, NOW)
        for number, (which, what) in enumerate(arrangement):
            ledger.append(as_event(mine[which], number, what))
        found.append(
            (
                ledger.owned(instrument),
                [
                    {
                        f.fill_id.removeprefix(one.intent_id): (f.quantity, f.revision)
                        for f in ledger.ticket(one.intent_id).fills
                    }
                    for one in mine
                ],
            )
        )
    assert found[0] == found[1] == found[2]


@SOME
@given(HISTORY)
def test_the_position_is_what_was_bought_less_what_was_sold(database: Database, history) -> None:
    ledger, instrument = SqlLedger(database), Instrument(f"P{next(NUMBERS)}", EQ)
    mine = orders(instrument)
    for one in mine:
        ledger.record_intent(one, NOW)
    for number, (which, what) in enumerate(history):
        ledger.append(as_event(mine[which], number, what))
    tickets = ledger.tickets([one.intent_id for one in mine])
    assert ledger.owned(instrument) == sum(ticket.filled * ticket.intent.side.sign for ticket in tickets.values())
    assert all(held.quantity > 0 for held in ledger.positions())
    assert replace(tickets[mine[0].intent_id]) == ledger.ticket(mine[0].intent_id)
