"""Orders of ours that the ledger does not know: which instruments they keep from being ordered in, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Side, TicketStatus, kind_of
from robotrading.execution.strangers import strangers
from tests.unit.execution.histories import AAPL, D, evidence, fill, intent, listed, pasts

BUY, SELL = intent(10), intent(4, Side.SELL)
WORKING = TicketStatus.WORKING


@given(pasts(BUY))
def test_whatever_is_known_is_no_stranger_and_whatever_moved_is_one(past):
    _, found = past
    assert strangers(found, {BUY.intent_id}) == ()
    told = {one.fill_id: one for one in sorted(found.executions, key=lambda one: one.revision)}
    bought = sum((one.quantity for one in told.values()), D(0))
    assert [one.bought for one in strangers(replace(found, open_orders=()), ())] == ([bought] if bought else [])


def test_of_one_instrument_all_orders_are_told_together():
    found = evidence((listed(SELL, WORKING),), (), (fill(BUY, 6, "a"), fill(BUY, 4, "b"), fill(SELL, 1, "c")))
    (one,) = strangers(found, ())
    assert (one.instrument, one.kind, one.bought, one.sold) == (AAPL, AssetClass.EQUITIES, D(10), D(1))
    said = one.sentence(D(3))
    assert f"does not know {SELL.intent_id}, {BUY.intent_id}, which" in said
    assert f"; {SELL.intent_id} is at work: cancel it in TWS; AAPL: bought 10 and sold 1 today, so nothing" in said
    assert "the ledger says that 3 are the bot's" in said


def test_a_correction_takes_the_place_of_what_it_corrects_and_what_was_taken_back_has_moved_nothing():
    first, corrected = fill(BUY, 6), fill(BUY, 5, revision=2)
    assert [one.bought for one in strangers(evidence(executions=(corrected, first)), ())] == [D(5)]
    assert strangers(evidence(executions=(first, replace(corrected, quantity=D(0)))), ()) == ()


@pytest.mark.parametrize("status", [one for one in TicketStatus if one.terminal])
def test_what_is_over_among_the_open_orders_is_none(status: TicketStatus):
    assert strangers(evidence((listed(BUY, status),)), ()) == ()


def test_orders_of_others_are_none():
    assert (
        strangers(
            evidence((replace(listed(BUY, WORKING), intent_id=""),), (), (replace(fill(BUY, 1), intent_id=""),)), ()
        )
        == ()
    )


def test_an_order_at_work_moved_nothing_yet():
    (one,) = strangers(evidence((listed(BUY, WORKING),)), ())
    assert one.sentence(D(0)).endswith("; AAPL: nothing is ordered meanwhile")


@pytest.mark.parametrize("kind", AssetClass)
def test_a_reference_tells_its_session(kind: AssetClass):
    assert kind_of(f"rt-{kind[:2]}-20250926-AAPL-B-1") is kind
    assert kind_of("rt-xx-1") is kind_of("mine") is None
