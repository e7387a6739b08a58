"""Thousands of seeds, in parallel, with what they covered; a failing one is told with the way to replay it.

Entry points: `simulate` (seeds to a `Summary`), `replayed` (one seed, with its log), `main` (the command).
Invariant: the summary does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.wiring.drills.draw import KILLED_AT, PLAYED, story_for
from robotrading.wiring.drills.play import Outcome, play
from robotrading.wiring.drills.shrink import shrink
from robotrading.wiring.drills.story import Story, story_from_json, story_to_json
from robotrading.wiring.drills.world import Desk

_CHUNK = 25
_LAST_LINES = 40


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed whose story broke a promise; `told` is what a person needs to know of it."""

    seed: int
    breach: str
    told: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the seeds. `digest` stands for all event logs, seed by seed. `counts` as in `Outcome`."""

    seeds: int
    failures: tuple[Failure, ...]
    counts: Counter[str]
    digest: str

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def never(self) -> tuple[str, ...]:
        """What should have happened and did not: kinds of faults, calls at which nobody died before or after them."""
        faults = [f"fault {kind}" for kind in PLAYED]
        calls = sorted(name.removeprefix("call ") for name in self.counts if name.startswith("call "))
        aimed = [call for call in calls if call.partition(".")[2] in KILLED_AT]
        kills = [f"kill {call} {when}" for call in aimed for when in ("before", "after")]
        return tuple(name for name in (*faults, *kills) if not self.counts[name])


@dataclass(frozen=True, slots=True)
class _Batch:
    counts: Counter[str]
    failures: tuple[Failure, ...]
    digests: tuple[str, ...]


def simulate(seeds: Sequence[int], jobs: int = 1, progress: Callable[[int], None] = lambda _done: None) -> Summary:
    """Play the story of each seed. `progress` hears how many are done."""
    batches = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    counts: Counter[str] = Counter()
    failures: list[Failure] = []
    digest = hashlib.sha256()
    done = 0
    for batch, result in zip(batches, _results(batches, jobs), strict=True):
        counts += result.counts
        failures += result.failures
        digest.update("".join(result.digests).encode())
        done += len(batch)
        progress(done)
    return Summary(len(seeds), tuple(failures), counts, digest.hexdigest())


def _results(batches: Sequence[Sequence[int]], jobs: int) -> Iterator[_Batch]:
    if jobs == 1:
        yield from map(_played, batches)
        return
    # Fresh processes: a fork would share open files and locks of whoever calls this.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_be_silent) as pool:
        yield from pool.map(_played, batches)


def _be_silent() -> None:
    """The sessions' own log is not read here; the event log is."""
    logging.disable(logging.CRITICAL)


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    _be_silent()
    try:
        yield
    finally:
        logging.disable(before)


def _played(seeds: Sequence[int]) -> _Batch:
    counts: Counter[str] = Counter()
    failures: list[Failure] = []
    digests: list[str] = []
    with closing(Desk()) as desk:
        for seed in seeds:
            story = story_for(seed)
            outcome = play(story, desk)
            counts += outcome.counts
            digests.append(digest_of(outcome))
            if outcome.breach:
                failures.append(Failure(seed, outcome.breach, told(story, outcome)))
    return _Batch(counts, tuple(failures), tuple(digests))


def digest_of(outcome: Outcome) -> str:
    """Stands for the whole event log of a story."""
    return hashlib.sha256("\n".join(outcome.log).encode()).hexdigest()


def told(story: Story, outcome: Outcome, command: str = "") -> str:
    """A failing story for a person: the promise that was broken, the episodes, the last events, how to replay it."""
    episodes = [f"  {number}. {episode}" for number, episode in enumerate(story.episodes, start=1)]
    replay = command or f"python -m robotrading.wiring.drills.simulate --seed {story.seed}"
    return "\n".join(
        [
            f"seed {story.seed}: {outcome.breach}",
            "the story:",
            *episodes,
            f"the last of {len(outcome.log)} events:",
            *(f"  {line}" for line in outcome.log[-_LAST_LINES:]),
            f"replay: {replay}",
        ]
    )


# The command ---------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every promise was kept, 1 otherwise."""
    given = _parser().parse_args(arguments)
    with _silence():
        return _carried_out(given)


def _carried_out(given: argparse.Namespace) -> int:
    if given.story or given.seed is not None:
        return _one(given)
    first, _, end = given.seeds.partition(":")
    began = SystemClock().monotonic()
    summary = simulate(range(int(first), int(end)), given.jobs, _dots if sys.stderr.isatty() else lambda _done: None)
    seconds = SystemClock().monotonic() - began
    _say(*(f"{failure.told}\n" for failure in summary.failures[: given.most]))
    _say(*table(summary, seconds))
    return 0 if summary.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:1000", help="first and end, e.g. 0:10000")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--most", type=int, default=5, help="how many failing seeds are told in full")
    parser.add_argument("--seed", type=int, help="play one seed and print its whole event log")
    parser.add_argument("--story", type=Path, help="play a story from a file instead")
    parser.add_argument("--shrink", type=Path, help="leave out of a failing story what it does not need, and write it")
    return parser


def _one(given: argparse.Namespace) -> int:
    story = story_from_json(given.story.read_bytes()) if given.story else story_for(given.seed)
    outcome = play(story)
    if outcome.breach and given.shrink:
        story, outcome = shrink(story)
        given.shrink.write_bytes(story_to_json(story))
        _say(told(story, outcome, f"python -m robotrading.wiring.drills.simulate --story {given.shrink}"))
        return 1
    _say(*outcome.log, "", f"digest {digest_of(outcome)}", outcome.breach or "every promise was kept")
    return 1 if outcome.breach else 0


def table(summary: Summary, seconds: float) -> Iterator[str]:
    """The summary for a person."""
    counts = summary.counts
    kills = sum(count for name, count in counts.items() if name.startswith("kill "))
    pace = summary.seeds / seconds if seconds else 0.0
    yield f"{summary.seeds} seeds in {seconds:.0f} s ({pace:.1f} a second), {len(summary.failures)} broke a promise"
    yield (
        f"{counts['runs']} runs, {counts['orders']} orders, {counts['executions']} executions, {kills} deaths and "
        f"stalls; {counts['left to a person']} orders were left to a person"
    )
    for heading in ("episode", "fault", "kill"):
        found = sorted((name.partition(" ")[2], n) for name, n in counts.items() if name.startswith(f"{heading} "))
        yield f"{heading}s: " + ", ".join(f"{name} {count}" for name, count in found)
    yield "never happened: " + (", ".join(summary.never) or "nothing of all that can")
    yield f"digest {summary.digest}"


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _dots(done: int) -> None:
    sys.stderr.write(f"\r{done} seeds")


if __name__ == "__main__":
    sys.exit(main())
