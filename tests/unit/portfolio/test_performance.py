"""The figures of a stretch of days, held against a well-known library and against what must not happen."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_worlds import fill, filled, intent, share

from robotrading.domain.orders import Side, Ticket
from robotrading.portfolio.performance import (
    DayReturn,
    Flow,
    Gained,
    Performance,
    Snapshot,
    costs,
    daily_returns,
    daily_values,
    exchange_day,
    gained,
    growth,
    max_drawdown,
    measure,
    sharpe,
    total_return,
    turnover,
    volatility,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what a library of tests says while it is imported is not ours
    import empyrical

D = Decimal
MONDAY = date(2026, 3, 2)
CHANGES = st.lists(st.floats(-0.2, 0.25), min_size=2, max_size=80)
VALUES = st.lists(st.decimals("1000", "10000000", places=2), min_size=2, max_size=80)


def day(number: int) -> date:
    """The weekday so many weekdays after the Monday."""
    return MONDAY + timedelta(days=number // 5 * 7 + number % 5)


def at(which: date, hour: int = 21) -> datetime:
    return datetime(which.year, which.month, which.day, hour, tzinfo=UTC)


def daily(*values: str | Decimal) -> list[Snapshot]:
    """One value a weekday, in the evening in UTC, which is the afternoon in New York."""
    return [(at(day(number)), D(value)) for number, value in enumerate(values)]


def changes_of(returns: tuple[DayReturn, ...]) -> list[float]:
    return [one.change for one in returns]


@given(VALUES)
def test_returns_are_those_of_empyrical(values: list[Decimal]):
    ours = changes_of(daily_returns(daily(*values)))
    theirs = empyrical.simple_returns(np.array([float(value) for value in values]))
    assert np.allclose(ours, theirs, rtol=0, atol=1e-9)
    assert math.isclose(total_return(ours), empyrical.cum_returns_final(theirs), rel_tol=1e-9, abs_tol=1e-9)


@given(CHANGES)
def test_volatility_is_that_of_empyrical(changes: list[float]):
    assert math.isclose(volatility(changes), empyrical.annual_volatility(np.array(changes)), rel_tol=1e-9, abs_tol=1e-9)


@given(CHANGES, st.floats(0, 0.0005))
def test_sharpe_is_that_of_empyrical_where_returns_vary(changes: list[float], risk_free: float):
    ours = sharpe(changes, risk_free)
    if np.std(changes) > 1e-9:
        theirs = empyrical.sharpe_ratio(np.array(changes), risk_free)
        assert math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    else:
        assert ours is None or math.isfinite(ours)


@given(CHANGES)
def test_the_deepest_loss_is_that_of_empyrical(changes: list[float]):
    returns = [DayReturn(day(number + 1), change) for number, change in enumerate(changes)]
    found = max_drawdown(returns, MONDAY)
    assert math.isclose(found.depth, empyrical.max_drawdown(np.array(changes)), rel_tol=1e-9, abs_tol=1e-9)


@given(CHANGES)
def test_the_days_of_the_deepest_loss_tell_the_same_loss(changes: list[float]):
    days = [day(number) for number in range(len(changes) + 1)]
    found = max_drawdown([DayReturn(*one) for one in zip(days[1:], changes, strict=True)], MONDAY)
    growth = dict(zip(days, accumulate(changes, lambda now, change: now * (1 + change), initial=1.0), strict=True))
    assert found.peak <= found.trough
    assert math.isclose(growth[found.trough] / growth[found.peak] - 1, found.depth, abs_tol=1e-12)
    assert growth[found.peak] == max(value for which, value in growth.items() if which <= found.trough)


@given(VALUES, st.data())
def test_a_payment_leaves_no_trace_in_the_returns(values: list[Decimal], data: st.DataObject):
    """Money that comes between two values and moves nothing else changes no return before it, at it or after it."""
    place = data.draw(st.integers(1, len(values) - 1))
    paid = data.draw(st.decimals("-500", "5000000", places=2).filter(bool))
    without = daily(*values)
    factor = (values[place - 1] + paid) / values[place - 1]
    with_flow = [
        (when, value if number < place else value * factor)
        for number, (when, value) in enumerate(
            [*without[:place], (without[place - 1][0], values[place - 1]), *without[place:]]
        )
        if number != place
    ]
    deposit = (without[place - 1][0] + timedelta(hours=1), values[place - 1] + paid)
    flow = Flow(without[place - 1][0], deposit[0], paid)
    ours = changes_of(daily_returns([*with_flow, deposit], [flow]))
    assert np.allclose(ours[-(len(values) - 1) :], changes_of(daily_returns(without)), rtol=0, atol=1e-9)


def test_a_flow_lies_where_the_value_jumped():
    """Its bounds are those of two looks; between them the account was valued several times."""
    points = daily("1000", "1010", "6010", "6070")
    flow = Flow(points[0][0], points[3][0], D(5000))
    expected = [0.01, (6010 - 5000) / 1010 - 1, 60 / 6010]
    assert changes_of(daily_returns(points, [flow])) == pytest.approx(expected)


JUMPS = (("1000", "6000", "11500", "16500"), (1, 1), (1, 9), [5.0, 500 / 6000, 5000 / 11500])
AT_ONCE = (("1000", "6000", "6010", "11010"), (1, 0), (2, 0), [0.0, 10 / 6000, 5000 / 6010])


@pytest.mark.parametrize(
    ("amounts", "values", "since", "until", "expected"),
    [((5000,), *JUMPS), ((2000, 3000), *JUMPS), ((5000,), *AT_ONCE)],
)
def test_a_flow_lies_within_its_bounds_also_where_another_value_jumped_as_far(amounts, values, since, until, expected):
    """Bounds are day and hour; the value that was kept just after the first of them may have jumped already."""
    first, last = (at(day(which)) + timedelta(hours=hours) for which, hours in (since, until))
    flows = [Flow(first, last, D(amount)) for amount in amounts]
    assert changes_of(daily_returns(daily(*values), flows)) == pytest.approx(expected)


def test_the_last_value_of_an_exchange_day_counts_and_a_weekend_belongs_to_its_friday():
    friday = date(2026, 3, 6)
    points = [
        (at(friday, 15), D(1)),
        (at(friday, 21), D(2)),
        (datetime(2026, 3, 7, 3, tzinfo=UTC), D(3)),  # still Friday in New York
        (at(date(2026, 3, 8)), D(4)),
        (at(date(2026, 3, 9)), D(5)),
    ]
    assert [(one.day, one.value) for one in daily_values(reversed(points))] == [
        (friday, D(4)),
        (date(2026, 3, 9), D(5)),
    ]
    assert exchange_day(datetime(2026, 3, 9, 3, tzinfo=UTC)) == friday


@given(
    st.lists(st.decimals(allow_nan=True, allow_infinity=True), max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False),
)
def test_nothing_is_ever_divided_by_zero_or_not_a_number(values: list[Decimal], paid: Decimal):
    """Whatever the account was worth: zero, less, nothing, nonsense."""
    bounded = [value for value in values if not value.is_finite() or abs(value) < D(10) ** 30]
    points = daily(*bounded)
    flows = [Flow(at(MONDAY), at(day(1)), paid)] if abs(paid) < D(10) ** 30 else []
    found = measure(points, flows, MONDAY, day(9))
    numbers = [found.total, found.volatility, found.sharpe, *changes_of(found.returns)]
    with np.errstate(all="ignore"):
        assert all(number is None or not math.isnan(number) for number in numbers)


def test_too_little_is_none():
    assert measure([], [], MONDAY, day(4)) == Performance(MONDAY, day(4))
    alone = measure(daily("5"), [], MONDAY, day(4))
    assert (alone.start, alone.end, alone.gain) == (D(5), D(5), None)
    assert (alone.total, alone.volatility, alone.sharpe, alone.drawdown, alone.returns) == (None, None, None, None, ())
    assert measure(daily("0", "0", "0"), [], MONDAY, day(4)).total is None
    assert (total_return([]), volatility([0.1]), sharpe([0.1]), max_drawdown([], MONDAY)) == (None,) * 4
    assert sharpe([0.01, 0.01, 0.01]) is None
    assert sharpe([0.0, 0.0]) is None


def test_a_stretch_begins_with_the_value_before_it():
    points = daily("100", "110", "99", "120", "90", "200", "210")
    found = measure(points, [], day(5), day(9))
    assert (found.start, found.end, found.gain, found.average) == (D(90), D(210), D(120), D(500) / 3)
    assert changes_of(found.returns) == pytest.approx([200 / 90 - 1, 0.05])
    assert found.total == pytest.approx(210 / 90 - 1)
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(np.array(changes_of(found.returns))))
    assert found.volatility == pytest.approx(empyrical.annual_volatility(np.array(changes_of(found.returns))))
    assert measure(points, [], day(20), day(24)).start is None
    assert measure([(at(day(0)), D(1)), (at(day(12)), D(2))], [], day(10), day(14)).start == D(2)


def test_a_gain_is_without_what_was_paid_in():
    points = daily("1000", "1010", "6010", "6070", "9999")
    flow = Flow(at(day(1)), at(day(2)), D(5000))
    found = measure(points, [flow], day(1), day(3))
    assert (found.gain, found.paid_in) == (D(70), D(5000))
    assert measure(points, [flow], day(3), day(3)).paid_in == 0


def test_values_far_apart_are_not_annualised():
    """A session that runs every other week has returns, but no daily ones."""
    points = [(at(day(number)), D(100 + number)) for number in (0, 10, 20, 30)]
    found = measure(points, [], MONDAY, day(40))
    assert found.total == pytest.approx(0.3)
    assert (found.volatility, found.sharpe) == (None, None)
    assert found.drawdown.depth == 0


def test_a_total_loss_is_a_total_loss():
    found = measure(daily("100", "-50", "60"), [], MONDAY, day(4))
    assert (found.total, found.drawdown.depth) == (-1.0, -1.0)


def test_costs_are_added_up_by_currency():
    bought = filled(intent("AAA", quantity="100", price="10.00"), "10.01", "1.50")
    sold = filled(intent("BBB", Side.SELL, "50", "20.00"), "20.02", "0.50")
    abroad = intent("CCC", quantity="10", price="5.00", instrument=share("CCC", "EUR"))
    untold = Ticket(abroad, fills=(fill(abroad, D(10), D("5.10"), None),))
    found = costs([bought, sold, untold, Ticket(intent("DDD"))])
    assert (found.orders, found.filled, found.untold) == (4, 3, 1)
    assert (found.bought, found.sold) == ({"USD": D("1001.00"), "EUR": D("51.00")}, {"USD": D("1001.00")})
    assert found.traded("USD") == D("2002.00")
    assert found.traded("GBP") == 0
    assert found.commission == {"USD": D("2.00")}
    assert found.slippage == {"USD": D("0.00"), "EUR": D("1.00")}
    assert found.arrival == {"USD": D("2000.00"), "EUR": D("50.00")}
    assert costs([]) == replace(costs([]), bought={}, sold={})


def test_turnover_is_what_was_traded_over_what_was_there():
    assert turnover(D(50), D(200)) == 0.25
    assert turnover(D(50), D(0)) is None
    assert turnover(D(50), None) is None


def test_it_needs_nothing_heavy():
    """The service reckons two ratios with it, and is small."""
    code = (
        "import sys; import robotrading.portfolio.performance, robotrading.portfolio.flows, robotrading.execution.trips;"
        "print([name for name in ('numpy', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_growth_is_one_at_first_and_grows_by_what_was_not_paid_in() -> None:
    begin = datetime(2025, 9, 22, 20, tzinfo=UTC)
    points = [(begin + timedelta(days=day), Decimal(value)) for day, value in enumerate((100, 120, 60, 90))]
    paid = Flow(begin + timedelta(days=1), begin + timedelta(days=2), Decimal(-60))
    assert growth([]) == ()
    assert [factor for _, factor in growth(points)] == [1, Decimal("1.2"), Decimal("0.6"), Decimal("0.9")]
    assert [factor for _, factor in growth(points, [paid])] == [1, Decimal("1.2"), Decimal("1.2"), Decimal("1.8")]
    assert growth([(begin, Decimal(0)), *points[1:2]])[-1][1] == 1, "nothing grows from nothing"


@given(VALUES.filter(lambda values: len(values) > 2), st.data())
def test_what_was_gained_in_two_stretches_is_what_was_gained_in_both(values: list[Decimal], data: st.DataObject):
    """And all that was paid in is in one of them."""
    points = daily(*values)
    middle = data.draw(st.integers(1, len(values) - 2))
    place = data.draw(st.integers(1, len(values) - 1))
    flow = Flow(points[place - 1][0], points[place][0], data.draw(st.decimals("-500", "5000000", places=2)))
    first, then, whole = (
        gained(points, [flow], points[begin][0], points[end][0]) for begin, end in ((0, middle), (middle, -1), (0, -1))
    )
    assert first
    assert then
    assert whole
    assert whole.paid_in == first.paid_in + then.paid_in == flow.amount
    assert whole.gain == first.gain + then.gain == values[-1] - values[0] - flow.amount
    assert math.isclose(whole.change + 1, (first.change + 1) * (then.change + 1), rel_tol=1e-12, abs_tol=1e-12)
    assert math.isclose(whole.change + 1, growth(points, [flow])[-1][1], rel_tol=1e-12, abs_tol=1e-12)


def test_nothing_is_gained_without_two_values_or_from_nothing():
    points = daily("0", "100", "110")
    begin, middle, end = (at for at, _ in points)
    assert gained(points, [], begin, end) is None
    assert gained(points, [], end, end) is None
    assert gained([], [], begin, end) is None
    assert gained(points, [], middle, end) == Gained(D(10), D("0.1"))
