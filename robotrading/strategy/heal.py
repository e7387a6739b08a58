"""Rules that make a series whole by leaving days out.

Entry points: `empty_day`, `repeated_row`, `unfinished_day`, `bad_tick`; each returns the series (the same object when
nothing was wrong) and a sentence on what was left out.
Invariants: no price is ever changed or made up; a second pass finds nothing.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from robotrading.domain.market import COLUMNS, Bars, Days, Floats
from robotrading.strategy.checks_context import Context
from robotrading.strategy.moves import local_scale

SPIKE_SCALES = 18.0
"""A bad tick moves this many local scales there and back. The largest real ones among 490 stocks and funds in 20 years
were 14.7 (PG&E, 2018-11-15, with 13 % of the move left) and 11.3 (LQD, 2008-09-29)."""
SPIKE_LEAST = 0.08
SPIKE_REST, SPIKE_REST_SCALES = 0.10, 3.0
"""What may be left after the way back: a share of the spike, or two days' ordinary returns if these are more."""
UNFINISHED_WITHIN = timedelta(days=5)
"""A running bar is at most a long weekend younger than the last complete day."""


def empty_day(bars: Bars, context: Context) -> tuple[Bars, str | None]:
    """A day without a close or without an adjusted close is left out, as if the source had not sent it."""
    del context
    empty = np.isnan(bars.close) | np.isnan(bars.adj_close)
    return _without(bars, empty, "without a price")


def repeated_row(bars: Bars, context: Context) -> tuple[Bars, str | None]:
    """Of rows that follow each other with the same day and the same values one is kept."""
    del context
    same = bars.dates[1:] == bars.dates[:-1]
    if same.any():
        for name in COLUMNS:
            column = getattr(bars, name)
            same &= (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
    return _without(bars, np.concatenate([[False], same])[: len(bars)], "sent twice with the same values")


def unfinished_day(bars: Bars, context: Context) -> tuple[Bars, str | None]:
    """The one bar of a session that has not closed yet is left out; later bars are not."""
    last = np.datetime64(context.last_complete, "D")
    late = bars.dates > last
    if late.sum() != 1 or not late[-1] or bars.last_day - context.last_complete > UNFINISHED_WITHIN:
        return bars, None
    return _without(bars, late, f"not complete (the last complete day is {context.last_complete})")


def bad_tick(bars: Bars, context: Context) -> tuple[Bars, str | None]:
    """A price that jumps out of all proportion and is back the next day is left out, up to `max_bad_ticks` days."""
    found: npt.NDArray[np.bool_] = np.zeros(len(bars), dtype=bool)
    while True:
        kept = np.flatnonzero(~found)
        spikes = find_spikes(bars.close[kept]) | find_spikes(bars.adj_close[kept])
        if not spikes.any():
            break
        found[kept[spikes]] = True
        if found.sum() > context.settings.max_bad_ticks:
            return bars, None
    return _without(bars, found, "with a price that was back the next day (a bad tick)")


def find_spikes(price: Floats) -> npt.NDArray[np.bool_]:
    """Shape (n,): days whose move up or down is undone by the next day's; never the first or the last day."""
    spikes = np.zeros(len(price), dtype=bool)
    if len(price) < 3:
        return spikes
    moves = np.diff(np.log(price))
    out, back = moves[:-1], moves[1:]
    large = np.minimum(np.abs(out), np.abs(back)) > SPIKE_LEAST
    for row in np.flatnonzero(large & (out * back < 0)).tolist():
        scale, rest = local_scale(moves, row, row + 2), abs(out[row] + back[row])
        undone = rest < max(SPIKE_REST * abs(out[row]), SPIKE_REST_SCALES * scale)
        spikes[row + 1] = undone and min(abs(out[row]), abs(back[row])) > SPIKE_SCALES * scale
    return spikes


def _without(bars: Bars, wrong: npt.NDArray[np.bool_], what: str) -> tuple[Bars, str | None]:
    if not wrong.any():
        return bars, None
    return bars.select(~wrong), f"left out {_listed(bars.dates[wrong])} {what}"


def _listed(days: Days, limit: int = 5) -> str:
    named = ", ".join(str(day) for day in days[:limit])
    more = f" and {len(days) - limit} more" if len(days) > limit else ""
    return f"{len(days)} day{'s' if len(days) > 1 else ''} ({named}{more})"
