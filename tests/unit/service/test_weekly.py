"""The week's summary is due once a week, at a wall time, and is caught up for three days."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.service.weekly import CAUGHT_UP, Weekly, due, next_after, parse
from robotrading.session.schedule import NEW_YORK

SATURDAY = parse("Sat 09:00")
DAY = date(2026, 11, 21)
NINE = datetime(2026, 11, 21, 14, tzinfo=UTC)
"""Nine in New York, in winter."""
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
WEEKLIES = st.builds(
    Weekly,
    st.integers(0, 6),
    st.times().map(lambda wall: wall.replace(second=0, microsecond=0, fold=0)),
    st.sampled_from([NEW_YORK, ZoneInfo("Europe/London"), ZoneInfo("Pacific/Auckland"), ZoneInfo("UTC")]),
)


def test_words_have_one_meaning():
    assert Weekly(5, time(9), NEW_YORK) == SATURDAY
    assert parse(" sun  18:30  Europe/London ") == Weekly(6, time(18, 30), ZoneInfo("Europe/London"))
    assert parse("") == Weekly() == parse("  ")


@pytest.mark.parametrize("text", ["Sat", "Samstag 09:00", "Sat 9", "Sat 24:00", "Sat 09:60", "Sat nine"])
def test_other_words_are_refused_with_the_way_out(text: str):
    with pytest.raises(ValueError, match=r"e\.g\. 'Sat 09:00'"):
        parse(text)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "America", "../etc/passwd", "Europe/London x"])
def test_a_zone_that_is_none_is_refused(zone: str):
    with pytest.raises(ValueError, match="there is no time zone"):
        parse(f"Sat 09:00 {zone}")


def test_it_is_due_from_its_moment_on_and_only_once():
    assert due(SATURDAY, NINE - timedelta(seconds=1), DAY - timedelta(days=7)) is None
    assert due(SATURDAY, NINE, DAY - timedelta(days=7)) == DAY
    assert due(SATURDAY, NINE, None) == DAY
    assert due(SATURDAY, NINE, DAY) is None
    assert due(SATURDAY, NINE, DAY + timedelta(days=1)) is None


def test_a_missed_one_is_caught_up_for_three_days():
    assert due(SATURDAY, NINE + CAUGHT_UP - timedelta(seconds=1), None) == DAY
    assert due(SATURDAY, NINE + CAUGHT_UP, None) is None


def test_never_is_never():
    assert due(parse(""), NINE, None) is None
    assert next_after(parse(""), NINE) is None


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 3, 7, 14, tzinfo=UTC)),
        (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 14, 13, tzinfo=UTC)),
        (datetime(2026, 10, 31, 13, tzinfo=UTC), datetime(2026, 11, 7, 14, tzinfo=UTC)),
    ],
)
def test_it_stays_at_its_wall_time_when_the_clocks_change(after: datetime, wanted: datetime):
    assert next_after(SATURDAY, after) == wanted


def test_an_hour_that_is_skipped_or_comes_twice_has_one_moment():
    sunday = parse("Sun 02:30")
    assert next_after(sunday, datetime(2026, 3, 8, 1, tzinfo=UTC)) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert due(sunday, datetime(2026, 3, 8, 7, 30, tzinfo=UTC), None) == date(2026, 3, 8)
    twice = parse("Sun 01:30")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert due(twice, first, None) == date(2026, 11, 1)
    assert due(twice, first + timedelta(hours=1), date(2026, 11, 1)) is None


@given(WEEKLIES, INSTANTS)
def test_the_next_moment_lies_within_a_week_at_its_wall_time(weekly: Weekly, now: datetime):
    upcoming = next_after(weekly, now)
    assert now < upcoming <= now + timedelta(days=7, hours=1)
    assert upcoming.astimezone(weekly.zone).weekday() == weekly.weekday
    assert due(weekly, upcoming, None) == upcoming.astimezone(weekly.zone).date()


@given(WEEKLIES, INSTANTS, st.integers(1, 30))
def test_who_looks_every_hour_posts_each_week_once(weekly: Weekly, now: datetime, hours: int):
    """However rarely it looks, as long as that is more often than every three days."""
    posted: list[date] = []
    for step in range(28 * 24 // hours):
        found = due(weekly, now + timedelta(hours=step * hours), posted[-1] if posted else None)
        posted += [found] if found else []
    assert posted == sorted(set(posted))
    assert {later - sooner for sooner, later in itertools.pairwise(posted)} <= {timedelta(days=7)}
    assert len(posted) >= 3
