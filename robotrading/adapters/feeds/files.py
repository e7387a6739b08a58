"""Daily bars from CSV and Parquet files.

Entry point: `FileFeed`.
Invariants: a series comes from one file only, the first in the given order that has the symbol in the window; a damaged
file costs what only it holds, and every `Skip` names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np

from robotrading.adapters.feeds.layouts import Columns, DamagedFile, PriceFile
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, Interval, PriceBasis
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

STEP = "prices"


class FileFeed:
    """Implements the `Feed` port on price files; each file is read once.

    The price basis is told by the file: closes that differ from the adjusted ones are real, a wide file has adjusted
    ones only, and crypto knows no adjustments, so that its closes are always real.
    """

    name = "files"

    def __init__(self, paths: Sequence[str | Path], clock: Clock) -> None:
        self._files = tuple(PriceFile(Path(path)) for path in paths)
        self._clock = clock

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """See the port. Raises `FeedUnavailable` when there is no file, or none can be read."""
        if not self._files:
            raise FeedUnavailable("files: no file is configured; name some under feeds.files.paths", retryable=False)
        found: dict[Instrument, Bars] = {}
        damaged: list[str] = []
        for file in self._files:
            lacking = [instrument for instrument in instruments if instrument not in found]
            try:
                found |= self._from(file, lacking, first, last)
            except DamagedFile as error:
                damaged.append(str(error))
        if len(damaged) == len(self._files) and instruments:
            raise FeedUnavailable(f"files: {'; '.join(damaged)}", retryable=False)
        return {i: found[i] if i in found else self._lacking(i, first, last, damaged) for i in instruments}

    def _from(self, file: PriceFile, wanted: Sequence[Instrument], first: date, last: date) -> dict[Instrument, Bars]:
        columns = file.columns([instrument.symbol for instrument in wanted])
        now, served = self._clock.now(), {}
        for instrument in wanted:
            if instrument.symbol in columns:
                bars = _bars(instrument, columns[instrument.symbol], source=f"{self.name}:{file.name}", now=now)
                window = (bars.dates >= np.datetime64(first, "D")) & (bars.dates <= np.datetime64(last, "D"))
                if window.any():
                    served[instrument] = bars.select(window)
        return served

    def _lacking(self, instrument: Instrument, first: date, last: date, damaged: Sequence[str]) -> Skip:
        readable = len(self._files) - len(damaged)
        reason = f"no bars from {first} to {last} in {readable} price file{'s' if readable != 1 else ''}"
        return Skip(instrument.symbol, STEP, "; ".join(["files: " + reason, *damaged]), "no_data")


def _bars(instrument: Instrument, columns: Columns, *, source: str, now: datetime) -> Bars:
    values, n = columns.values, len(columns.dates)
    close = values["close"]
    real = columns.real or instrument.asset_class is AssetClass.CRYPTO
    dividend = values.get("dividend")
    return Bars(
        instrument=instrument,
        interval=Interval.DAY,
        dates=columns.dates,
        open=values.get("open", close),
        high=values.get("high", close),
        low=values.get("low", close),
        close=close,
        adj_close=values.get("adj_close", close),
        volume=values.get("volume", np.full(n, np.nan)),
        dividend=np.zeros(n) if dividend is None else np.nan_to_num(dividend),
        split=values.get("split", np.ones(n)),
        as_of=now,
        source=source,
        basis=PriceBasis.REAL if real else PriceBasis.ADJUSTED,
    )
