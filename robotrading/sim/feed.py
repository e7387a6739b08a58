"""The built-in sample market: invented prices, clearly called synthetic.

Entry points: `SyntheticFeed` (the Feed port), `SAMPLE_EQUITIES`, `SAMPLE_BONDS`, `SAMPLE_CRYPTO` and the smaller
`DEMO_UNIVERSE`.
Invariants: the same seed, symbol and calendar give the same bars, whatever else is asked; asking until a later date
never changes an earlier bar; no bar is later than the clock's UTC day. How the prices come about: docs/adr/0008.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from string import ascii_uppercase

import numpy as np
import numpy.typing as npt

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, Days, Floats, Interval, PriceBasis
from robotrading.domain.ports import Calendar, Clock
from robotrading.domain.skip import Skip

ORIGIN = date(2012, 1, 3)
"""The sample market's first day."""
_ANCHOR_MONTH = np.datetime64("2041-01", "M")
"""Adjusted closes count the distributions up to here as known, so that they never change afterwards."""

# Market-wide regimes per calendar day: calm, nervous, crisis.
_DRIFT = np.array([0.0007, -0.0002, -0.0020])
_VOLATILITY = np.array([0.006, 0.011, 0.022])
_LEAVE = np.array([1 / 160, 1 / 45, 1 / 18])
"""Chance of leaving a regime on a day: the inverse of its mean length."""
_FROM_NERVOUS_TO_CRISIS = 0.3
_CRISIS = 2
CRASHES = (np.datetime64("2016-05-09"), np.datetime64("2020-10-19"), np.datetime64("2024-09-16"))
_CRASH_DAYS = np.array([-0.092, -0.041, 0.027, -0.035])
"""Market return of a crash's four days, on top of a crisis."""
_CRASH_CRISIS_DAYS = 30

SPLIT_SYMBOL = "SYNAC"
SPLIT_DAY = np.datetime64("2023-06-12")
SPLIT_RATIO = 2.0


def _sample(prefix: str, letters: str, kind: AssetClass, word: str, **terms: object) -> tuple[Instrument, ...]:
    suffix = "-USD" if kind is AssetClass.CRYPTO else ""
    return tuple(
        Instrument(f"{prefix}{letter}{suffix}", kind, name=f"Synthetic {word} {prefix[-1]}{letter} (sample)", **terms)  # type: ignore[arg-type]
        for letter in letters
    )


SAMPLE_EQUITIES = _sample("SYNA", ascii_uppercase, AssetClass.EQUITIES, "Company") + _sample(
    "SYND", ascii_uppercase[:14], AssetClass.EQUITIES, "Company"
)
SAMPLE_BONDS = _sample("SYNB", ascii_uppercase[:8], AssetClass.BONDS, "Bond Fund")
SAMPLE_CRYPTO = _sample(
    "SYNC",
    ascii_uppercase[:5],
    AssetClass.CRYPTO,
    "Coin",
    exchange="PAXOS",
    lot=Decimal("0.00000001"),
    min_quantity=Decimal("0.00001"),
)
DEMO_UNIVERSE: Mapping[AssetClass, tuple[Instrument, ...]] = {
    AssetClass.EQUITIES: SAMPLE_EQUITIES[:12],
    AssetClass.BONDS: SAMPLE_BONDS[:5],
    AssetClass.CRYPTO: SAMPLE_CRYPTO[:3],
}
"""What `demo` trades: twelve shares, five bond funds, three coins."""


@dataclass(frozen=True, slots=True)
class _Character:
    """An instrument's nature; rates per trading day unless named otherwise, `payout` the fraction paid per ex-day.

    A day whose draw (standard normal) is above `jump_above` has a jump of about `jump_size`.
    """

    start: float
    beta: float
    drift: float
    noise: float
    jump_above: float
    jump_size: float
    months_between: int
    month_offset: int
    day_of_month: int
    payout: float
    turnover: float


