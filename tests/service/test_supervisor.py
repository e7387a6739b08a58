"""Real child programs under the supervisor: killed, failing, deaf to signals, with children of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.service.restarts import RestartPolicy
from robotrading.service.supervisor import Program, ProgramState, Standing, Supervisor

SLEEPS = "import time\nwhile True: time.sleep(60)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n" + SLEEPS
FAILS = "raise SystemExit(3)"
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True)\n" + SLEEPS
)
POLITE = "import sys\nprint('here', flush=True)\nsys.stdin.read()\nprint('alone', flush=True)"
QUICK = RestartPolicy(first=0.01, growth=1.0, settled=60.0, give_up_after=4)
PATIENCE = 20.0


def program(folder: Path, code: str, name: str = "one", **more: object) -> Program:
    return Program(name, (sys.executable, "-c", code), folder / f"{name}.log", **{"stop_seconds": 0.5, **more})


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  the world outside has no event to wait for
            await asyncio.sleep(0.01)


async def running(supervisor: Supervisor) -> Standing:
    await until(lambda: supervisor.standings[0].state is ProgramState.RUNNING)
    return supervisor.standings[0]


async def test_a_killed_program_lives_again_and_stop_leaves_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor([program(tmp_path, SLEEPS)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    first = await running(supervisor)
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: supervisor.standings[0].pid not in (0, first.pid))
    second = supervisor.standings[0]
    assert (second.restarts, second.last_end.split(" after")[0]) == (1, "ended by SIGKILL")
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)
    assert supervisor.standings[0].state is ProgramState.STOPPED
    assert not alive(second.pid)


async def test_one_that_keeps_failing_is_given_up_the_others_live_and_a_person_may_ask_again(tmp_path: Path) -> None:
    seen: list[Standing] = []
    both = [program(tmp_path, FAILS, restart=QUICK), program(tmp_path, SLEEPS, "two")]
    supervisor = Supervisor(both, SystemClock(), seen.append)
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.standings[0].state is ProgramState.GIVEN_UP)
    assert supervisor.standings[0].restarts == 3
    assert supervisor.standings[1].state is ProgramState.RUNNING
    supervisor.start_again("one")
    await until(lambda: supervisor.standings[0].restarts == 7)
    await until(lambda: supervisor.standings[0].state is ProgramState.GIVEN_UP)
    assert any(one.state is ProgramState.PAUSED and one.next_start for one in seen)
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)


async def test_a_wish_for_a_program_that_runs_changes_nothing_now_or_later(tmp_path: Path) -> None:
    slow = RestartPolicy(first=600.0, longest=600.0)
    supervisor = Supervisor([program(tmp_path, SLEEPS, restart=slow)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    pid = (await running(supervisor)).pid
    assert not supervisor.start_again("one")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: supervisor.standings[0].pid == 0)
    await asyncio.sleep(0.2)
    assert supervisor.standings[0].state is ProgramState.PAUSED
    assert supervisor.start_again("one")
    await running(supervisor)
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)


async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    supervisor = Supervisor([program(tmp_path, PARENT)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    log = tmp_path / "one.log"
    await until(lambda: log.exists() and log.read_text().endswith("\n"))
    grandchild = int(log.read_text())
    assert alive(grandchild)
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)
    await until(lambda: not alive(grandchild))


@pytest.mark.parametrize("hurry", [False, True])
async def test_a_program_that_does_not_listen_is_ended_in_its_time_or_at_once(tmp_path: Path, hurry: bool) -> None:
    supervisor = Supervisor([program(tmp_path, DEAF, stop_seconds=600.0 if hurry else 0.2)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    pid = (await running(supervisor)).pid
    await until(lambda: "deaf" in (tmp_path / "one.log").read_text())
    supervisor.stop()
    if hurry:
        await until(lambda: supervisor.standings[0].state is ProgramState.STOPPING)
        supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)
    assert not alive(pid)
    assert supervisor.standings[0].last_end.startswith("ended by SIGKILL")


async def test_what_cannot_be_started_says_why_and_is_given_up(tmp_path: Path) -> None:
    missing = Program("one", ("/nowhere/at-all",), tmp_path / "one.log", QUICK)
    supervisor = Supervisor([missing], SystemClock())
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.standings[0].state is ProgramState.GIVEN_UP)
    assert "No such file" in supervisor.standings[0].last_end
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)


async def test_stopping_in_a_pause_does_not_wait_for_its_end(tmp_path: Path) -> None:
    slow = RestartPolicy(first=600.0, longest=600.0)
    supervisor = Supervisor([program(tmp_path, FAILS, restart=slow)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.standings[0].state is ProgramState.PAUSED)
    supervisor.stop()
    await asyncio.wait_for(task, PATIENCE)


async def test_a_supervisor_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor([program(tmp_path, SLEEPS)], SystemClock())
    task = asyncio.create_task(supervisor.run())
    pid = (await running(supervisor)).pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)


KEEPER = """
import asyncio, sys
from pathlib import Path
from robotrading.adapters.clock import SystemClock
from robotrading.service.supervisor import Program, Supervisor
polite = Program("polite", (sys.executable, "-c", sys.argv[1]), Path(sys.argv[2]))
asyncio.run(Supervisor([polite], SystemClock()).run())
"""


async def test_a_program_notices_that_its_daemon_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "polite.log"
    keeper = await asyncio.create_subprocess_exec(sys.executable, "-c", KEEPER, POLITE, str(log))
    await until(lambda: log.exists() and "here" in log.read_text())
    keeper.kill()
    await keeper.wait()
    await until(lambda: "alone" in log.read_text())


async def test_without_any_program_it_stays_until_it_is_told() -> None:
    """As with a gateway elsewhere: the service ends when its supervisor does."""
    supervisor = Supervisor([], SystemClock())
    work = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.05)
    assert not work.done()
    supervisor.stop()
    await asyncio.wait_for(work, PATIENCE)
