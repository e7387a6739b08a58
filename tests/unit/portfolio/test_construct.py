"""From beliefs to weights: examples and laws."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.errors import ConfigError, DataError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.planning import Targets, TargetWeight
from robotrading.domain.signals import Regime, Signal, Stance
from robotrading.portfolio.construct import ConstructSettings, Scheme, build_targets, signal_factor
from robotrading.portfolio.schemes import daily_volatility
from tests.unit.portfolio.plan_worlds import DAY, KIND, D, stock

ITEMS = [stock(f"S{n}") for n in range(4)]


def bars(item: Instrument, daily: float = 0.01, days: int = 80, last: date = DAY) -> Bars:
    """A price that goes up and down by `daily` in turns."""
    dates = np.array([last - timedelta(days=n) for n in reversed(range(days))], dtype="datetime64[D]")
    closes = 100 * np.exp(np.where(np.arange(days) % 2, daily, 0.0))
    return Bars.from_closes(item, dates, closes, as_of=datetime(2025, 9, 27, tzinfo=UTC), source="test")


def signal(item: Instrument, strength: float = 0.0, stance: Stance = Stance.NEUTRAL, label: str = "") -> Signal:
    regime = Regime((label, "bull"), (0.71, 0.29), (0.0, 0.1), (1.0, 1.0), -1.0, True, 3, 1) if label else None
    return Signal(item, stance, strength, "hmm", DAY, regime)


def build(
    config: ConstructSettings, strengths: dict[Instrument, float], **world: object
) -> dict[Instrument, TargetWeight]:
    return {t.instrument: t for t in built(config, strengths, **world).weights}


def built(config: ConstructSettings, strengths: dict[Instrument, float], **world: object) -> Targets:
    found = world.get("bars", {i: bars(i) for i in strengths})
    signals = world.get("signals", {i: signal(i, s) for i, s in strengths.items()})
    return build_targets(KIND, list(strengths), signals, found, config, world.get("index"), DAY)


NEUTRAL = dict.fromkeys(ITEMS, 0.0)
WIDE = ConstructSettings(max_weight=D(1))


def test_neutral_signals_give_equal_shares_of_what_the_buffer_leaves() -> None:
    targets = built(WIDE, NEUTRAL)
    assert [t.weight for t in targets.weights] == [D("0.245")] * 4
    assert targets.cash_weight == D("0.02")


def test_an_empty_universe_is_all_cash() -> None:
    assert built(WIDE, {}) == Targets(KIND, (), D(1), DAY)


@pytest.mark.parametrize(
    ("strength", "factor"),
    [(-1.0, "0.5"), (-0.5, "0.75"), (0.0, "1"), (0.5, "1.125"), (1.0, "1.25"), (3.0, "1.25"), (-9.0, "0.5")],
)
def test_strength_maps_piecewise_linearly_and_is_clamped(strength: float, factor: str) -> None:
    assert signal_factor(strength, ConstructSettings()) == D(factor)


def test_a_reduced_signal_leaves_cash_and_raises_nobody() -> None:
    found = build(WIDE, NEUTRAL | {ITEMS[0]: -1.0})
    assert found[ITEMS[0]].weight == D("0.1225")
    assert {found[i].weight for i in ITEMS[1:]} == {D("0.245")}


def test_boosts_are_paid_by_reductions_and_cut_alike_when_they_do_not_fit() -> None:
    """S0 gives up 0.1225; two boosts of 0.06125 fit exactly, three are cut to two thirds."""
    two = build(WIDE, NEUTRAL | {ITEMS[0]: -1.0, ITEMS[1]: 1.0, ITEMS[2]: 1.0})
    assert two[ITEMS[1]].weight == D("0.30625")
    assert "cut to" not in two[ITEMS[1]].reason
    three = build(WIDE, {ITEMS[0]: -1.0, ITEMS[1]: 1.0, ITEMS[2]: 1.0, ITEMS[3]: 1.0})
    assert three[ITEMS[1]].weight == D("0.28583333")
    assert three[ITEMS[0]].weight == D("0.1225"), "who gave up gets nothing back"
    assert "cut to" not in three[ITEMS[0]].reason
    assert "cut to 28.6 % since the weights may sum to 98.0 %" in three[ITEMS[1]].reason


def test_the_sentence_names_base_factor_regime_and_cap() -> None:
    items = {stock(f"T{n}"): 0.0 for n in range(8)}
    first = next(iter(items))
    signals = {i: signal(i, -0.34, Stance.REDUCE, "bear") for i in items}
    found = build(ConstructSettings(), items, signals=signals)
    assert found[first].reason == "12.2 % equal weight x 0.83 (bear 71 %) = 10.2 %"
    capped = build(ConstructSettings(max_weight=D("0.1")), items)
    assert capped[first].reason == "12.2 % equal weight x 1.00 (hmm +0.00) = 12.2 %, capped at 10.0 %"
    assert capped[first].weight == D("0.1")
    both = build(ConstructSettings(max_weight=D("0.25")), NEUTRAL | {ITEMS[0]: 1.0, ITEMS[1]: -1.0})
    assert both[ITEMS[0]].reason == "24.5 % equal weight x 1.25 (hmm +1.00) = 30.6 %, capped at 25.0 %"
    low = build(ConstructSettings(max_weight=D("0.2")), NEUTRAL | {ITEMS[1]: -1.0})
    assert low[ITEMS[1]].reason == "24.5 % equal weight x 0.50 (hmm -1.00) = 12.2 %"


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        ({}, "no signal"),
        ({ITEMS[0]: signal(ITEMS[0], 0.0, Stance.HOLD)}, "says hold"),
        ({ITEMS[0]: signal(ITEMS[0], math.nan)}, "nan, which is no number"),
    ],
)
def test_without_an_opinion_an_instrument_is_frozen_and_keeps_its_share(
    signals: dict[Instrument, Signal], words: str
) -> None:
    others = {i: signal(i) for i in ITEMS[1:]}
    found = build(WIDE, NEUTRAL, signals=others | signals)
    assert found[ITEMS[0]].frozen
    assert words in found[ITEMS[0]].reason
    assert "24.5 % equal weight stays reserved" in found[ITEMS[0]].reason
    assert found[ITEMS[1]].weight == D("0.245")
    assert not found[ITEMS[1]].frozen


def test_without_prices_an_instrument_is_frozen() -> None:
    found = build(WIDE, NEUTRAL, bars={i: bars(i) for i in ITEMS[1:]})
    assert [t.frozen for t in found.values()] == [True, False, False, False]
    assert "no usable prices" in found[ITEMS[0]].reason


def test_fixed_weights_are_taken_as_they_are_and_scaled_down_when_too_large() -> None:
    config = ConstructSettings(Scheme.FIXED, fixed={"S0": D("0.3"), "S1": D("0.2")}, max_weight=D(1))
    found = build(config, NEUTRAL)
    assert [t.weight for t in found.values()] == [D("0.3"), D("0.2"), D(0), D(0)]
    too_much = ConstructSettings(Scheme.FIXED, fixed={"S0": D("0.9"), "S1": D("0.9")}, max_weight=D(1))
    assert [t.weight for t in build(too_much, NEUTRAL).values()] == [D("0.49"), D("0.49"), D(0), D(0)]


@pytest.mark.parametrize("weight", ["-0.1", "NaN"])
def test_a_senseless_fixed_weight_is_named(weight: str) -> None:
    with pytest.raises(ConfigError, match=r"construct\.fixed\.S1 is .*: a weight is a number from 0 to 1"):
        build(ConstructSettings(Scheme.FIXED, fixed={"S1": D(weight)}), NEUTRAL)


def test_inverse_volatility_halves_the_weight_of_what_moves_twice_as_much() -> None:
    found = build(
        ConstructSettings(Scheme.INVERSE_VOLATILITY, max_weight=D(1)),
        {ITEMS[0]: 0.0, ITEMS[1]: 0.0},
        bars={ITEMS[0]: bars(ITEMS[0], 0.02), ITEMS[1]: bars(ITEMS[1], 0.01)},
    )
    assert found[ITEMS[1]].weight / found[ITEMS[0]].weight == pytest.approx(D(2), abs=D("1e-6"))
    assert found[ITEMS[0]].weight + found[ITEMS[1]].weight == pytest.approx(D("0.98"), abs=D("1e-7"))
    assert "inverse volatility weight" in found[ITEMS[0]].reason


def test_a_series_without_volatility_is_frozen_and_swells_nobody() -> None:
    """Half of the universe has no volatility: the other half shares half of the room."""
    flat = {i: bars(i, 0.0 if n < 2 else 0.01) for n, i in enumerate(ITEMS)}
    found = build(ConstructSettings(Scheme.INVERSE_VOLATILITY, max_weight=D(1)), NEUTRAL, bars=flat)
    assert [t.weight for t in found.values()] == [D("0.245")] * 4
    assert [t.frozen for t in found.values()] == [True, True, False, False]
    assert "its volatility is not known" in found[ITEMS[0]].reason
    none = build(ConstructSettings(Scheme.INVERSE_VOLATILITY), NEUTRAL, bars={})
    assert all(t.frozen for t in none.values())


def test_volatility_is_the_sample_deviation_of_the_last_days_known_at_the_date() -> None:
    rng = np.random.default_rng(1)
    days = np.arange("2025-01-01", "2025-05-01", dtype="datetime64[D]")
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
    stamp = datetime(2025, 9, 27, tzinfo=UTC)
    series = Bars.from_closes(ITEMS[0], days, closes, as_of=stamp, source="test")
    expected = np.std(np.diff(np.log(closes[:91][-21:])), ddof=1)
    assert daily_volatility(series, 20, days[90].astype(date)) == pytest.approx(expected)
    assert daily_volatility(series.select(slice(0, 9)), 20, DAY) is None
    assert daily_volatility(series.select(slice(0, 0)), 20, DAY) is None


def test_market_cap_weights_are_those_of_the_index_within_the_universe() -> None:
    config = ConstructSettings(Scheme.MARKET_CAP, max_weight=D(1))
    found = build(config, NEUTRAL, index={ITEMS[0]: D("0.06"), ITEMS[1]: D("0.02"), ITEMS[2]: D(0)})
    assert found[ITEMS[0]].weight == D("0.735")
    assert found[ITEMS[1]].weight == D("0.245")
    assert found[ITEMS[2]].frozen
    assert found[ITEMS[3]].weight == 0, "nothing is reserved for what the index does not list"
    assert "the index does not list it" in found[ITEMS[3]].reason
    assert "73.5 % index weight" in found[ITEMS[0]].reason


@pytest.mark.parametrize("index", [None, {}])
def test_market_cap_without_index_weights_says_what_to_do(index: dict[Instrument, Decimal] | None) -> None:
    with pytest.raises(DataError, match="check the source of the index"):
        build(ConstructSettings(Scheme.MARKET_CAP), NEUTRAL, index=index)


configs = st.builds(
    ConstructSettings,
    scheme=st.sampled_from([Scheme.EQUAL, Scheme.FIXED, Scheme.MARKET_CAP]),
    fixed=st.dictionaries(st.sampled_from([f"S{n}" for n in range(8)]), st.decimals(0, 1, places=3), max_size=8),
    scale_min=st.decimals(0, 1, places=2),
    scale_max=st.decimals(1, 3, places=2),
    max_weight=st.decimals(D("0.01"), 1, places=2),
    cash_buffer=st.decimals(0, D("0.5"), places=2),
)


@settings(max_examples=200)
@given(configs, st.lists(st.floats(-1, 1) | st.none(), max_size=8), st.randoms(use_true_random=False))
def test_weights_stay_within_all_their_bounds_in_any_order(config, strengths, rng) -> None:
    """In [0, cap], within the signal's bounds (the cap aside), sum to at most 1 - buffer; input order is nothing."""
    items = [stock(f"S{n}") for n in range(len(strengths))]
    signals = {i: signal(i, s) for i, s in zip(items, strengths, strict=True) if s is not None}
    index = {i: D(n + 1) for n, i in enumerate(items)} or {stock("X"): D(1)}
    known = dict.fromkeys(items, bars(stock(), days=3))
    targets = build_targets(KIND, items, signals, known, config, index, DAY)
    total = sum((t.weight for t in targets.weights), D(0))
    assert total <= 1 - config.cash_buffer
    assert total + targets.cash_weight == 1
    for t in targets.weights:
        assert 0 <= t.weight <= min(config.max_weight, t.base * config.scale_max)
        assert t.weight >= min(config.max_weight, t.base * config.scale_min) - D("1e-8")
        assert t.frozen == (t.instrument not in signals)
        if t.instrument in signals and signals[t.instrument].strength <= 0:
            asked = t.base * signal_factor(signals[t.instrument].strength, config)
            assert t.weight == pytest.approx(min(asked, config.max_weight), abs=D("2e-8"))
    shuffled = items * 2
    rng.shuffle(shuffled)
    assert build_targets(KIND, shuffled, signals, known, config, index, DAY) == targets
