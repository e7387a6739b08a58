"""A whole self test: which drills, in which folder, and what is left of it afterwards.

Entry points: `Practice`, `practise`, `drill_of_plan`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from robotrading.adapters.clock import SystemClock
from robotrading.domain.errors import ConfigError
from robotrading.sim.faults.kinds import WHERE, Layer
from robotrading.sim.faults.plan import read_plan
from robotrading.wiring.books import Orders, load_config
from robotrading.wiring.selftest.drills import Drill, Expect
from robotrading.wiring.selftest.play import Result, Tell, Verdict, rehearse
from robotrading.wiring.selftest.settings import PREPARE, prepared


@dataclass(frozen=True, slots=True)
class Practice:
    """What was replaced (`notes`), and what became of each drill."""

    notes: tuple[str, ...]
    results: tuple[Result, ...]
    seconds: float

    @property
    def broke(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict is Verdict.BROKE)


def practise(
    config: Path | None,
    drills: Sequence[Drill],
    keep: Path | None,
    tell: Tell,
    announce: Callable[[Sequence[str]], object] = lambda _: None,
) -> Practice:
    """Play the drills on the configuration in force. `announce` hears beforehand what is replaced in it.

    With `keep` every drill's folder stays there, otherwise only those of drills that broke. Raises `ConfigError`, also
    where `keep` is not empty; `asyncio.CancelledError` when the process is told to stop.
    """
    began = SystemClock().monotonic()
    found = load_config(Orders(config=config))
    folder = _folder(keep)
    with ExitStack() as otherwise:
        if keep is None:
            otherwise.callback(shutil.rmtree, folder, ignore_errors=True)
        ready = prepared(found, folder)
        announce(ready.notes)
        results = asyncio.run(_until_told(rehearse(ready, drills, folder, jobs(), tell)))
        otherwise.pop_all()
    if keep is None:
        tidy(folder, results)
    return Practice(ready.notes, tuple(results), SystemClock().monotonic() - began)


async def _until_told(work: Awaitable[list[Result]]) -> list[Result]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does: what was started is stopped before we leave."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def jobs() -> int:
    """Drills side by side: one for each core and at least two, since each waits a good part of its time."""
    return max(min(os.cpu_count() or 2, 8), 2)


def drill_of_plan(path: Path) -> Drill:
    """A person's own plan as a drill with all sessions. Raises `ConfigError`, also for what no gateway can play."""
    plan = read_plan(path)
    played = tuple(fault for fault in plan.faults if Layer.GATEWAY in WHERE[fault.kind])
    if not played:
        raise ConfigError(f"{path}: nothing in this plan can be played by a gateway; name a fault of orders, prices "
                          "or connections, or leave the file out")  # fmt: skip
    kinds = ", ".join(dict.fromkeys(fault.kind.replace("_", " ") for fault in played))
    holds = "nothing lost, doubled or forgotten"
    return Drill("your-plan", kinds, holds, played, expect=Expect.DOUBT, everyone=True)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="robotrading-selftest-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        full = any(keep.iterdir())
    except OSError as error:
        raise ConfigError(f"--keep {keep}: not usable as a folder ({error.strerror}); name another one") from error
    if full:
        raise ConfigError(f"--keep {keep}: there is something in it; name a folder that is empty or not there yet")
    return keep.absolute()


def tidy(folder: Path, results: Sequence[Result]) -> None:
    """Only what a person needs to understand a broken promise is left."""
    broken = {Path(result.folder) for result in results if result.verdict is Verdict.BROKE}
    if not broken:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for one in folder.iterdir():
        if one not in broken and one.name != PREPARE:
            shutil.rmtree(one, ignore_errors=True)
    shutil.rmtree(folder / PREPARE / "state", ignore_errors=True)
