"""The two real clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from robotrading.adapters.clock import FixedClock, SystemClock

AT = datetime(2024, 3, 8, 16, 0, tzinfo=UTC)


def test_the_system_clock_is_aware_utc_and_moves_forward():
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second
    assert abs((first - datetime.now(UTC)).total_seconds()) < 5


def test_a_fixed_clock_stays_where_it_was_put():
    clock = FixedClock(AT)
    assert clock.now() == clock.now() == AT


def test_a_fixed_clock_tells_its_instant_in_utc():
    tokyo = timezone(timedelta(hours=9))
    assert FixedClock(AT.astimezone(tokyo)).now().utcoffset() == timedelta(0)


def test_an_instant_without_zone_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        FixedClock(AT.replace(tzinfo=None))


@pytest.mark.parametrize("clock", [SystemClock(), FixedClock(AT)], ids=["system", "fixed"])
def test_durations_are_real_and_never_negative(clock):
    start = clock.monotonic()
    while clock.monotonic() == start:
        pass
    assert clock.monotonic() > start
