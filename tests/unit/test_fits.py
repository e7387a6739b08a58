"""Fits on disk are shared: a plan, a rehearsal and a run may all keep theirs at the same time."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest

from robotrading.adapters.fits import FitFiles
from robotrading.domain.instrument import AssetClass
from robotrading.strategy.hmm import Fit, FitState

EQ = AssetClass.EQUITIES


def states(count: int) -> dict[str, FitState]:
    fit = Fit(
        start=(0.5, 0.5),
        transitions=((0.9, 0.1), (0.1, 0.9)),
        means=(-0.001, 0.001),
        volatilities=(0.02, 0.01),
        occupancy=(50.0, 50.0),
        centre=0.0,
        scale=0.015,
        observations=100,
        log_likelihood=300.0,
        iterations=20,
        converged=True,
        starts=3,
    )
    return {f"STK:S{number}:USD": FitState(date(2025, 9, 26), "key", fit) for number in range(count)}


def test_savers_at_the_same_time_neither_mix_their_fits_nor_lose_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = (1, 40, 90)
    FitFiles(tmp_path).save(EQ, states(1))
    over = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(len(FitFiles(tmp_path).load(EQ)))

    def save(count: int) -> None:
        mine = states(count)
        for _ in range(60):
            FitFiles(tmp_path).save(EQ, mine)

    reader = threading.Thread(target=read)
    savers = [threading.Thread(target=save, args=(count,)) for count in sizes]
    reader.start()
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
    over.set()
    reader.join()
    assert seen <= set(sizes)
    assert caplog.records == []
    assert [file.name for file in tmp_path.iterdir()] == ["equities.json"]
