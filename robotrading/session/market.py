"""Steps about the market: which instruments, which prices, which of them can be trusted, what the model says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from robotrading.domain.errors import DataError, FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis
from robotrading.domain.report import Source
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip
from robotrading.portfolio.agreement import Close, last_close
from robotrading.session.signals import signals_for
from robotrading.session.steps import Draft
from robotrading.session.world import Universe, World
from robotrading.strategy.checks import check

_CALENDAR_DAYS_PER_TRADING_DAY = 1.5
"""Generous: 365 / 252 with room for holidays."""
_FRESH = timedelta(days=7)


async def universe(world: World, draft: Draft) -> Universe:
    """The instruments to consider. Raises `FeedUnavailable` when there are none at all."""
    found = await asyncio.to_thread(world.universe)
    draft.skip(*found.skips)
    if not found.instruments:
        raise FeedUnavailable("the universe is empty: no constituent could be loaded; see the skipped sources")
    return found


async def prices(world: World, draft: Draft, wanted: Universe) -> Mapping[Instrument, Bars]:
    """Complete daily bars for every instrument that some source serves."""
    first, last = _span(world, draft, draft.spec.kind)
    answers = await asyncio.to_thread(world.feed.daily, wanted.instruments, first, last)
    draft.closes.update(dict.fromkeys(wanted.instruments))
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


def _span(world: World, draft: Draft, kind: AssetClass) -> tuple[date, date]:
    """First and last day of the history that the session asks for."""
    last = world.calendar.last_complete_day(kind, world.clock.now())
    days = draft.spec.settings.history_days
    span = days if kind is AssetClass.CRYPTO else int(days * _CALENDAR_DAYS_PER_TRADING_DAY)
    return last - timedelta(days=span), last


async def closes(world: World, draft: Draft, instruments: Iterable[Instrument]) -> None:
    """Last closes of what the prices step has not asked for: a stored plan's, and what is owned beside the universe.

    A source without an answer leaves nothing to hold the broker's price against, which is noted.
    """
    unknown = [instrument for instrument in instruments if instrument not in draft.closes]
    for kind in sorted({instrument.asset_class for instrument in unknown}):
        asked = [instrument for instrument in unknown if instrument.asset_class is kind]
        first, last = _span(world, draft, kind)
        try:
            answers = await asyncio.to_thread(world.feed.daily, asked, first, last)
        except DataError:
            answers = {}
        draft.closes.update({instrument: _fresh_close(answers.get(instrument), last) for instrument in asked})
    silent = [instrument.symbol for instrument in unknown if draft.closes[instrument] is None]
    if silent:
        draft.remark(f"no source has a recent close of {', '.join(silent)}: the broker's price is believed as it is")


def _fresh_close(answer: Bars | Skip | None, last: date) -> Close | None:
    """None for what has no bar of the last days: an old close would call a true price wrong."""
    if not isinstance(answer, Bars):
        return None
    recent = answer.since(last - _FRESH).until(last)
    return last_close(recent) if len(recent) else None


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
            draft.closes[instrument] = last_close(result.bars)
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
