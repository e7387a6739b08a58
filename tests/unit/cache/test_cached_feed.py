"""What is asked of the source, what is served from the cache, and what the report is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from cached_market import BTC, FIRST, KO, PEP, START, MovableClock, Source, history

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.feed import CachedFeed, agrees, join
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Bars, PriceBasis
from robotrading.domain.skip import Skip

FRIDAY, MONDAY, TUESDAY = date(2025, 9, 26), date(2025, 9, 29), date(2025, 9, 30)


class World:
    """A source, a cache and a feed over both, on one clock."""

    def __init__(self, folder, calendar, **settings) -> None:
        self.calendar = calendar
        self.clock = MovableClock()
        days = calendar.days(AssetClass.EQUITIES, date(2020, 1, 1), date(2025, 12, 31))
        every = calendar.days(AssetClass.CRYPTO, date(2020, 1, 1), date(2025, 12, 31))
        self.source = Source(self.clock, {KO: history(KO, days), PEP: history(PEP, days), BTC: history(BTC, every)})
        self.settings = CacheSettings(directory=str(folder), **settings)
        self.restart()

    def restart(self, **kwargs) -> None:
        self.cache = BarCache(self.settings, self.clock)
        self.feed = CachedFeed(self.source, self.cache, self.calendar, self.clock, **kwargs)

    def ask(self, last: date = FRIDAY, instruments=(KO,), first: date = FIRST):
        self.source.asked.clear()
        return self.feed.daily(instruments, first, last)

    def expected(self, last: date = FRIDAY, instrument=KO, first: date = FIRST):
        return self.source.books[instrument].since(first).until(last).close.tolist()

    def dividend(self, instrument, day: date, amount: float) -> None:
        """Goes ex on `day`: every earlier adjusted close is rewritten, as sources do."""
        bars = self.source.books[instrument]
        row = int(np.searchsorted(bars.dates, np.datetime64(day)))
        factor = np.where(np.arange(len(bars)) < row, 1 - amount / bars.close[row - 1], 1.0)
        paid = bars.dividend.copy()
        paid[row] = amount
        self.source.rewrite(instrument, adj_close=bars.adj_close * factor, dividend=paid)


@pytest.fixture
def world(tmp_path, calendar) -> World:
    return World(tmp_path, calendar)


def test_what_is_fresh_is_served_without_asking(world):
    first = world.ask()[KO]
    assert world.source.asked == [(("KO",), FIRST, FRIDAY)]
    world.clock.pass_by(hours=5)
    again = world.ask()[KO]
    assert world.source.asked == []
    assert again.close.tolist() == first.close.tolist() == world.expected()
    assert again.as_of == START
    assert world.feed.notes == ()
    assert world.feed.name == "yahoo"


def test_it_survives_a_restart(world):
    world.ask()
    world.restart()
    assert world.ask()[KO].close.tolist() == world.expected()
    assert world.source.asked == []


def test_a_served_window_is_the_one_asked_for(world):
    world.ask()
    part = world.ask(last=date(2025, 6, 2), first=date(2025, 5, 1))[KO]
    assert (part.first_day, part.last_day) == (date(2025, 5, 1), date(2025, 6, 2))
    assert world.source.asked == []
    nothing = world.ask(last=date(2025, 5, 4), first=date(2025, 5, 3))[KO]
    assert isinstance(nothing, Skip)
    assert "no bars from 2025-05-03 to 2025-05-04" in nothing.reason


def test_a_new_complete_day_makes_fresh_data_old(world):
    world.clock.at = START.replace(hour=14)
    world.ask(last=date(2025, 9, 25))
    world.clock.at = START.replace(hour=20, minute=1)
    assert world.ask(last=FRIDAY)[KO].last_day == FRIDAY
    assert len(world.source.asked) == 1


def test_only_the_tail_with_an_overlap_is_asked_for(world):
    world.ask(instruments=(KO, PEP))
    world.clock.pass_by(days=3)
    answer = world.ask(MONDAY, (KO, PEP))
    assert world.source.asked == [(("KO", "PEP"), date(2025, 9, 15), MONDAY)], "ten trading days again, and one new"
    assert answer[KO].close.tolist() == world.expected(MONDAY)
    world.restart()
    assert world.ask(MONDAY)[KO].close.tolist() == world.expected(MONDAY)
    assert world.source.asked == []


def test_a_longer_history_is_fetched_whole(world):
    world.ask()
    longer = date(2022, 1, 3)
    assert world.ask(first=longer)[KO].close.tolist() == world.expected(first=longer)
    assert world.source.asked == [(("KO",), longer, FRIDAY)]
    world.ask(first=longer)
    assert world.source.asked == []


def test_a_series_that_begins_later_is_not_asked_for_again(world):
    world.source.books[KO] = world.source.books[KO].since(date(2025, 1, 2))
    world.ask()
    assert world.ask()[KO].first_day == date(2025, 1, 2)
    assert world.source.asked == []


def test_a_dividend_rewrites_history_and_fetches_it_whole(world):
    world.ask()
    world.clock.pass_by(days=3)
    world.dividend(KO, MONDAY, 0.5)
    answer = world.ask(MONDAY)[KO]
    assert [asked[1] for asked in world.source.asked] == [date(2025, 9, 15), FIRST]
    assert answer.adj_close.tolist() == world.source.books[KO].since(FIRST).until(MONDAY).adj_close.tolist()
    world.clock.pass_by(days=1)
    world.ask(TUESDAY)
    assert [asked[1] for asked in world.source.asked] == [date(2025, 9, 16)], (
        "once known, the dividend disturbs no more"
    )


def test_only_the_series_that_disagrees_is_fetched_whole(world):
    world.ask(instruments=(KO, PEP))
    world.clock.pass_by(days=3)
    world.dividend(PEP, MONDAY, 0.5)
    world.ask(MONDAY, (KO, PEP))
    assert world.source.asked[-1] == (("PEP",), FIRST, MONDAY)


def test_another_sources_tail_is_never_joined_on(world):
    world.ask()
    world.clock.pass_by(days=3)
    world.source.rewrite(KO, source="alpha_vantage")
    answer = world.ask(MONDAY)[KO]
    assert answer.source == "alpha_vantage"
    assert answer.first_day == FIRST
    assert world.source.asked[-1][1] == FIRST


def test_a_series_pieced_together_for_a_week_is_fetched_whole(world):
    world.ask()
    for _ in range(6):
        world.clock.pass_by(days=1)
        world.ask(min(world.clock.at.date(), date(2025, 12, 1)))
        assert world.source.asked[0][1] > FIRST
    world.clock.pass_by(days=1)
    world.ask(world.clock.at.date())
    assert world.source.asked[0][1] == FIRST


def test_an_unfinished_day_is_served_and_not_kept(world):
    world.clock.at = START.replace(hour=15)
    thursday = date(2025, 9, 25)
    assert world.ask(FRIDAY)[KO].last_day == FRIDAY
    assert world.cache.load([KO])[KO].bars.last_day == thursday
    assert world.ask(thursday)[KO].last_day == thursday
    assert world.source.asked == []


def test_a_silent_source_is_covered_by_the_cache_and_the_report_is_told(world):
    before = world.ask()[KO]
    world.clock.pass_by(days=3)
    world.source.silent = "yahoo: 429 too many requests"
    answer = world.ask(MONDAY)[KO]
    assert answer.close.tolist() == before.close.tolist()
    assert answer.source == "yahoo"
    (note,) = world.feed.notes
    assert (note.subject, note.rule) == ("KO", "cached")
    assert note.reason == ("prices of yahoo fetched 3 days ago, to 2025-09-26, are used (yahoo: 429 too many requests)")
    world.source.silent = ""
    world.ask(MONDAY)
    assert world.feed.notes == ()


def test_a_symbol_that_vanished_is_covered_alone(world):
    world.ask(instruments=(KO, PEP))
    world.clock.pass_by(days=3)
    world.source.lacks = {PEP}
    answer = world.ask(MONDAY, (KO, PEP))
    assert answer[KO].last_day == MONDAY
    assert answer[PEP].last_day == FRIDAY
    assert [note.subject for note in world.feed.notes] == ["PEP"]


def test_data_too_old_to_use_is_a_skip_that_says_so(world):
    world.ask()
    world.clock.pass_by(days=5)
    world.source.lacks = {KO}
    skip = world.ask(date(2025, 10, 1))[KO]
    assert isinstance(skip, Skip)
    assert skip.rule == "cache_too_old"
    assert "symbol not found" in skip.reason
    assert "5 days ago, older than usable_for" in skip.reason


def test_silence_with_nothing_usable_is_silence(world):
    world.source.silent = "yahoo: down"
    with pytest.raises(FeedUnavailable, match="yahoo: down"):
        world.ask()


def test_silence_with_something_usable_skips_only_the_unknown(world):
    world.ask()
    world.clock.pass_by(days=3)
    world.source.silent = "yahoo: down"
    answer = world.ask(MONDAY, (KO, PEP))
    assert isinstance(answer[KO], Bars)
    assert answer[PEP].reason == "yahoo: down"


def test_the_old_series_is_used_when_it_disagrees_and_the_whole_cannot_be_had(world):
    before = world.ask()[KO]
    world.clock.pass_by(days=3)
    world.dividend(KO, MONDAY, 0.5)

    class TailOnly(Source):
        def daily(self, instruments, first, last):
            if first == FIRST:
                raise FeedUnavailable("yahoo: down again")
            return super().daily(instruments, first, last)

    world.source = TailOnly(world.clock, world.source.books)
    world.restart()
    answer = world.ask(MONDAY)[KO]
    assert answer.adj_close.tolist() == before.adj_close.tolist(), "never the new tail on the old adjustment"
    assert [note.rule for note in world.feed.notes] == ["cached"]


def test_crypto_is_complete_at_midnight_utc(world):
    world.ask(FRIDAY, (BTC,))
    assert world.cache.load([BTC])[BTC].bars.last_day == date(2025, 9, 25)
    world.clock.pass_by(hours=3)
    world.ask(FRIDAY, (BTC,))
    assert len(world.source.asked) == 1
    assert world.cache.load([BTC])[BTC].bars.last_day == FRIDAY


def test_series_of_sources_that_are_not_wanted_are_not_served(world):
    world.source.rewrite(KO, source="alpha_vantage:full")
    world.ask()
    world.restart(sources=["yahoo"])
    world.source.rewrite(KO, source="yahoo")
    assert world.ask()[KO].source == "yahoo"
    assert world.source.asked == [(("KO",), FIRST, FRIDAY)]
    world.restart(sources=["alpha_vantage", "yahoo"])
    world.ask()
    assert world.source.asked == []


def test_a_long_abandoned_series_does_not_lengthen_everybodys_tail(world):
    world.source.books[PEP] = world.source.books[PEP].until(date(2025, 3, 3))
    world.ask(instruments=(KO, PEP))
    world.clock.pass_by(days=3)
    world.ask(MONDAY, (KO, PEP))
    assert world.source.asked == [(("KO",), date(2025, 9, 15), MONDAY), (("PEP",), FIRST, MONDAY)]


def test_what_the_checks_refused_is_forgotten_on_demand(world):
    world.ask()
    world.feed.forget([KO, PEP])
    world.ask()
    assert len(world.source.asked) == 1


def test_a_rehearsal_on_a_past_day_uses_what_was_fetched_later(world):
    world.ask()
    world.clock.at = START - timedelta(days=100)
    answer = world.ask(date(2025, 6, 13))[KO]
    assert answer.last_day == date(2025, 6, 13)
    assert world.source.asked == []


def test_a_look_at_the_past_does_not_pass_for_the_present(world):
    past, later = date(2025, 6, 13), date(2025, 7, 18)
    world.ask(past)
    assert world.ask(later)[KO].close.tolist() == world.expected(later)
    assert world.source.asked == [(("KO",), date(2025, 6, 2), later)]
    assert world.ask(past)[KO].last_day == past
    assert world.source.asked == []


def test_an_old_series_is_renewed_to_its_end_when_only_its_past_is_asked_for(world):
    world.ask(instruments=(KO, PEP))
    world.clock.pass_by(hours=7)
    past = date(2025, 6, 13)
    world.dividend(PEP, FRIDAY, 0.5)
    assert world.ask(past, (KO, PEP))[KO].last_day == past
    assert world.source.asked == [(("KO", "PEP"), date(2025, 9, 15), FRIDAY), (("PEP",), FIRST, FRIDAY)]
    assert world.feed.notes == ()
    assert world.ask(instruments=(KO, PEP))[PEP].last_day == FRIDAY
    assert world.source.asked == []


def test_a_look_at_the_past_of_one_does_not_pass_for_the_present_of_another(world):
    """KO is asked for up to a past day, PEP whole and to its newest: KO's end is not thereby known."""
    world.ask(instruments=(PEP,))
    world.clock.pass_by(days=3)
    world.ask(MONDAY)
    world.clock.at = START + timedelta(days=6)
    thursday = date(2025, 10, 2)
    world.ask(thursday, (PEP,))
    world.clock.pass_by(hours=38)  # Saturday noon: PEP has been pieced together for more than a week
    world.ask(TUESDAY, (KO, PEP))
    assert world.ask(thursday)[KO].last_day == thursday


