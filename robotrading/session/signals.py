"""Signals of a whole universe, in parallel.

Entry points: `signals_for`.
Invariants: the result is the same, bit for bit, for any number of workers and any order of the instruments: each
instrument's signal is computed by itself, on one BLAS thread, from its own bars and state; an instrument whose worker
dies gets a hold signal with the reason, and all others get theirs.

Workers are loky processes (joblib). They load the compiled HMM kernels but not scikit-learn, and receive the two
columns a signal reads, not whole bars.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars, Days, Floats
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip
from robotrading.strategy.chain import STEP, SignalSettings, bars_needed, hold, signal_for
from robotrading.strategy.hmm import FitState

PER_WORKER = 400
"""Instruments that make one more process worth its start (about half a second) when the number is left to us."""
CHUNKS_PER_WORKER = 4
"""Enough for even loads, few enough for little traffic."""
PATIENCE = 120.0
"""Seconds without any chunk finishing after which a worker counts as hung."""
_LATE = (TimeoutError, multiprocessing.TimeoutError)  # joblib raises the second, which is not the first
_LOST = (BrokenProcessPool, MemoryError, *_LATE)

T = TypeVar("T")
R = TypeVar("R")
Answer = tuple[Instrument, Signal, FitState | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What a worker needs of one instrument: the columns are cut to the days that can matter."""

    instrument: Instrument
    dates: Days
    adj_close: Floats
    as_of: datetime
    source: str
    state: FitState | None

    def bars(self) -> Bars:
        return Bars.from_closes(self.instrument, self.dates, self.adj_close, as_of=self.as_of, source=self.source)


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that took its process with it, twice, the second time alone."""

    item: Any
    reason: str


def signals_for(
    bars: Mapping[Instrument, Bars],
    settings: SignalSettings,
    states: Mapping[Instrument, FitState],
    progress: Callable[[int], None] | None = None,
) -> tuple[Mapping[Instrument, Signal], Mapping[Instrument, FitState]]:
    """Each instrument's signal, and the fits to remember; both in the order of `bars`.

    `progress` is called with the number of instruments just finished. ConfigError when the chain names an unknown link.
    """
    need = bars_needed(settings)
    tasks = [_task(series, states.get(instrument), need) for instrument, series in bars.items()]
    tasks.sort(key=lambda task: task.instrument.key)
    found: dict[Instrument, tuple[Signal, FitState | None]] = {}
    for answers in _answers(tasks, settings, workers_for(settings.workers, len(tasks))):
        for instrument, signal, state in answers:
            found[instrument] = (signal, state)
        if progress:
            progress(len(answers))
    signals = {instrument: found[instrument][0] for instrument in bars}
    kept = {instrument: state for instrument in bars if (state := found[instrument][1])}
    return signals, kept


def workers_for(asked: int, instruments: int) -> int:
    """Processes to use: `asked`, or one per core (0) where there is work enough; 1 means in this process."""
    if asked:
        return max(1, min(asked, instruments))
    if instruments < 2 * PER_WORKER:
        return 1
    import joblib  # noqa: PLC0415  a tenth of a second that a small universe need not pay

    return int(min(joblib.cpu_count(), instruments // PER_WORKER))


def _task(bars: Bars, state: FitState | None, need: int) -> _Task:
    return _Task(bars.instrument, bars.dates[-need:], bars.adj_close[-need:], bars.as_of, bars.source, state)


def _answers(tasks: Sequence[_Task], settings: SignalSettings, workers: int) -> Iterator[list[Answer]]:
    if workers == 1:
        yield from _here(tasks, settings)
        return
    work = _Work(settings)
    for outcome in spread(_chunks(tasks, workers * CHUNKS_PER_WORKER), work, workers, PATIENCE):
        yield [_held(outcome)] if isinstance(outcome, Lost) else outcome


def _here(tasks: Iterable[_Task], settings: SignalSettings) -> Iterator[list[Answer]]:
    work = _Work(settings)
    with _one_thread(settings):
        for task in tasks:
            yield work([task])


def _one_thread(settings: SignalSettings) -> AbstractContextManager[object]:
    """One BLAS thread where a link does linear algebra; to find BLAS takes ten milliseconds."""
    if "hmm" not in settings.chain:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  with the work

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker does with a chunk."""

    settings: SignalSettings

    def __call__(self, tasks: Sequence[_Task]) -> list[Answer]:
        return [(task.instrument, *signal_for(task.bars(), self.settings, task.state)) for task in tasks]


def _held(lost: Lost) -> Answer:
    task: _Task = lost.item
    skip = Skip(task.instrument.symbol, STEP, f"No signal was computed: {lost.reason}", "worker_lost")
    return task.instrument, hold(task.bars(), (skip,)), task.state


def _chunks(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """At most `count` runs of nearly equal length, in order."""
    count = max(1, min(count, len(items)))
    edges = [len(items) * number // count for number in range(count + 1)]
    return [items[first:last] for first, last in pairwise(edges)]


def spread(
    chunks: Sequence[Sequence[T]], work: Callable[[Sequence[T]], R], workers: int, patience: float
) -> Iterator[R | Lost]:
    """`work(chunk)` of every chunk in `workers` processes, as they finish; an item that kills its process is `Lost`.

    When a process dies (or nothing finishes for `patience` seconds), what had not arrived is done again chunk by chunk,
    and a chunk that fails alone is halved until the item is found. Other exceptions of `work` pass through.
    """
    waiting = dict(enumerate(chunks))
    try:
        for number, result in _parallel(waiting, work, workers, patience):
            del waiting[number]
            yield result
    except _LOST:
        pass  # who did it is found below, where each suspect runs alone
    suspects = list(waiting.values())
    while suspects:
        chunk = suspects.pop(0)
        try:
            yield from (result for _, result in _parallel({0: chunk}, work, 2, patience))
        except _LOST as error:
            if len(chunk) == 1:
                yield Lost(chunk[0], _reason(error, patience))
            else:
                suspects[:0] = _chunks(chunk, 2)


def _parallel(
    chunks: Mapping[int, Sequence[T]], work: Callable[[Sequence[T]], R], workers: int, patience: float
) -> Iterator[tuple[int, R]]:
    from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415  with the work

    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        pool = Parallel(return_as="generator_unordered", timeout=patience, batch_size=1, max_nbytes=None)
        yield from pool([delayed(_numbered)(work, number, chunk) for number, chunk in chunks.items()])


def _numbered(work: Callable[[Sequence[T]], R], number: int, chunk: Sequence[T]) -> tuple[int, R]:
    return number, work(chunk)


def _reason(error: BaseException, patience: float) -> str:
    if isinstance(error, _LATE):
        return f"its process did not answer within {patience:.0f} seconds and was ended."
    if isinstance(error, MemoryError):
        return "its process ran out of memory; raise memory_mb or shorten signal.hmm.lookback_days."
    return "its process died, which is often the system's out-of-memory kill; lower signal.workers."
