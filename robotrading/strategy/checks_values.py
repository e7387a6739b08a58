"""Rules about single values and about how a series lives: prices, volume, calm and stationarity.

Entry points: one function per rule, each a `Refusal`.
"""

from __future__ import annotations

import warnings

import numpy as np

from robotrading.domain.market import COLUMNS, PRICE_COLUMNS, Bars, Floats
from robotrading.strategy.checks_context import Context
from robotrading.strategy.checks_days import REFETCH, longest_run

TRADING_DAYS = 252
ROUNDING = 1e-4
"""Relative room between a day's four prices: six significant digits, adjusted one by one."""
LIVELY = 4e-4
"""Median absolute daily return from which a price that stands still is suspicious; money-market funds move less."""
ADF_LAG = 1


def wrong_instrument(bars: Bars, context: Context) -> str | None:
    """The series is of the instrument that was asked for, its currency included."""
    got, wanted = bars.instrument, context.expected
    if got == wanted:
        return None
    return (
        f"asked for {wanted.key} ({wanted.asset_class}), got {got.key} ({got.asset_class}); "
        "check the symbol's spelling and its currency in the universe"
    )


def infinite_value(bars: Bars, context: Context) -> str | None:
    """No value is infinite."""
    del context
    for name in COLUMNS:
        rows = np.flatnonzero(np.isinf(getattr(bars, name)))
        if len(rows):
            return f"{name} of {bars.dates[rows[0]]} is infinite; {REFETCH}"
    return None


def no_prices(bars: Bars, context: Context) -> str | None:
    """At least one day has a close and an adjusted close."""
    del context
    return None if len(bars) else f"no day has both a close and an adjusted close; {REFETCH}"


def non_positive_price(bars: Bars, context: Context) -> str | None:
    """Every price is above zero."""
    del context
    for name in PRICE_COLUMNS:
        rows = np.flatnonzero(getattr(bars, name) <= 0)
        if len(rows):
            return f"{name} of {bars.dates[rows[0]]} is {getattr(bars, name)[rows[0]]:g}, not above zero; {REFETCH}"
    return None


def negative_volume(bars: Bars, context: Context) -> str | None:
    """Volume is zero or more, or unknown."""
    del context
    rows = np.flatnonzero(bars.volume < 0)
    return f"volume of {bars.dates[rows[0]]} is {bars.volume[rows[0]]:g}; {REFETCH}" if len(rows) else None


def impossible_event(bars: Bars, context: Context) -> str | None:
    """A dividend is zero or more and a split ratio above zero; neither is unknown."""
    del context
    rows = np.flatnonzero(~((bars.dividend >= 0) & (bars.split > 0)))
    if not len(rows):
        return None
    row = rows[0]
    return f"dividend {bars.dividend[row]:g} or split {bars.split[row]:g} of {bars.dates[row]} cannot be; {REFETCH}"


def impossible_bar(bars: Bars, context: Context) -> str | None:
    """The low is below open and close, the high above them; unknown ones are not compared."""
    del context
    top, bottom = np.fmax(bars.open, bars.close), np.fmin(bars.open, bars.close)
    wrong = (bars.low > bottom * (1 + ROUNDING)) | (bars.high < top * (1 - ROUNDING))
    wrong |= bars.high < bars.low * (1 - ROUNDING)
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return None
    row = rows[0]
    values = ", ".join(f"{name} {getattr(bars, name)[row]:g}" for name in ("open", "high", "low", "close"))
    return f"the bar of {bars.dates[row]} contradicts itself ({values}), with {len(rows)} such in all; {REFETCH}"


def constant_run(bars: Bars, context: Context) -> str | None:
    """A price that otherwise moves does not stand still for more than `max_constant_days`."""
    still = np.diff(bars.close) == 0
    length, start = longest_run(still)
    if length < context.settings.max_constant_days or not _lively(bars.log_returns(), start, length):
        return None
    return (
        f"the close stays {bars.close[start]:g} for {length + 1} days from {bars.dates[start]} to "
        f"{bars.dates[start + length]}, and {context.settings.max_constant_days} are allowed; was trading halted? Else "
        f"{REFETCH}"
    )


def _lively(returns: Floats, start: int, length: int) -> bool:
    """Whether days outside the run that move at all move by more than a tick; without such days nothing excuses it."""
    others = np.abs(np.concatenate([returns[:start], returns[start + length :]]))
    moving = others[others > 0]
    return not len(moving) or float(np.median(moving)) > LIVELY


def no_volume(bars: Bars, context: Context) -> str | None:
    """Something was traded at least every `max_constant_days` days, where volume is known."""
    length, start = longest_run(bars.volume == 0)
    if length <= context.settings.max_constant_days:
        return None
    return (
        f"nothing was traded for {length} days from {bars.dates[start]} to {bars.dates[start + length - 1]}, and "
        f"{context.settings.max_constant_days} are allowed; is the symbol still traded?"
    )


def too_calm(bars: Bars, context: Context) -> str | None:
    """Annual volatility of returns reaches `min_annual_volatility`."""
    volatility = float(np.std(bars.log_returns())) * TRADING_DAYS**0.5
    if volatility >= context.settings.min_annual_volatility:
        return None
    return (
        f"annual volatility is {volatility:.4%}, and a model needs {context.settings.min_annual_volatility:.4%}; "
        "a pegged or dead price has no regimes, so take it out of the universe"
    )


def not_stationary(bars: Bars, context: Context) -> str | None:
    """The augmented Dickey-Fuller test rejects a unit root in the returns at `adf_p_value`.

    One lagged difference, constant, no search for the lag: daily returns have little memory, and the search costs
    twenty times as much. p-values are MacKinnon's (1994, 2010), by statsmodels.
    """
    p_value = _adf_p_value(bars.log_returns())
    if p_value <= context.settings.adf_p_value:
        return None
    return (
        f"daily returns are not stationary (ADF p-value {p_value:.3f}, {context.settings.adf_p_value:g} allowed): "
        f"they drift instead of scattering, as smoothed or made-up prices do; {REFETCH}"
    )


def _adf_p_value(returns: Floats) -> float:
    """1.0 where the test cannot be computed: too few returns, or returns that follow each other exactly."""
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning  # noqa: PLC0415
    from statsmodels.tsa.stattools import adfuller  # noqa: PLC0415  a second to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SingularMatrixWarning)
            p_value = float(adfuller(returns, maxlag=ADF_LAG, autolag=None, result_object=False)[1])
    except (ValueError, np.linalg.LinAlgError, SingularMatrixWarning):
        return 1.0
    return 1.0 if np.isnan(p_value) else p_value
