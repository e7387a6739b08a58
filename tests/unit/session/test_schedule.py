"""Schedules in words: each has one meaning, or is refused with the reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass
from robotrading.session.cron import cron_fields
from robotrading.session.schedule import (
    NEW_YORK,
    At,
    Edge,
    EdgeOf,
    EveryDay,
    Offset,
    Period,
    Weekdays,
    local,
    longest_to_close,
    parse_schedule,
    zone_of,
)

EQUITIES, BONDS, CRYPTO = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
QUARTER_HOUR = Offset(Edge.CLOSE, timedelta(minutes=15))


@pytest.mark.parametrize(
    ("words", "moment", "days"),
    [
        ("15 minutes before the close", QUARTER_HOUR, EveryDay()),
        ("  15 Minutes  before the CLOSE ", QUARTER_HOUR, EveryDay()),
        ("1 minute after the open", Offset(Edge.OPEN, timedelta(minutes=1)), EveryDay()),
        ("2 hours before the close", Offset(Edge.CLOSE, timedelta(hours=2)), EveryDay()),
        ("at 09:30", At(time(9, 30)), EveryDay()),
        ("at 15:59 on mondays", At(time(15, 59)), Weekdays(frozenset({0}))),
        ("at 12:00 on monday, wednesdays and fridays", At(time(12)), Weekdays(frozenset({0, 2, 4}))),
        ("15 minutes before the close on the first trading day of the month", QUARTER_HOUR, EdgeOf(Period.MONTH)),
        (
            "15 minutes before the close on the last trading day of the quarter",
            QUARTER_HOUR,
            EdgeOf(Period.QUARTER, last=True),
        ),
        ("at 12:00 on the first trading day of the week", At(time(12)), EdgeOf(Period.WEEK)),
        ("at 12:00 every 2 weeks", At(time(12)), EdgeOf(Period.WEEK, every=2)),
        ("at 12:00 every 26 weeks", At(time(12)), EdgeOf(Period.WEEK, every=26)),
    ],
)
def test_words_have_one_meaning(words, moment, days):
    schedule = parse_schedule(words, EQUITIES)
    assert (schedule.moment, schedule.days) == (moment, days)
    assert parse_schedule(str(schedule), EQUITIES) == schedule


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("", "none of the forms"),
        ("noon", "none of the forms"),
        ("at 24:00", "none of the forms"),
        ("at 9:30", "none of the forms"),
        ("15 minutes before the open", "none of the forms"),
        ("0 minutes before the close", "from 1 to 389 minutes"),
        ("390 minutes after the open", "from 1 to 389 minutes"),
        ("7 hours before the close", "420 before the close"),
        ("at 16:00", "at 16:00 New York time the exchange is shut"),
        ("at 09:29", "open from 09:30 to 16:00"),
        ("at 12:00 sometimes", "'sometimes' names no days"),
        ("at 12:00 mondays", "'mondays' names no days"),
        ("at 12:00 on mondays and holidays", "names no days"),
        ("at 12:00 every 1 weeks", "from 2 to 26"),
        ("at 12:00 every 27 weeks", "from 2 to 26"),
        ("cron", "0 words where five"),
        ("cron 0 15 * * * *", "6 words where five"),
        ("cron 60 15 * * *", "'60' is no minute; write 0-59"),
        ("cron -1 15 * * *", "'' is no minute"),
        ("cron ١ 15 * * *", "is no minute"),
        ("cron 0 15 * foo *", "write 1-12 or jan-dec"),
        ("cron 0 15 * * fri-mon", "from the smaller to the larger"),
        ("cron 0/0 15 * * *", "a step is a number from 1"),
        ("cron */x 15 * * *", "a step is a number from 1"),
        ("cron 0 15 30 feb *", "day 30 of month feb never comes"),
        ("cron 0 15 * * sat,sun", "shut on Saturdays and Sundays"),
        ("cron 0 9-15 * * *", "at 09:00 New York time the exchange is shut"),
    ],
)
def test_words_without_a_meaning_are_refused_with_the_way_out(words, trouble):
    with pytest.raises(ValueError) as caught:
        parse_schedule(words, EQUITIES)
    assert trouble in str(caught.value)
    assert repr(words) in str(caught.value)
    assert "'15 minutes before the close'" in str(caught.value)


def test_crypto_runs_at_any_time_of_the_day():
    assert parse_schedule("at 00:00", CRYPTO).moment == At(time(0))
    assert parse_schedule("23 hours after the open", CRYPTO).moment == Offset(Edge.OPEN, timedelta(hours=23))
    assert parse_schedule("cron 0 */6 * * sun", CRYPTO)
    with pytest.raises(ValueError, match="1 to 1439 minutes"):
        parse_schedule("24 hours before the close", CRYPTO)


@pytest.mark.parametrize(
    ("words", "minutes"),
    [
        ("15 minutes before the close", 15),
        ("30 minutes after the open", 360),
        ("at 15:45", 15),
        ("at 09:30 on mondays", 390),
        ("cron 45,50 11-15 * * *", 255),
    ],
)
def test_the_way_to_the_close_is_that_of_the_earliest_start(words, minutes):
    assert longest_to_close(parse_schedule(words, EQUITIES).moment) == timedelta(minutes=minutes)


def test_times_are_the_exchanges():
    assert zone_of(EQUITIES) == zone_of(BONDS) == NEW_YORK
    assert zone_of(CRYPTO) is UTC


def test_an_hour_that_comes_twice_is_meant_once_and_one_that_is_skipped_still_comes():
    zone = ZoneInfo("America/New_York")
    assert local(date(2026, 11, 1), time(1, 30), zone) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # the first 01:30
    assert local(date(2026, 3, 8), time(2, 30), zone) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)  # 03:30 summer time


@pytest.mark.parametrize(
    ("words", "weekdays"),
    [
        ("sun", {6}),
        ("0", {6}),
        ("7", {6}),
        ("1-5", set(range(5))),
        ("fri-sun", {4, 5, 6}),
        ("*/7", {6}),
        ("5/2", {4, 6}),
    ],
)
def test_cron_weekdays_are_those_of_a_crontab(words, weekdays):
    assert cron_fields(f"0 0 * * {words}").weekdays == weekdays


def test_cron_takes_either_day_where_both_are_restricted():
    fields = cron_fields("0 0 13 * fri")
    assert fields.fits(date(2026, 11, 13))
    assert fields.fits(date(2026, 11, 20))  # a Friday
    assert fields.fits(date(2026, 10, 13))  # a Tuesday, the 13th
    assert not fields.fits(date(2026, 10, 14))
    assert fields.on_workdays
    assert cron_fields("0 0 1 * sun").on_workdays


def numbers(low: int, high: int):
    """A field of a crontab: numbers, ranges and steps in any mixture."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.integers(1, high - low).map(lambda step: f"*/{step}")
    return st.one_of(
        st.just("*"), st.lists(st.one_of(number.map(str), span, stepped), min_size=1, max_size=3).map(",".join)
    )


@settings(max_examples=80)
@given(
    minute=numbers(0, 59),
    hour=numbers(0, 23),
    day=numbers(1, 28),
    month=numbers(1, 12),
    start=st.dates(date(2024, 1, 1), date(2027, 1, 1)),
)
def test_cron_agrees_with_apscheduler_on_utc(minute, hour, day, month, start):
    """An oracle with other code; weekdays are left out, which it numbers and combines in its own way."""
    fields = cron_fields(f"{minute} {hour} {day} {month} *")
    trigger = CronTrigger(minute=minute, hour=hour, day=day, month=month, timezone=UTC)
    now = datetime.combine(start, time(), UTC)
    expected = trigger.get_next_fire_time(None, now)
    days = (start + timedelta(days=offset) for offset in range(800))
    first = next(one for one in days if fields.fits(one))
    assert datetime.combine(first, next(fields.times()), UTC) == expected
    assert list(fields.times()) == sorted(fields.times())
