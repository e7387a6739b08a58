"""Quiet times are wall times of a zone; every law holds through the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.execution.quiet import (
    NEW_YORK,
    QuietTimes,
    QuietWindow,
    quiet_at,
    quiet_until,
    restart,
    window,
)

NIGHT = window("23:45-01:45")
WEEKEND = window("Fri 23:00-03:00")
BOTH = (NIGHT, WEEKEND)
ZONES = st.sampled_from([NEW_YORK, "Europe/Zurich", "Australia/Lord_Howe", "Asia/Hong_Kong", "UTC"])
CHANGES = [datetime(2025, 3, 9), datetime(2025, 11, 2), datetime(2025, 3, 30), datetime(2025, 10, 26)]
"""Days on which clocks change in New York or Zurich."""
NEAR_CHANGES = st.builds(
    lambda day, seconds: (day + timedelta(seconds=seconds)).replace(tzinfo=UTC),
    st.sampled_from(CHANGES),
    st.integers(-3 * 86400, 3 * 86400),
)
MOMENTS = NEAR_CHANGES | st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))
WINDOWS = (
    st.tuples(TIMES, TIMES, ZONES, st.frozensets(st.integers(0, 6), min_size=1))
    .filter(lambda parts: parts[0] != parts[1])
    .map(lambda parts: QuietWindow(*parts))
)


def eastern(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(NEW_YORK))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2025-09-24 23:44:59", None),
        ("2025-09-24 23:45", "2025-09-25 01:45"),
        ("2025-09-25 00:15", "2025-09-25 01:45"),
        ("2025-09-25 01:44:59", "2025-09-25 01:45"),
        ("2025-09-25 01:45", None),
        ("2025-09-25 12:00", None),
        ("2025-09-26 22:59", None),
        ("2025-09-26 23:00", "2025-09-27 03:00"),
        ("2025-09-27 02:59", "2025-09-27 03:00"),
        ("2025-09-27 23:50", "2025-09-28 01:45"),
    ],
)
def test_the_nights_of_an_ordinary_week(now, until):
    """By default every night, and longer from Friday to Saturday."""
    assert quiet_until(eastern(now).astimezone(UTC), BOTH) == (eastern(until) if until else None)


@pytest.mark.parametrize(("evening", "hours"), [("2025-03-08 23:45", 3.25), ("2025-11-01 23:45", 5.25)])
def test_a_window_over_a_change_of_clocks_ends_on_the_wall_clock(evening, hours):
    """From 23:45 to 04:00 the night is an hour shorter in spring and an hour longer in autumn."""
    begins = eastern(evening).astimezone(UTC)
    assert quiet_until(begins, [window("23:45-04:00")]) == begins + timedelta(hours=hours)


def test_an_hour_that_is_repeated_or_skipped_is_read_in_its_widest_sense():
    repeated, skipped = window("01:15-01:45"), window("02:15-02:45")
    first, second = datetime(2025, 11, 2, 5, 15, tzinfo=UTC), datetime(2025, 11, 2, 6, 45, tzinfo=UTC)
    assert quiet_until(first, [repeated]) == second
    assert quiet_until(datetime(2025, 3, 9, 6, 15, tzinfo=UTC), [skipped]) == datetime(2025, 3, 9, 7, 45, tzinfo=UTC)


@given(MOMENTS, st.lists(WINDOWS, max_size=3))
def test_whoever_waits_for_the_end_is_in_no_quiet_time(now, windows):
    until = quiet_until(now, windows)
    if until is not None:
        assert until > now
        endless = until - now >= timedelta(days=8)
        assert endless or quiet_until(until, windows) is None


@given(MOMENTS, WINDOWS)
def test_the_wall_clock_decides(now, one):
    """An instant whose wall time lies in the window is quiet, whatever the clocks have done that night."""
    wall = now.astimezone(ZoneInfo(one.zone))
    inside = wall.time().replace(fold=0)
    if one.start < one.end:
        within = one.start <= inside < one.end and wall.weekday() in one.days
    else:
        late = inside >= one.start and wall.weekday() in one.days
        within = late or (inside < one.end and (wall.weekday() - 1) % 7 in one.days)
    if within:
        assert quiet_until(now, [one]) is not None


@given(MOMENTS, WINDOWS)
def test_a_window_is_never_longer_than_its_wall_times_and_a_change_of_clocks(now, one):
    quiet = quiet_at(now, [one])
    if quiet is not None and len(one.days) == 1:
        nominal = (datetime.combine(now, one.end) - datetime.combine(now, one.start)) % timedelta(days=1)
        assert abs((quiet.ends - quiet.begins) - nominal) <= timedelta(hours=2)


@given(MOMENTS, st.lists(WINDOWS, min_size=1, max_size=3), st.integers(0, 3600))
def test_a_margin_sees_what_begins_within_it_and_nothing_else(now, windows, seconds):
    margin = timedelta(seconds=seconds)
    quiet = quiet_at(now, windows, margin)
    assert (quiet is not None) == any(
        begins <= now + margin and now < ends for one in windows for begins, ends in one.around(now)
    )
    if quiet is not None:
        assert quiet.begins <= now + margin
        assert quiet.ends > now


@given(MOMENTS)
def test_without_windows_it_is_never_quiet(now):
    """The embedded gateway has none: crypto trades at any hour."""
    assert QuietTimes().now(now) is None
    assert QuietTimes().for_orders(now) is None


def test_orders_stop_a_little_before_the_window_and_logins_do_not():
    times = QuietTimes(BOTH, margin=90.0)
    shortly = eastern("2025-09-24 23:43:31").astimezone(UTC)
    assert times.now(shortly) is None
    assert times.for_orders(shortly).ends == eastern("2025-09-25 01:45")
    assert times.for_orders(shortly - timedelta(seconds=2)) is None


def test_a_restart_right_after_the_reset_is_one_quiet_time_in_the_words_of_the_first():
    (own,) = restart("01:40", 10)
    quiet = quiet_at(eastern("2025-09-25 00:30").astimezone(UTC), (own, NIGHT))
    assert quiet is not None
    assert quiet.ends == eastern("2025-09-25 01:50")
    assert str(quiet) == ("the broker's reset (23:45-01:45 America/New_York), until 2025-09-25 05:50 UTC")


def test_windows_without_a_gap_have_an_end_all_the_same():
    """Somebody who forbids every hour is told so after a week, not never."""
    until = quiet_until(datetime(2025, 9, 25, tzinfo=UTC), [window("00:00-12:00"), window("12:00-00:00")])
    assert until is not None
    assert until >= datetime(2025, 10, 3, tzinfo=UTC)


def test_words_become_windows():
    assert window("06:25-07:45 Europe/Zurich") == QuietWindow(time(6, 25), time(7, 45), "Europe/Zurich")
    assert window("Fri,Sat 23:00-03:00").days == {4, 5}
    assert str(WEEKEND) == "the broker's reset (Fri 23:00-03:00 America/New_York)"
    assert restart("", 10) == ()
    (own,) = restart("23:55 Europe/London", 10)
    assert str(own) == "the gateway's restart (23:55-00:05 Europe/London)"


@pytest.mark.parametrize("text", ["", "24:00-01:00", "23:45", "Fry 23:00-03:00", "23:45-01:45 Nowhere/At_All", "1-2"])
def test_other_words_are_refused(text):
    with pytest.raises(ValueError, match=r"quiet time|time zone"):
        window(text)


def test_a_window_without_length_and_a_senseless_restart_are_refused():
    with pytest.raises(ValueError, match="no length"):
        window("10:00-10:00")
    for text, minutes, words in (("25:00", 10, "restart"), ("10:00", 0, "1 to 1439"), ("10:00 No/Zone", 5, "IANA")):
        with pytest.raises(ValueError, match=words):
            restart(text, minutes)
