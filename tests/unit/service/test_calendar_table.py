"""The daemon's table of trading days: made by a child, refused when it is not whole, made anew in time."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from robotrading.adapters.calendar_table import (
    CalendarUnusable,
    library,
    read_table,
    write_table,
    years_around,
)
from robotrading.domain.instrument import AssetClass
from robotrading.service.calendar import current_calendar, keep_current
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock, VirtualLoop

EQUITIES = AssetClass.EQUITIES
TODAY = date(2026, 11, 21)
FIRST, LAST = years_around(TODAY)
WEEKDAYS = WeekdayCalendar()


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "state" / "calendar.json"
    write_table(made, WEEKDAYS, FIRST, LAST)
    return made


def test_a_table_covers_the_years_around_a_day():
    assert (date(2025, 1, 1), date(2027, 12, 31)) == (FIRST, LAST)


def test_writing_leaves_nothing_else_behind(path):
    assert [file.name for file in path.parent.iterdir()] == ["calendar.json"]


def test_outside_of_the_table_there_is_no_answer(path):
    table = read_table(path)
    for day in (FIRST - timedelta(days=1), LAST + timedelta(days=1)):
        with pytest.raises(CalendarUnusable, match=r"2025-01-01 to 2027-12-31\); restart the service"):
            table.hours(EQUITIES, day)
    with pytest.raises(CalendarUnusable, match="no trading day before"):
        table.last_complete_day(EQUITIES, datetime(2025, 1, 1, 15, tzinfo=UTC))
    assert table.hours(AssetClass.CRYPTO, date(1990, 1, 1)) is not None


def damage(text: str, name: str) -> str:
    found = json.loads(text)
    if name == "half of it":
        return text[: len(text) // 2]
    if name == "another day":
        found["table"]["days"][5][0] = "2025-07-04"
    if name == "another format":
        found["format"] = 2
    if name == "a list":
        return "[]"
    if name == "no days":
        del found["table"]["days"]
    return json.dumps(found)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("half of it", "is damaged"),
        ("another day", "its checksum"),
        ("another format", "format 2, and 1 is understood"),
        ("a list", "is damaged"),
        ("no days", "its checksum"),
    ],
)
def test_a_damaged_table_is_refused_as_a_whole(path, name, says):
    path.write_text(damage(path.read_text(), name))
    with pytest.raises(CalendarUnusable, match=says) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_says_so(tmp_path):
    with pytest.raises(CalendarUnusable, match="cannot be read: No such file"):
        read_table(tmp_path / "none.json")


def test_a_table_is_stale_when_it_ends_soon_began_lately_or_is_of_another_library(path):
    table = read_table(path)
    assert table.stale(TODAY) == ""
    assert "ends on 2027-12-31" in table.stale(date(2027, 5, 1))
    assert "begins on 2025-01-01" in table.stale(date(2025, 2, 1))
    text = path.read_text().replace(f'"library":"{library()}"', '"library":"0.1"')
    body = json.loads(text)["table"]
    from robotrading.adapters.calendar_table import _digest

    path.write_text(json.dumps({"format": 1, "sha256": _digest(body), "table": body}))
    assert f"exchange_calendars is {library()} now" in read_table(path).stale(TODAY)


async def test_a_child_makes_the_table_once(tmp_path):
    path = tmp_path / "calendar.json"
    calendar = await current_calendar(path, TODAY)
    assert calendar.hours(EQUITIES, date(2026, 11, 27))[1] == datetime(2026, 11, 27, 18, tzinfo=UTC)
    written = path.stat().st_mtime_ns
    await current_calendar(path, TODAY)
    assert path.stat().st_mtime_ns == written


async def test_a_damaged_table_is_made_anew(path):
    path.write_text("{")
    assert (await current_calendar(path, TODAY)).hours(EQUITIES, date(2026, 11, 26)) is None


async def test_an_old_table_is_better_than_none(path, caplog):
    """The child has no time at all; what is known lasts for some months more."""
    late = date(2027, 10, 1)
    with caplog.at_level(logging.ERROR):
        calendar = await current_calendar(path, late, patience=0.0)
    assert calendar.last == LAST
    assert "known ones end on 2027-12-31" in caplog.text


async def test_without_a_table_and_without_a_child_there_is_one_clear_error(tmp_path):
    (tmp_path / "calendar.json").mkdir()
    with pytest.raises(CalendarUnusable, match="working it out anew failed: exit code"):
        await current_calendar(tmp_path / "calendar.json", TODAY)


def test_reading_a_table_imports_nothing_heavy(path):
    """The daemon's whole reason for the table."""
    script = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from robotrading.adapters.calendar_table import read_table;"
        "import robotrading.adapters.ledger.store, robotrading.adapters.ledger.claims, robotrading.service.scheduler;"
        "from robotrading.domain.instrument import AssetClass;"
        f"c = read_table(Path({str(path)!r})); c.last_complete_day(AssetClass.EQUITIES, datetime(2026, 11, 20, tzinfo=UTC));"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "apscheduler" in loaded
    assert not loaded & {"numpy", "pandas", "scipy", "sklearn", "exchange_calendars", "hmmlearn"}


class Machine:
    """Virtual time, a date that somebody sets, and tables that are counted; none can be made while `broken`."""

    def __init__(self, folder, start):
        self.base, self.folder = VirtualClock(start), folder
        self.shift = timedelta(0)
        self.broken = False
        self.made, self.used = [], []

    def now(self):
        return self.base.now() + self.shift

    def monotonic(self):
        return self.base.monotonic()

    async def make(self, today):
        self.made.append(self.now())
        if self.broken:
            raise CalendarUnusable("no memory")
        return self.table(today)

    def table(self, today):
        path = self.folder / "calendar.json"
        write_table(path, WEEKDAYS, *years_around(today))
        return read_table(path)

    def live(self, scene):
        """`scene` beside the keeping of a table of the first day."""

        async def both():
            keeping = asyncio.create_task(
                keep_current(self.table(self.now().date()), self, self.make, self.used.append)
            )
            await scene()
            keeping.cancel()

        with asyncio.Runner(loop_factory=lambda: VirtualLoop(self.base)) as runner:
            runner.run(both())


def test_a_table_is_renewed_a_few_times_a_day(tmp_path):
    machine = Machine(tmp_path, datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC))
    machine.live(lambda: asyncio.sleep(86_400 + 300))
    assert len(machine.used) == 4


def test_a_clock_that_learns_the_right_year_has_its_days_within_minutes(tmp_path):
    machine = Machine(tmp_path, datetime(2019, 1, 1, tzinfo=UTC))
    right = datetime(2026, 11, 21, 12, tzinfo=UTC) - machine.base.now()

    async def scene():
        await asyncio.sleep(90)
        machine.shift, machine.broken = right, True
        await asyncio.sleep(120)
        assert len(machine.made) == 2
        machine.broken = False
        await asyncio.sleep(60)

    machine.live(scene)
    assert len(machine.made) == 3
    assert [table.last for table in machine.used] == [LAST]
