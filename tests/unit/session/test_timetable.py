"""Schedules on the real calendar of New York, and around the clock."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.domain.claims import Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.session.schedule import parse_schedule, zone_of
from robotrading.session.timetable import NotDue, between, last_occurrence, next_occurrence, occurrences, timetable

EQUITIES, CRYPTO = AssetClass.EQUITIES, AssetClass.CRYPTO
CALENDAR = ExchangeCalendar(date(2023, 1, 1), date(2028, 12, 31))
WORDS = (
    "15 minutes before the close",
    "30 minutes after the open",
    "at 15:30",
    "at 09:30",
    "cron 30 15 * * mon-fri",
    "cron */20 10-15 * * *",
    "at 15:00 on mondays and thursdays",
    "1 hour before the close on the first trading day of the month",
    "at 12:00 on the last trading day of the week",
    "at 12:00 on the last trading day of the quarter",
    "at 12:00 every 2 weeks",
)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def due(words: str, first: date, last: date, kind: AssetClass = EQUITIES) -> list[datetime]:
    return [one.due_at for one in occurrences(parse_schedule(words, kind), kind, CALENDAR, first, last)]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 3, 6), utc(2026, 3, 6, 20, 45)),  # winter time
        (date(2026, 3, 9), utc(2026, 3, 9, 19, 45)),  # summer time
        (date(2026, 11, 27), utc(2026, 11, 27, 17, 45)),  # half day: an hour after noon and a bit
        (date(2024, 7, 3), utc(2024, 7, 3, 16, 45)),  # half day in summer
    ],
)
def test_before_the_close_follows_the_close(day, expected):
    assert due("15 minutes before the close", day, day) == [expected]


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 11, 28), date(2025, 1, 9), date(2026, 7, 3)])
def test_nothing_is_due_on_a_holiday_or_a_weekend(day):
    for words in WORDS:
        assert timetable(parse_schedule(words, EQUITIES), EQUITIES, CALENDAR, day, day) == ()


def test_a_wall_time_after_an_early_close_is_skipped_and_says_why():
    day = date(2026, 11, 27)
    (left,) = timetable(parse_schedule("at 15:30", EQUITIES), EQUITIES, CALENDAR, day, day)
    assert isinstance(left, NotDue)
    assert left.at == utc(2026, 11, 27, 20, 30)
    assert "open from 09:30 to 13:00 that day" in left.reason


def test_an_offset_before_the_open_of_a_half_day_is_skipped_too():
    day = date(2026, 11, 27)
    (left,) = timetable(parse_schedule("4 hours before the close", EQUITIES), EQUITIES, CALENDAR, day, day)
    assert isinstance(left, NotDue)


def test_months_and_quarters_begin_with_their_first_trading_day():
    monthly = due("at 12:00 on the first trading day of the month", date(2026, 1, 1), date(2026, 12, 31))
    assert [f"{one:%m-%d}" for one in monthly] == [
        "01-02", "02-02", "03-02", "04-01", "05-01", "06-01", "07-01", "08-03", "09-01", "10-01", "11-02", "12-01",
    ]  # fmt: skip
    quarterly = due("at 12:00 on the last trading day of the quarter", date(2026, 1, 1), date(2026, 12, 31))
    assert [f"{one:%m-%d}" for one in quarterly] == ["03-31", "06-30", "09-30", "12-31"]


def test_weeks_begin_on_monday_or_the_day_after_a_holiday():
    weekly = due("at 12:00 on the first trading day of the week", date(2026, 9, 1), date(2026, 9, 20))
    assert [f"{one:%a %d}" for one in weekly] == ["Tue 08", "Mon 14"]  # the 7th is Labor Day
    every_other = due("at 12:00 every 2 weeks", date(2026, 1, 1), date(2026, 12, 31))
    assert len(every_other) == 26
    assert {round((b - a) / timedelta(days=7)) for a, b in itertools.pairwise(every_other)} == {2}


def test_crypto_has_every_day_and_the_whole_of_it():
    assert len(due("at 14:00", date(2026, 1, 1), date(2026, 12, 31), CRYPTO)) == 365
    assert due("1 hour before the close", date(2026, 12, 25), date(2026, 12, 25), CRYPTO) == [utc(2026, 12, 25, 23)]
    assert len(due("cron 0 */6 * * *", date(2026, 3, 8), date(2026, 3, 8), CRYPTO)) == 4


@settings(max_examples=120)
@given(words=st.sampled_from(WORDS), first=DAYS, span=st.integers(0, 120))
def test_every_occurrence_lies_in_the_hours_of_its_trading_day(words, first, span):
    found = occurrences(parse_schedule(words, EQUITIES), EQUITIES, CALENDAR, first, first + timedelta(days=span))
    instants = [one.due_at for one in found]
    assert instants == sorted(set(instants))
    for one in found:
        assert CALENDAR.is_open(EQUITIES, one.due_at)
        assert one.trading_date == one.due_at.astimezone(zone_of(EQUITIES)).date()


@settings(max_examples=120)
@given(words=st.sampled_from(WORDS), day=DAYS, minutes=st.integers(0, 1439))
def test_the_next_and_the_last_run_lie_around_an_instant(words, day, minutes):
    schedule = parse_schedule(words, EQUITIES)
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)
    after = next_occurrence(schedule, EQUITIES, CALENDAR, at)
    before = last_occurrence(schedule, EQUITIES, CALENDAR, at)
    assert isinstance(after, Occurrence)
    assert isinstance(before, Occurrence)
    assert before.due_at <= at < after.due_at
    assert between(schedule, EQUITIES, CALENDAR, before.due_at, after.due_at) == (after,)


def test_a_schedule_that_comes_once_in_four_years_has_no_next_run_in_sight():
    leap = parse_schedule("cron 0 15 29 feb *", EQUITIES)
    assert next_occurrence(leap, EQUITIES, CALENDAR, utc(2025, 1, 1)) is None
    assert last_occurrence(leap, EQUITIES, CALENDAR, utc(2025, 1, 1)) is None
    assert next_occurrence(leap, EQUITIES, CALENDAR, utc(2024, 1, 1)).trading_date == date(2024, 2, 29)
