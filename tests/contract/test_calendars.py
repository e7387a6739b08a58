"""The Calendar port: the table of a file answers like the library it was made from, over ten years."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.calendar_table import TableCalendar, read_table, write_table
from robotrading.domain.instrument import AssetClass

FIRST, LAST = date(2017, 1, 1), date(2027, 12, 31)
ASKED_FROM, ASKED_TO = date(2018, 1, 1), date(2027, 12, 30)
DAY = timedelta(days=1)
DATES = [ASKED_FROM + offset * DAY for offset in range((ASKED_TO - ASKED_FROM).days + 1)]


@pytest.fixture(scope="module")
def library() -> ExchangeCalendar:
    return ExchangeCalendar(FIRST, LAST)


@pytest.fixture(scope="module")
def table(library: ExchangeCalendar, tmp_path_factory: pytest.TempPathFactory) -> TableCalendar:
    path: Path = tmp_path_factory.mktemp("calendar") / "days.json"
    assert write_table(path, library, FIRST, LAST) > 2700
    return read_table(path)


@pytest.mark.parametrize("kind", list(AssetClass))
def test_every_day_has_the_same_hours(library, table, kind):
    assert len(DATES) > 3640
    for day in DATES:
        assert table.hours(kind, day) == library.hours(kind, day)
        assert table.is_trading_day(kind, day) == library.is_trading_day(kind, day)


@pytest.mark.parametrize("kind", list(AssetClass))
def test_instants_around_every_open_and_close_are_read_alike(library, table, kind):
    second = timedelta(seconds=1)
    for day in DATES:
        hours = library.hours(kind, day) or (datetime.combine(day, time(12), UTC), datetime.combine(day, time(23), UTC))
        for edge in hours:
            for at in (edge - second, edge, edge + second):
                assert table.is_open(kind, at) == library.is_open(kind, at)
                assert table.trading_day(kind, at) == library.trading_day(kind, at)
                assert table.last_complete_day(kind, at) == library.last_complete_day(kind, at)


@pytest.mark.parametrize("kind", list(AssetClass))
@pytest.mark.parametrize(
    ("first", "last"),
    [(ASKED_FROM, ASKED_TO), (date(2026, 11, 21), date(2026, 11, 22)), (date(2026, 11, 20), date(2026, 11, 19))],
)
def test_days_are_the_same_and_cannot_be_changed(library, table, kind, first, last):
    found, expected = table.days(kind, first, last), library.days(kind, first, last)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    assert not found.flags.writeable


def test_an_instant_without_a_zone_is_refused_by_both(library, table):
    for calendar in (library, table):
        with pytest.raises(ValueError, match="no time zone"):
            calendar.trading_day(AssetClass.EQUITIES, datetime(2026, 11, 20, 12))
