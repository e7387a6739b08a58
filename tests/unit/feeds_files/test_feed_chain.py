"""Sources in order: what one lacks is asked of the next, and every word is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from robotrading.adapters.feeds.chain import FeedChain
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip

A, B, C = (Instrument(symbol, AssetClass.EQUITIES) for symbol in "ABC")
DAY = date(2025, 1, 2)


class Shelf:
    """A source with some symbols; a text in `silent` makes it unavailable."""

    def __init__(self, name: str, has: str = "", silent: str = "", **trouble) -> None:
        self.name, self.has, self.silent, self.trouble = name, has, silent, trouble
        self.asked: list[str] = []

    def daily(self, instruments, first, last):  # noqa: ARG002
        self.asked.append("".join(i.symbol for i in instruments))
        if self.silent:
            raise FeedUnavailable(self.silent, **self.trouble)
        return {i: self._bars(i) if i.symbol in self.has else self._skip(i) for i in instruments}

    def _bars(self, instrument):
        at = datetime(2025, 1, 3, tzinfo=UTC)
        return Bars.from_closes(instrument, np.array([DAY], "datetime64[D]"), np.ones(1), as_of=at, source=self.name)

    def _skip(self, instrument):
        return Skip(instrument.symbol, "prices", f"{self.name}: unknown symbol", "no_data")


def chain(*shelves: Shelf) -> FeedChain:
    return FeedChain({shelf.name: shelf for shelf in shelves})


def test_the_next_source_is_asked_for_what_the_first_lacks_only():
    yahoo, files = Shelf("yahoo", "A"), Shelf("files", "AB")
    answer = chain(yahoo, files).daily([A, B], DAY, DAY)
    assert {i.symbol: bars.source for i, bars in answer.items()} == {"A": "yahoo", "B": "files"}
    assert (yahoo.asked, files.asked) == (["AB"], ["B"])


def test_later_sources_rest_when_nothing_is_lacking():
    yahoo, files = Shelf("yahoo", "AB"), Shelf("files", "AB")
    chain(yahoo, files).daily([A, B], DAY, DAY)
    assert files.asked == []


def test_a_skip_names_what_every_source_said():
    answer = chain(Shelf("yahoo", "A"), Shelf("files", silent="files: no such file")).daily([A, B], DAY, DAY)
    assert isinstance(answer[A], Bars)
    assert answer[B].reason == "no source has prices (yahoo: unknown symbol; files: no such file)"
    assert (answer[B].subject, answer[B].rule) == ("B", "no_data")


def test_an_empty_series_or_no_word_at_all_counts_as_lacking():
    class Odd(Shelf):
        def daily(self, instruments, first, last):  # noqa: ARG002
            return {A: self._bars(A).select(slice(0, 0))}

    answer = chain(Odd("odd"), Shelf("files", "A")).daily([A, B], DAY, DAY)
    assert answer[A].source == "files"
    assert answer[B].reason == "no source has prices (odd: no bars; files: unknown symbol)"


def test_the_chain_is_silent_only_when_all_are():
    silent = chain(
        Shelf("yahoo", silent="yahoo: 429", retry_after=60.0), Shelf("av", silent="av: daily limit", retryable=False)
    )
    with pytest.raises(FeedUnavailable, match=r"no source of prices answers \(yahoo: 429; av: daily limit\)") as caught:
        silent.daily([A], DAY, DAY)
    assert caught.value.retryable
    assert caught.value.retry_after == 60.0


def test_it_has_a_name_and_needs_a_source():
    both = chain(Shelf("yahoo"), Shelf("files"))
    assert (both.name, both.sources) == ("yahoo > files", ("yahoo", "files"))
    assert both.daily([], DAY, DAY) == {}
    with pytest.raises(ValueError, match="at least one"):
        FeedChain({})


def test_an_instrument_asked_twice_is_answered_once():
    yahoo = Shelf("yahoo", "A")
    assert list(chain(yahoo).daily([A, A], DAY, DAY)) == [A]
    assert yahoo.asked == ["A"]


FIRST, LAST = date(2024, 1, 1), date(2025, 1, 2)


class History:
    """A source of A alone, with a bar on each day from `first` to `last`."""

    def __init__(self, name: str, first: date = FIRST, last: date = LAST) -> None:
        self.name, self.first, self.last = name, first, last
        self.asked = 0

    def daily(self, instruments, first, last):
        self.asked += 1
        days = np.arange(max(self.first, first), min(self.last, last) + timedelta(days=1), dtype="datetime64[D]")
        at = datetime(2025, 1, 3, tzinfo=UTC)
        return {
            i: Bars.from_closes(i, days, np.ones(len(days)), as_of=at, source=self.name) for i in instruments if i == A
        }


def ago(days: int) -> date:
    return LAST - timedelta(days=days)


@pytest.mark.parametrize(
    ("first", "last"),
    [(ago(4), LAST), (ago(28), LAST), (FIRST, ago(14)), (FIRST, ago(8))],
    ids=["five days", "twenty-nine days", "two weeks old", "eight days old"],
)
def test_a_series_that_no_session_can_use_is_asked_of_the_next_source(first, last):
    good = History("good")
    answer = chain(History("poor", first, last), good).daily([A], FIRST, LAST)
    assert (answer[A].source, len(answer[A])) == ("good", 368)


@pytest.mark.parametrize(("first", "last"), [(ago(29), LAST), (FIRST, ago(7))], ids=["thirty days", "a week old"])
def test_a_series_that_a_session_may_be_told_to_use_is_not(first, last):
    second = History("second")
    assert chain(History("first", first, last), second).daily([A], FIRST, LAST)[A].source == "first"
    assert second.asked == 0


def test_the_end_of_a_series_is_short_and_not_asked_for_twice():
    second = History("second")
    assert chain(History("first"), second).daily([A], ago(10), LAST)[A].source == "first"
    assert second.asked == 0


@pytest.mark.parametrize(
    "second", [History("second", ago(100)), History("second", ago(3)), Shelf("second"), Shelf("second", silent="down")]
)
def test_a_poor_series_stands_when_nobody_has_a_better_one(second):
    """A hundred days up to yesterday are no better than a year that ended two weeks ago; neither is a refusal."""
    answer = chain(History("first", FIRST, ago(14)), second).daily([A, B], FIRST, LAST)
    assert (answer[A].source, answer[A].last_day) == ("first", ago(14))
    assert answer[B].reason.startswith("no source has prices (first: no bars; second: ")


def test_a_third_source_is_asked_when_two_were_poor():
    shelves = History("first", ago(4)), History("second", FIRST, ago(14)), History("third")
    assert chain(*shelves).daily([A], FIRST, LAST)[A].source == "third"