class SyntheticFeed:
    """Daily bars of a made-up market, for any symbol asked.

    `calendar` gives the trading days, `clock` the day beyond which nothing is known. Prices follow one market-wide
    chain of regimes with crashes at fixed dates (`CRASHES`), each instrument with a beta, noise and jumps of its own.
    """

    def __init__(self, calendar: Calendar, clock: Clock, seed: int = 20120103) -> None:
        self._calendar = calendar
        self._clock = clock
        self._seed = seed

    @property
    def name(self) -> str:
        return "synthetic"

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """Bars from `first` to `last`, both included; a `Skip` where that range holds no trading day."""
        last = min(last, self._clock.now().date())
        if last < ORIGIN:
            why = f"the synthetic market begins on {ORIGIN}, and {last} is before it"
            return {instrument: Skip(instrument.symbol, "prices", why, "no_bars") for instrument in instruments}
        market = _market_path(self._seed, last)
        days = {kind: self._calendar.days(kind, ORIGIN, last) for kind in {i.asset_class for i in instruments}}
        return {
            instrument: self._series(instrument, days[instrument.asset_class], market, first)
            for instrument in instruments
        }

    def _series(self, instrument: Instrument, days: Days, market: _MarketPath, first: date) -> Bars | Skip:
        start = int(np.searchsorted(days, np.datetime64(first, "D")))
        if start >= len(days):
            why = f"no trading day from {first} on is known yet"
            return Skip(instrument.symbol, "prices", why, "no_bars")
        columns = _columns(self._seed, instrument, days, market)
        return Bars(
            instrument=instrument,
            interval=Interval.DAY,
            dates=days[start:],
            basis=PriceBasis.REAL,
            **{name: column[start:] for name, column in columns.items()},
            as_of=self._clock.now(),
            source=self.name,
        )


# The market ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _MarketPath:
    """Per calendar day since ORIGIN: the market's return, and how much more than usual everything moves."""

    returns: Floats
    stress: Floats


