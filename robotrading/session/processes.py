"""Session runs in processes of their own: a raise, an exit, a hang or a kill in one never reaches the others.

Each child leads its own process group, so that nothing it started outlives it, and is on a leash (see
`session/leash.py`), so that it does not outlive its parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from robotrading.domain.calls import Calls
from robotrading.domain.ports import Clock
from robotrading.session.job import Job
from robotrading.session.leash import PARTING_SECONDS

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0
_LISTEN_SECONDS = 1.0
_CHUNK = 4096
_LONGEST_LINE = 65_536
_LAST_WORDS = 400
_NICENESS = 5


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


@dataclass(frozen=True, slots=True)
class Counted:
    """What a child has counted since it told last: calls of outside services, and which of them are not asked now."""

    calls: tuple[Calls, ...] = ()
    breakers: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ways:
    """How to end children, and who hears what they have counted.

    Once `let_go` is set they send nothing more: each has a little time for its report and is ended then. Once
    `wind_down` is set they are asked to begin nothing new and to finish or cancel what is at work. Once `hurry` is set
    they are ended at once. `environment` is for them beside our own.
    """

    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    wind_down: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    counted: Callable[[Counted], None] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


async def run_children(
    children: Sequence[Child], clock: Clock, progress: Progress, ways: Ways | None = None
) -> list[End]:
    """Run all side by side; every end is told, in the order given."""
    ways = ways or Ways()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(child, clock, progress, ways)) for child in children]
    return [task.result() for task in tasks]


@dataclass(frozen=True, slots=True)
class _Started:
    """A child, the end of the pipe that its progress comes out of, and the end of the leash that we hold."""

    process: asyncio.subprocess.Process
    progress: int
    leash: int


async def _run(child: Child, clock: Clock, progress: Progress, ways: Ways) -> End:
    began = clock.monotonic()
    try:
        started = await _start(child.job, ways.environment)
    except OSError as error:
        return End(child.job, 0, late=False, seconds=clock.monotonic() - began, trouble=str(error))
    process, late = started.process, False
    listening = asyncio.create_task(_listen(started.progress, child.job, progress, ways.counted))
    leash = ExitStack()
    leash.callback(os.close, started.leash)
    holding = asyncio.create_task(_hold(leash, ways.let_go))
    asking = asyncio.create_task(_ask_to_stop(process, ways.wind_down))
    try:
        async with asyncio.timeout(child.deadline):
            await _until_over(process, holding, ways.hurry)
    except TimeoutError:
        late = True
    finally:
        # One that hears of it only now may have orders at work: as much time as for any parting.
        known = late or ways.wind_down.is_set() or ways.let_go.is_set()
        patience = _STOP_SECONDS if known else PARTING_SECONDS
        await stop_group(process, at_once=ways.hurry.is_set(), patience=patience)
        asking.cancel()
        holding.cancel()
        leash.close()
        await asyncio.wait({listening}, timeout=_LISTEN_SECONDS)
        _heard_out(listening, child.job)
    seconds = clock.monotonic() - began
    return End(child.job, process.returncode or 0, late, seconds, last_words=_last_words(child.job.log_path))


def _heard_out(listening: asyncio.Task[None], job: Job) -> None:
    """Listening ends with the child, and its trouble is the listener's alone."""
    if not listening.done():
        listening.cancel()
    elif not listening.cancelled() and (error := listening.exception()) is not None:
        log.warning("the progress of %s was not followed to its end: %s", job.run_id, error)


async def _until_over(process: asyncio.subprocess.Process, holding: asyncio.Task[None], hurry: asyncio.Event) -> None:
    """Until the child has ended, has had its time for parting, or nobody has time any more."""
    ending = asyncio.create_task(process.wait())
    hurrying = asyncio.create_task(hurry.wait())
    try:
        await asyncio.wait({ending, holding, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            await asyncio.wait({ending, hurrying}, timeout=PARTING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        hurrying.cancel()


async def _hold(leash: ExitStack, let_go: asyncio.Event) -> None:
    """Keep our end of the leash until there is a reason to let go."""
    await let_go.wait()
    leash.close()


async def _ask_to_stop(process: asyncio.subprocess.Process, wind_down: asyncio.Event) -> None:
    """The child alone, not what it has started."""
    await wind_down.wait()
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)


async def _start(job: Job, environment: Mapping[str, str]) -> _Started:
    """Start the child. Raises OSError.

    The pipes are ours and not asyncio's, whose `wait` would last until nobody holds the pipe any more: a killed
    child's own children would keep it open until the deadline. Our ends are not inherited by other children.
    """
    path = job.write()
    with ExitStack() as always, ExitStack() as otherwise:
        reading, writing = _pipe(otherwise, always)
        leash, holding = _pipe(always, otherwise)
        log = always.enter_context(job.log_path.open("ab"))
        process = await asyncio.create_subprocess_exec(
            *command("session", str(path), "--leashed"),
            stdin=leash,
            stdout=writing,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        otherwise.pop_all()
    give_way(process)
    return _Started(process, reading, holding)


def give_way(process: asyncio.subprocess.Process) -> None:
    """What takes long and computes much comes after those who answer: a lower priority for all of its group.

    From here and not in the child before it is another program: between fork and exec no Python should run.
    """
    with suppress(OSError):  # it has ended already, or may not be changed: it is a courtesy
        os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)


def _pipe(reading_with: ExitStack, writing_with: ExitStack) -> tuple[int, int]:
    """Both ends of a pipe, each closed with its stack."""
    reading, writing = os.pipe()
    reading_with.callback(os.close, reading)
    writing_with.callback(os.close, writing)
    return reading, writing


def command(*words: str) -> list[str]:
    """This program as a child process."""
    return [sys.executable, "-m", "robotrading", *words]


async def stop_group(
    process: asyncio.subprocess.Process, *, at_once: bool = False, patience: float | None = None
) -> None:
    """End a child and all that it started: a request first, then for good; at once when we are cancelled meanwhile."""
    try:
        if process.returncode is None and not at_once:
            _signal(process.pid, signal.SIGTERM)
            await _wait(process, _STOP_SECONDS if patience is None else patience)
    finally:
        _signal(process.pid, signal.SIGKILL)
    await _wait(process, _STOP_SECONDS)


async def _wait(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Not for ever: what hangs in the kernel does not even hear SIGKILL."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
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


async def _listen(reading: int, job: Job, progress: Progress, counted: Callable[[Counted], None]) -> None:
    """Pass on what the child tells until the pipe is closed; a line that is nothing of that is left alone."""
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
                told = _understood(line)
                if isinstance(told, Tick):
                    progress(job, told.step, told.done, told.total)
                elif told is not None:
                    counted(told)
    finally:
        transport.close()


def _understood(line: bytes) -> Tick | Counted | None:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(line, type=Tick)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(line, type=Counted)
    return None


def _last_words(log: Path) -> str:
    """The last line of a log that is not empty, '' when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LONGEST_LINE))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return _message(lines[-1].strip())[:_LAST_WORDS] if lines else ""


def _message(line: str) -> str:
    """What a log line of ours says, and any other as it is."""
    try:
        said = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        return line
    return str(said.get("message") or line)
