"""Programs that are to run all the time: started, watched, started again, and stopped together.

Entry points: `Program`, `Supervisor`, `Standing`.
Invariants: at most one process of a program lives; each leads its own process group and is gone, with all it started,
when `run` has returned; every wait has a bound; a program's trouble never reaches the others or the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from robotrading.domain.ports import Clock
from robotrading.service.outputs import Outputs
from robotrading.service.restarts import AT_ONCE, Record, RestartPolicy, decide

log = logging.getLogger(__name__)

_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run. `words` are its command line, `log_path` takes what it writes, `stop_seconds` its time to end.

    What it writes is moved into `<log_path>.1` whenever it is larger than `max_megabytes`.
    Its standard input is a pipe that ends when the daemon does, so that a program can notice that it is alone.
    """

    name: str
    words: tuple[str, ...]
    log_path: Path
    restart: RestartPolicy = AT_ONCE
    stop_seconds: float = 20.0
    max_megabytes: int = 10
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class ProgramState(StrEnum):
    """Where a program stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    """It failed, and is started again after a pause."""
    GIVEN_UP = "given up"
    """It failed too often: nobody starts it until a person asks."""
    STOPPING = "stopping"
    STOPPED = "stopped"


_WAITING = frozenset({ProgramState.PAUSED, ProgramState.GIVEN_UP, ProgramState.STOPPED})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a program without asking it. `pid` is 0 while none lives; `restarts` from the first start."""

    name: str
    state: ProgramState = ProgramState.STOPPED
    pid: int = 0
    since: datetime | None = None
    restarts: int = 0
    failures: int = 0
    last_end: str = ""
    next_start: datetime | None = None


class Supervisor:
    """Keeps programs running until it is told to stop. Made and used in one event loop.

    `told` hears of every change of a program's standing; it must not raise.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        clock: Clock,
        told: Callable[[Standing], None] = lambda _: None,
        outputs: Outputs | None = None,
    ) -> None:
        self._programs = {program.name: program for program in programs}
        self._clock = clock
        self._told = told
        self._outputs = outputs or Outputs()
        self._standings = {name: Standing(name) for name in self._programs}
        self._wanted = {name: asyncio.Event() for name in self._programs}
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(self._standings.values())

    async def run(self) -> None:
        """Start all programs and keep them; returns when `stop` was called and nothing of them is left."""
        keeping_small = asyncio.create_task(self._outputs.keep_small(tuple(self._programs.values())))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stopping.wait())  # where there is no program, too
                for program in self._programs.values():
                    group.create_task(self._keep(program))
        finally:
            keeping_small.cancel()

    def stop(self) -> None:
        """Ask every program to end; a second call ends them at once."""
        if self._stopping.is_set():
            self._at_once.set()
        self._stopping.set()

    def start_again(self, name: str) -> bool:
        """A person wants a program that was given up, or waits, to be started now; whether it was one of these.

        Of one that runs nothing is kept: it is not started at its next failure because somebody asked long ago.
        KeyError for a name unknown.
        """
        waits = self._standings[name].state in _WAITING
        if waits:
            self._wanted[name].set()
        return waits

    async def _keep(self, program: Program) -> None:
        record = Record()
        while not self._stopping.is_set():
            record = record.started()
            returncode, lived = await self._live(program, record)
            if self._stopping.is_set():
                break
            record, pause = decide(program.restart, record, lived, returncode)
            record = await self._rest(program, record, pause)
        self._change(program.name, state=ProgramState.STOPPED, pid=0, next_start=None)

    async def _live(self, program: Program, record: Record) -> tuple[int, float]:
        """One life of a program; its exit code and its length. What cannot be started has failed with 127."""
        began = self._clock.monotonic()
        restarts = record.starts - 1
        self._change(program.name, state=ProgramState.STARTING, restarts=restarts, next_start=None)
        try:
            process, leash = await _start(program)
        except OSError as error:
            self._ended(program.name, f"it could not be started: {error}", record)
            return 127, 0.0
        try:
            self._change(program.name, state=ProgramState.RUNNING, pid=process.pid, since=self._clock.now())
            await self._until_it_ends(program, process)
        finally:
            os.close(leash)
            await _clear(process)
        lived = self._clock.monotonic() - began
        returncode = process.returncode if process.returncode is not None else -signal.SIGKILL
        self._ended(program.name, f"{_words(returncode)} after {lived:.0f} s", record)
        return returncode, lived

    async def _until_it_ends(self, program: Program, process: asyncio.subprocess.Process) -> None:
        ending: asyncio.Future[Any] = asyncio.ensure_future(process.wait())
        stopping: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await self._ask_to_end(program, process, ending)
        finally:
            stopping.cancel()
            ending.cancel()

    async def _ask_to_end(
        self, program: Program, process: asyncio.subprocess.Process, ending: asyncio.Future[Any]
    ) -> None:
        self._change(program.name, state=ProgramState.STOPPING)
        _signal(process.pid, signal.SIGTERM)
        hurry: asyncio.Future[Any] = asyncio.ensure_future(self._at_once.wait())
        try:
            await asyncio.wait({ending, hurry}, timeout=program.stop_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()

    async def _rest(self, program: Program, record: Record, pause: float | None) -> Record:
        """Wait for the pause, for a person's word, or for the end; the record for the next life."""
        state = ProgramState.PAUSED
        following = None if pause is None else self._clock.now() + timedelta(seconds=pause)
        if pause is None:
            state = ProgramState.GIVEN_UP if record.given_up else ProgramState.STOPPED
        self._change(program.name, state=state, pid=0, failures=record.failures, next_start=following)
        if record.given_up:
            log.error("%s failed %d times in a row and is not started again by itself", program.name, record.failures)
        wanted = self._wanted[program.name]
        if await _first(pause, wanted, self._stopping) and wanted.is_set():
            wanted.clear()
            return record.asked_for()
        return record

    def _ended(self, name: str, how: str, record: Record) -> None:
        level = logging.INFO if self._stopping.is_set() else logging.WARNING
        log.log(level, "%s: %s", name, how)
        self._change(name, pid=0, last_end=how, since=self._clock.now(), failures=record.failures)

    def _change(self, name: str, **values: object) -> None:
        self._standings[name] = replace(self._standings[name], **values)  # type: ignore[arg-type]
        self._told(self._standings[name])


async def _first(seconds: float | None, *events: asyncio.Event) -> bool:
    """Wait until one of the events is set, at most `seconds` (None: as long as it takes); whether one was."""
    waiting = {asyncio.ensure_future(event.wait()) for event in events}
    try:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)


async def _start(program: Program) -> tuple[asyncio.subprocess.Process, int]:
    """The process, and our end of its standard input. Raises OSError."""
    program.log_path.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    try:
        with program.log_path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *program.words,
                stdin=reading,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **program.environment},
            )
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return process, writing


async def _clear(process: asyncio.subprocess.Process) -> None:
    """Leave nothing of the program's group behind."""
    _signal(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # what hangs in the kernel does not even hear this
        async with asyncio.timeout(_KILL_SECONDS):
            await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _words(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    known = next((one.name for one in signal.Signals if one == -returncode), f"signal {-returncode}")
    return f"ended by {known}"
