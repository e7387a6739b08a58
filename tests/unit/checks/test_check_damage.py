"""Each kind of damage is refused or healed by exactly the rule that names it, and the message says where and what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, PRICE_COLUMNS, Bars, Interval
from robotrading.domain.skip import Skip
from robotrading.strategy.checks import RULES, Checked, CheckSettings, check

ACME = Instrument("ACME", AssetClass.EQUITIES)
N = 400
MID = 250
DAYS = np.arange(np.datetime64("2023-01-02"), np.datetime64("2025-12-31"))
DAYS = DAYS[np.is_busday(DAYS)]
LAST = DAYS[N - 1].astype(date)
DAY = np.timedelta64(1, "D")
PRICES = ("open", "high", "low", "close")


def clean(seed: int = 7, volatility: float = 0.012, n: int = N) -> dict[str, np.ndarray]:
    """Columns of an ordinary series: two dividends of 1 %, ranges of about 2 %, lognormal volume."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0003, volatility, n)
    moves[MID : MID + 1] = 0.001
    close = 100 * np.exp(np.cumsum(moves))
    opened = close * np.exp(rng.normal(0, volatility / 3, n))
    dividend = np.zeros(n)
    dividend[[n // 4, 3 * n // 4]] = 0.01 * close[[n // 4, 3 * n // 4]]
    keep = 1 - np.append(dividend[1:], 0) / close
    return {
        "dates": DAYS[:n],
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(0.004, volatility / 4, n))),
        "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0.004, volatility / 4, n))),
        "close": close,
        "adj_close": close * np.cumprod(keep[::-1])[::-1],
        "volume": np.round(1e6 * np.exp(rng.normal(0, 0.3, n))),
        "dividend": dividend,
        "split": np.ones(n),
    }


def bars(columns: dict[str, np.ndarray], instrument: Instrument = ACME) -> Bars:
    return Bars(instrument, Interval.DAY, as_of=datetime(2026, 1, 2, tzinfo=UTC), source="test", **columns)


def judge(series: Bars, last: date = LAST, **settings) -> Checked | Skip:
    return check(series, CheckSettings(**settings), DAYS, last, expected=ACME)


def scaled(c, rows, factor, names=PRICE_COLUMNS):
    """Prices of these rows times a factor."""
    return {
        **c,
        **{
            name: np.where(
                np.isin(np.arange(len(c["dates"])), np.arange(len(c["dates"]))[rows]), c[name] * factor, c[name]
            )
            for name in names
        },
    }


def put(c, name, rows, value):
    column = c[name].copy()
    column[rows] = value
    return {**c, name: column}


def drop(c, rows):
    return {name: np.delete(column, rows) for name, column in c.items()}


def duplicate(c, row, **changed):
    out = {name: np.insert(column, row + 1, column[row]) for name, column in c.items()}
    for name, value in changed.items():
        out = put(out, name, row + 1, value)
    return out


def closes_only(c):
    return {
        **c,
        **dict.fromkeys(("open", "high", "low"), c["close"]),
        "volume": np.full(len(c["dates"]), np.nan),
        "dividend": np.zeros(len(c["dates"])),
    }


def split(c, row, ratio, *, adjusted=True, close=True):
    """A split of `ratio` new shares per old that was not carried back before `row`."""
    names = (*(PRICES if close else ()), *(("adj_close",) if adjusted else ()))
    out = scaled(c, slice(0, row), ratio, names)
    return {**out, "volume": np.where(np.arange(len(c["dates"])) < row, c["volume"] / ratio, c["volume"])}


def seam(c, row, factor):
    return scaled(c, slice(0, row), factor, ("adj_close",))


def still(c, first, length):
    """Price and range stand still, the price then goes on from there."""
    out = dict(c)
    for name in PRICE_COLUMNS:
        column = c[name].copy()
        column[first : first + length] = c["adj_close" if name == "adj_close" else "close"][first]
        out[name] = column
    return out


def walk(c, returns):
    close = 100 * np.exp(np.cumsum(returns))
    return closes_only({**c, "close": close, "adj_close": close})


def outright(c, instrument):
    return bars(c, instrument)


@dataclass(frozen=True)
class Case:
    damage: Callable[[dict], dict]
    rule: str
    says: str
    heals: int = 0
    """Days left out; 0 where the series is refused."""


_slow = np.cumsum(np.random.default_rng(3).normal(0, 0.0004, N))
D0, D1, DM = str(DAYS[0]), str(DAYS[1]), str(DAYS[MID])

