"""Several sources in the session's order: what one lacks is asked of the next.

Entry point: `FeedChain`.
Invariants: a series comes whole from one source; what a source answers with a series that no session can use (far too
short, or ended long ago) is asked of the next one too, and only a better series takes its place; a `Skip` names what
every source said; the chain as a whole is unavailable only when each of its sources was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Feed
from robotrading.domain.skip import Skip

STEP = "prices"
FEWEST_BARS = 30
"""The checks want at least so many, whatever is configured."""
LONG_WINDOW = timedelta(days=90)
"""Who asks for more than this asks for a history, not for the end of one; and histories that begin further apart than
this do not stand in for each other."""
ENDED_LONG_AGO = timedelta(days=7)
"""Longer than any holidays of an exchange; the checks allow three trading days unless told otherwise."""


class FeedChain:
    """Implements the `Feed` port over others; `feeds` maps the configured name to the source, in order."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        if not feeds:
            raise ValueError("a chain of sources needs at least one; name some under sources")
        self._feeds = dict(feeds)

    @property
    def name(self) -> str:
        return " > ".join(self._feeds)

    @property
    def sources(self) -> tuple[str, ...]:
        """The configured names, in order."""
        return tuple(self._feeds)

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """See the port. Raises `FeedUnavailable` when no source answers at all."""
        found: dict[Instrument, Bars] = {}
        poor: dict[Instrument, Bars] = {}
        said: dict[Instrument, list[str]] = {instrument: [] for instrument in instruments}
        silent: list[FeedUnavailable] = []
        for name, feed in self._feeds.items():
            lacking = [instrument for instrument in said if instrument not in found]
            if not lacking:
                break
            try:
                answer = feed.daily(lacking, first, last)
            except FeedUnavailable as error:
                silent.append(error)
                answer = {instrument: Skip(instrument.symbol, STEP, str(error)) for instrument in lacking}
            for instrument in lacking:
                bars = answer.get(instrument)
                if not isinstance(bars, Bars) or not len(bars):
                    said[instrument].append(_attributed(name, bars))
                elif _is_poor(bars, first, last):
                    poor.setdefault(instrument, bars)
                elif instrument not in poor or _reaches_back(bars, poor[instrument]):
                    found[instrument] = bars
        if len(silent) == len(self._feeds):
            raise _all_silent(silent)
        found = poor | found
        return {i: found[i] if i in found else _lacking(i, said[i]) for i in said}


def _is_poor(bars: Bars, first: date, last: date) -> bool:
    """Whether no session can use it. The first source's is served all the same when nobody has a better one."""
    short = len(bars) < FEWEST_BARS and last - first > LONG_WINDOW
    return short or last - bars.last_day > ENDED_LONG_AGO


def _reaches_back(bars: Bars, poor: Bars) -> bool:
    """A hundred days up to yesterday are no better than five years that ended last month."""
    return bars.first_day <= poor.first_day + LONG_WINDOW


def _attributed(source: str, answer: Bars | Skip | None) -> str:
    reason = answer.reason if isinstance(answer, Skip) else "no bars"
    return reason if reason.startswith(f"{source}:") else f"{source}: {reason}"


def _lacking(instrument: Instrument, said: Sequence[str]) -> Skip:
    return Skip(instrument.symbol, STEP, f"no source has prices ({'; '.join(said)})", "no_data")


def _all_silent(errors: Sequence[FeedUnavailable]) -> FeedUnavailable:
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return FeedUnavailable(
        f"no source of prices answers ({'; '.join(str(error) for error in errors)})",
        retryable=any(error.retryable for error in errors),
        retry_after=min(waits, default=None),
    )
