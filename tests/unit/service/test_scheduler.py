"""The scheduler over a year and in a bad hour: every occurrence at its minute, once, or named."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.calendar_table import CalendarUnusable, read_table, write_table
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.service.scheduler import Duties, Entry, Scheduler
from robotrading.session.due import CatchUp, Missed
from robotrading.session.schedule import parse_schedule
from robotrading.session.timetable import occurrences
from robotrading.sim.clock import VirtualClock, run_virtual

EQUITIES, BONDS, CRYPTO = AssetClass
WORDS = {EQUITIES: "15 minutes before the close", BONDS: "at 15:00", CRYPTO: "at 14:00"}
LIBRARY = ExchangeCalendar(date(2024, 1, 1), date(2027, 12, 31))
MINUTE = timedelta(minutes=1)
HOUR = 3600.0


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


class ShiftedClock:
    """A virtual clock whose wall time somebody sets; durations stay what they are."""

    def __init__(self, base: VirtualClock) -> None:
        self._base, self.shift = base, timedelta(0)

    def now(self) -> datetime:
        return self._base.now() + self.shift

    def monotonic(self) -> float:
        return self._base.monotonic()


@dataclass
class Store:
    """What survives a restart: the claims, and what people were told."""

    claimed: dict[str, Claim] = field(default_factory=dict)
    started: list[tuple[Occurrence, datetime]] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    broken: bool = False

    def check(self) -> None:
        if self.broken:
            raise LedgerError("the disk is full")


@dataclass
class World:
    """One simulated machine; `length` is how long a session takes."""

    start: datetime
    words: dict[AssetClass, str] = field(default_factory=lambda: dict(WORDS))
    store: Store = field(default_factory=Store)
    length: float = 60.0
    rules: CatchUp = field(default_factory=CatchUp)
    calendar: Any = LIBRARY
    refresh: float = 30.0

    def __post_init__(self) -> None:
        self.base = VirtualClock(self.start)
        self.clock = ShiftedClock(self.base)

    def scheduler(self) -> Scheduler:
        entries = [Entry(kind, parse_schedule(words, kind), self.rules) for kind, words in self.words.items()]
        duties = Duties(self.claims, self.claim, self.begin, self.miss)
        return Scheduler(entries, self.calendar, self.clock, duties, self.refresh)

    async def claims(self, since: datetime) -> Sequence[Claim]:
        self.store.check()
        return [claim for claim in self.store.claimed.values() if claim.occurrence.due_at >= since]

    async def claim(self, occurrence: Occurrence) -> bool:
        self.store.check()
        if occurrence.key in self.store.claimed:
            return False
        self.store.claimed[occurrence.key] = Claim(occurrence, "me", self.clock.now())
        return True

    async def begin(self, occurrence: Occurrence) -> None:
        self.store.started.append((occurrence, self.clock.now()))
        await asyncio.sleep(self.length)
        self._finish(occurrence, "done")

    async def miss(self, missed: Missed) -> None:
        self.store.check()
        self.store.missed.append(missed)
        self._finish(missed.occurrence, missed.rule)

    def _finish(self, one: Occurrence, outcome: str) -> None:
        self.store.claimed[one.key] = Claim(one, "me", self.clock.now(), "", outcome, self.clock.now())

    def play(self, scene: Callable[[], Coroutine[Any, Any, None]]) -> Store:
        run_virtual(scene(), self.base)
        return self.store

    async def live(self, seconds: float, scheduler: Scheduler | None = None) -> None:
        """A service for so long, ended in peace: its sessions are waited for."""
        scheduler = scheduler or self.scheduler()
        task = asyncio.create_task(scheduler.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        await scheduler.drain(3600)

    async def die(self, seconds: float) -> None:
        """A service for so long, killed with all that it runs."""
        scheduler = self.scheduler()
        task = asyncio.create_task(scheduler.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        await scheduler.drain(0)

    def expected(self, first: datetime, last: datetime) -> list[Occurrence]:
        found = []
        for kind, words in self.words.items():
            dates = (first - timedelta(days=1)).date(), (last + timedelta(days=1)).date()
            every = occurrences(parse_schedule(words, kind), kind, LIBRARY, *dates)
            found += [one for one in every if first < one.due_at <= last]
        return sorted(found, key=lambda one: one.due_at)


def test_a_year_has_each_occurrence_once_at_its_minute(tmp_path):
    """Holidays, half days, both changes of the clocks, weekends of crypto; on the table that the daemon reads."""
    path = tmp_path / "days.json"
    write_table(path, LIBRARY, date(2024, 1, 1), date(2027, 12, 31))
    world = World(utc(2025, 12, 31, 12), length=0.0, calendar=read_table(path), refresh=4 * HOUR)
    end = utc(2027, 1, 1)

    async def scene() -> None:
        await world.live((end - world.start).total_seconds())

    store = world.play(scene)
    expected = world.expected(world.start, end)
    assert [one for one, _ in sorted(store.started, key=lambda pair: (pair[0].due_at, pair[0].kind))] == sorted(
        expected, key=lambda one: (one.due_at, one.kind)
    )
    assert max(at - one.due_at for one, at in store.started) < timedelta(seconds=1)
    assert min(at - one.due_at for one, at in store.started) >= timedelta(0)
    counted = Counter(one.kind for one, _ in store.started)
    assert counted == {EQUITIES: 252, BONDS: 250, CRYPTO: 366}  # two half days close before 15:00
    assert {missed.rule for missed in store.missed} == {"unwatched"}


@pytest.mark.parametrize("seed", range(3))
def test_restarts_at_random_instants_lose_nothing_and_double_nothing(seed):
    """A quarter with pauses of minutes to days, kills in the middle of sessions, and steps of the clock."""
    dice = random.Random(seed)
    world = World(
        utc(2026, 9, 30, 12), words={EQUITIES: "30 minutes before the close", CRYPTO: "cron 0 */6 * * *"}, length=600.0
    )
    world.refresh = 1800.0
    end = utc(2026, 11, 15)

    async def scene() -> None:
        while world.base.now() < end:
            up = dice.choice([90.0, 3600.0 * dice.random(), 86400.0 * 3 * dice.random()])
            await (world.die(up) if dice.random() < 0.5 else world.live(up))
            await asyncio.sleep(dice.choice([1.0, 1200.0, 7200.0, 86400.0 * 4 * dice.random()]))
        await world.live(120.0)

    store = world.play(scene)
    started, named = Counter(one.key for one, _ in store.started), Counter(m.occurrence.key for m in store.missed)
    killed = {key for key, times in started.items() if times > 1 or named[key]}
    expected = {one.key for one in world.expected(world.start, end)}
    assert expected <= started.keys() | named.keys()
    assert max(named.values()) == 1
    assert all(claim.finished_at for claim in store.claimed.values())
    for one, at in store.started:
        hours = LIBRARY.hours(one.kind, one.trading_date)
        assert hours[0] <= at < hours[1]
        assert one.due_at <= at <= one.due_at + timedelta(minutes=30)
    for key in killed:  # a second start, or a word, only for runs that were cut off
        times = sorted(at for one, at in store.started if one.key == key)
        assert all(b - a >= timedelta(seconds=1) for a, b in itertools.pairwise(times))
    assert len(killed) < len(expected) / 2


@pytest.mark.parametrize(
    ("down_for", "runs", "rule"),
    [(600.0, 1, ""), (1700.0, 0, "closing"), (2400.0, 0, "closed"), (86400.0, 0, "closed")],
)
def test_what_was_missed_is_caught_up_or_named(down_for, runs, rule):
    """Down from a minute before Friday's time on."""
    world = World(utc(2026, 11, 19, 12), words={EQUITIES: "30 minutes before the close"})

    async def scene() -> None:
        await world.live((utc(2026, 11, 20, 20, 29) - world.start).total_seconds())
        await asyncio.sleep(down_for)
        await world.live(120.0)

    store = world.play(scene)
    friday = [one for one, _ in store.started if one.trading_date == date(2026, 11, 20)]
    assert len(friday) == runs
    assert [missed.rule for missed in store.missed if missed.alarming] == ([rule] if rule else [])


