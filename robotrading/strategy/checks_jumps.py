"""Rules about jumps: splits that were not carried back, adjustments that do not fit, and slips of the decimal point.

Entry points: one function per rule, each a `Refusal`.

A jump near a split's ratio is not yet a split: PG&E fell by 52 % and Globe Life by 53 % in a day. What tells them apart
is the day around the jump. A split changes the count of shares and nothing else, so that the day's own range, its
traded value and the following days are as before; a crash shows in at least one of them. A 3:2 split is told only
where range and volume are known, because moves of a third happen every month; and a crash near a ratio that is the last
close of a series without ranges is refused for the two days until it shows. Where close and adjusted
close disagree about the jump, their disagreement is the evidence, since a real move is in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Bars, Floats
from robotrading.strategy.checks_context import Context
from robotrading.strategy.checks_days import REFETCH
from robotrading.strategy.heal import find_spikes
from robotrading.strategy.moves import WINDOW, local_scale, quiet_scale

SPLITS = ((3, 2), *((n, 1) for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50)))
LEAST_JUMP = float(np.log(1.38))
"""Jumps from here on are held against the splits; a smaller one than 3:2 cannot be told from a bad day."""
SLIP = (float(np.log(70.0)), float(np.log(140.0)))
CLOSE_BY = 3.0
"""Local scales between a jump and the exact ratio: the ordinary return of the day."""
CLOSE_BY_LEAST, CLOSE_BY_MOST = 0.02, 0.10
SMALL_SPLIT, SMALL_SPLIT_CLOSE_BY = 0.5, 0.03
"""Up to this log ratio (3:2) real moves are frequent: the jump has to be this near, and the day has to be known."""
WILD_RANGE, WILD_VALUE, WILD_AFTER = 3.0, 3.0, 4.0
"""Times the usual from which the day's range, its traded value, or the moves of the days after speak for a real move.
Of 13 splits of large companies the most were 2.5, 1.9 and 2.6."""
STEP_ROUNDING = 1e-3
"""Relative room in adj_close / close: prices of a few cents are written with four decimals."""
LARGE_STEP = 0.05
SEAM_SCALES = 4.0


@dataclass(frozen=True, slots=True)
class _Jump:
    """A move of `price[row]` to `price[row + 1]` near `new` shares for `old`; `size` is the log move."""

    row: int
    size: float
    new: int
    old: int

    @property
    def is_small(self) -> bool:
        return abs(math.log(self.new / self.old)) < SMALL_SPLIT


def bad_ticks(bars: Bars, context: Context) -> str | None:
    """At most `max_bad_ticks` days have a price that is back the next day (so many were healed before)."""
    wrong = find_spikes(bars.close) | find_spikes(bars.adj_close)
    if not wrong.any():
        return None
    row = int(np.flatnonzero(wrong)[0])
    return (
        f"more than {context.settings.max_bad_ticks} days have a price that is back the next day, as "
        f"{bars.close[row]:g} on {bars.dates[row]} between {bars.close[row - 1]:g} and {bars.close[row + 1]:g}; "
        f"{REFETCH}"
    )


def hundredfold_slip(bars: Bars, context: Context) -> str | None:
    """No price moves by a factor near 100 or near 1/100: pence are not pounds."""
    del context
    for name in ("close", "adj_close"):
        price = getattr(bars, name)
        size = np.abs(np.diff(np.log(price)))
        rows = np.flatnonzero((size > SLIP[0]) & (size < SLIP[1]))
        if len(rows):
            return (
                f"{_told(bars, name, int(rows[0]))}, about a factor of 100: part of the series seems to be in another "
                f"unit (pence for pounds); {REFETCH}"
            )
    return None


def half_adjusted_split(bars: Bars, context: Context) -> str | None:
    """No split is in the close alone or in the adjusted close alone."""
    del context
    close, adjusted = np.diff(np.log(bars.close)), np.diff(np.log(bars.adj_close))
    for name, moves, other in (("close", close, adjusted), ("adj_close", adjusted, close)):
        for jump in _split_like(moves):
            if abs(moves[jump.row] - other[jump.row]) > abs(jump.size) / 2:
                missing = "adj_close" if name == "close" else "close"
                return (
                    f"{_told(bars, name, jump.row)}, as in a split of {jump.new}:{jump.old}, while {missing} does not "
                    f"jump: the split was carried back in one of the two only; {REFETCH}"
                )
    return None


def unadjusted_split(bars: Bars, context: Context) -> str | None:
    """No jump in both prices is near a split's ratio on an otherwise ordinary day; coins do not split."""
    if context.expected.asset_class is AssetClass.CRYPTO:
        return None
    for jump in _split_like(np.diff(np.log(bars.adj_close))):
        if _is_declared(bars, jump) or not _was_real(bars, jump):
            return (
                f"{_told(bars, 'close', jump.row)}, near a split of {jump.new}:{jump.old} and with nothing else "
                f"unusual about the day: earlier prices are not in shares of today; {REFETCH}"
            )
    return None


def distribution_twice(bars: Bars, context: Context) -> str | None:
    """No distribution is taken out of the adjusted close a second time.

    Such a series falls by the distribution in the close and rises by as much in the adjusted close.
    """
    del context
    close, adjusted = np.diff(np.log(bars.close)), np.diff(np.log(bars.adj_close))
    step = adjusted - close
    for row in np.flatnonzero((step > LARGE_STEP) & (close < -step / 4) & (adjusted > step / 4)).tolist():
        if adjusted[row] > SEAM_SCALES * local_scale(adjusted, row, row + 1):
            return (
                f"{_told(bars, 'close', row)} while adj_close rises from {bars.adj_close[row]:g} to "
                f"{bars.adj_close[row + 1]:g}: a dividend or spin-off is taken out twice; {REFETCH}"
            )
    return None


