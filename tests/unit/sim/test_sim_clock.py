"""Virtual time: waits take none of ours, and happen in order."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from robotrading.domain.instrument import AssetClass
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock, run_virtual

START = datetime(2025, 9, 26, 14, 30, tzinfo=UTC)


def test_the_clock_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90), 90.0)
    clock.set(START + timedelta(hours=1))
    assert clock.monotonic() == 3600.0


def test_the_clock_never_goes_back_and_knows_its_zone() -> None:
    clock = VirtualClock(START)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="never goes back"):
        clock.set(START - timedelta(days=1))
    with pytest.raises(ValueError, match="no time zone"):
        VirtualClock(datetime(2025, 9, 26))


def test_waits_happen_in_order_and_take_no_real_time() -> None:
    clock = VirtualClock(START)
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, round(clock.monotonic())))

    async def play() -> None:
        await asyncio.gather(wait("day", 86400), wait("hour", 3600), wait("minute", 60))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7200):
                await asyncio.Event().wait()

    before = time.monotonic()
    run_virtual(play(), clock)
    assert time.monotonic() - before < 5
    assert seen == [("minute", 60), ("hour", 3600), ("day", 86400)]
    assert clock.monotonic() == pytest.approx(86400 + 7200)


def test_work_in_a_thread_is_waited_for_in_real_time() -> None:
    clock = VirtualClock(START)

    async def play() -> str:
        return await asyncio.to_thread(lambda: "done")

    assert run_virtual(play(), clock) == "done"
    assert clock.monotonic() == 0.0


def test_the_weekday_calendar() -> None:
    calendar = WeekdayCalendar()
    stocks, coins = AssetClass.EQUITIES, AssetClass.CRYPTO
    saturday = datetime(2025, 9, 27, 15, tzinfo=UTC)
    assert calendar.is_open(stocks, START)
    assert not calendar.is_open(stocks, saturday)
    assert calendar.is_open(coins, saturday)
    assert calendar.hours(stocks, saturday.date()) is None
    assert calendar.last_complete_day(stocks, START) == date(2025, 9, 25)
    assert calendar.last_complete_day(stocks, saturday) == date(2025, 9, 26)
    assert calendar.last_complete_day(coins, saturday) == date(2025, 9, 26)
    assert len(calendar.days(stocks, date(2025, 9, 22), date(2025, 9, 28))) == 5
    assert len(calendar.days(coins, date(2025, 9, 22), date(2025, 9, 28))) == 7