def test_a_run_that_is_killed_starts_again_after_the_restart():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"}, length=900.0)

    async def scene() -> None:
        await world.die(1800.0 + 300)  # five minutes into the run
        await asyncio.sleep(60)
        await world.live(60.0)

    store = world.play(scene)
    assert [at for _, at in store.started] == [utc(2026, 11, 20, 20, 30), utc(2026, 11, 20, 20, 36)]
    assert all(claim.finished_at for claim in store.claimed.values())


def test_one_session_runs_once_at_a_time_and_others_are_not_held_up():
    """Crypto is due every 20 minutes and takes 50: the newest that waits runs, the one between is named."""
    world = World(utc(2026, 11, 20, 15), words={CRYPTO: "cron */20 16 * * *", EQUITIES: "at 11:20"}, length=3000.0)

    async def scene() -> None:
        await world.live(7200.0)

    store = world.play(scene)
    assert [(one.kind, f"{at:%H:%M}") for one, at in store.started] == [
        (CRYPTO, "16:00"), (EQUITIES, "16:20"), (CRYPTO, "16:50"),
    ]  # fmt: skip
    assert [missed.rule for missed in store.missed if missed.rule != "unwatched"] == ["superseded"]


def test_a_broken_store_is_asked_again_until_it_works():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"})
    scheduler = world.scheduler()
    troubles = []

    async def scene() -> None:
        service = asyncio.create_task(world.live(3000.0, scheduler))
        await asyncio.sleep(1500)
        world.store.broken = True
        await asyncio.sleep(600)
        troubles.append(scheduler.trouble)
        world.store.broken = False
        await service

    store = world.play(scene)
    assert troubles == ["the disk is full"]
    assert scheduler.trouble == ""
    (late,) = [at for _, at in store.started]
    assert utc(2026, 11, 20, 20, 35) <= late <= utc(2026, 11, 20, 20, 36)


