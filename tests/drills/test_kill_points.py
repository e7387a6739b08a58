"""Sessions killed with SIGKILL over the real wire: a sample of the points, and the list of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.kill_drill import Drill
from tests.drills.kill_table import Finding, story, write_table
from tests.drills.points import IN_FLIGHT, POINTS, SAMPLE, Death, Place, Point, When, point

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    made = Drill(tmp_path_factory.mktemp("kill"))
    try:
        made.prepare()
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("name", SAMPLE)
def test_after_a_kill_the_next_run_leaves_ledger_and_gateway_equal(drill: Drill, name: str) -> None:
    """Nothing doubled, nothing lost, the person's shares untouched, one report for each run."""
    finding = drill.run(point(name))
    assert not finding.wrong
    assert len(finding.deaths) == len(finding.point.deaths)


def test_a_session_that_ends_otherwise_is_told_and_not_passed(drill: Drill) -> None:
    """A drill in which nobody is killed proves nothing; the point has one death, so that the second process fails."""
    beyond = Point("after the last sell's bytes", (IN_FLIGHT, IN_FLIGHT))
    assert "death 2 was not met" in drill.run(beyond).wrong


def test_the_list_has_every_kind_of_step_and_each_name_once() -> None:
    names = [one.name for one in POINTS]
    assert len(names) == len(set(names)) >= 30
    assert set(SAMPLE) <= set(names)
    places = {(death.place, death.when) for one in POINTS for death in one.deaths}
    assert {place for place, _ in places} == set(Place)
    assert {when for _, when in places} == set(When)
    assert sum(len(one.deaths) > 1 for one in POINTS) >= 10, "deaths in recovery"
    assert sum(one.gateway_dies for one in POINTS) >= 5


def test_the_page_tells_what_was_found_and_what_broke(tmp_path: Path) -> None:
    one = Point("here", (Death(Place.WIRE, "placeOrder", When.AFTER),))
    good = Finding(one, ["died"], ["sent", "sent"], 2, 1, ["a"], [], "partly", 3, 4.0)
    page = tmp_path / "page.md"
    write_table([good, Finding(one, ["died"], wrong="lost | found")], 90.0, page)
    text = page.read_text(encoding="utf-8")
    assert "2 points, 2 processes killed, 3 commands in 2 minutes" in text
    assert "at 1 points everything held" in text
    assert "**lost / found**" in text
    assert "1 order unknown, blocked and named; settled by itself the next day" in text
    assert "open: 2 sent; 2 executions booked that the dead process had not; 1 commission added" in story(good)
    assert story(Finding(one)) == "no order was open"
    assert "1 still unknown the next day" in story(Finding(one, unknown=["a"], unknown_next_day=["a"]))
