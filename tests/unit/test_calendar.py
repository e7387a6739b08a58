"""Trading days and hours, held against dates that New York published."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.domain.instrument import AssetClass

EQUITIES, BONDS, CRYPTO = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
EXCHANGE_KINDS = [EQUITIES, BONDS]


@pytest.fixture(scope="module")
def calendar() -> ExchangeCalendar:
    return ExchangeCalendar()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize("kind", EXCHANGE_KINDS)
@pytest.mark.parametrize(
    "day",
    [
        date(2025, 1, 1),  # New Year
        date(2025, 1, 9),  # day of mourning for Jimmy Carter
        date(2025, 4, 18),  # Good Friday
        date(2025, 6, 19),  # Juneteenth
        date(2026, 7, 3),  # Independence Day observed
        date(2012, 10, 29),  # Hurricane Sandy
        date(2026, 11, 21),  # a Saturday
    ],
)
def test_the_exchange_is_shut_on_its_holidays(calendar, kind, day):
    assert not calendar.is_trading_day(kind, day)
    assert calendar.hours(kind, day) is None
    assert not calendar.is_open(kind, utc(day.year, day.month, day.day, 16))


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2026, 3, 6), (14, 30), (21, 0)),  # the Friday before summer time
        (date(2026, 3, 9), (13, 30), (20, 0)),  # the Monday after
        (date(2026, 10, 30), (13, 30), (20, 0)),  # the Friday before winter time
        (date(2026, 11, 2), (14, 30), (21, 0)),  # the Monday after
        (date(2026, 11, 27), (14, 30), (18, 0)),  # half day after Thanksgiving
        (date(2024, 7, 3), (13, 30), (17, 0)),  # half day before Independence Day
        (date(2024, 12, 24), (14, 30), (18, 0)),  # half day before Christmas
    ],
)
def test_hours_follow_summer_time_and_half_days(calendar, day, opens, closes):
    assert calendar.hours(EQUITIES, day) == (
        utc(day.year, day.month, day.day, *opens),
        utc(day.year, day.month, day.day, *closes),
    )


def test_open_includes_the_first_instant_and_excludes_the_close(calendar):
    assert not calendar.is_open(EQUITIES, utc(2026, 11, 27, 14, 29, 59))
    assert calendar.is_open(EQUITIES, utc(2026, 11, 27, 14, 30))
    assert calendar.is_open(EQUITIES, utc(2026, 11, 27, 17, 59, 59))
    assert not calendar.is_open(EQUITIES, utc(2026, 11, 27, 18, 0))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (utc(2026, 11, 20, 20, 59, 59), date(2026, 11, 19)),  # a second before Friday's close
        (utc(2026, 11, 20, 21, 0), date(2026, 11, 20)),  # at the close
        (utc(2026, 11, 22, 12), date(2026, 11, 20)),  # Sunday
        (utc(2026, 11, 27, 18, 0), date(2026, 11, 27)),  # half day, at its early close
        (utc(2026, 11, 26, 23), date(2026, 11, 25)),  # Thanksgiving
        (utc(2026, 1, 1, 3), date(2025, 12, 31)),  # New York still writes the old year
    ],
)
def test_a_day_is_complete_once_its_close_has_passed(calendar, at, expected):
    assert calendar.last_complete_day(EQUITIES, at) == expected


def test_crypto_days_are_utc_days_and_always_open(calendar):
    at = utc(2025, 12, 25, 0, 0)
    assert calendar.is_open(CRYPTO, at)
    assert calendar.is_trading_day(CRYPTO, date(2025, 12, 25))
    assert calendar.trading_day(CRYPTO, at) == date(2025, 12, 25)
    assert calendar.last_complete_day(CRYPTO, at) == date(2025, 12, 24)
    assert calendar.hours(CRYPTO, date(2025, 12, 25)) == (at, at + timedelta(days=1))
    assert len(calendar.days(CRYPTO, date(2024, 1, 1), date(2024, 12, 31))) == 366


def test_the_trading_day_is_the_exchanges_own_date(calendar):
    late = utc(2026, 11, 21, 3)
    assert calendar.trading_day(EQUITIES, late) == date(2026, 11, 20)
    assert calendar.trading_day(CRYPTO, late) == date(2026, 11, 21)


@pytest.mark.parametrize(("year", "sessions"), [(2012, 250), (2020, 253), (2024, 252), (2025, 250)])
def test_a_year_has_the_sessions_it_had(calendar, year, sessions):
    days = calendar.days(EQUITIES, date(year, 1, 1), date(year, 12, 31))
    assert days.dtype == np.dtype("datetime64[D]")
    assert not days.flags.writeable
    assert len(days) == sessions


def test_days_include_both_ends_and_may_be_none(calendar):
    monday, tuesday = date(2026, 11, 16), date(2026, 11, 17)
    assert [str(d) for d in calendar.days(EQUITIES, monday, tuesday)] == ["2026-11-16", "2026-11-17"]
    assert len(calendar.days(EQUITIES, date(2026, 11, 21), date(2026, 11, 22))) == 0
    assert len(calendar.days(EQUITIES, tuesday, monday)) == 0
    assert len(calendar.days(CRYPTO, tuesday, monday)) == 0


def test_every_listed_day_has_hours_and_becomes_complete_at_its_close(calendar):
    for stamp in calendar.days(EQUITIES, date(2024, 6, 1), date(2025, 3, 31)):
        day = stamp.astype(date)
        _, close = calendar.hours(EQUITIES, day)
        assert calendar.last_complete_day(EQUITIES, close) == day
        assert calendar.last_complete_day(EQUITIES, close - timedelta(seconds=1)) < day


def test_years_beyond_the_loaded_ones_are_answered_alike():
    narrow = ExchangeCalendar(first=date(2024, 1, 1), last=date(2024, 12, 31))
    assert narrow.is_trading_day(EQUITIES, date(2024, 6, 3))
    assert narrow.hours(EQUITIES, date(1995, 7, 3)) == (utc(1995, 7, 3, 13, 30), utc(1995, 7, 3, 17, 0))
    assert narrow.is_trading_day(EQUITIES, date(2031, 1, 2))
    assert narrow.last_complete_day(EQUITIES, utc(2024, 6, 3, 12)) == date(2024, 5, 31)


def test_the_first_loaded_day_still_knows_the_day_before():
    narrow = ExchangeCalendar(first=date(2024, 1, 2), last=date(2024, 1, 3))
    assert narrow.last_complete_day(EQUITIES, utc(2024, 1, 2, 12)) == date(2023, 12, 29)


def test_an_instant_without_zone_is_refused(calendar):
    with pytest.raises(ValueError, match="no time zone"):
        calendar.trading_day(EQUITIES, datetime(2026, 11, 20, 12))
