"""Steps about the market: which instruments, which prices, which of them can be trusted, what the model says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from robotrading.domain.errors import DataError, FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis
from robotrading.domain.report import Source
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip
from robotrading.session.signals import signals_for
from robotrading.session.steps import Draft
from robotrading.session.world import Universe, World
from robotrading.strategy.checks import check

_CALENDAR_DAYS_PER_TRADING_DAY = 1.5
"""Generous: 365 / 252 with room for holidays."""


async def universe(world: World, draft: Draft) -> Universe:
    """The instruments to consider. Raises `FeedUnavailable` when there are none at all."""
    found = await asyncio.to_thread(world.universe)
    draft.skip(*found.skips)
    if not found.instruments:
        raise FeedUnavailable("the universe is empty: no constituent could be loaded; see the skipped sources")
    return found


async def prices(world: World, draft: Draft, wanted: Universe) -> Mapping[Instrument, Bars]:
    """Complete daily bars for every instrument that some source serves."""
    kind = draft.spec.kind
    last = world.calendar.last_complete_day(kind, world.clock.now())
    days = draft.spec.settings.history_days
    first = last - timedelta(days=days if kind is AssetClass.CRYPTO else int(days * _CALENDAR_DAYS_PER_TRADING_DAY))
    answers = await asyncio.to_thread(world.feed.daily, wanted.instruments, first, last)
    bars = {}
    for instrument in wanted.instruments:
        answer = answers.get(instrument) or Skip(instrument.symbol, "prices", "no source answered for it")
        if isinstance(answer, Skip):
            draft.skip(answer)
        else:
            bars[instrument] = answer.until(last)
    draft.skip(*world.feed_notes())
    if not bars:
        raise FeedUnavailable(f"no prices for any of {len(wanted.instruments)} instruments; see the skipped sources")
    return bars


async def checks(world: World, draft: Draft, bars: Mapping[Instrument, Bars]) -> Mapping[Instrument, Bars]:
    """The series that may be modelled, healed where a named rule allows it."""
    kind = draft.spec.kind
    last = world.calendar.last_complete_day(kind, world.clock.now())
    first = min((series.first_day for series in bars.values() if len(series)), default=last)
    expected = world.calendar.days(kind, first, last)
    good, refused = {}, []
    for done, (instrument, series) in enumerate(bars.items(), start=1):
        result = check(series, draft.spec.settings.checks, expected, last, expected=instrument)
        if isinstance(result, Skip):
            draft.skip(result)
            refused.append(instrument)
        else:
            draft.skip(*result.healed)
            good[instrument] = result.bars
        if done % 25 == 0:
            world.progress("checks", done, len(bars))
            await asyncio.sleep(0)
    world.feed_forget(refused)
    draft.sources = tuple(_source(series) for series in good.values())
    _tell_adjusted(draft)
    if not good:
        raise DataError(f"none of {len(bars)} price series passed the checks; nothing is traded, see the reasons")
    return good


def _tell_adjusted(draft: Draft) -> None:
    adjusted = [source.symbol for source in draft.sources if source.adjusted_only]
    if not adjusted:
        return
    names = ", ".join(adjusted[:5]) + (f" and {len(adjusted) - 5} more" if len(adjusted) > 5 else "")
    sizes = "; the pretend market quotes them, so sizes come from them too" if draft.spec.pretend else ""
    draft.notes.append(f"only adjusted prices are known of {names}{sizes}")


def _source(series: Bars) -> Source:
    return Source(
        series.instrument.symbol, series.source, series.last_day, adjusted_only=series.basis is PriceBasis.ADJUSTED
    )


async def signals(world: World, draft: Draft, bars: Mapping[Instrument, Bars]) -> Mapping[Instrument, Signal]:
    """One signal per instrument; what the fits have learned is kept for the next run."""
    finished = 0

    def tell(more: int) -> None:
        nonlocal finished
        finished += more
        world.progress("signals", finished, len(bars))

    known = world.fits.load(draft.spec.kind)
    states = {instrument: known[instrument.key] for instrument in bars if instrument.key in known}
    found, learned = await asyncio.to_thread(signals_for, bars, draft.spec.settings.signal, states, tell)
    world.fits.save(draft.spec.kind, {**known, **{instrument.key: state for instrument, state in learned.items()}})
    draft.signals = tuple(found.values())
    world.ledger.save_signals(draft.spec.run_id, draft.signals)
    for signal in found.values():
        draft.skip(*signal.skips)
    return found