def test_a_stand_in_with_less_of_the_past_does_not_drive_out_what_is_kept(world):
    """The first source is down, and the second has the last hundred days only: too little for any model."""
    whole = world.source.books[KO]
    world.ask()
    world.clock.pass_by(days=3)
    world.source.books[KO] = replace(whole.since(date(2025, 5, 1)), source="alpha_vantage")
    kept = world.ask(MONDAY)[KO]
    assert (kept.source, kept.first_day, kept.last_day) == ("yahoo", FIRST, FRIDAY)
    (note,) = world.feed.notes
    assert (note.subject, note.rule) == ("KO", "cached")
    assert "alpha_vantage has it from 2025-05-01 only" in note.reason
    world.source.books[KO] = whole
    assert world.ask(MONDAY)[KO].close.tolist() == world.expected(MONDAY)
    assert world.source.asked == [(("KO",), date(2025, 9, 15), MONDAY)], "and the next tail is joined on as ever"


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (lambda bars: bars.since(FRIDAY), "yahoo has it from 2025-09-26 only"),
        (lambda bars: bars.until(date(2025, 9, 18)), "yahoo has it to 2025-09-18 only"),
    ],
    ids=["two days of five years", "the newest days are missing"],
)
def test_a_bad_hour_of_the_same_source_does_not_drive_out_what_is_kept(world, cut, said):
    """A dividend makes the whole be asked for, and the answer is a torn one."""
    whole = world.source.books[KO]
    world.ask()
    world.clock.pass_by(days=3)
    world.dividend(KO, FRIDAY, 1.0)
    world.source.books[KO] = cut(world.source.books[KO])
    kept = world.ask(MONDAY)[KO]
    assert (kept.first_day, kept.last_day) == (FIRST, FRIDAY)
    assert kept.adj_close.tolist() == whole.since(FIRST).until(FRIDAY).adj_close.tolist()
    (note,) = world.feed.notes
    assert said in note.reason
    world.source.books[KO] = whole
    assert world.ask(MONDAY)[KO].close.tolist() == world.expected(MONDAY)
    assert world.feed.notes == ()


