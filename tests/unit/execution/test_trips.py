"""What closed positions brought, by average cost and after commissions; what is not known is None."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_worlds import NOW, fill, intent, share

from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Side, Ticket
from robotrading.execution.trips import Checkpoint, Priced, closed_trips, hit_rate, position_gains

D = Decimal
AAA = share("AAA")


def traded(hours: int, side: Side, quantity: str, price: str, commission: str | None = "0") -> Ticket:
    made = intent("AAA", side, intent_id=f"AAA-{hours}")
    charged = None if commission is None else D(commission)
    one = replace(fill(made, D(quantity), D(price), charged), at=NOW + timedelta(hours=hours))
    return Ticket(made, fills=(one,))


def test_a_round_trip_brings_its_proceeds_less_its_cost_and_all_commissions():
    trips = closed_trips([traded(0, Side.BUY, "10", "100", "1"), traded(1, Side.SELL, "10", "110", "2")])
    assert [(trip.instrument, trip.gain, trip.closed_at) for trip in trips] == [(AAA, D(97), NOW + timedelta(hours=1))]


def test_sales_in_parts_are_one_round_trip():
    tickets = [
        traded(0, Side.BUY, "10", "100"),
        traded(1, Side.BUY, "10", "110"),
        traded(2, Side.SELL, "5", "100"),
        traded(3, Side.SELL, "15", "110"),
        traded(4, Side.BUY, "1", "50"),
    ]
    assert [trip.gain for trip in closed_trips(tickets)] == [D(50)]


def test_a_position_is_closed_when_the_last_fraction_is_sold():
    tickets = [
        traded(0, Side.BUY, "1", "100", None),
        traded(1, Side.SELL, "0.5", "120", None),
        traded(2, Side.SELL, "0.5", "110", None),
    ]
    assert [(trip.gain, trip.closed_at) for trip in closed_trips(tickets)] == [(D(15), NOW + timedelta(hours=2))]
    fills = tuple(one for ticket in tickets for one in ticket.fills)
    assert [(one.gain, one.put_in) for one in position_gains({}, {}, fills)] == [(D(15), D(100))]


@given(st.permutations(range(4)))
def test_the_order_of_the_tickets_does_not_matter(order: list[int]):
    tickets = [
        traded(0, Side.BUY, "10", "100"), traded(1, Side.SELL, "10", "90"),
        traded(2, Side.BUY, "10", "80"), traded(3, Side.SELL, "10", "88"),
    ]  # fmt: skip
    assert [trip.gain for trip in closed_trips([tickets[index] for index in order])] == [D(-100), D(80)]


def test_a_sale_of_more_than_is_known_of_has_no_gain():
    sold = traded(1, Side.SELL, "10", "110")
    assert [trip.gain for trip in closed_trips([sold])] == [None]
    assert [trip.gain for trip in closed_trips([traded(0, Side.BUY, "4", "100"), sold])] == [None]


def test_a_checkpoint_tells_what_was_there_before():
    owned = (Position(AAA, D(10), D("100.2"), "equities"),)
    start = Checkpoint(NOW, AssetClass.EQUITIES, owned)
    sold = traded(1, Side.SELL, "10", "110")
    assert [trip.gain for trip in closed_trips([sold], [start])] == [D(98)]
    gone = Checkpoint(NOW + timedelta(minutes=30), AssetClass.EQUITIES, ())
    assert [trip.gain for trip in closed_trips([sold], [start, gone])] == [None]
    bonds = Checkpoint(NOW + timedelta(minutes=30), AssetClass.BONDS, ())
    assert [trip.gain for trip in closed_trips([sold], [start, bonds])] == [D(98)]


def test_the_hit_rate_is_of_those_whose_gain_is_known():
    def trips(*gains: str | None):
        made = closed_trips([traded(0, Side.BUY, "1", "1"), traded(1, Side.SELL, "1", "1")])[0]
        return [replace(made, gain=None if gain is None else D(gain)) for gain in gains]

    assert hit_rate([]) is None
    assert hit_rate(trips(None)) is None
    assert hit_rate(trips("1", "0", "-1", "5", None)) == pytest.approx(0.5)


def test_a_position_brings_its_change_of_value_less_what_was_put_in():
    fills = [
        one
        for ticket in (traded(1, Side.BUY, "10", "20", "1"), traded(2, Side.SELL, "5", "30", "1"))
        for one in ticket.fills
    ]
    found = position_gains({AAA: Priced(D(10), D(18))}, {AAA: Priced(D(15), D(25))}, fills)
    assert [(one.gain, one.put_in) for one in found] == [(D(375) - 180 - 200 + 150 - 2, D(380))]
    assert found[0].change == pytest.approx(143 / 380)


def test_positions_are_told_best_first_and_not_guessed():
    before = {share(name): Priced(D(1), D(10)) for name in ("AAA", "BBB", "CCC", "DDD")}
    after = {
        share("AAA"): Priced(D(1), D(11)), share("BBB"): Priced(D(1), D(15)),
        share("CCC"): Priced(D(2), D(9)), share("DDD"): Priced(D(1)),
    }  # fmt: skip
    assert [one.instrument.symbol for one in position_gains(before, after, [])] == ["BBB", "AAA"]
    closed = position_gains({}, {}, traded(1, Side.BUY, "1", "5").fills + traded(2, Side.SELL, "1", "7").fills)
    assert [(one.gain, one.change) for one in closed] == [(D(2), 0.4)]
    assert position_gains({AAA: Priced(D(1))}, {AAA: Priced(D(1), D(5))}, []) == ()
    assert position_gains({AAA: Priced(D(1), D("0.5"))}, {AAA: Priced(D(1), D(1))}, [])[0].change == 1
    assert position_gains({AAA: Priced(D(1), D(0))}, {AAA: Priced(D(1), D(1))}, [])[0].change is None