def spliced_adjustment(bars: Bars, context: Context) -> str | None:
    """adj_close / close never falls with time, and rises only where a distribution explains it.

    Each distribution lowers all earlier adjusted closes, so that the ratio can only step up. A step down, or a large
    step up that the close did not pay for, is the seam of two downloads.
    """
    del context
    ratio = np.log(bars.adj_close) - np.log(bars.close)
    step = np.diff(ratio)
    down = np.flatnonzero(step < -STEP_ROUNDING)
    if len(down):
        return f"{_seam(bars, int(down[0]))}, but the ratio can only rise: two downloads were joined; {REFETCH}"
    adjusted = np.diff(np.log(bars.adj_close))
    for row in np.flatnonzero((step > LARGE_STEP) & (adjusted > step / 2)).tolist():
        if adjusted[row] > SEAM_SCALES * local_scale(adjusted, row, row + 1):
            return f"{_seam(bars, row)}, and the close did not fall by it: two downloads were joined; {REFETCH}"
    return _unpaid_step(bars, step)


def _unpaid_step(bars: Bars, step: Floats) -> str | None:
    """Where dividends are known, a step without one (or a split) within a day of it is a seam."""
    if not bars.dividend.any():
        return None
    paid = (bars.dividend > 0) | (bars.split != 1.0)
    near = paid[1:] | paid[:-1] | np.append(paid[2:], False)
    rows = np.flatnonzero((step > STEP_ROUNDING) & ~near)
    if not len(rows):
        return None
    return f"{_seam(bars, int(rows[0]))} on a day without a dividend: two downloads were joined; {REFETCH}"


def implausible_jump(bars: Bars, context: Context) -> str | None:
    """No adjusted close is more than `max_daily_factor` times, or less than that part of, the day's before."""
    size = np.abs(np.diff(np.log(bars.adj_close)))
    rows = np.flatnonzero(size > np.log(context.settings.max_daily_factor))
    if not len(rows):
        return None
    return (
        f"{_told(bars, 'adj_close', int(rows[0]))}, more than a factor of {context.settings.max_daily_factor:g} in a "
        "day; if it was real, raise checks.max_daily_factor for this session"
    )


def _split_like(moves: Floats) -> list[_Jump]:
    """Moves within an ordinary day's return of a split's ratio; a fall for new > old, a rise for reverse splits."""
    jumps = []
    for row in np.flatnonzero(np.abs(moves) > LEAST_JUMP).tolist():
        size = float(moves[row])
        new, old = min(SPLITS, key=lambda split: abs(abs(size) - np.log(split[0] / split[1])))
        if abs(abs(size) - np.log(new / old)) <= _room(moves, row, new / old):
            jumps.append(_Jump(row, size, new, old) if size < 0 else _Jump(row, size, old, new))
    return jumps


def _room(moves: Floats, row: int, ratio: float) -> float:
    before = moves[max(row - WINDOW, 0) : row]
    scale = quiet_scale(before if len(before) >= 20 else moves[row + 1 : row + 1 + WINDOW])
    most = SMALL_SPLIT_CLOSE_BY if np.log(ratio) < SMALL_SPLIT else CLOSE_BY_MOST
    return min(max(CLOSE_BY * scale, CLOSE_BY_LEAST), most)


def _is_declared(bars: Bars, jump: _Jump) -> bool:
    """Whether the source itself tells of the split on that day."""
    ratio = float(bars.split[jump.row + 1])
    return ratio != 1.0 and abs(jump.size + np.log(ratio)) < CLOSE_BY_MOST


def _was_real(bars: Bars, jump: _Jump) -> bool:
    """Whether the day's range, its traded value, its open, or (closes only) the days after show a real move."""
    row, moves = jump.row, np.diff(np.log(bars.adj_close))
    ranges = np.log(bars.high / bars.low)
    usual = _median(ranges[max(row + 1 - WINDOW, 0) : row + 1])
    if usual <= 0:
        return jump.is_small or _is_wild_after(moves, row)
    exact = -np.log(jump.new / jump.old)
    opening = np.log(bars.open[row + 1] / bars.close[row])
    gapless = abs(opening - exact) > _room(moves, row, max(jump.new, jump.old) / min(jump.new, jump.old))
    return bool(gapless or ranges[row + 1] > WILD_RANGE * usual or _is_wild_value(bars, jump))


def _is_wild_value(bars: Bars, jump: _Jump) -> bool:
    """Value traded (price times volume), which a split leaves as it was; a small split is not told without it."""
    value = bars.close * bars.volume
    usual = _median(value[max(jump.row + 1 - WINDOW, 0) : jump.row + 1])
    if usual <= 0:
        return jump.is_small
    return bool(value[jump.row + 1] > WILD_VALUE * usual)


def _is_wild_after(moves: Floats, row: int) -> bool:
    after = np.abs(moves[row + 1 : row + 11])
    if len(after) < 3:
        return False
    return bool(np.median(after) > WILD_AFTER * _median(np.abs(moves[max(row - WINDOW, 0) : row])))


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def _told(bars: Bars, name: str, row: int) -> str:
    price = getattr(bars, name)
    return (
        f"{name} goes from {price[row]:g} on {bars.dates[row]} to {price[row + 1]:g} on {bars.dates[row + 1]} "
        f"({price[row + 1] / price[row] - 1:+.0%})"
    )


def _seam(bars: Bars, row: int) -> str:
    before, after = bars.adj_close[row] / bars.close[row], bars.adj_close[row + 1] / bars.close[row + 1]
    return f"adj_close / close goes from {before:.5g} on {bars.dates[row]} to {after:.5g} on {bars.dates[row + 1]}"
