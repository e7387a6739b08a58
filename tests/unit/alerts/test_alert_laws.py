"""Whatever comes and goes, however lives end: raised and resolved alternate, reminders are apart, nights are quiet."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robotrading.domain.alerts import Finding
from robotrading.domain.messages import Urgency
from robotrading.service.alerts.quiet import quiet_hours
from robotrading.service.alerts.settings import AlertSettings
from tests.unit.alerts.desks import BEGIN, FAILED, GONE, HALTED, LATE, World

STEP = 300.0
CHOSEN = AlertSettings(
    quiet_hours=("22:00-07:00 UTC",), remind_critical=3600.0, remind_warning=7200.0, clear=600.0, disconnected=900.0
)
PAUSE = {Urgency.CRITICAL: 3600.0, Urgency.WARNING: 7200.0}
ALL = {one.key: one for one in (FAILED, GONE, HALTED, LATE)}
stretches = st.lists(
    st.tuples(st.sets(st.sampled_from(sorted(ALL))), st.integers(1, 24), st.booleans()), min_size=1, max_size=10
)
"""What is found, for how many looks, and whether the service is restarted after it."""


def told_of(world: World, finding: Finding) -> list[tuple[str, datetime]]:
    """The words on one cause with their instants, in the order in which they were made."""
    ways = world.outbox.deliveries(5000)
    mine = {(one.letter_id, one.created_at) for one in ways if one.letter_id.startswith(f"alert:{finding.key}:")}
    return sorted(((name.rpartition(":")[2], at) for name, at in mine), key=lambda one: (one[1], one[0] != "resolved"))


async def live(world: World, story: list[tuple[set[str], int, bool]], copies: int) -> None:
    desks = [world.desk() for _ in range(copies)]
    for keys, looks, restarted in [*story, (set(), 24 * 12, False)]:
        for _ in range(looks):
            for desk in desks:
                await desk.look([ALL[key] for key in sorted(keys)])
            world.clock.forward(STEP)
        if restarted:
            desks = [world.desk() for _ in range(copies)]


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(stretches, st.integers(0, 23), st.sampled_from([1, 2]))
def test_the_story_of_each_alert_is_whole(story: list[tuple[set[str], int, bool]], hour: int, copies: int) -> None:
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), CHOSEN) as world:
        world.clock.at = BEGIN + timedelta(hours=hour)
        asyncio.run(live(world, story, copies))
        nights = quiet_hours(CHOSEN.quiet_hours)
        for finding in ALL.values():
            told = told_of(world, finding)
            words = [word for word, _ in told if not word.startswith("reminded")]
            spoken = [word for word in words if word != "passed"]
            assert spoken == ["raised", "resolved"] * (len(spoken) // 2)
            assert not any(nights.holds_back(finding.urgency, at) for _, at in told)
            for (word, before), (after, at) in itertools.pairwise(told):
                if after.startswith("reminded"):
                    assert word == "raised" or word.startswith("reminded")
                    assert (at - before).total_seconds() >= PAUSE[finding.urgency]
        assert world.book.open() == []
        past = [alert for alert in world.book.recent(1000) if alert.told_at is not None]
        raised = [name for name in world.letters() if name.endswith(":raised")]
        assert len(past) == len(raised)
        silent = {alert.rule for alert in world.book.recent(1000) if alert.told_at is None}
        lines = "\n".join(world.text(name) for name in world.letters() if "came and went" in world.text(name))
        assert all(rule.replace("_", " ") + ":" in lines for rule in silent)
