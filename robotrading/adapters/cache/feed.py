"""A feed that remembers: only what is missing is asked for, and what was known is used when nobody answers.

Entry point: `CachedFeed`.
Invariants: a series is of one source and one price basis throughout; the tail is joined on only where it agrees with
what was known, otherwise the whole series is fetched again, because every distribution rewrites the adjusted history; a
day that was not complete when it was fetched is never kept, nor is what a local source can give at any time; old data
is served only with a note.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.packed import Entry
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import COLUMNS, Bars
from robotrading.domain.ports import Calendar, Clock, Feed
from robotrading.domain.skip import Skip

STEP = "prices"
AGREEMENT = 1e-6
"""Relative difference up to which two prices of a day are the same; sources write 6 to 8 digits."""
LONGEST_TAIL = timedelta(days=90)
"""A series that ended longer ago is fetched whole: one request for all the others stays short."""

WHOLE_AFTER = timedelta(days=7)
"""A series pieced together for longer is fetched whole again: what a source has since corrected in the middle of its
history shows in no tail."""

LOCAL_SOURCES = frozenset({"files", "synthetic"})
"""Sources that cost nothing to ask and that their owner may change at any time: an edited file counts at once."""

Answer = Mapping[Instrument, Bars | Skip]


class CachedFeed:
    """Implements the `Feed` port over another feed and a `BarCache`.

    `sources` are the names whose series may be served from the cache (empty: any), so that prices of a demonstration
    are not taken for the market's. `notes` tell what the latest `daily` served from the cache because it had to.
    """

    def __init__(
        self, feed: Feed, cache: BarCache, calendar: Calendar, clock: Clock, *, sources: Collection[str] = ()
    ) -> None:
        self._feed = feed
        self._cache = cache
        self._calendar = calendar
        self._clock = clock
        self._sources = frozenset(sources)
        self.notes: tuple[Skip, ...] = ()

    @property
    def name(self) -> str:
        return self._feed.name

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Answer:
        """See the port. Raises `FeedUnavailable` when no source answers and nothing usable is kept at all."""
        self.notes = ()
        known = {i: e for i, e in self._cache.load(instruments).items() if self._may_serve(e)}
        fresh = {i for i, e in known.items() if e.asked_from <= first and self._is_fresh(e, last)}
        asked = [i for i in dict.fromkeys(instruments) if i not in fresh]
        tails = [i for i in asked if i in known and self._may_join(known[i], first, last)]
        got, silence = self._tails(tails, known, last)
        self._keep(got, known, first, _no_earlier(last, known, tails))
        whole = [i for i in asked if i not in got]
        start = min([first, *(known[i].asked_from for i in whole if i in known)])
        stop = _no_earlier(last, known, whole)
        if silence is None:
            fetched, silence = self._ask(whole, start, stop)
            fetched = {i: self._unless_poorer(bars, known.get(i)) for i, bars in fetched.items()}
            self._keep(fetched, {}, start, stop)
            got |= fetched
        answer = {i: self._choose(i, got.get(i), known.get(i), silence) for i in dict.fromkeys(instruments)}
        served = {i: _window(bars, first, last) for i, bars in answer.items()}
        if silence is not None and not any(isinstance(bars, Bars) for bars in served.values()):
            raise silence
        return served

    def forget(self, instruments: Iterable[Instrument]) -> None:
        """Fetch these whole next time: the checks refused what was served."""
        self._cache.forget(instruments)

    def _may_join(self, entry: Entry, first: date, last: date) -> bool:
        recent = entry.bars.last_day >= last - LONGEST_TAIL and self._clock.now() - entry.whole_at < WHOLE_AFTER
        return recent and entry.asked_from <= first

    def _may_serve(self, entry: Entry) -> bool:
        return not self._sources or _origin(entry.bars) in self._sources

    def _is_fresh(self, entry: Entry, last: date) -> bool:
        now = self._clock.now()
        complete = self._calendar.last_complete_day(entry.bars.instrument.asset_class, now)
        young = now - entry.fetched_at < timedelta(seconds=self._cache.settings.fresh_for)
        return young and entry.complete_until >= min(last, complete)

    def _tails(
        self, tails: Sequence[Instrument], known: Mapping[Instrument, Entry], last: date
    ) -> tuple[dict[Instrument, Bars | Skip], FeedUnavailable | None]:
        """The known series with their new ends joined on; those that do not agree are left out."""
        overlap = max(self._cache.settings.overlap_days, 1)
        starts = [known[i].bars.dates[-overlap:][0] for i in tails]
        if not starts:
            return {}, None
        answer, silence = self._ask(tails, min(starts).astype(date), _no_earlier(last, known, tails))
        joined: dict[Instrument, Bars | Skip] = {}
        for instrument, tail in answer.items():
            if isinstance(tail, Skip):
                joined[instrument] = tail
            elif agrees(known[instrument].bars, tail):
                joined[instrument] = join(known[instrument].bars, tail)
        return joined, silence

    def _ask(
        self, instruments: Sequence[Instrument], first: date, last: date
    ) -> tuple[dict[Instrument, Bars | Skip], FeedUnavailable | None]:
        if not instruments:
            return {}, None
        try:
            answer = self._feed.daily(instruments, first, last)
        except FeedUnavailable as error:
            return {}, error
        return {
            i: answer.get(i) or Skip(i.symbol, STEP, f"{self.name}: no answer", "no_data") for i in instruments
        }, None

    def _unless_poorer(self, bars: Bars | Skip, entry: Entry | None) -> Bars | Skip:
        """The series, or a skip where it has less than what is kept, still usable, and must not be driven out.

        Another source may know the last hundred days only: too little for a model that yesterday's series feeds well.
        The same source may have a bad hour, and answer with a few days or without the newest ones.
        """
        if isinstance(bars, Skip) or entry is None or not len(bars) or self._is_too_old(entry):
            return bars
        symbol, origin = bars.instrument.symbol, _origin(bars)
        if bars.first_day > entry.bars.first_day + LONGEST_TAIL:
            return Skip(symbol, STEP, f"{origin} has it from {bars.first_day} only", "shorter_history")
        if bars.last_day < entry.bars.last_day:
            return Skip(symbol, STEP, f"{origin} has it to {bars.last_day} only", "shorter_history")
        return bars

    def _keep(self, got: Answer, joined: Mapping[Instrument, Entry], start: date, stop: date) -> None:
        """Store what was fetched, up to the last day that was asked for and complete then."""
        entries = []
        for instrument, bars in got.items():
            if isinstance(bars, Bars) and _origin(bars) not in LOCAL_SOURCES:
                complete = min(self._calendar.last_complete_day(instrument.asset_class, bars.as_of), stop)
                finished, old = bars.until(complete), joined.get(instrument)
                whole_at, asked_from = (old.whole_at, old.asked_from) if old else (bars.as_of, start)
                if len(finished):
                    entries.append(Entry(finished, bars.as_of, whole_at, asked_from, complete))
        if entries:
            self.notes += self._cache.store(entries)

    def _choose(
        self, instrument: Instrument, got: Bars | Skip | None, entry: Entry | None, silence: FeedUnavailable | None
    ) -> Bars | Skip:
        """What was fetched, else what is kept: silently when fresh, with a note when old, not at all when too old."""
        if isinstance(got, Bars):
            return got
        reason = got.reason if got is not None else str(silence) if silence is not None else ""
        if entry is None:
            return got if got is not None else Skip(instrument.symbol, STEP, reason or "no bars", "no_data")
        if not reason:
            return entry.bars
        age = self._clock.now() - entry.fetched_at
        if self._is_too_old(entry):
            reason = f"{reason}; the cache has prices of {_told(age)} ago, older than usable_for allows"
            return Skip(instrument.symbol, STEP, reason, "cache_too_old")
        said = f"prices of {entry.bars.source} fetched {_told(age)} ago, to {entry.bars.last_day}, are used ({reason})"
        self.notes += (Skip(instrument.symbol, STEP, said, "cached"),)
        return entry.bars

    def _is_too_old(self, entry: Entry) -> bool:
        return self._clock.now() - entry.fetched_at > timedelta(seconds=self._cache.settings.usable_for)


def agrees(known: Bars, tail: Bars) -> bool:
    """Whether `tail` continues `known`: same source and basis, a day in common, and on all of these the same story.

    Every known day from the tail's first on must be there with the same close and adjusted close, and there may be no
    dividend or split that was not known.
    """
    if not len(tail) or (known.source, known.basis) != (tail.source, tail.basis):
        return False
    overlap = known.select(known.dates >= tail.dates[0])
    again = tail.select(tail.dates <= known.dates[-1])
    after = tail.select(tail.dates > known.dates[-1])
    if not len(overlap) or not np.array_equal(overlap.dates, again.dates):
        return False
    same = all(
        np.allclose(getattr(overlap, name), getattr(again, name), rtol=AGREEMENT, atol=0.0, equal_nan=True)
        for name in ("close", "adj_close", "dividend", "split")
    )
    return same and not after.dividend.any() and bool((after.split == 1.0).all())


def join(known: Bars, tail: Bars) -> Bars:
    """`known` up to the tail's first day, then the tail."""
    before = known.select(known.dates < tail.dates[0])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(before, name), getattr(tail, name)]) for name in ("dates", *COLUMNS)
    }
    return replace(tail, **columns)


def _origin(bars: Bars) -> str:
    """The configured name of the source; `files:prices.csv` is of `files`."""
    return bars.source.partition(":")[0]


def _no_earlier(last: date, known: Mapping[Instrument, Entry], wanted: Iterable[Instrument]) -> date:
    """`last`, or the newest day that is known already: a look at the past makes nobody forget the present."""
    return max([last, *(known[i].bars.last_day for i in wanted if i in known)])


def _window(bars: Bars | Skip, first: date, last: date) -> Bars | Skip:
    if isinstance(bars, Skip):
        return bars
    inside = (bars.dates >= np.datetime64(first, "D")) & (bars.dates <= np.datetime64(last, "D"))
    if inside.all():
        return bars
    if not inside.any():
        reason = f"no bars from {first} to {last} (the series runs from {bars.first_day} to {bars.last_day})"
        return Skip(bars.instrument.symbol, STEP, reason, "no_data")
    return bars.select(inside)


def _told(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