def _generator(seed: int, *words: str) -> np.random.Generator:
    digest = hashlib.blake2b(":".join((str(seed), *words)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def _market_path(seed: int, last: date) -> _MarketPath:
    n = (last - ORIGIN).days + 1
    regimes = _regimes(_generator(seed, "regimes"), n)
    shocks = _generator(seed, "market").standard_normal(n)
    returns = _DRIFT[regimes] + _VOLATILITY[regimes] * shocks
    for crash in CRASHES:
        at = int((crash - np.datetime64(ORIGIN, "D")).astype(int))
        fallen = returns[at : at + len(_CRASH_DAYS)]
        fallen[:] = _CRASH_DAYS[: len(fallen)]
    return _MarketPath(returns, _VOLATILITY[regimes] / _VOLATILITY[0])


def _regimes(generator: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """A Markov chain over calm, nervous and crisis; every crash begins a crisis of fixed length."""
    chances = generator.random((n, 2))
    regimes = np.zeros(n, dtype=np.int64)
    state = 0
    for day in range(1, n):
        leave, where = chances[day]
        if leave < _LEAVE[state]:
            crisis_next = state == 1 and where < _FROM_NERVOUS_TO_CRISIS
            state = _CRISIS if crisis_next else 0 if state == 1 else 1
        regimes[day] = state
    for crash in CRASHES:
        at = int((crash - np.datetime64(ORIGIN, "D")).astype(int))
        regimes[at : at + _CRASH_CRISIS_DAYS] = _CRISIS
    return regimes


# One instrument -----------------------------------------------------------------------------------------------------


def _character(generator: np.random.Generator, instrument: Instrument) -> _Character:
    """Drawn in a fixed order, so that one symbol's nature never depends on another's."""
    u = generator.random(9)
    monthly = {"months_between": 1, "month_offset": 0, "day_of_month": 1}
    match instrument.asset_class:
        case AssetClass.EQUITIES:
            return _Character(
                start=float(15 * 8 ** u[0]),
                beta=0.6 + 0.8 * u[1],
                drift=0.0002 * (u[2] - 0.5),
                noise=0.005 + 0.007 * u[3],
                jump_above=2.26,
                jump_size=0.035,
                months_between=3,
                month_offset=int(3 * u[4]),
                day_of_month=3 + int(20 * u[5]),
                payout=(0.001 + 0.008 * u[6]) if u[7] < 0.6 else 0.0,
                turnover=float(10 ** (5.5 + 1.8 * u[8])),
            )
        case AssetClass.BONDS:
            return _Character(
                start=45 + 70 * u[0],
                beta=-0.05 + 0.15 * u[1],
                drift=0.00005 + 0.00005 * u[2],
                noise=0.0012 + 0.003 * u[3],
                jump_above=np.inf,
                jump_size=0.0,
                payout=0.0012 + 0.0025 * u[6],
                turnover=float(10 ** (5.5 + 1.2 * u[8])),
                **monthly,
            )
        case AssetClass.CRYPTO:
            return _Character(
                start=float(20 * 100 ** u[0]),
                beta=1.0 + 0.8 * u[1],
                drift=0.0004 * (u[2] - 0.9),
                noise=0.016 + 0.014 * u[3],
                jump_above=2.33,
                jump_size=0.06,
                payout=0.0,
                turnover=float(10 ** (4.0 + 1.5 * u[8])),
                **monthly,
            )


def _columns(seed: int, instrument: Instrument, days: Days, market: _MarketPath) -> dict[str, Floats]:
    """All columns of `Bars` for the given trading days, which begin at ORIGIN.

    Every value depends on draws of its own day and of days before only: one generator, one row of draws per day.
    """
    nature = _character(_generator(seed, "nature", instrument.key), instrument)
    normal = _generator(seed, "prices", instrument.key).standard_normal((len(days), 6))
    at = (days - np.datetime64(ORIGIN, "D")).astype(np.int64)
    noise = nature.noise * market.stress[at]
    jumps = np.where(normal[:, 5] > nature.jump_above, nature.jump_size * normal[:, 1], 0.0)
    returns = nature.drift + nature.beta * market.returns[at] + noise * normal[:, 0] + jumps
    returns[0] = 0.0
    paid = np.where(_ex_days(nature, days), nature.payout, 0.0)
    close = _cents(nature.start * np.exp(np.cumsum(returns)) * np.cumprod(1.0 - paid))
    previous = np.concatenate((close[:1], close[:-1]))
    overnight = 0.35 * (returns - jumps) + jumps + 0.3 * noise * normal[:, 2]
    opened = _cents(previous * (1.0 - paid) * np.exp(overnight))
    liveliness = 0.25 * (normal[:, 3] + normal[:, 4]) + 6.0 * np.abs(returns)
    return {
        "open": opened,
        "high": _cents(np.maximum(opened, close) * np.exp(0.4 * noise * np.abs(normal[:, 3]))),
        "low": _cents(np.minimum(opened, close) * np.exp(-0.4 * noise * np.abs(normal[:, 4]))),
        "close": close,
        "adj_close": np.round(close * _adjustment(nature, paid), 8),
        "volume": np.round(nature.turnover / close * 50.0 * np.exp(liveliness)),
        "dividend": np.round(paid * previous, 6),
        "split": _splits(instrument, days),
    }


def _cents(prices: Floats) -> Floats:
    return np.maximum(np.round(prices, 2), 0.01)


def _ex_days(nature: _Character, days: Days) -> npt.NDArray[np.bool_]:
    """In each paying month the first trading day on or after the instrument's day of the month."""
    months = days.astype("datetime64[M]")
    of_month = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    pays = (months.astype(np.int64) - nature.month_offset) % nature.months_between == 0
    due = pays & (of_month >= nature.day_of_month)
    first: npt.NDArray[np.bool_] = due.copy()
    first[1:] &= ~(due[:-1] & (months[1:] == months[:-1]))
    first[:1] = False
    return first


def _adjustment(nature: _Character, paid: Floats) -> Floats:
    """adj_close per close: a day's price less every distribution that comes after it, to a far month.

    The factor of an ex-day is 1 - dividend / previous close, as data vendors reckon it.
    """
    months = int((_ANCHOR_MONTH - np.datetime64(ORIGIN, "M")).astype(int))
    in_all = months // nature.months_between
    to_come = (in_all - np.cumsum(paid > 0.0)).astype(np.float64)
    return np.power(1.0 - nature.payout, to_come, dtype=np.float64)


def _splits(instrument: Instrument, days: Days) -> Floats:
    """New shares per old; prices are in shares of today, so that a split shows in this column only."""
    splits = np.ones(len(days))
    if instrument.symbol == SPLIT_SYMBOL:
        splits[days == SPLIT_DAY] = SPLIT_RATIO
    return splits