def test_what_is_claimed_is_named_even_if_telling_fails_at_first():
    world = World(utc(2026, 11, 18, 12), words={EQUITIES: "30 minutes before the close"})

    async def scene() -> None:
        await world.live(3600.0)
        await asyncio.sleep(86400.0 * 2)
        scheduler = world.scheduler()
        claim = world.claim

        async def claim_and_break(one: Occurrence) -> bool:
            mine = await claim(one)
            world.store.broken = True
            return mine

        world.claim = claim_and_break
        scheduler = world.scheduler()
        service = asyncio.create_task(world.live(600.0, scheduler))
        await asyncio.sleep(10)
        world.claim, scheduler._duties = claim, Duties(world.claims, claim, world.begin, world.miss)
        world.store.broken = False
        await service

    store = world.play(scene)
    assert [missed.rule for missed in store.missed if missed.alarming] == ["closed", "closed"]


def test_a_clock_set_back_runs_nothing_twice():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"})

    async def scene() -> None:
        service = asyncio.create_task(world.live(5400.0))
        await asyncio.sleep(2400)
        world.clock.shift = -timedelta(minutes=25)  # before the time once more
        await service

    assert len(world.play(scene).started) == 1


def test_a_clock_that_leaps_ahead_for_a_moment_decides_nothing():
    world = World(utc(2026, 11, 20, 12), words={EQUITIES: "30 minutes before the close"})

    async def scene() -> None:
        service = asyncio.create_task(world.live(86400.0 / 2))
        await asyncio.sleep(3595)
        world.clock.shift = timedelta(days=9)
        await asyncio.sleep(20)
        world.clock.shift = timedelta(0)
        await service

    store = world.play(scene)
    assert [at for _, at in store.started] == [utc(2026, 11, 20, 20, 30)]
    assert {missed.rule for missed in store.missed} == {"unwatched"}


def test_a_machine_that_slept_catches_up_at_the_second_look():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"})

    async def scene() -> None:
        service = asyncio.create_task(world.live(3600.0))
        await asyncio.sleep(600)
        world.clock.shift = timedelta(minutes=30)  # it is 20:40 all of a sudden
        await service

    ((_, at),) = world.play(scene).started
    assert utc(2026, 11, 20, 20, 40) <= at <= utc(2026, 11, 20, 20, 42)


