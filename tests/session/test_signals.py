"""Signals of a universe: the same for any number of workers and any order, and a dead worker costs one instrument."""

from __future__ import annotations

import math
import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.signals import Stance
from robotrading.session.signals import PER_WORKER, Lost, signals_for, spread, workers_for
from robotrading.strategy.chain import SignalSettings, signal_for
from robotrading.strategy.hmm import HmmSettings

AS_OF = datetime(2026, 1, 2, 22, tzinfo=UTC)
USUAL = SignalSettings(hmm=HmmSettings(lookback_days=400))


def series(number, days=420):
    """A calm first and wild second half; every fifth is too short for the hidden states, every seventh for anything."""
    rng = np.random.default_rng(number)
    days = 8 if number % 7 == 6 else 200 if number % 5 == 4 else days
    returns = rng.standard_normal(days) * np.where(np.arange(days) < days // 2, 0.01, 0.03)
    closes = 100.0 * np.exp(np.cumsum(returns))
    instrument = Instrument(f"S{number:02d}", AssetClass.EQUITIES)
    dates = np.datetime64("2024-01-01", "D") + np.arange(days)
    return instrument, Bars.from_closes(instrument, dates, closes, as_of=AS_OF, source="test")


@pytest.fixture(scope="module")
def universe():
    return dict(series(number) for number in range(30))


@pytest.fixture(scope="module")
def expected(universe):
    return signals_for(universe, replace(USUAL, workers=1), {})


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_signals_bit_for_bit(universe, expected, workers):
    assert signals_for(universe, replace(USUAL, workers=workers), {}) == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_any_order_of_the_universe_gives_the_same_signals(universe, expected, workers):
    turned = dict(reversed(universe.items()))
    signals, states = signals_for(turned, replace(USUAL, workers=workers), {})
    assert (signals, states) == expected
    assert list(signals) == list(turned)


def test_each_signal_is_that_of_the_instrument_alone(universe, expected):
    signals, states = expected
    for instrument, bars in universe.items():
        signal_alone, state = signal_for(bars, USUAL)
        assert signals[instrument] == signal_alone
        assert states.get(instrument) == state
    assert {found.model for found in signals.values()} == {"hmm", "moving_average", "hold"}


@pytest.mark.parametrize("workers", [1, 2])
def test_stored_fits_are_filtered_forward_in_every_worker(universe, expected, workers):
    _, states = expected
    _, again = signals_for(universe, replace(USUAL, workers=workers), states)
    assert again == states


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_every_instrument_once(universe, workers):
    steps: list[int] = []
    signals_for(universe, replace(USUAL, workers=workers), {}, steps.append)
    assert sum(steps) == len(universe)
    assert len(steps) > 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_chain_is_a_configuration_error_from_any_process(universe, workers):
    with pytest.raises(ConfigError, match="not a link"):
        signals_for(universe, SignalSettings(chain=("tea leaves",), workers=workers), {})


def test_an_empty_universe_has_no_signals():
    assert signals_for({}, USUAL, {}) == ({}, {})


def test_a_small_universe_stays_in_this_process_and_none_gets_idle_workers():
    assert workers_for(0, 2 * PER_WORKER - 1) == 1
    assert workers_for(0, 1) == workers_for(3, 1) == workers_for(1, 500) == 1
    assert workers_for(3, 500) == 3
    assert 1 <= workers_for(0, 100 * PER_WORKER) <= 100


def fragile(chunk):
    """Stands in for a fit that is killed by the system on some items, or never ends, or runs out of memory."""
    if "kill" in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in chunk:
        threading.Event().wait(60)
    if "burst" in chunk:
        raise MemoryError
    if "wrong" in chunk:
        raise ConfigError("wrong")
    return [item.upper() for item in chunk]


def gathered(chunks, patience=30.0):
    results = list(spread(chunks, fragile, 2, patience))
    lost = {result.item: result.reason for result in results if isinstance(result, Lost)}
    return sorted(item for result in results if not isinstance(result, Lost) for item in result), lost


def test_an_item_that_kills_its_process_is_lost_alone():
    done, lost = gathered([["a", "b"], ["c", "kill", "d"], ["e"]])
    assert done == ["A", "B", "C", "D", "E"]
    assert list(lost) == ["kill"]
    assert "out-of-memory" in lost["kill"]


@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs were given:UserWarning")
def test_an_item_that_never_ends_is_lost_alone():
    done, lost = gathered([["a"], ["hang"]], patience=4.0)
    assert done == ["A"]
    assert lost == {"hang": "its process did not answer within 4 seconds and was ended."}


def test_an_item_that_runs_out_of_memory_is_lost_alone():
    done, lost = gathered([["burst", "a"], ["b"]])
    assert done == ["A", "B"]
    assert "memory_mb" in lost["burst"]


def test_other_errors_pass_through():
    with pytest.raises(ConfigError, match="wrong"):
        gathered([["a"], ["wrong"]])


def test_a_lost_instrument_is_held_with_the_reason_and_keeps_its_fit(universe, expected):
    from robotrading.session.signals import _held, _task

    instrument, bars = next(iter(universe.items()))
    state = expected[1][instrument]
    _, held, kept = _held(Lost(_task(bars, state, 400), "its process died."))
    assert (held.stance, held.model, held.strength, kept) == (Stance.HOLD, "hold", 0.0, state)
    assert [(skip.rule, skip.reason) for skip in held.skips] == [
        ("worker_lost", "No signal was computed: its process died.")
    ]
    assert math.isfinite(held.strength)