def test_what_the_source_itself_has_no_more_of_is_accepted_in_the_end(world):
    """A symbol may go to another company: its short history counts once what is kept is too old."""
    world.ask()
    world.source.books[KO] = world.source.books[KO].since(FRIDAY)
    world.dividend(KO, MONDAY, 1.0)
    world.clock.pass_by(days=5)
    assert world.ask(TUESDAY)[KO].first_day == FRIDAY
    assert world.feed.notes == ()


def test_a_stand_in_is_used_when_what_is_kept_is_too_old(world):
    whole = world.source.books[KO]
    world.ask()
    world.clock.pass_by(days=5)
    world.source.books[KO] = replace(whole.since(date(2025, 5, 1)), source="alpha_vantage")
    assert world.ask(date(2025, 10, 1))[KO].source == "alpha_vantage"
    assert world.feed.notes == ()


@pytest.mark.parametrize("source", ["files:prices.csv", "synthetic"])
def test_what_a_local_source_gives_is_not_kept_since_it_may_be_edited(world, source):
    world.source.rewrite(KO, source=source)
    world.ask()
    world.source.rewrite(KO, close=world.source.books[KO].close * 2)
    assert world.ask()[KO].close.tolist() == world.expected()
    assert world.cache.stats().series == 0


def test_nothing_asked_is_nothing_answered(world):
    assert world.ask(instruments=()) == {}
    assert world.source.asked == []


