"""Session runs in processes of their own: a raise, an exit, a hang or a kill in one never reaches the others.

Each child leads its own process group, so that nothing it started outlives it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from robotrading.domain.ports import Clock
from robotrading.session.job import Job

_STOP_SECONDS = 5.0
_LISTEN_SECONDS = 1.0
_CHUNK = 4096
_LONGEST_LINE = 4096
_LAST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Child:
    """A job with the bounds of its process: `deadline` in seconds."""

    job: Job
    deadline: float


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended. `returncode` is negative for a signal; `late` when its deadline ended it.

    `trouble` says why it could not even be started, `last_words` is the last line of its log.
    """

    job: Job
    returncode: int
    late: bool
    seconds: float
    trouble: str = ""
    last_words: str = ""

    @property
    def story(self) -> str:
        """Why there is no report, in words."""
        said = f"; its last words: {self.last_words}" if self.last_words else ""
        if self.trouble:
            return f"its process could not be started: {self.trouble}"
        if self.late:
            return f"it did not finish within its deadline ({self.seconds:.0f} s had passed) and was stopped{said}"
        if self.returncode == -signal.SIGKILL:
            return f"it was killed (signal 9): the machine ran out of memory, or somebody did it by hand{said}"
        if self.returncode < 0:
            return f"it was ended by signal {-self.returncode} ({_signal_name(-self.returncode)}){said}"
        return f"it ended with exit code {self.returncode} and left no report{said}"


Progress = Callable[[Job, str, int, int], None]


async def run_children(children: Sequence[Child], clock: Clock, progress: Progress) -> list[End]:
    """Run all side by side; every end is told, in the order given."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(child, clock, progress)) for child in children]
    return [task.result() for task in tasks]


async def _run(child: Child, clock: Clock, progress: Progress) -> End:
    began = clock.monotonic()
    try:
        process, reading = await _start(child.job)
    except OSError as error:
        return End(child.job, 0, late=False, seconds=clock.monotonic() - began, trouble=str(error))
    late = False
    listening = asyncio.create_task(_listen(reading, child.job, progress))
    try:
        async with asyncio.timeout(child.deadline):
            await process.wait()
    except TimeoutError:
        late = True
    finally:
        await stop_group(process)
        await asyncio.wait({listening}, timeout=_LISTEN_SECONDS)
        listening.cancel()
    seconds = clock.monotonic() - began
    return End(child.job, process.returncode or 0, late, seconds, last_words=_last_words(child.job.log_path))


async def _start(job: Job) -> tuple[asyncio.subprocess.Process, int]:
    """The child, and the end of the pipe that its progress comes out of. Raises OSError.

    The pipe is ours and not asyncio's, whose `wait` would last until nobody holds the pipe any more: a killed
    child's own children would keep it open until the deadline.
    """
    path = job.write()
    reading, writing = os.pipe()
    with ExitStack() as otherwise:
        otherwise.callback(os.close, reading)
        try:
            with job.log_path.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *command("session", str(path)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writing,
                    stderr=log,
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        otherwise.pop_all()
    return process, reading


def command(*words: str) -> list[str]:
    """This program as a child process."""
    return [sys.executable, "-m", "robotrading", *words]


async def stop_group(process: asyncio.subprocess.Process) -> None:
    """End a child and all that it started: a request first, then for good."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        await _wait(process)
    _signal(process.pid, signal.SIGKILL)
    await _wait(process)


async def _wait(process: asyncio.subprocess.Process) -> None:
    """Not for ever: what hangs in the kernel does not even hear SIGKILL."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _signal_name(number: int) -> str:
    """Its name where it has one; real-time signals have none."""
    return next((known.name for known in signal.Signals if known == number), "unnamed")


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of progress from a child."""

    step: str
    done: int
    total: int


async def _listen(reading: int, job: Job, progress: Progress) -> None:
    """Pass on the child's progress until the pipe is closed; a line that is none is left alone."""
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    try:
        rest = b""
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LONGEST_LINE:]
            for line in lines:
                with suppress(msgspec.DecodeError):
                    tick = msgspec.json.decode(line, type=Tick)
                    progress(job, tick.step, tick.done, tick.total)
    finally:
        transport.close()


def _last_words(log: Path) -> str:
    """The last line of a log that is not empty, '' when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LONGEST_LINE))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:_LAST_WORDS] if lines else ""
