"""What one copy remembers between two looks: for how long a cause was there, how long it is gone, and how often."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from robotrading.domain.alerts import Alert, Finding
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.alerts.sightings import Sightings
from tests.unit.alerts.desks import BEGIN, FAILED, GONE

SETTINGS = AlertSettings(clear=120.0)
KEY = FAILED.key


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def alert(seen: float = 0, **changes: object) -> Alert:
    return Alert(KEY, FAILED.rule, FAILED.urgency, "it failed", "", at(0), at(seen), **changes)


def sightings(began: float = -9999) -> Sightings:
    return Sightings(SETTINGS, at(began))


def look(of: Sightings, seconds: float, *found: Finding, times: int = 1) -> None:
    of.note({one.key: one for one in found}, dict.fromkeys((one.key for one in found), times), at(seconds))


def test_it_lasts_when_every_look_for_so_long_has_found_it() -> None:
    of = sightings()
    assert not of.lasts(GONE, at(0)), "never seen"
    for seconds in (0, 100, 299):
        look(of, seconds, GONE)
        assert not of.lasts(GONE, at(seconds))
    assert of.lasts(GONE, at(300))
    look(of, 305)
    look(of, 310, GONE)
    assert not of.lasts(GONE, at(609))
    assert of.lasts(GONE, at(610))


def test_findings_are_counted_until_they_are_written_down() -> None:
    of = sightings()
    look(of, 0, FAILED, times=3)
    of.began(alert())
    assert (of.more(KEY), of.due(alert(), at(29.9)), of.due(alert(), at(30))) == (2, 0, 2)
    look(of, 31, FAILED, times=4)
    of.written(alert(), at(31))
    assert (of.more(KEY), of.due(alert(), at(90))) == (0, 0)
    look(of, 60, FAILED)
    look(of, 61, FAILED)
    assert (of.due(alert(seen=60), at(60)), of.due(alert(seen=60), at(61))) == (0, 2)


def test_it_is_over_when_no_copy_has_seen_it_for_so_long_and_this_one_has_looked_as_long() -> None:
    of = sightings()
    look(of, 50, FAILED)
    assert (of.is_over(alert(), at(169.9)), of.is_over(alert(), at(170))) == (False, True)
    assert (of.is_over(alert(seen=80), at(199)), of.is_over(alert(seen=80), at(200))) == (False, True)
    assert of.last_seen(alert(seen=20)) == at(50)
    young = sightings(began=100)
    assert (young.is_over(alert(), at(219)), young.is_over(alert(), at(220))) == (False, True)


@pytest.mark.parametrize(("endings", "clear"), [(0, 120), (1, 240), (2, 480), (4, 1920), (5, 3600), (2000, 3600)])
def test_each_end_within_a_day_doubles_the_time_to_an_hour_at_most(endings: int, clear: float) -> None:
    """The ends of earlier lives and of other copies count as one's own do; those that are still open do not."""
    own, recalled = sightings(), sightings()
    for _ in range(endings):
        own.ended(alert(), at(0))
    recalled.recall([alert(), *[alert(resolved_at=at(0))] * endings])
    for of in (own, recalled):
        assert [of.is_over(alert(), at(clear - 1)) for _ in range(3)] == [False] * 3, "asking forgets nothing"
        assert of.is_over(alert(), at(clear))
        assert of.is_over(alert(seen=86_400), at(86_400 + 120)), "a day later all is forgotten"


def test_a_time_of_more_than_an_hour_is_kept_and_findings_are_written_each_minute() -> None:
    of = Sightings(AlertSettings(clear=7200.0), at(-9999))
    look(of, 0, FAILED)
    assert (of.due(alert(), at(59.9)), of.due(alert(), at(60))) == (0, 1)
    of.ended(alert(), at(0))
    assert (of.is_over(alert(), at(7199)), of.is_over(alert(), at(7200))) == (False, True)


def test_what_has_ended_begins_anew() -> None:
    of = sightings()
    look(of, 0, FAILED, times=5)
    of.ended(alert(), at(0))
    assert of.more(KEY) == 0
    assert of.last_seen(alert(seen=-7)) == at(-7)
