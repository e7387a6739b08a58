"""Of one cause one alert: raised once, reminded rarely, ended with a word; over storms, deaths, copies and full disks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from robotrading.domain.messages import DeliveryState, Urgency
from robotrading.service.alerts.settings import AlertSettings
from tests.unit.alerts.desks import FAILED, GONE, HALTED, LATE, World

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


async def test_an_alert_is_raised_once_and_resolved_once_each_to_everybody(world: World) -> None:
    desk = world.desk()
    looked = await desk.look([FAILED])
    assert (looked.posted, [alert.key for alert in looked.open]) == (1, ["session_failed:crypto"])
    await world.during(desk, 600, FAILED)
    looked = await world.during(desk, 600)
    assert looked.open == ()
    assert world.told() == ["raised", "resolved"]
    assert [str(one.address) for one in world.outbox.deliveries()] == ["mail:a@example.com", "push:tgram 1"] * 2
    (alert,) = world.book.recent()
    assert alert.resolved_at is not None
    assert alert.told_at is not None


async def test_a_storm_of_ten_thousand_is_one_alert_and_one_resolution_with_a_restart_amid_it(world: World) -> None:
    desk, events = world.desk(), 0
    for number in range(200):
        if number == 100:
            desk = world.desk()
        await desk.look([FAILED] * 50)
        world.clock.forward(0.5)
        events += 50
    await world.during(desk, 300)
    assert events == 10_000
    assert world.told() == ["raised", "resolved"]
    (alert,) = world.book.recent()
    assert 5_000 < alert.times <= 10_000


async def test_two_copies_on_one_ledger_tell_together_what_one_would(world: World) -> None:
    copies = [world.desk(), world.desk()]
    for _ in range(50):
        await asyncio.gather(*(copy.look([FAILED] * 100) for copy in copies))
        world.clock.forward(5)
    for _ in range(60):
        await asyncio.gather(*(copy.look([]) for copy in copies))
        world.clock.forward(5)
    assert world.told() == ["raised", "resolved"]
    (alert,) = world.book.recent()
    assert 0.5 < alert.times / 10_000 <= 1


async def test_what_only_one_copy_sees_does_not_end_and_begin_again(world: World) -> None:
    sees, sees_not = world.desk(), world.desk()
    for _ in range(200):
        await sees.look([FAILED])
        await sees_not.look([])
        world.clock.forward(5)
    assert world.told() == ["raised"]


async def test_what_may_pass_by_itself_is_told_when_it_has_lasted(world: World) -> None:
    desk = world.desk()
    await world.during(desk, 295, GONE)
    await desk.look([])
    world.clock.forward(5)
    await world.during(desk, 300, GONE)
    assert world.told() == []
    await desk.look([GONE])
    assert world.told() == ["raised"]


async def test_a_flapping_cause_is_one_alert_and_one_that_comes_back_has_to_be_gone_longer(world: World) -> None:
    desk = world.desk()
    for _ in range(20):
        await world.during(desk, 100, FAILED)
        await world.during(desk, 100)
    assert world.told() == ["raised"]
    for _ in range(20):
        await world.during(desk, 100, FAILED)
        await world.during(desk, 200)
    assert world.told() == ["raised", "resolved", "raised"]


async def test_what_comes_back_with_each_restart_is_one_alert_too(world: World) -> None:
    """As a service does that dies every half an hour, and finds so at its start."""
    for _ in range(40):
        desk = world.desk()
        await world.during(desk, 600, FAILED)
        await world.during(desk, 1200)
    assert world.told().count("raised") <= 6
    assert len(world.book.open()) == 1


async def test_what_is_not_over_is_neither_ended_nor_spoken_of(world: World) -> None:
    desk = world.desk()
    await world.during(desk, 60, LATE)
    for _ in range(200):
        looked = await desk.look([], {LATE.key})
        world.clock.forward(60)
    assert [alert.key for alert in looked.open] == [LATE.key]
    assert world.told() == ["raised"]
    await desk.look([])
    assert world.told() == ["raised", "resolved"]


async def test_reminders_are_as_far_apart_as_is_wanted_and_never_of_what_is_not_seen(world: World) -> None:
    desk = world.desk()
    await world.during(desk, DAY + HOUR, FAILED, HALTED, every=60)
    said = [name.split(":")[1] + " " + name.rpartition(":")[2] for name in world.letters()]
    assert [one for one in said if one.startswith("halted")] == ["halted raised", "halted reminded-1"]
    assert [one for one in said if one.startswith("session")] == [
        "session_failed raised", *(f"session_failed reminded-{number}" for number in range(1, 7))
    ]  # fmt: skip


async def test_without_reminders_there_is_none(world: World) -> None:
    world.settings = AlertSettings(remind_critical=0.0, remind_warning=0.0)
    await world.during(world.desk(), 9 * DAY, FAILED, HALTED, every=HOUR)
    assert world.told() == ["raised", "raised"]


async def test_a_restart_neither_tells_again_nor_ends_what_it_has_not_looked_at_for_long(world: World) -> None:
    await world.during(world.desk(), 60, FAILED)
    world.clock.forward(HOUR)
    desk = world.desk()
    looked = await desk.look([])
    assert len(looked.open) == 1
    await world.during(desk, 600, FAILED)
    assert world.told() == ["raised"]


@pytest.mark.parametrize("writes", range(5))
async def test_a_death_between_two_writes_loses_no_word_and_doubles_none(world: World, writes: int) -> None:
    await world.during(world.desk(), 60, HALTED)  # another one, told before
    world.book.writes_left = writes
    dying = world.desk()
    await dying.look([HALTED, LATE])
    if writes > 2:
        await world.during(dying, 600, HALTED)
    world.book.writes_left = None
    desk = world.desk()
    await world.during(desk, 60, HALTED, *([LATE] if writes <= 2 else []))
    await world.during(desk, 600)
    of_late = [name.rpartition(":")[2] for name in world.letters() if name.startswith("alert:data_late")]
    assert of_late == ["raised", "resolved"]
    assert len(world.book.recent()) == 2


async def test_a_word_that_was_begun_and_never_told_is_told_after_a_restart(world: World) -> None:
    assert world.book.begin(FAILED, world.clock.now()) is not None
    world.clock.forward(60)
    await world.desk().look([FAILED])
    assert world.told() == ["raised"]


async def test_what_was_begun_never_told_and_has_passed_is_told_in_a_line(world: World) -> None:
    assert world.book.begin(FAILED, world.clock.now()) is not None
    await world.during(world.desk(), 600)
    assert world.told() == ["passed"]
    assert "came and went" in world.text(world.letters()[0])
    assert world.book.open() == []


async def test_nobody_to_tell_is_said_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        looked = await world.desk(addresses=()).look([FAILED])
    assert looked.posted == 0
    assert "told to nobody" in caplog.text
    assert world.letters() == []


# Quiet hours: 22:00-07:00 UTC, and it is noon


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, AlertSettings(quiet_hours=("22:00-07:00 UTC",))) as made:
        made.clock.forward(11 * HOUR)  # 23:00
        yield made


async def test_critical_alerts_wake_people_and_warnings_do_not(sleepers: World) -> None:
    desk = sleepers.desk()
    await sleepers.during(desk, HOUR, FAILED, HALTED, every=30)
    assert [name.split(":")[1] for name in sleepers.letters()] == ["session_failed"]
    await sleepers.during(desk, HOUR, HALTED, every=30)
    assert sleepers.told() == ["raised", "resolved"]
    await sleepers.during(desk, 6 * HOUR - 30, HALTED, every=30)
    assert len(sleepers.letters()) == 2
    await sleepers.during(desk, 60, HALTED, every=30)
    assert [name.split(":")[1] for name in sleepers.letters()][2:] == ["halted"]
    assert "8 h 00 min" in sleepers.text(sleepers.letters()[2])


async def test_warnings_that_came_and_went_are_lines_of_one_letter_in_the_morning(sleepers: World) -> None:
    desk = sleepers.desk()
    await sleepers.during(desk, HOUR, HALTED, every=30)
    await sleepers.during(desk, HOUR, LATE, every=30)
    await sleepers.during(desk, HOUR, every=30)
    desk = sleepers.desk()
    await sleepers.during(desk, 6 * HOUR, every=30)
    assert sleepers.letters() == ["alert:quiet:20250927T070000Z"]
    text = sleepers.text(sleepers.letters()[0])
    assert text.startswith("2 warnings came and went")
    assert "halted: trading is halted: by hand" in text
    assert "data late: the newest price" in text
    assert sleepers.book.open() == []


async def test_a_warning_that_ends_after_the_letter_has_a_letter_of_its_own(sleepers: World) -> None:
    desk = sleepers.desk()
    await sleepers.during(desk, HOUR, HALTED, LATE, every=30)
    await sleepers.during(desk, 7 * HOUR - 60, LATE, every=30)
    await sleepers.during(desk, HOUR, every=30)
    assert [name.rpartition(":")[2] for name in sleepers.letters()] == ["20250927T070000Z", "passed"]
    assert sleepers.book.open() == []


async def test_a_warning_of_the_day_that_ends_at_night_is_over_in_the_morning(sleepers: World) -> None:
    sleepers.clock.forward(-2 * HOUR)  # 21:00
    desk = sleepers.desk()
    await sleepers.during(desk, 2 * HOUR, HALTED, every=30)
    await sleepers.during(desk, 7 * HOUR, every=30)
    assert sleepers.told() == ["raised"]
    await sleepers.during(desk, 2 * HOUR, every=30)
    assert sleepers.told() == ["raised", "resolved"]
    assert "It lasted: 1 h 59 min" in sleepers.text(sleepers.letters()[1])


# Without the ledger


async def test_without_a_ledger_critical_words_go_out_directly_once_and_are_not_told_again_after(world: World) -> None:
    desk = world.desk()
    await desk.look([])
    world.book.broken = True
    await world.during(desk, 300, FAILED, HALTED)
    names = [letter.letter_id.split(":")[1] for letter in world.directly]
    assert names == ["session_failed", "ledger_trouble"]
    assert {letter.urgency for letter in world.directly} == {Urgency.CRITICAL}
    assert desk.silent_since is None
    world.book.broken = False
    await world.during(desk, 60, FAILED, HALTED)
    await world.during(desk, 600)
    ours = [(name.split(":")[1], name.rpartition(":")[2]) for name in world.letters()]
    assert ours[0] == ("halted", "raised")
    assert sorted(ours[1:]) == [("halted", "resolved"), ("ledger_trouble", "resolved"), ("session_failed", "resolved")]
    assert len(world.directly) == 2


async def test_what_ends_while_the_ledger_does_not_work_is_ended_directly(world: World) -> None:
    desk = world.desk()
    world.settings = replace(world.settings, muted=("ledger_trouble",))
    desk = world.desk()
    world.book.broken = True
    await world.during(desk, 60, FAILED)
    await world.during(desk, 600)
    assert [letter.letter_id.rpartition(":")[2] for letter in world.directly] == ["raised", "resolved"]
    world.book.broken = False
    await world.during(desk, 600)
    assert world.letters() == []


async def test_what_was_told_before_the_ledger_broke_is_not_told_again(world: World) -> None:
    desk = world.desk()
    await world.during(desk, 60, FAILED)
    world.book.broken = True
    await world.during(desk, 50, FAILED)
    assert world.directly == []


async def test_a_way_that_is_shut_is_tried_once_a_minute_and_silence_is_known(world: World) -> None:
    desk = world.desk()
    world.book.broken, world.way_is_open = True, False
    begin = world.clock.now()
    await world.during(desk, 600, FAILED)
    assert desk.silent_since == begin
    world.way_is_open = True
    await world.during(desk, 90, FAILED)
    assert len(world.directly) == 2
    assert desk.silent_since is None


async def test_without_a_direct_way_the_word_waits_for_the_ledger(world: World) -> None:
    desk = world.desk()
    world.book.broken, world.way_is_open = True, False
    await world.during(desk, 300, FAILED)
    world.book.broken = False
    await world.during(desk, 60, FAILED)
    said = [(name.split(":")[1], name.rpartition(":")[2]) for name in world.letters()]
    assert said == [("ledger_trouble", "passed"), ("session_failed", "raised")]
    waiting = {one.state for one in world.outbox.deliveries()}
    assert waiting == {DeliveryState.WAITING}
