"""What a report is seen against: returns, drawdowns and the benchmark, by hand and by law."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_worlds import NOW, D, account, good_backdrop, good_day, report, weekdays

from robotrading.adapters.notify.report import message, report_html, report_text
from robotrading.adapters.notify.report.backdrop import Backdrop, Benchmark, Worth, drawdowns, stretches
from robotrading.domain.report import Outcome
from robotrading.portfolio.flows import Flows, Unclear
from robotrading.portfolio.performance import Flow

DAYS = tuple(weekdays(4, date(2025, 9, 26)))  # Tuesday to Friday
SPY = Benchmark("SPY", DAYS, (100.0, 110.0, 99.0, 132.0))


def ago(days: float, value: str) -> Worth:
    return Worth(NOW - timedelta(days=days), D(value))


def test_the_week_begins_with_the_last_value_that_is_seven_days_old():
    around = Backdrop((ago(20, "800000"), ago(8, "900000"), ago(7, "950000"), ago(3, "1")))
    found = stretches(account(net_liquidation=D("1045000")), around)
    assert [(one.name, one.change) for one in found] == [
        ("Today", D("0.045")), ("7 days", D("0.1")), ("Since the start", D("0.30625")),
    ]  # fmt: skip
    assert [one.gain for one in found] == [D(45000), D(95000), D(245000)]


@pytest.mark.parametrize("early", [timedelta(seconds=4), timedelta(hours=1)])
def test_a_run_that_is_seconds_or_a_change_of_clocks_earlier_in_the_day_has_the_same_week(early: timedelta):
    """On a Monday the record before that of a week ago is ten days old."""
    around = Backdrop((ago(10, "900000"), Worth(NOW - timedelta(days=7) + early, D("950000"))))
    week = stretches(account(net_liquidation=D("1045000"), day_start_value=None), around)[0]
    assert (week.name, week.gain) == ("7 days", D(95000))


def test_what_the_history_does_not_reach_is_left_out():
    assert stretches(account(day_start_value=None), Backdrop()) == ()
    young = stretches(account(day_start_value=None), Backdrop((ago(2, "1000000"),)))
    assert [one.name for one in young] == ["Since the start"]
    week = stretches(account(day_start_value=None), Backdrop((ago(9, "1000000"),)))
    assert [one.name for one in week] == ["7 days"], "the same stretch is not told twice"


def test_a_value_of_a_month_ago_is_no_week():
    found = stretches(account(day_start_value=None), Backdrop((ago(90, "800000"), ago(30, "900000"))))
    assert [one.name for one in found] == ["Since the start"]


def test_what_happened_later_or_is_no_money_is_no_history():
    later = (Worth(NOW + timedelta(days=1), D(5)), ago(30, "0"), ago(20, "-5"))
    assert stretches(account(day_start_value=None), Backdrop(later)) == ()
    assert stretches(account(day_start_value=D(0)), Backdrop()) == ()


def test_a_benchmark_changes_between_the_closes_before_both_days():
    assert SPY.change(DAYS[0], DAYS[3]) == pytest.approx(0.32)
    assert SPY.change(DAYS[1], DAYS[2]) == pytest.approx(-0.1)
    assert SPY.change(DAYS[0], DAYS[3] + timedelta(days=2)) == pytest.approx(0.32)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (DAYS[0] - timedelta(days=1), DAYS[3]),  # begins before the prices
        (DAYS[2], DAYS[2]),  # no close in between
        (DAYS[0], DAYS[3] + timedelta(days=8)),  # the newest close is too old
        (DAYS[3] + timedelta(days=9), DAYS[3] + timedelta(days=12)),
    ],
)
def test_a_benchmark_that_does_not_cover_a_stretch_is_not_known(first: date, last: date):
    assert SPY.change(first, last) is None
    assert Benchmark("SPY", (), ()).change(first, last) is None


def test_a_benchmark_of_nothing_is_not_known():
    assert Benchmark("X", DAYS[:2], (0.0, 5.0)).change(*DAYS[:2]) is None


def test_an_absent_benchmark_is_said_in_a_word():
    history = (ago(20, "900000"),)
    absent = report_text(good_day(), Backdrop(history, "SPY"))
    assert "SPY is left out: its prices of these days are not" in " ".join(absent.split())
    assert "SPY not known" in absent
    none = report_text(good_day(), Backdrop(history))
    assert "SPY" not in none
    assert "Money paid in or out counts as gain or loss." in none


HELD = account(net_liquidation=D("1045000"), day_start_value=D("1000000"))


def paid(amount: str, since: float, until: float = 0.0) -> Flows:
    """Between two looks so many days ago; the account has been looked at for a year."""
    flow = Flow(NOW - timedelta(days=since), NOW - timedelta(days=until), D(amount))
    return Flows(NOW - timedelta(days=365), NOW, (flow,))


def test_money_paid_in_is_no_gain_of_the_day_the_week_or_the_whole():
    points = (ago(20, "800000"), ago(8, "900000"), ago(1, "1000000"))
    found = stretches(HELD, Backdrop(points, flows=paid("50000", 1)))
    assert [(one.gain, one.paid_in) for one in found] == [
        (D(-5000), D(50000)),
        (D(95000), D(50000)),
        (D(195000), D(50000)),
    ]
    factor = D("0.995")
    assert [one.change for one in found] == [factor - 1, D(10) / D(9) * factor - 1, D("1.25") * factor - 1]


def test_money_paid_out_long_ago_is_no_loss_since_the_start_and_nothing_of_the_week():
    points = (ago(30, "800000"), ago(20, "400000"), ago(8, "900000"))
    found = stretches(HELD, Backdrop(points, flows=paid("-400000", 30, 20)))
    assert [one.paid_in for one in found] == [0, 0, D(-400000)]
    assert found[-1].change == D("1045000") / D("400000") - 1


@pytest.mark.parametrize(("kept", "today"), [("1000000", 50000), ("1050000", 0)])
def test_a_payment_since_the_look_of_yesterday_is_of_today_unless_the_close_had_it(kept: str, today: int):
    """NOW is a quarter to four in New York: the look of yesterday was before the close."""
    seen = replace(HELD, net_liquidation=D("1050000"), day_start_value=D(kept))
    first = stretches(seen, Backdrop((ago(1, "1000000"),), flows=paid("50000", 1)))[0]
    assert (first.name, first.gain, first.paid_in) == ("Today", 0, today)


def test_on_a_sunday_the_day_began_with_the_close_of_friday():
    sunday = datetime(2025, 9, 28, 18, tzinfo=UTC)
    seen = replace(HELD, at=sunday, net_liquidation=D("1050000"))
    saturday = Worth(sunday - timedelta(days=1), D("1050000"))
    flow = Flow(sunday - timedelta(days=2), saturday.at, D(50000))
    first = stretches(seen, Backdrop((saturday,), flows=Flows(flow.since, sunday, (flow,))))[0]
    assert (first.name, first.gain, first.paid_in) == ("Today", 0, D(50000))


def test_the_report_says_how_far_payments_are_known():
    points = (ago(20, "800000"), ago(8, "900000"), ago(1, "1000000"))
    known = paid("50000", 1)
    text = " ".join(report_text(replace(good_day(), account=HELD), Backdrop(points, flows=known)).split())
    assert "without 50,000.00 USD paid in" in text
    assert "above 1 % of the account) are left aside." in text
    late = replace(known, since=NOW - timedelta(days=10))
    text = " ".join(report_text(replace(good_day(), account=HELD), Backdrop(points, flows=late)).split())
    assert f"aside, from {NOW - timedelta(days=10):%Y-%m-%d} on; before that they count as gain or loss." in text


def test_a_change_of_cash_that_could_not_be_explained_is_told_for_a_week():
    points = (ago(20, "800000"),)
    doubt = Unclear(NOW - timedelta(days=2), NOW - timedelta(days=1), D(-9000), "USD", "holdings changed too")
    old = replace(doubt, until=NOW - timedelta(days=8), amount=D(-7000))
    flows = Flows(NOW - timedelta(days=20), NOW, (), (old, doubt))
    text = " ".join(report_text(replace(good_day(), account=HELD), Backdrop(points, flows=flows)).split())
    assert "-9,000.00 USD that came between" in text
    assert "may be something else (holdings changed too) and counts as gain or loss." in text
    assert "7,000.00" not in text


def test_the_subject_tells_the_day_without_what_was_paid_in():
    around = Backdrop((ago(1, "1000000"),), flows=paid("50000", 1))
    made = replace(good_day(), account=HELD)
    assert "-0.50 % today" in message(made, around).subject
    assert "+4.50 % today" in message(made).subject


def test_money_is_seen_first():
    text = report_text(good_day(), good_backdrop())
    assert text.index("Account value") < text.index("Today") < text.index("Since the start") < text.index("ORDERS")
    assert "+11.69 %" in text
    assert "Next run        Monday 2025-09-29 19:45 UTC" in text


def test_no_account_has_no_numbers():
    page = report_html(report(Outcome.FAILED), good_backdrop())
    assert "Account value" not in page
    assert "not reached" in page


@given(st.lists(st.floats(1.0, 1e9), min_size=1, max_size=50))
def test_a_drawdown_is_never_a_gain_and_none_at_a_peak(values: list[float]):
    found = drawdowns(values)
    assert all(-1 <= fall <= 0 for fall in found)
    assert found[values.index(max(values))] == 0
    assert len(found) == len(values)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.decimals(-100, 10**9, places=2)), max_size=20),
    st.decimals(0, 10**9, places=2),
)
def test_a_report_is_made_whatever_the_history(points: list[tuple[int, Decimal]], value: Decimal):
    """Zero, negative, equal and unordered values are no reason to have no report."""
    history = tuple(sorted((ago(days, str(worth)) for days, worth in points), key=lambda one: one.at))
    made = replace(good_day(), account=account(net_liquidation=value))
    assert report_text(made, Backdrop(history, "SPY", SPY))


def test_the_first_instant_of_a_day_is_of_that_day():
    start = Worth(datetime.combine(NOW.date(), NOW.timetz()) - timedelta(hours=1), D(1))
    assert stretches(account(day_start_value=None), Backdrop((start,))) == (), "one day is no history yet"


def test_the_benchmark_of_an_evening_begins_with_that_day_s_close_in_new_york():
    """At 21:00 there it is the next day in UTC, whose close the account's value could not know."""
    evening = datetime.combine(DAYS[1], NOW.timetz()) + timedelta(hours=5, minutes=30)  # 01:15 UTC of the third day
    since = next(
        one
        for one in stretches(account(at=NOW), Backdrop((Worth(evening, D("900000")),), "SPY", SPY))
        if one.name == "Since the start"
    )
    assert since.benchmark == pytest.approx(132 / 110 - 1)