def test_another_schedule_does_not_accuse_the_days_of_the_old_one():
    world = World(utc(2026, 11, 19, 12), words={EQUITIES: "at 10:00"})

    async def scene() -> None:
        await world.live(86400.0 / 2)
        world.words[EQUITIES] = "at 15:45"
        await world.live(86400.0 / 2)

    store = world.play(scene)
    assert [(f"{at:%d %H:%M}") for _, at in store.started] == ["19 15:00"]
    assert not [missed for missed in store.missed if missed.alarming]


def test_a_session_that_raises_is_told_and_the_next_ones_run(caplog):
    world = World(utc(2026, 11, 19, 12), words={CRYPTO: "cron 0 */6 * * *"})

    async def fail(occurrence: Occurrence) -> None:
        world.store.started.append((occurrence, world.clock.now()))
        raise OSError("no more processes")

    world.begin = fail

    async def scene() -> None:
        await world.live(86400.0)

    assert len(world.play(scene).started) == 3
    assert caplog.text.count("ended with an error") == 3


def test_draining_cancels_what_does_not_end_in_time():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"}, length=900.0)
    left = []

    async def scene() -> None:
        scheduler = world.scheduler()
        task = asyncio.create_task(scheduler.run())
        await asyncio.sleep(1810)
        task.cancel()
        await asyncio.wait([task])
        left.extend(await scheduler.drain(60))

    world.play(scene)
    assert [one.kind for one in left] == [EQUITIES]
    assert world.base.now() == utc(2026, 11, 20, 20, 31, 10)


def test_the_next_runs_and_the_running_ones_are_known():
    world = World(utc(2026, 11, 20, 20), words={EQUITIES: "30 minutes before the close"}, length=900.0)
    scheduler = world.scheduler()
    seen = []

    async def scene() -> None:
        service = asyncio.create_task(world.live(1900, scheduler))
        await asyncio.sleep(1810)
        seen.append((scheduler.running, scheduler.upcoming))
        await service

    world.play(scene)
    ((running, upcoming),) = seen
    assert [one.due_at for one in running] == [utc(2026, 11, 20, 20, 30)]
    assert upcoming[EQUITIES].due_at == utc(2026, 11, 23, 20, 30)


def test_a_table_that_ends_is_told_and_another_takes_its_place(tmp_path):
    path = tmp_path / "days.json"
    write_table(path, LIBRARY, date(2025, 1, 1), date(2026, 11, 21))
    world = World(
        utc(2026, 11, 20, 12), words={EQUITIES: "30 minutes before the close"}, calendar=read_table(path), refresh=600.0
    )
    scheduler = world.scheduler()
    troubles = []

    async def scene() -> None:
        service = asyncio.create_task(world.live(86400.0 * 4, scheduler))
        await asyncio.sleep(86400.0 * 2)
        troubles.append(scheduler.trouble)
        scheduler.use(LIBRARY)
        await service

    store = world.play(scene)
    assert "not in the table of trading days" in troubles[0]
    assert [one.trading_date for one, _ in store.started][:2] == [date(2026, 11, 20), date(2026, 11, 23)]
    with pytest.raises(CalendarUnusable):
        read_table(path).hours(EQUITIES, date(2026, 11, 23))


def test_memory_stays_flat_over_months():
    world = World(utc(2026, 1, 1), words={CRYPTO: "cron 0 */6 * * *"}, length=0.0, refresh=6 * HOUR)
    sizes = []

    async def scene() -> None:
        service = asyncio.create_task(world.live(86400.0 * 42))
        await asyncio.sleep(86400.0 * 5)
        tracemalloc.start()
        for _ in range(3):
            await asyncio.sleep(86400.0 * 12)
            world.store.started.clear()
            for key in list(world.store.claimed)[:-20]:
                del world.store.claimed[key]
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        await service

    world.play(scene)
    assert sizes[2] - sizes[1] < 20_000
