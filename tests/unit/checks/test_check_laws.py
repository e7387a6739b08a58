"""Laws of the checks on arbitrary arrays, and on every real series there is."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.feeds.files import FileFeed
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, Bars, Interval
from robotrading.domain.skip import Skip
from robotrading.strategy.checks import RULES, Checked, CheckSettings, check
from robotrading.strategy.moves import LEAST_SCALE, local_scale, quiet_scale

DAYS = np.arange(np.datetime64("2023-01-02"), np.datetime64("2025-12-31"))
DAYS = DAYS[np.is_busday(DAYS)]
N = 300
LAST = DAYS[N - 1].astype(date)
COIN = Instrument("ODD", AssetClass.EQUITIES)
AT = datetime(2026, 1, 2, tzinfo=UTC)
LOOSE = CheckSettings(min_days=5, max_missing_share=0.5, max_gap_days=50)

anything = st.floats(allow_nan=True, allow_infinity=True)
price = st.one_of(st.floats(1e-3, 1e6), st.sampled_from([0.0, -1.0, np.nan, np.inf, 100.0, 1.0, 5e-324, 1e308]))


@st.composite
def arbitrary(draw) -> Bars:
    n = draw(st.integers(0, 40))
    values = draw(st.sampled_from([anything, price, st.floats(90, 110)]))
    days = draw(arrays(np.int64, n, elements=st.integers(0, 60)))
    stamps = DAYS[np.sort(days)] if draw(st.booleans()) else DAYS[days]
    stamps = np.where(draw(st.booleans()) & (np.arange(n) == 3), np.datetime64("NaT", "D"), stamps)
    columns = {name: draw(arrays(np.float64, n, elements=values)) for name in COLUMNS}
    if draw(st.booleans()):
        columns |= {"dividend": np.zeros(n), "split": np.ones(n)}
    return Bars(COIN, Interval.DAY, stamps.astype("datetime64[D]"), as_of=AT, source="drawn", **columns)


@settings(max_examples=150)
@given(series=arbitrary(), bounds=st.sampled_from([CheckSettings(), LOOSE, CheckSettings(min_days=0)]))
def test_whatever_the_arrays_hold_the_answer_is_a_series_or_a_named_refusal(series, bounds):
    answer = check(series, bounds, DAYS, DAYS[60].astype(date))
    if isinstance(answer, Skip):
        assert answer.rule in RULES
        assert answer.reason
    else:
        assert all(skip.rule in RULES for skip in answer.healed)


@st.composite
def damaged(draw) -> Bars:
    """An ordinary series with a few wrong cells, repeated rows and bad ticks."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    close = 50 * np.exp(np.cumsum(rng.normal(0, draw(st.sampled_from([0.002, 0.01, 0.03])), N)))
    rows = np.arange(N)
    for row in draw(st.lists(st.integers(0, N - 1), max_size=3)):
        close[row] *= draw(st.sampled_from([np.nan, 1.5, 0.5, 100.0, 0.01, 1.0]))
    for row in draw(st.lists(st.integers(0, N - 1), max_size=3)):
        rows = np.sort(np.append(rows, row))
    last = draw(st.integers(N - 2, N))
    keep = rows < last
    return Bars.from_closes(COIN, DAYS[rows[keep]], close[rows[keep]], as_of=AT, source="drawn")


@settings(max_examples=150)
@given(series=damaged(), behind=st.integers(0, 2))
def test_a_healed_series_passes_and_healing_it_again_changes_nothing(series, behind):
    last = DAYS[N - 1 - behind].astype(date)
    answer = check(series, CheckSettings(), DAYS, last)
    if isinstance(answer, Checked):
        again = check(answer.bars, CheckSettings(), DAYS, last)
        assert isinstance(again, Checked)
        assert again.healed == ()
        assert again.bars is answer.bars


@settings(max_examples=150)
@given(series=damaged())
def test_healing_only_leaves_days_out(series):
    answer = check(series, CheckSettings(), DAYS, LAST)
    if isinstance(answer, Checked):
        known = {(day, close) for day, close in zip(series.dates.tolist(), series.close.tolist(), strict=True)}
        assert known.issuperset(zip(answer.bars.dates.tolist(), answer.bars.close.tolist(), strict=True))
        assert bool(answer.healed) == (len(answer.bars) < len(series))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000), volatility=st.sampled_from([0.0005, 0.005, 0.02, 0.05]), level=st.floats(0.05, 5000)
)
def test_an_ordinary_series_is_never_touched(seed, volatility, level):
    close = level * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, volatility, N)))
    series = Bars.from_closes(COIN, DAYS[:N], close, as_of=AT, source="drawn")
    answer = check(series, CheckSettings(), DAYS, LAST)
    assert isinstance(answer, Checked), answer
    assert answer.bars is series


