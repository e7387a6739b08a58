"""Several sources in the session's order: what one lacks is asked of the next.

Entry point: `FeedChain`.
Invariants: a series comes whole from one source; a `Skip` names what every source said; the chain as a whole is
unavailable only when each of its sources was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Feed
from robotrading.domain.skip import Skip

STEP = "prices"


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
                if isinstance(bars, Bars) and len(bars):
                    found[instrument] = bars
                else:
                    said[instrument].append(_attributed(name, bars))
        if len(silent) == len(self._feeds):
            raise _all_silent(silent)
        return {i: found[i] if i in found else _lacking(i, said[i]) for i in said}


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
