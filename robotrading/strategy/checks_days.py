"""Rules about days: order, repetition, age, gaps and the exchange's calendar.

Entry points: one function per rule, each a `Refusal`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robotrading.domain.market import Bars, Days
from robotrading.strategy.checks_context import Context

REFETCH = "fetch the series again or from another source"


def missing_date(bars: Bars, context: Context) -> str | None:
    """Every row has a date."""
    del context
    absent = np.flatnonzero(np.isnat(bars.dates))
    return f"row {absent[0] + 1} of {len(bars)} has no date; {REFETCH}" if len(absent) else None


def unsorted_days(bars: Bars, context: Context) -> str | None:
    """Days never go back."""
    del context
    back = np.flatnonzero(np.diff(bars.dates) < np.timedelta64(0, "D"))
    if not len(back):
        return None
    row = back[0]
    return f"{bars.dates[row + 1]} comes after {bars.dates[row]}: the days are not sorted; {REFETCH}"


def contradictory_day(bars: Bars, context: Context) -> str | None:
    """No day has two different rows (identical ones were healed before)."""
    del context
    twice = np.flatnonzero(bars.dates[1:] == bars.dates[:-1])
    if not len(twice):
        return None
    row = twice[0]
    closes = f"{bars.close[row]:g} and {bars.close[row + 1]:g}"
    return f"{bars.dates[row]} stands there twice with different values (closes {closes}); {REFETCH}"


def future_bar(bars: Bars, context: Context) -> str | None:
    """No bar is younger than the last complete day."""
    late = bars.dates[bars.dates > np.datetime64(context.last_complete, "D")]
    if not len(late):
        return None
    return (
        f"{len(late)} bars from {late[0]} to {late[-1]} lie after the last complete day {context.last_complete}; "
        "check the computer's clock and the source's time zone"
    )


def too_short(bars: Bars, context: Context) -> str | None:
    """There are at least `min_days` bars."""
    need = context.settings.min_days
    if len(bars) >= need and len(bars) >= 2:
        return None
    return f"{len(bars)} days of prices, and a model needs at least {max(need, 2)}; ask for more history or wait"


def stale_series(bars: Bars, context: Context) -> str | None:
    """The last bar is at most `max_stale_days` trading days older than the last complete day."""
    day_after = bars.dates[-1] + np.timedelta64(1, "D")
    behind = len(_between(context.days, day_after, np.datetime64(context.last_complete, "D")))
    if behind <= context.settings.max_stale_days:
        return None
    return (
        f"the last bar is of {bars.last_day}, {behind} trading days before {context.last_complete}, and "
        f"{context.settings.max_stale_days} are allowed; is the symbol still traded, and is the source up to date?"
    )


def wrong_calendar(bars: Bars, context: Context) -> str | None:
    """Bars stand on trading days, apart from a share of `max_missing_share`."""
    expected = _between(context.days, bars.dates[0], bars.dates[-1])
    strange = np.setdiff1d(bars.dates, expected, assume_unique=True)
    if len(strange) <= context.settings.max_missing_share * len(bars):
        return None
    return (
        f"{len(strange)} of {len(bars)} bars stand on days without trading ({strange[0]} is the first): the days seem "
        "shifted by a time zone, or belong to another exchange; check the asset class and the source"
    )


def gap(bars: Bars, context: Context) -> str | None:
    """At most `max_gap_days` trading days in a row are missing."""
    expected, absent = _absence(bars, context)
    length, start = longest_run(absent)
    if length <= context.settings.max_gap_days:
        return None
    return (
        f"{length} trading days in a row are missing from {expected[start]} to {expected[start + length - 1]}, and "
        f"{context.settings.max_gap_days} are allowed; {REFETCH}"
    )


def missing_days(bars: Bars, context: Context) -> str | None:
    """The share of missing trading days is at most `max_missing_share`."""
    expected, absent = _absence(bars, context)
    share = float(absent.mean()) if len(absent) else 0.0
    if share <= context.settings.max_missing_share:
        return None
    return (
        f"{int(absent.sum())} of {len(expected)} trading days ({share:.1%}) are missing, the first on "
        f"{expected[absent][0]}, and {context.settings.max_missing_share:.1%} are allowed; {REFETCH}"
    )


def longest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Length and start of the longest run of True; (0, 0) when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(lengths))
    return int(lengths[longest]), int(starts[longest])


def _between(days: Days, first: np.datetime64, last: np.datetime64) -> Days:
    return days[np.searchsorted(days, first) : np.searchsorted(days, last, side="right")]


def _absence(bars: Bars, context: Context) -> tuple[Days, npt.NDArray[np.bool_]]:
    """Expected days from the first bar to the last, and which of them have no bar."""
    expected = _between(context.days, bars.dates[0], bars.dates[-1])
    return expected, ~np.isin(expected, bars.dates, assume_unique=True)
