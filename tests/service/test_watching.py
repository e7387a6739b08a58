"""The service manager hears us, and a daemon that freezes is ended from outside."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from robotrading.service.manager import ServiceManager, manager_from

PATIENCE = 20.0
DAEMON = """
import sys, time
from robotrading.service.watcher import Watcher
with Watcher(float(sys.argv[1])) as watcher:
    print("up", flush=True)
    while True:
        watcher.beat()
        time.sleep(0.02)
"""


@pytest.fixture
def heard(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE)
        yield ear


def test_the_manager_is_told_of_readiness_life_and_the_end(heard: socket.socket) -> None:
    manager = manager_from({"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "30000000"})
    assert manager.watchdog_seconds == 30.0
    manager.ready("3 sessions,\nnext at 19:45")
    manager.status("busy")
    manager.alive()
    manager.stopping("bye")
    assert [heard.recv(1000).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=3 sessions, next at 19:45",
        "STATUS=busy",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=bye",
    ]


def test_without_a_manager_or_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    manager_from({}).ready("alone")
    ServiceManager(str(tmp_path / "nobody")).alive()


@pytest.mark.parametrize("environment", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_for_somebody_else_or_without_sense_is_none(environment: dict[str, str]) -> None:
    assert manager_from({"WATCHDOG_USEC": "1000000", **environment}).watchdog_seconds is None


def test_a_watchdog_for_this_very_process_counts() -> None:
    assert manager_from({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_seconds == 5.0


def test_an_abstract_socket_is_spoken_to() -> None:
    name = f"\0robotrading-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name)
        manager_from({"NOTIFY_SOCKET": "@" + name[1:]}).alive()
        assert ear.recv(100) == b"WATCHDOG=1"


def start(seconds: float) -> subprocess.Popen[bytes]:
    daemon = subprocess.Popen([sys.executable, "-c", DAEMON, str(seconds)], stdout=subprocess.PIPE)
    assert daemon.stdout is not None
    assert select.select([daemon.stdout], [], [], PATIENCE)[0]
    return daemon


def test_a_stopped_daemon_is_ended_from_outside() -> None:
    with start(0.5) as daemon:
        daemon.send_signal(signal.SIGSTOP)
        assert daemon.wait(PATIENCE) == -signal.SIGKILL


def test_a_daemon_that_beats_lives_and_its_watcher_leaves_with_it() -> None:
    with start(0.5) as daemon:
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.wait(1.5)
        watcher = children(daemon.pid)
        assert len(watcher) == 1
        daemon.terminate()
        daemon.wait(PATIENCE)
    gone(watcher[0])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> None:
    """Wait for a process that is not ours; bounded."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], PATIENCE)[0], "the watcher outlives its daemon"
    finally:
        os.close(handle)
