"""The signal's speed and likelihood against hmmlearn's GaussianHMM.

    python -m pytest benchmarks/bench_signal.py                  everything
    python -m pytest benchmarks/bench_signal.py -k likelihood    likelihoods on real data, -s to see the shares

"Defaults" is `GaussianHMM(n_components=2, random_state=0).fit(returns)`: k-means start, at most 10 iterations,
tolerance 0.01, implementation "log", min_covar 1e-3 and covars_prior 1e-2, on raw log returns. "Converged" is the same
with n_iter=300. "Fair" is hmmlearn given what it lacks by itself: returns scaled to unit variance (the log-likelihood
shifted back), no covariance prior, n_iter=300, the best of three k-means seeds; on every tenth symbol, as it takes
long. All run on one thread.
"""

from __future__ import annotations

import logging
import math
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.session.signals import signals_for
from robotrading.strategy.chain import SignalSettings, signal_for
from robotrading.strategy.hmm import Fit, HmmSettings, fit

DAYS = 1260
CANDIDATES = (os.environ.get("ROBOTRADING_SHARED", ""), str(Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared():
    for candidate in CANDIDATES:
        if candidate and (Path(candidate) / "data").is_dir():
            return Path(candidate)
    pytest.skip("real market data not present (set ROBOTRADING_SHARED to its folder)")


@pytest.fixture(autouse=True)
def one_thread():
    logging.getLogger("hmmlearn").setLevel(logging.CRITICAL)
    with threadpool_limits(1):
        yield


def synthetic_returns(seed=0):
    """Five years of days in two regimes, with fat tails."""
    rng = np.random.default_rng(seed)
    moves, wild = rng.random(DAYS), np.zeros(DAYS, dtype=bool)
    for day in range(1, DAYS):
        wild[day] = moves[day] < (0.85 if wild[day - 1] else 0.04)
    return 0.0004 + np.where(wild, 0.026, 0.012) * rng.standard_t(6, DAYS) * math.sqrt(4 / 6)


def bars_of(symbol, returns):
    closes = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    dates = np.datetime64("2020-01-01", "D") + np.arange(len(closes))
    instrument = Instrument(symbol, AssetClass.EQUITIES)
    return Bars.from_closes(instrument, dates, closes, as_of=datetime(2026, 1, 1, tzinfo=UTC), source="bench")


def returns_by_symbol(shared):
    """The last five years of every symbol with enough of them: equities, the wide file, bonds, crypto."""
    import pandas as pd

    columns = {}
    for name in ("equities_daily", "bonds_daily", "crypto_daily"):
        for symbol, rows in pd.read_parquet(shared / "data" / f"{name}.parquet").groupby("symbol"):
            columns[symbol] = rows["adj_close"]
    wide = pd.read_parquet(shared / "data" / "equities_wide_adjclose.parquet").set_index("date")
    bonds = pd.read_csv(shared / "data" / "bonds_adjclose_wide.csv").set_index("date")
    for symbol, prices in (*wide.items(), *bonds.items()):
        columns.setdefault(symbol, prices)
    logs = {symbol: np.log(prices.dropna().to_numpy(float)) for symbol, prices in columns.items()}
    return {symbol: np.diff(values)[-DAYS:] for symbol, values in logs.items() if len(values) > DAYS}


def defaults(returns, **changes):
    from hmmlearn.hmm import GaussianHMM

    return GaussianHMM(n_components=2, random_state=0, **changes).fit(returns[:, None])


def fair(returns):
    from hmmlearn.hmm import GaussianHMM

    scores = (returns - returns.mean()) / returns.std()
    found = []
    for seed in range(3):
        model = GaussianHMM(2, random_state=seed, n_iter=300, covars_prior=0.0).fit(scores[:, None])
        found.append(model.score(scores[:, None]))
    return max(found) - len(returns) * math.log(returns.std())


def test_signal_of_one_symbol(benchmark):
    bars, settings = bars_of("ONE", synthetic_returns()), SignalSettings()
    signal, _ = benchmark(signal_for, bars, settings)
    assert signal.model == "hmm"


def test_signal_from_a_stored_fit(benchmark):
    bars, settings = bars_of("ONE", synthetic_returns()), SignalSettings()
    _, state = signal_for(bars, settings)
    _, kept = benchmark(signal_for, bars, settings, state)
    assert kept is state


def test_hmmlearn_with_its_defaults(benchmark):
    benchmark(defaults, synthetic_returns())


def test_hmmlearn_with_its_defaults_until_it_converges(benchmark):
    benchmark(defaults, synthetic_returns(), n_iter=300)


@pytest.mark.parametrize("workers", [1, 2])
def test_universe_of_455(benchmark, workers):
    universe = {bars.instrument: bars for bars in (bars_of(f"S{n}", synthetic_returns(n)) for n in range(455))}
    settings = SignalSettings(workers=workers)
    signals, _ = benchmark.pedantic(signals_for, (universe, settings, {}), rounds=3, warmup_rounds=1)
    assert len(signals) == 455


@pytest.mark.timeout(600)
def test_likelihood_is_no_lower_on_95_percent_of_real_symbols(shared):
    """Shares of symbols on which our log-likelihood is at least hmmlearn's, less 0.01 (its own tolerance)."""
    series = returns_by_symbol(shared)
    ours = {symbol: fit(returns, HmmSettings()) for symbol, returns in series.items()}
    failed = [symbol for symbol, result in ours.items() if not isinstance(result, Fit)]
    print(f"\n{len(series)} symbols, {len(failed)} without a fit: {failed}")
    theirs = {
        "defaults": (1, lambda returns: defaults(returns).score(returns[:, None])),
        "converged": (1, lambda returns: defaults(returns, n_iter=300).score(returns[:, None])),
        "fair": (10, fair),
    }
    shares = {}
    for name, (every, score) in theirs.items():
        some = list(series)[::every]
        gains = np.array([gain(ours[symbol], score(series[symbol])) for symbol in some])
        shares[name] = float(np.mean(gains >= -0.01))
        spread = (
            f"within 0.1 on {np.mean(gains >= -0.1):.1%}, median gain {np.median(gains):.2f}, worst {gains.min():.2f}"
        )
        print(f"{name}: no lower on {shares[name]:.1%} of {len(some)}, {spread}")
    assert shares["defaults"] >= 0.95
    assert shares["converged"] >= 0.95


def gain(ours, theirs):
    return ours.log_likelihood - theirs if isinstance(ours, Fit) else -math.inf
