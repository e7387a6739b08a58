"""What a supervised program writes is bounded while it lives, and keeps its newest."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.service.outputs import MEGABYTE, Outputs, shorten
from robotrading.service.supervisor import Program, Supervisor

PATIENCE = 20.0
TALKS = (
    "import os, time\n"
    "for number in range(400):\n"
    "    os.write(1, b'%09d ' % number + b'x' * 9_989 + b'\\n')\n"
    "    time.sleep(0.002)\n"
    "os.write(1, b'done')\n"
    "time.sleep(60)\n"
)
"""4 MB of lines of 10 kB, each of which is numbered."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  the world outside has no event to wait for
            await asyncio.sleep(0.01)


async def test_the_output_of_a_program_that_lives_on_stays_small_and_its_newest_lines_stay(tmp_path: Path) -> None:
    log, older = tmp_path / "one.log", tmp_path / "one.log.1"
    talker = Program("one", (sys.executable, "-c", TALKS), log, stop_seconds=0.5, max_megabytes=1)
    supervisor = Supervisor([talker], SystemClock(), outputs=Outputs(every=0.01))
    work = asyncio.create_task(supervisor.run())
    await until(lambda: log.exists() and b"done" in log.read_bytes() + older_of(log))
    await until(lambda: log.stat().st_size <= MEGABYTE)
    assert supervisor.standings[0].restarts == 0
    assert MEGABYTE <= older.stat().st_size <= 3 * MEGABYTE
    kept = older.read_bytes() + log.read_bytes()
    assert b"\0" not in kept, "the program goes on at the new end of its file"
    lines = kept.splitlines()[1:]
    numbers = [int(line[:9]) for line in lines if line != b"done"]
    assert numbers == sorted(set(numbers)), "in their order, none twice"
    supervisor.stop()
    await asyncio.wait_for(work, PATIENCE)


def older_of(log: Path) -> bytes:
    older = log.with_name(f"{log.name}.1")
    return older.read_bytes() if older.exists() else b""


def test_a_small_file_and_one_that_is_not_there_are_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    assert not shorten(log, 1)
    log.write_bytes(b"x" * MEGABYTE)
    assert not shorten(log, 1)
    assert list(tmp_path.iterdir()) == [log]


def test_of_a_huge_file_the_newest_is_kept_and_the_one_before_it_goes(tmp_path: Path) -> None:
    log, older = tmp_path / "one.log", tmp_path / "one.log.1"
    older.write_bytes(b"long ago")
    log.write_bytes(b"a" * 3 * MEGABYTE + b"b" * 2 * MEGABYTE)
    with log.open("ab", buffering=0) as program:
        assert shorten(log, 1)
        program.write(b"goes on")
    assert older.read_bytes() + log.read_bytes() == b"b" * 2 * MEGABYTE + b"goes on"
    assert log.read_bytes() == b"goes on"
    assert not shorten(log, 1)


def test_where_another_copy_shortens_it_just_now_nothing_is_done(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_bytes(b"x" * (MEGABYTE + 1))
    with log.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not shorten(log, 1)
    assert shorten(log, 1)


async def test_a_full_disk_costs_nothing_but_the_older_file_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A device that is full stands where the older file would be written."""
    log = tmp_path / "one.log"
    log.write_bytes(b"x" * (MEGABYTE + 1))
    (tmp_path / "one.log.1").symlink_to("/dev/full")
    talker = Program("one", (sys.executable, "-c", "import time; time.sleep(60)"), log, max_megabytes=1)
    keeping = asyncio.create_task(Outputs(every=0.01).keep_small([talker]))
    with caplog.at_level(logging.WARNING):
        await until(lambda: bool(caplog.records))
        await asyncio.sleep(0.1)
    assert [os.strerror(errno.ENOSPC) in record.getMessage() for record in caplog.records] == [True]
    assert log.stat().st_size == MEGABYTE + 1
    (tmp_path / "one.log.1").unlink()
    await until(lambda: log.stat().st_size == 0)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.wait([keeping], timeout=PATIENCE)
