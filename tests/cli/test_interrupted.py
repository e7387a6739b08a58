"""Ctrl-C: whoever interrupts a command reads that it was interrupted, and at a question that nothing was recorded."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import command, environment

SYNTHETIC = (
    "sessions: {equities: {sources: [synthetic]}, bonds: {sources: [synthetic]}, crypto: {sources: [synthetic]}}\n"
)


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*words), cwd=folder, env=environment(folder / "state"), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  background shells ignore it
    )  # fmt: skip


def interrupted(process: subprocess.Popen[str]) -> str:
    """What it says on standard error after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said + told
    return told


def test_an_interrupted_doctor_says_so(tmp_path: Path) -> None:
    """It waits for a service that takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        port = silent.getsockname()[1]
        (tmp_path / "config.yaml").write_text(SYNTHETIC + f"service: {{port: {port}}}\n")
        process = started(tmp_path, "doctor")
        called, _ = silent.accept()
        with called:
            assert interrupted(process) == "robotrading: interrupted\n"


def test_an_interrupted_selftest_says_so(tmp_path: Path) -> None:
    process = started(tmp_path, "selftest", "normal-day", "--keep", str(tmp_path / "kept"))
    end = time.monotonic() + 60
    while not list(tmp_path.glob("kept/*/*")):
        assert time.monotonic() < end, "no drill has begun"
        time.sleep(0.05)
    assert "robotrading: interrupted" in interrupted(process)


def test_an_interrupted_question_says_that_nothing_was_recorded(tmp_path: Path) -> None:
    process = started(tmp_path, "positions", "forget", "ALPHA", "--owner", "equities", "--reason", "sold by hand")
    assert process.stderr is not None
    assert "From now on 0 ALPHA" in process.stderr.readline()
    asked = "Type yes to record this: "
    assert process.stderr.read(len(asked)) == asked
    assert interrupted(process) == "\nrobotrading: interrupted; nothing was recorded\n"


WHILE_LOADING = """
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "robotrading.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
"""
WHILE_READING_THE_WORDS = """
class Interrupts(io.StringIO):
    def write(self, text):
        raise KeyboardInterrupt
sys.stdout = Interrupts()
"""


@pytest.mark.parametrize("moment", [WHILE_LOADING, WHILE_READING_THE_WORDS])
def test_an_interrupt_before_the_command_has_begun_is_told(moment: str, tmp_path: Path) -> None:
    """The first second goes into loading; neither a traceback nor silence may come of it."""
    code = (
        f"import io, sys\nsys.argv = ['robotrading', '--version']\n{moment}\nimport robotrading.__main__ as r; r.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment(tmp_path / "state"), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "robotrading: interrupted\n")
