"""What no list of the broker names: the day after, the account's positions are the witness."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import BrokerOrder, EventKind, OrderEvent, Side, TicketStatus, TimeInForce
from robotrading.execution.lifecycle import fold
from robotrading.execution.reconcile import Around, Evidence, day_over, settle
from tests.unit.execution.histories import AAPL, NOW, D, executed, fill, intent, listed, ticket

K, S = EventKind, TicketStatus
NEXT_DAY = NOW + timedelta(days=1)
QUANTITIES = st.integers(0, 30).map(Decimal)


def account(held: Decimal | int, at: datetime = NEXT_DAY) -> Account:
    there = (Position(AAPL, D(held), D(90)),) if held else ()
    return Account("DU1", "USD", D(10_000), D(10_000), {"USD": D(10_000)}, there, at)


def morning(held: Decimal | int | None, at: datetime = NEXT_DAY, **lists: object) -> Evidence:
    found = Evidence((), (), (), at, None if held is None else account(held, at))
    return replace(found, **lists)


SEVEN = D(7)


def sent(of, protected=SEVEN, *more):
    return ticket(of, OrderEvent(of.intent_id, K.SENT, NOW, protected=protected), *more)


def settled(of, found, around):
    for one in settle(of, found, around):
        of = fold(of, one)
    return of


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("done", [0, 4])
def test_a_holding_beyond_the_bots_own_that_has_not_moved_proves_that_nothing_was_executed(side, done):
    of = intent(10, side)
    before = sent(of, D(7), *([executed(of, done)] if done else []))
    after = settled(before, morning(107), Around(D(100)))
    assert (after.status, after.filled) == (S.CANCELLED, D(done))
    assert after.reason.startswith("nothing more of it was executed" if done else "nothing of it was executed")
    for number in ("107", "100", "7"):
        assert number in after.reason


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("done", [0, 4])
def test_a_holding_moved_by_just_the_open_rest_is_a_guess_that_a_person_confirms(side, done):
    of = intent(10, side)
    before = sent(of, D(7), *([executed(of, done)] if done else []))
    after = settled(before, morning(107 + side.sign * (10 - done)), Around(D(100)))
    assert after.status is S.UNKNOWN
    assert "probably executed" in after.reason
    assert f"robotrading resolve {of.intent_id} --filled {10 - done}@PRICE" in after.reason


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("done", [0, 4])
@pytest.mark.parametrize("part", [1, 5])
def test_a_holding_moved_by_a_part_of_the_rest_names_that_part(side, done, part):
    """The usual end of a day order that filled a little unseen: to confirm all of it would book what never was."""
    of = intent(10, side)
    before = sent(of, D(7), *([executed(of, done)] if done else []))
    after = settled(before, morning(107 + side.sign * part), Around(D(100)))
    assert after.status is S.UNKNOWN
    assert f"a part of it was probably executed, {part} of {10 - done}" in after.reason
    assert f"robotrading resolve {of.intent_id} --filled {part}@PRICE" in after.reason


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("by", [-3, 11])
def test_a_holding_moved_the_other_way_or_too_far_is_no_guess(side, by):
    of = intent(10, side)
    after = settled(sent(of), morning(107 + side.sign * by), Around(D(100)))
    assert after.status is S.UNKNOWN
    assert "moved by something else" in after.reason
    assert "--filled 10@PRICE" in after.reason


@given(st.sampled_from(list(Side)), QUANTITIES, QUANTITIES, QUANTITIES)
def test_positions_end_a_ticket_only_where_nothing_moved(side, protected, owned, held):
    of = intent(10, side)
    after = settled(sent(of, protected), morning(held), Around(owned))
    assert after.status is (S.CANCELLED if held - owned == protected else S.UNKNOWN)
    assert after.reason
    assert settle(after, morning(held), Around(owned)) == ()


@given(st.sampled_from(list(Side)), QUANTITIES, QUANTITIES, st.integers(1, 10).map(Decimal))
def test_an_execution_nobody_heard_of_is_never_taken_for_none(side, protected, owned, unseen):
    """Whatever part of the order was executed, the ticket stays in doubt."""
    of = intent(10, side)
    held = protected + owned + side.sign * unseen
    assert settled(sent(of, protected), morning(held), Around(owned)).status is S.UNKNOWN


def test_executions_told_with_the_lists_are_booked_before_the_positions_are_read():
    """The ledger's quantity is of before them; the account's has them already."""
    of = intent(10)
    found = morning(111, executions=(fill(of, 4),))
    after = settled(sent(of), found, Around(D(100)))
    assert (after.status, after.filled) == (S.CANCELLED, D(4))


@pytest.mark.parametrize(
    ("protected", "found", "around", "why"),
    [
        (None, morning(107), Around(D(100)), "is not known"),
        (D(7), morning(None), Around(D(100)), "not to be had"),
        (D(7), replace(morning(107), account=account(107, NOW)), Around(D(100)), "not to be had"),
        (D(7), morning(107), Around(D(100), "rt-eq-20250926-AAPL-S-1"), "rt-eq-20250926-AAPL-S-1"),
    ],
)
def test_positions_that_cannot_speak_end_nothing(protected, found, around, why):
    of = intent(10)
    after = settled(sent(of, protected, executed(of, 4)), found, around)
    assert after.status is S.UNKNOWN
    assert why in after.reason
    assert f"`robotrading resolve {of.intent_id} --filled 6@PRICE` or" in after.reason, "all that is left, no guess"
    assert "--not-filled" in after.reason
    assert after.broker_id == 0, "no list has named one"


def test_on_its_own_day_nothing_is_guessed():
    later = NOW + timedelta(hours=1)
    after = settled(sent(intent(10)), morning(107, later), Around(D(100)))
    assert after.status is S.UNKNOWN
    assert "neither as open nor as completed" in after.reason


def test_without_the_ledgers_quantity_the_positions_are_not_looked_at():
    assert settled(sent(intent(10)), morning(107), None).status is S.UNKNOWN


def test_an_order_good_till_cancelled_never_ends_by_the_date():
    of = replace(intent(10), tif=TimeInForce.GTC)
    assert not day_over(of, NOW + timedelta(days=400))
    assert settled(sent(of), morning(107), Around(D(100))).status is S.UNKNOWN


@pytest.mark.parametrize("status", [K.ACKNOWLEDGED, K.UNKNOWN])
def test_orders_that_worked_on_a_past_day_are_settled_too(status):
    of = intent(10)
    word = OrderEvent(of.intent_id, status, NOW, broker_id=77)
    assert settled(sent(of, D(7), word), morning(107), Around(D(100))).status is S.CANCELLED


@pytest.mark.parametrize(
    ("kind", "at", "over"),
    [
        (AssetClass.EQUITIES, datetime(2025, 9, 27, 9, 59, tzinfo=UTC), False),
        (AssetClass.EQUITIES, datetime(2025, 9, 27, 10, 0, tzinfo=UTC), True),
        (AssetClass.CRYPTO, datetime(2025, 9, 27, 5, 59, tzinfo=UTC), False),
        (AssetClass.CRYPTO, datetime(2025, 9, 27, 6, 0, tzinfo=UTC), True),
        (AssetClass.BONDS, datetime(2025, 9, 26, 23, 59, tzinfo=UTC), False),
    ],
)
def test_a_day_is_over_six_hours_after_the_exchanges_midnight(kind, at, over):
    assert day_over(replace(intent(10), kind=kind), at) is over


def nameless(of, status, broker_id, filled=0):
    return BrokerOrder("", broker_id, of.instrument, of.side, of.quantity, D(filled), status)


def test_an_order_that_has_lost_its_reference_is_known_by_its_permanent_id():
    of = intent(10)
    before = ticket(of, K.SENT, OrderEvent(of.intent_id, K.ACKNOWLEDGED, NOW, broker_id=77), K.UNKNOWN)
    found = morning(None, NOW)
    assert settled(before, replace(found, open_orders=(nameless(of, S.WORKING, 77),)), None).status is S.WORKING
    assert settled(before, replace(found, completed_orders=(nameless(of, S.REJECTED, 77),)), None).status is S.REJECTED


@pytest.mark.parametrize("broker_id", [0, 78])
def test_a_nameless_order_with_another_permanent_id_is_nobodys(broker_id):
    of = intent(10)
    found = morning(None, NOW, open_orders=(nameless(of, S.WORKING, broker_id),))
    assert settled(ticket(of, K.SENT), found, None).status is S.UNKNOWN


def test_a_reference_of_another_order_is_never_overruled_by_the_permanent_id():
    of, other = intent(10), intent(10, number=2)
    before = ticket(of, K.SENT, OrderEvent(of.intent_id, K.ACKNOWLEDGED, NOW, broker_id=77))
    found = morning(None, NOW, open_orders=(listed(other, S.WORKING, broker_id=77),))
    assert settled(before, found, None).status is S.UNKNOWN


def test_executions_that_are_not_told_any_more_are_asked_of_the_person():
    of = intent(10)
    found = morning(117, completed_orders=(listed(of, S.FILLED, 10),))
    after = settled(sent(of), found, Around(D(100)))
    assert after.status is S.UNKNOWN
    assert "--filled 10@PRICE" in after.reason