def test_a_scale_without_moves_is_the_least_one():
    assert quiet_scale(np.empty(0)) == LEAST_SCALE
    assert quiet_scale(np.zeros(10)) == LEAST_SCALE
    assert local_scale(np.full(5, 0.01), 0, 5) == LEAST_SCALE


def test_a_single_jump_does_not_stretch_the_scale():
    moves = np.tile([0.01, -0.01], 60)
    jumped = moves.copy()
    jumped[50] = 3.0
    assert quiet_scale(jumped) == pytest.approx(quiet_scale(moves)) == pytest.approx(0.014826)


FILES = {
    "equities_daily.parquet": AssetClass.EQUITIES,
    "equities_wide_adjclose.parquet": AssetClass.EQUITIES,
    "as_traded_daily.parquet": AssetClass.EQUITIES,
    "bonds_daily.parquet": AssetClass.BONDS,
    "bonds_adjclose_wide.csv": AssetClass.BONDS,
    "crypto_daily.parquet": AssetClass.CRYPTO,
}
ILLIQUID = {"AMCR", "FERG", "SW"}
"""Barely traded abroad before their listing in New York: weeks without a trade, which the rule is there for."""


def symbols_of(path) -> list[str]:
    import pyarrow.parquet as pq

    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as lines:
            return next(csv.reader(lines))[1:]
    if "symbol" in pq.read_schema(path).names:
        return sorted(set(pq.read_table(path, columns=["symbol"]).column(0).to_pylist()))
    return [name for name in pq.read_schema(path).names if name != "date"]


@pytest.mark.shared_data
@pytest.mark.parametrize("days", [1300, 10_000], ids=["five years", "whole history"])
@pytest.mark.parametrize("file", FILES)
def test_every_real_series_passes_apart_from_those_known_to_be_damaged(shared, file, days):
    path, kind, calendar = shared / "data" / file, FILES[file], ExchangeCalendar()
    instruments = [Instrument(symbol, kind) for symbol in symbols_of(path)]
    answer = FileFeed([path], FixedClock(AT)).daily(instruments, date(1990, 1, 1), date(2025, 12, 31))
    refused, healed = {}, {}
    for instrument, series in answer.items():
        assert isinstance(series, Bars)
        window = series.select(slice(-days, None))
        expected = calendar.days(kind, window.first_day, window.last_day)
        verdict = check(window, CheckSettings(), expected, window.last_day, expected=instrument)
        if isinstance(verdict, Skip):
            refused[instrument.symbol] = verdict.rule
        elif verdict.healed:
            healed[instrument.symbol] = [skip.rule for skip in verdict.healed]
        else:
            assert verdict.bars is window
    assert refused.items() <= dict.fromkeys(ILLIQUID, "constant_run").items()
    assert healed == ({"FISV": ["empty_day"]} if "wide_adj" in file and kind is AssetClass.EQUITIES else {})


@pytest.mark.shared_data
def test_every_real_split_is_recognised_when_it_was_not_carried_back(shared):
    import pyarrow.parquet as pq

    table = pq.read_table(shared / "data" / "as_traded_daily.parquet").to_pandas()
    seen = 0
    for symbol, rows in table.groupby("symbol"):
        columns = {name: rows[name].to_numpy(float) for name in COLUMNS}
        days = rows["date"].to_numpy().astype("datetime64[D]")
        for row in np.flatnonzero(columns["split"] != 1.0):
            window = slice(max(row - 300, 0), row + 100)
            if row < 60:
                continue
            part = {name: column[window] for name, column in columns.items()}
            part |= {"split": np.ones(len(part["close"])), "dividend": np.zeros(len(part["close"]))}
            expected = {"unadjusted_split": {**part, "adj_close": part["close"]}, "half_adjusted_split": part}
            for rule, chosen in expected.items():
                instrument = Instrument(str(symbol), AssetClass.EQUITIES)
                series = Bars(instrument, Interval.DAY, days[window], as_of=AT, source="raw", **chosen)
                verdict = check(series, CheckSettings(), days[window], series.last_day)
                assert isinstance(verdict, Skip), f"{symbol} {days[row]} passed"
                assert verdict.rule == rule
                seen += 1
    assert seen == 24
