"""A source whose history can be rewritten, and which can fall silent; it records what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip

KO = Instrument("KO", AssetClass.EQUITIES)
PEP = Instrument("PEP", AssetClass.EQUITIES)
BTC = Instrument("BTC-USD", AssetClass.CRYPTO)
START = datetime(2025, 9, 26, 22, tzinfo=UTC)
"""A Friday evening in New York, after the close."""
FIRST = date(2024, 9, 26)


class MovableClock:
    """A clock that moves when told to."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def pass_by(self, **parts: float) -> None:
        self.at += timedelta(**parts)


def history(instrument: Instrument, days: np.ndarray, *, source: str = "yahoo", **changed) -> Bars:
    """A level per day that is a function of the day and the symbol alone."""
    close = 50 + np.sin(days.astype(np.int64) / 9.0 + len(instrument.symbol)) + days.astype(np.int64) / 1000
    bars = Bars.from_closes(instrument, days, close, as_of=START, source=source)
    return replace(bars, **changed)


@dataclass
class Source:
    """Implements the `Feed` port on `books`; silent while `silent` has a text, and lacking what `lacks` names."""

    clock: MovableClock
    books: dict[Instrument, Bars]
    name: str = "yahoo"
    silent: str = ""
    lacks: set[Instrument] = field(default_factory=set)
    asked: list[tuple[tuple[str, ...], date, date]] = field(default_factory=list)

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> dict[Instrument, Bars | Skip]:
        self.asked.append((tuple(i.symbol for i in instruments), first, last))
        if self.silent:
            raise FeedUnavailable(self.silent)
        return {i: self._one(i, first, last) for i in instruments}

    def _one(self, instrument: Instrument, first: date, last: date) -> Bars | Skip:
        if instrument in self.lacks or instrument not in self.books:
            return Skip(instrument.symbol, "prices", "symbol not found", "no_data")
        bars = self.books[instrument].since(first).until(last)
        return replace(bars, as_of=self.clock.now()) if len(bars) else Skip(instrument.symbol, "prices", "no rows")

    def rewrite(self, instrument: Instrument, **columns) -> None:
        self.books[instrument] = replace(self.books[instrument], **columns)