CASES: dict[str, Case] = {
    # what was left out
    "one NaN day inside": Case(lambda c: put(c, "close", MID, np.nan), "empty_day", DM, 1),
    "one NaN adjusted close": Case(lambda c: put(c, "adj_close", MID, np.nan), "empty_day", DM, 1),
    "NaN on the last day": Case(lambda c: put(c, "close", N - 1, np.nan), "empty_day", str(DAYS[N - 1]), 1),
    "NaN on the first day": Case(lambda c: put(c, "close", 0, np.nan), "empty_day", D0, 1),
    "all prices of a day NaN": Case(lambda c: scaled(c, slice(MID, MID + 1), np.nan), "empty_day", DM, 1),
    "a row twice": Case(lambda c: duplicate(c, MID), "repeated_row", DM, 1),
    "the last row twice": Case(lambda c: duplicate(c, N - 1), "repeated_row", str(DAYS[N - 1]), 1),
    "a row three times": Case(lambda c: duplicate(duplicate(c, MID), MID), "repeated_row", DM, 2),
    "the last day twice, once empty": Case(lambda c: duplicate(c, N - 1, close=np.nan), "empty_day", str(DAYS[N - 1]), 1),
    "twice, volume unknown": Case(lambda c: duplicate(put(c, "volume", MID, np.nan), MID), "repeated_row", DM, 1),
    "one close 40 % too high": Case(lambda c: scaled(c, slice(MID, MID + 1), 1.4), "bad_tick", DM, 1),
    "one close 40 % too low": Case(lambda c: scaled(c, slice(MID, MID + 1), 0.6), "bad_tick", DM, 1),
    "one day in pence": Case(lambda c: scaled(c, slice(MID, MID + 1), 100.0), "bad_tick", DM, 1),
    "one day in pounds": Case(lambda c: scaled(c, slice(MID, MID + 1), 0.01), "bad_tick", DM, 1),
    "one adjusted close wrong": Case(lambda c: scaled(c, slice(MID, MID + 1), 2.0, ("adj_close",)), "bad_tick", DM, 1),
    "three bad ticks": Case(lambda c: scaled(c, [50, 150, MID], 1.5), "bad_tick", "3 days", 3),
    # rows and days
    "four bad ticks": Case(lambda c: scaled(c, [50, 150, 200, MID], 1.5), "bad_ticks", "more than 3 days"),
    "twice with two closes": Case(lambda c: duplicate(c, MID, close=1.0), "contradictory_day", f"{DM} stands there twice"),
    "twice with two volumes": Case(lambda c: duplicate(c, MID, volume=1.0), "contradictory_day", DM),
    "newest first": Case(lambda c: {k: v[::-1] for k, v in c.items()}, "unsorted_days", "not sorted"),
    "two rows swapped": Case(lambda c: {k: np.concatenate([v[:9], v[9:11][::-1], v[11:]]) for k, v in c.items()}, "unsorted_days", str(DAYS[9])),
    "a row without date": Case(lambda c: put(c, "dates", MID, np.datetime64("NaT", "D")), "missing_date", f"row {MID + 1}"),
    "no rows": Case(lambda c: drop(c, slice(None)), "no_prices", "no day has both"),
    "no adjusted closes": Case(lambda c: put(c, "adj_close", slice(None), np.nan), "no_prices", "no day has both"),
    "a year less a day": Case(lambda c: drop(c, slice(0, N - 251)), "too_short", "251 days of prices, and a model needs at least 252"),
    "one day": Case(lambda c: drop(c, slice(1, None)), "too_short", "1 days of prices"),
    "ended four days ago": Case(lambda c: drop(c, slice(N - 4, None)), "stale_series", "4 trading days before"),
    "ended a year ago": Case(lambda c: drop(c, slice(N - 100, None)), "stale_series", "100 trading days before"),
    "a hole of six days": Case(lambda c: drop(c, slice(MID, MID + 6)), "gap", f"6 trading days in a row are missing from {DM}"),
    "six NaN days in a row": Case(lambda c: put(c, "close", slice(MID, MID + 6), np.nan), "gap", "6 trading days in a row"),
    "each tenth day missing": Case(lambda c: drop(c, slice(5, None, 10)), "missing_days", "(10.0%) are missing"),
    "each thirtieth close NaN": Case(lambda c: put(c, "close", slice(5, None, 30), np.nan), "missing_days", "14 of 400"),
    "days shifted by one": Case(lambda c: {**c, "dates": c["dates"] - DAY}, "wrong_calendar", "days without trading"),
    "every calendar day": Case(lambda c: {**c, "dates": DAYS[N - 1] - np.arange(N)[::-1]}, "wrong_calendar", "another exchange"),
    # values
    "infinite close": Case(lambda c: put(c, "close", MID, np.inf), "infinite_value", f"close of {DM} is infinite"),
    "infinite volume": Case(lambda c: put(c, "volume", MID, np.inf), "infinite_value", "volume"),
    "zero close": Case(lambda c: put(c, "close", MID, 0.0), "non_positive_price", f"close of {DM} is 0"),
    "negative close": Case(lambda c: put(c, "close", MID, -37.6), "non_positive_price", "-37.6"),
    "negative adjusted close": Case(lambda c: put(c, "adj_close", 0, -0.1), "non_positive_price", "adj_close"),
    "zero low": Case(lambda c: put(c, "low", MID, 0.0), "non_positive_price", "low of"),
    "negative volume": Case(lambda c: put(c, "volume", MID, -1), "negative_volume", DM),
    "negative dividend": Case(lambda c: put(c, "dividend", MID, -1), "impossible_event", DM),
    "split of zero": Case(lambda c: put(c, "split", MID, 0), "impossible_event", "split 0"),
    "unknown split": Case(lambda c: put(c, "split", MID, np.nan), "impossible_event", "split nan"),
    "high below low": Case(lambda c: {**put(c, "high", MID, c["low"][MID]), "low": put(c, "low", MID, c["high"][MID])["low"]}, "impossible_bar", DM),
    "close above high": Case(lambda c: put(c, "high", MID, c["close"][MID] * 0.99), "impossible_bar", "contradicts itself"),
    "open below low": Case(lambda c: put(c, "open", MID, c["low"][MID] * 0.97), "impossible_bar", DM),
    "high and low exchanged everywhere": Case(lambda c: {**c, "high": c["low"], "low": c["high"]}, "impossible_bar", "400 such"),
    # splits
    **{
        f"unadjusted split {new}:{old}": Case(lambda c, r=new / old: split(c, MID, r), "unadjusted_split", f"split of {new}:{old}")
        for new, old in [(3, 2), (2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (10, 1), (20, 1), (50, 1), (1, 2), (1, 3), (1, 8), (1, 10), (1, 20)]
    },
    "unadjusted 2:1, closes only": Case(lambda c: closes_only(split(c, MID, 2)), "unadjusted_split", "split of 2:1"),
    "unadjusted 10:1 on the last day, closes only": Case(lambda c: closes_only(split(c, N - 1, 10)), "unadjusted_split", "10:1"),
    "unadjusted 4:1 on the second day": Case(lambda c: split(c, 1, 4), "unadjusted_split", D1),
    "declared and not carried back": Case(lambda c: put(put(split(c, MID, 3), "split", MID, 3), "volume", MID, 1e9), "unadjusted_split", "3:1"),
    "split in the close alone": Case(lambda c: split(c, MID, 4, adjusted=False), "half_adjusted_split", "adj_close does not jump"),
    "split in the adjusted close alone": Case(lambda c: split(c, MID, 2, close=False), "half_adjusted_split", "close does not jump"),
    "reverse split in the close alone": Case(lambda c: split(c, MID, 0.1, adjusted=False), "half_adjusted_split", "1:10"),
    "split carried back only in part": Case(lambda c: scaled(c, slice(MID, MID + 60), 2.0), "unadjusted_split", DM),
    # adjustments
    "an older download before a newer one": Case(lambda c: seam(c, MID, 1.01), "spliced_adjustment", "the ratio can only rise"),
    "a newer download before an older one": Case(lambda c: seam(c, MID, 0.99), "spliced_adjustment", "without a dividend"),
    "a level that jumps in the adjusted close": Case(lambda c: put(seam(c, MID, 0.8), "dividend", slice(None), 0), "spliced_adjustment", "did not fall by it"),
    "adjusted twice from a day on": Case(lambda c: {**c, "adj_close": np.where(np.arange(N) < MID, c["adj_close"] ** 2 / c["close"], c["adj_close"])}, "spliced_adjustment", DM),
    "a spin-off taken out twice": Case(lambda c: put(seam(scaled(c, slice(MID, None), 0.8), MID, 0.64), "dividend", slice(None), 0), "distribution_twice", "taken out twice"),
    # slips
    "pence from a day on": Case(lambda c: scaled(c, slice(MID, None), 100.0), "hundredfold_slip", "factor of 100"),
    "pounds until a day": Case(lambda c: scaled(c, slice(0, MID), 0.01), "hundredfold_slip", DM),
    "a week in pence": Case(lambda c: scaled(c, slice(MID, MID + 5), 100.0), "hundredfold_slip", "pence for pounds"),
    "the last day in pence": Case(lambda c: scaled(c, slice(N - 1, None), 100.0), "hundredfold_slip", str(DAYS[N - 1])),
    "adjusted close in pence from a day on": Case(lambda c: seam(c, MID, 0.01), "hundredfold_slip", "adj_close goes from"),
    "a fivefold day that is no split": Case(lambda c: put(scaled(c, slice(MID, None), 4.55), "volume", MID, 1e9), "implausible_jump", "max_daily_factor"),
    # life
    "twelve days without a move": Case(lambda c: still(c, MID, 12), "constant_run", f"for 12 days from {DM}"),
    "a price that never moves": Case(lambda c: still(c, 0, N), "constant_run", "400 days"),
    "nothing traded for twelve days": Case(lambda c: put(c, "volume", slice(MID, MID + 12), 0), "no_volume", f"12 days from {DM}"),
    "a pegged price": Case(lambda c: walk(c, np.random.default_rng(1).normal(0, 1e-5, N)), "too_calm", "annual volatility is 0.0"),
    "returns that drift like prices": Case(lambda c: walk(c, _slow), "not_stationary", "ADF p-value"),
    "a smooth curve": Case(lambda c: walk(c, np.linspace(-0.01, 0.01, N)), "not_stationary", "made-up prices"),
}  # fmt: skip


def test_the_ordinary_series_passes_untouched():
    series = bars(clean())
    assert judge(series) == Checked(series)
    assert judge(bars(closes_only(clean()))).healed == ()


@pytest.mark.parametrize("case", CASES)
def test_damage_meets_its_rule(case):
    expected = CASES[case]
    series = bars(expected.damage(clean()))
    answer = judge(series)
    skip = answer.healed[0] if isinstance(answer, Checked) and answer.healed else answer
    assert isinstance(skip, Skip), f"{case} passed unnoticed"
    assert (skip.rule, skip.subject, skip.step) == (expected.rule, "ACME", "checks"), skip.reason
    assert expected.says in skip.reason
    assert "\n" not in skip.reason
    if expected.heals:
        assert isinstance(answer, Checked), answer
        assert len(answer.healed) == 1
        assert len(series) - len(answer.bars) == expected.heals
    else:
        assert isinstance(answer, Skip)


def test_there_are_at_least_fifty_kinds_of_damage_and_every_rule_has_one():
    assert len(CASES) >= 50
    elsewhere = {"wrong_instrument", "unfinished_day", "future_bar"}
    assert {case.rule for case in CASES.values()} | elsewhere == set(RULES)


@pytest.mark.parametrize(
    "other",
    [
        Instrument("ACME", AssetClass.EQUITIES, currency="EUR"),
        Instrument("ACNE", AssetClass.EQUITIES),
        Instrument("ACME", AssetClass.CRYPTO),
    ],
)
def test_a_series_of_another_instrument_or_currency_is_refused(other):
    answer = judge(bars(clean(), other))
    assert answer.rule == "wrong_instrument"
    assert other.key in answer.reason
    assert ACME.key in answer.reason


def test_the_running_days_bar_is_left_out():
    answer = judge(bars(clean()), last=DAYS[N - 2].astype(date))
    assert [skip.rule for skip in answer.healed] == ["unfinished_day"]
    assert answer.bars.last_day == DAYS[N - 2].astype(date)


@pytest.mark.parametrize("last", [DAYS[N - 3], DAYS[N - 1] - 30 * DAY])
def test_bars_from_the_future_are_refused(last):
    answer = judge(bars(clean()), last=last.astype(date))
    assert answer.rule == "future_bar"
    assert "time zone" in answer.reason


def test_one_bar_far_in_the_future_is_no_running_day():
    late = put(clean(), "dates", N - 1, DAYS[N - 1] + 300 * DAY)
    assert judge(bars(late)).rule == "future_bar"


def test_a_coin_that_halves_did_not_split():
    coin = Instrument("ACME", AssetClass.CRYPTO)
    every = DAYS[N - 1] - np.arange(N)[::-1]
    series = bars({**split(clean(), MID, 2), "dates": every}, coin)
    assert isinstance(check(series, CheckSettings(), every, LAST), Checked)
    assert isinstance(judge(bars(split(clean(), MID, 2))), Skip)


CRASHES = {
    "a wide day": lambda c: put(put(c, "low", MID, c["close"][MID] * 0.8), "high", MID, c["close"][MID] * 1.05),
    "a heavy day": lambda c: put(c, "volume", MID, 2e7),
    "a fall through the day": lambda c: put(
        put(c, "open", MID, c["close"][MID] * 1.6), "high", MID, c["close"][MID] * 1.65
    ),
}


@pytest.mark.parametrize("sign", CRASHES)
def test_a_real_crash_is_not_taken_for_a_split(sign):
    series = bars(CRASHES[sign](split(clean(), MID, 2)))
    assert isinstance(judge(series), Checked)


def test_wild_days_after_a_crash_show_that_it_was_real_where_only_closes_are_known():
    c = clean()
    moves = np.diff(np.log(c["close"]))
    moves[MID:] *= 15
    moves[MID - 1] = -np.log(2)
    close = 100 * np.exp(np.concatenate([[0], np.cumsum(moves)]))
    assert isinstance(judge(bars(closes_only({**c, "close": close, "adj_close": close}))), Checked)


def test_a_fall_by_a_third_needs_ranges_and_volume_to_be_called_a_split():
    assert judge(bars(split(clean(), MID, 1.5))).rule == "unadjusted_split"
    assert isinstance(judge(bars(closes_only(split(clean(), MID, 1.5)))), Checked)
    unknown = put(split(clean(), MID, 1.5), "volume", slice(None), np.nan)
    assert isinstance(judge(bars(unknown)), Checked)


def test_a_large_distribution_that_was_adjusted_once_passes():
    c = put(clean(), "dividend", slice(None), 0)
    special = scaled(c, slice(MID, None), 0.8, PRICES)
    assert isinstance(judge(bars(special)), Checked)


@pytest.mark.parametrize("move", [0.065, 0.05])
def test_a_lively_price_may_rise_on_the_day_of_a_distribution(move):
    c = put(clean(volatility=0.03), "dividend", slice(None), 0)
    paid = scaled(scaled(c, slice(MID, None), np.exp(move - 0.001)), slice(MID, None), np.exp(-0.08), PRICES)
    assert isinstance(judge(bars(paid)), Checked)
    calm = put(clean(volatility=0.004), "dividend", slice(None), 0)
    paid = scaled(scaled(calm, slice(MID, None), np.exp(move - 0.001)), slice(MID, None), np.exp(-0.08), PRICES)
    assert judge(bars(paid)).rule in {"distribution_twice", "spliced_adjustment"}


def test_a_money_market_fund_may_stand_still_and_a_stock_may_not():
    rng = np.random.default_rng(5)
    fund = 91.5 + 0.01 * np.round(np.cumsum(rng.choice([0, 0, 1, -1], N)))
    fund[MID : MID + 20] = fund[MID]
    c = closes_only({**clean(), "close": fund, "adj_close": fund})
    assert isinstance(judge(bars(c)), Checked)


def test_bounds_come_from_the_settings():
    assert isinstance(judge(bars(drop(clean(), slice(0, 200))), min_days=150), Checked)
    assert isinstance(judge(bars(drop(clean(), slice(MID, MID + 6))), max_gap_days=6), Checked)
    assert isinstance(judge(bars(drop(clean(), slice(N - 4, None))), max_stale_days=4), Checked)
    four = scaled(clean(), [50, 150, 200, MID], 1.5)
    assert isinstance(judge(bars(four), max_bad_ticks=4), Checked)
    wild = put(scaled(clean(), slice(MID, None), 4.55), "volume", MID, 1e9)
    assert isinstance(judge(bars(wild), max_daily_factor=5.0), Checked)


def test_too_few_returns_for_the_test_of_stationarity_is_a_refusal_and_no_error():
    short = bars(drop(clean(), slice(0, N - 4)))
    assert judge(short, min_days=1).rule == "not_stationary"


def test_the_instrument_is_the_series_own_when_none_was_asked_for():
    assert isinstance(check(bars(clean()), CheckSettings(), DAYS, LAST), Checked)


def test_all_columns_keep_their_length_when_days_are_left_out():
    answer = judge(bars(put(clean(), "close", MID, np.nan)))
    assert {len(getattr(answer.bars, name)) for name in ("dates", *COLUMNS)} == {N - 1}
    assert answer.bars.source == "test"
    assert replace(answer.bars, source="x").source == "x"
