"""Session runs in processes of their own: a raise, an exit, a hang or a kill in one never reaches the others.

Each child leads its own process group, so that nothing it started outlives it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from robotrading.domain.ports import Clock
from robotrading.session.job import Job

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Child:
    """A job with the bounds of its process: `deadline` in seconds."""

    job: Job
    deadline: float


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended. `returncode` is negative for a signal; `late` when its deadline ended it."""

    job: Job
    returncode: int
    late: bool
    seconds: float

    @property
    def story(self) -> str:
        """Why there is no report, in words."""
        if self.late:
            return f"it did not finish within its deadline of {self.seconds:.0f} s and was stopped"
        if self.returncode == -signal.SIGKILL:
            return "it was killed (signal 9): out of memory, or by hand"
        if self.returncode < 0:
            return f"it was ended by signal {-self.returncode} ({signal.Signals(-self.returncode).name})"
        return f"it ended with exit code {self.returncode} and left no report"


Progress = Callable[[Job, str, int, int], None]


async def run_children(children: Sequence[Child], clock: Clock, progress: Progress) -> list[End]:
    """Run all side by side; every end is told, in the order given."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(child, clock, progress)) for child in children]
    return [task.result() for task in tasks]


async def _run(child: Child, clock: Clock, progress: Progress) -> End:
    began = clock.monotonic()
    path = child.job.write()
    with child.job.log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command("session", str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    late = False
    try:
        async with asyncio.timeout(child.deadline):
            await _listen(process, child.job, progress)
            await process.wait()
    except TimeoutError:
        late = True
    finally:
        await stop_group(process)
    return End(child.job, process.returncode or 0, late, clock.monotonic() - began)


def command(*words: str) -> list[str]:
    """This program as a child process."""
    return [sys.executable, "-m", "robotrading", *words]


async def stop_group(process: asyncio.subprocess.Process) -> None:
    """End a child and all that it started: a request first, then for good."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of progress from a child."""

    step: str
    done: int
    total: int


async def _listen(process: asyncio.subprocess.Process, job: Job, progress: Progress) -> None:
    """Pass on the child's progress; a line that is none is left alone."""
    if process.stdout is None:
        return
    while line := await process.stdout.readline():
        with suppress(msgspec.DecodeError):
            tick = msgspec.json.decode(line, type=Tick)
            progress(job, tick.step, tick.done, tick.total)


def run_folder(root: Path, run_id: str) -> Path:
    """Where a run's files live."""
    return root / "runs" / run_id
