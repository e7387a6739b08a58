"""Write price files in the layouts that `feeds.files` reads, filled from the synthetic sample market.

python make_sample_files.py [FOLDER]    (default: prices, beside this file)
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.sim.feed import SAMPLE_BONDS, SAMPLE_CRYPTO, SAMPLE_EQUITIES, SyntheticFeed

FIRST, LAST = date(2021, 1, 4), date(2025, 9, 26)
LONG = ("open", "high", "low", "close", "adj_close", "volume", "dividend")


def main(folder: Path) -> None:
    """Five shares, three bond funds and two coins; a few hundred kilobytes."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "equities.csv", ["symbol", "date", *LONG], long_rows(prices(SAMPLE_EQUITIES[:5]), LONG))
    write(folder / "crypto.csv", ["symbol", "date", "close"], long_rows(prices(SAMPLE_CRYPTO[:2]), ("close",)))
    bonds = prices(SAMPLE_BONDS[:3])
    write(folder / "bonds.csv", ["date", *(instrument.symbol for instrument in bonds)], wide_rows(bonds))


def prices(instruments: Sequence[Instrument]) -> Mapping[Instrument, Bars]:
    """Daily bars of the sample market from FIRST to LAST."""
    feed = SyntheticFeed(ExchangeCalendar(), FixedClock(datetime(2025, 9, 27, 12, tzinfo=UTC)))
    answers = feed.daily(instruments, FIRST, LAST)
    return {instrument: bars for instrument, bars in answers.items() if isinstance(bars, Bars)}


def long_rows(series: Mapping[Instrument, Bars], columns: Sequence[str]) -> Iterable[list[str]]:
    """One row per symbol and day."""
    for instrument, bars in series.items():
        for row, day in enumerate(bars.dates):
            yield [instrument.symbol, str(day), *(f"{getattr(bars, name)[row]:.6g}" for name in columns)]


def wide_rows(series: Mapping[Instrument, Bars]) -> Iterable[list[str]]:
    """One row per day, one column of adjusted closes per symbol; funds of one exchange have the same days."""
    all_bars = list(series.values())
    for row, day in enumerate(all_bars[0].dates):
        yield [str(day), *(f"{bars.adj_close[row]:.6g}" for bars in all_bars)]


def write(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """One CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "prices")