def test_a_cache_that_cannot_be_written_costs_a_note(tmp_path, calendar):
    (tmp_path / "bars").write_text("in the way")
    world = World(tmp_path, calendar)
    assert isinstance(world.ask()[KO], Bars)
    assert [note.rule for note in world.feed.notes] == ["cache_write"]
    assert "fetched again" in world.feed.notes[0].reason


DAYS = np.arange(np.datetime64("2025-01-01"), np.datetime64("2025-02-01"))


def change(bars: Bars, name: str, row: int, value: float) -> Bars:
    column = getattr(bars, name).copy()
    column[row] = value
    return replace(bars, **{name: column})


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (lambda tail: tail, True),
        (lambda tail: replace(tail, close=tail.close * (1 + 5e-7)), True),
        (lambda tail: replace(tail, close=tail.close * (1 + 5e-6)), False),
        (lambda tail: replace(tail, adj_close=tail.adj_close * 0.99), False),
        (lambda tail: change(tail, "close", 2, np.nan), False),
        (lambda tail: change(tail, "volume", 2, 5.0), True),
        (lambda tail: change(tail, "dividend", 2, 0.1), False),
        (lambda tail: change(tail, "dividend", -1, 0.1), False),
        (lambda tail: change(tail, "split", -1, 2.0), False),
        (lambda tail: replace(tail, basis=PriceBasis.ADJUSTED), False),
        (lambda tail: replace(tail, source="other"), False),
        (lambda tail: tail.select(slice(5, None)), True),
        (lambda tail: tail.select(slice(11, None)), False),
        (lambda tail: tail.select(np.arange(len(tail)) != 3), False),
        (lambda tail: tail.select(slice(0, 0)), False),
    ],
)
def test_a_tail_agrees_only_when_it_tells_the_same_story(changed, same):
    whole = history(KO, DAYS)
    known, tail = whole.select(slice(0, 20)), whole.select(slice(10, None))
    assert agrees(known, changed(tail)) is same


def test_joining_prefers_the_newer_word():
    whole = history(KO, DAYS)
    tail = change(whole.select(slice(10, None)), "volume", 0, 7.0)
    joined = join(whole.select(slice(0, 20)), tail)
    assert joined.dates.tolist() == whole.dates.tolist()
    assert joined.volume[10] == 7.0


def test_nothing_is_kept_of_a_series_whose_only_day_is_running(world):
    world.clock.at = START.replace(hour=15)
    world.source.books[KO] = world.source.books[KO].since(FRIDAY)
    assert len(world.ask(FRIDAY)[KO]) == 1
    assert world.cache.load([KO]) == {}


def test_an_instrument_that_the_source_forgot_to_answer_is_a_skip(world):
    class Forgetful(Source):
        def daily(self, instruments, first, last):  # noqa: ARG002
            return {KO: super().daily([KO], first, last)[KO]}

    world.source = Forgetful(world.clock, world.source.books)
    world.restart()
    answer = world.ask(instruments=(KO, PEP))
    assert isinstance(answer[KO], Bars)
    assert answer[PEP].reason == "yahoo: no answer"
