"""Index members: fresh ones without asking, the last good list when the source fails."""

from __future__ import annotations

from decimal import Decimal

import pytest
from cached_market import MovableClock

from robotrading.adapters.cache.lists import ListCache
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.market import Constituent

MEMBERS = (Constituent("NVDA", "Nvidia", Decimal("0.0705")), Constituent("BRK-B", "Berkshire", Decimal("0.0169")))


class Index:
    """A list that can be changed, emptied or made to fail."""

    def __init__(self) -> None:
        self.members, self.failing, self.asked = MEMBERS, "", 0

    def __call__(self):
        self.asked += 1
        if self.failing:
            raise FeedUnavailable(self.failing, retry_after=9.0)
        return self.members


@pytest.fixture
def world(tmp_path):
    clock = MovableClock()
    return ListCache(CacheSettings(directory=str(tmp_path)), clock), Index(), clock


def test_a_fresh_list_is_served_without_asking(world, tmp_path):
    cache, index, clock = world
    assert cache.get("sp500", index) == (MEMBERS, None)
    clock.pass_by(hours=23)
    again = ListCache(CacheSettings(directory=str(tmp_path)), clock)
    assert again.get("sp500", index) == (MEMBERS, None)
    assert index.asked == 1


def test_an_old_list_is_asked_for_again(world):
    cache, index, clock = world
    cache.get("sp500", index)
    clock.pass_by(hours=25)
    index.members = MEMBERS[:1]
    assert cache.get("sp500", index) == (MEMBERS[:1], None)


def test_a_list_of_a_wrong_clock_is_asked_for_again_once_the_clock_is_right(world):
    """It would be fresh until the day it is dated has come."""
    cache, index, clock = world
    clock.pass_by(days=365)
    cache.get("sp500", index)
    clock.pass_by(days=-365)
    index.members = MEMBERS[:1]
    assert cache.get("sp500", index) == (MEMBERS[:1], None)


@pytest.mark.parametrize("failure", ["slickcharts: 403 forbidden", ""])
def test_the_last_good_list_outlives_its_source_and_says_so(world, failure):
    cache, index, clock = world
    cache.get("sp500", index)
    clock.pass_by(days=10)
    index.failing, index.members = failure, ()
    members, note = cache.get("sp500", index)
    assert members == MEMBERS
    assert note.rule == "cached_list"
    assert "list of 2025-09-26 22:00 UTC (2 members)" in note.reason
    assert (failure or "empty list") in note.reason


def test_a_list_too_old_is_no_list(world):
    cache, index, clock = world
    cache.get("sp500", index)
    clock.pass_by(days=31)
    index.failing = "slickcharts: down"
    with pytest.raises(FeedUnavailable, match=r"slickcharts: down; the last good list is of 2025-09-26") as caught:
        cache.get("sp500", index)
    assert caught.value.retry_after == 9.0


def test_without_a_list_the_failure_is_passed_on(world):
    cache, index, _ = world
    index.failing = "slickcharts: down"
    with pytest.raises(FeedUnavailable, match="slickcharts: down"):
        cache.get("sp500", index)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5],
        lambda content: content.replace(b"NVDA", b"NVDB"),
        lambda content: content[:0],
        lambda content: b"\xff\xfe" + content,
    ],
)
def test_a_damaged_list_is_never_served(world, tmp_path, damage):
    cache, index, _ = world
    cache.get("sp500", index)
    (path,) = (tmp_path / "lists").glob("*.json")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("sp500", index) == (MEMBERS, None)
    assert index.asked == 2


def test_a_list_of_another_make_is_fetched_again(world, tmp_path):
    import hashlib

    cache, index, _ = world
    cache.get("sp500", index)
    (path,) = (tmp_path / "lists").glob("*.json")
    for body in (
        b"{}",
        b'{"at": "x", "members": []}',
        b'{"at": "2025-01-01T00:00:00+00:00", "members": [["A", "A", "?"]]}',
    ):
        path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        assert cache.get("sp500", index) == (MEMBERS, None)


def test_two_lists_are_kept_apart(world):
    cache, index, _ = world
    other = Index()
    other.members = MEMBERS[1:]
    assert cache.get("sp500", index)[0] == MEMBERS
    assert cache.get("sp-500", other)[0] == MEMBERS[1:]


def test_a_list_that_cannot_be_kept_is_served_with_a_note(tmp_path):
    (tmp_path / "lists").write_text("in the way")
    members, note = ListCache(CacheSettings(directory=str(tmp_path)), MovableClock()).get("sp500", Index())
    assert members == MEMBERS
    assert note.rule == "cache_write"


def test_a_cache_needs_a_directory():
    with pytest.raises(ValueError, match=r"feeds\.cache\.directory"):
        ListCache(CacheSettings(), MovableClock())
