"""A command that cannot do its work says so once, on standard error, and its exit code is the documented one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from robotrading.domain.instrument import AssetClass
from robotrading.session.lock import session_lock
from tests.cli.command import command, environment, robotrading

CASES = {
    "unknown command": (["trade"], {}, 2, "No such command 'trade'"),
    "unknown session": (["run", "shares"], {}, 2, "'shares' is not one of"),
    "unknown option": (["plan", "--dry"], {}, 2, "No such option"),
    "no date": (["plan", "--as-of", "friday"], {}, 2, "'friday' is no day; write it as 2025-09-26"),
    "a day to come": (["plan", "--json", "--as-of", "2099-01-05"], {}, 2, "has not come; name a past day"),
    "no such file": (["config", "check", "-c", "none.yaml"], {}, 2, "none.yaml: there is no such file"),
    "a folder for a file": (["plan", "-c", "."], {}, 2, "is not a regular file"),
    "file from the environment": (["run"], {"ROBOTRADING_CONFIG": "none.yaml"}, 2, "none.yaml: there is no such file"),
    "a plan for all": (["run", "--plan", "4a26"], {}, 2, "--plan HASH belongs to one session"),
    "a plan in no letters": (["run", "bonds", "--plan", "4\udce9"], {}, 2, "--plan '4\\udce9' is no plan's hash"),
    "live by one word": (["run"], {"USE_PAPER": "false"}, 2, "embedded cannot trade live"),
    "a gateway for everybody": (["gateway", "--host", ""], {}, 2, "--host '' names no address"),
    "a gateway for all networks": (["gateway", "--host", " "], {}, 2, "--host ' ' names no address"),
    "state that cannot be made": (["status"], {"ROBOTRADING_STATE_DIR": "/dev/null/x"}, 4, "/dev/null/x"),
    "a job that is none": (["session", "none.json"], {}, 4, "none.json: not a session job"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_message_and_the_documented_code(name: str, tmp_path: Path) -> None:
    words, variables, code, message = CASES[name]
    done = robotrading(*words, cwd=tmp_path, **variables)
    told = re.sub(r"[│\s]+", " ", done.stderr)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in told
    assert "Traceback" not in done.stderr


def test_a_state_folder_that_is_no_database_is_named(tmp_path: Path) -> None:
    ledger = tmp_path / "state" / "books" / "embedded" / "ledger.db"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"not a database" * 100)
    done = robotrading("status", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert str(ledger) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = robotrading("gateway", "--port", str(port), cwd=Path.cwd())
    assert done.returncode == 4
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["config", "schema"], ["--help"], ["status"]])
def test_a_reader_that_goes_early_is_no_error(words: list[str], tmp_path: Path) -> None:
    """As in `robotrading ... | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            command(*words), cwd=tmp_path, env=environment(tmp_path / "state"), stdout=closed,
            stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == (1 if words == ["--help"] else 0)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted; the sessions were ended"), (signal.SIGTERM, 143, "told to stop; the sessions")],
)
def test_a_signal_ends_the_sessions_too(number: signal.Signals, code: int, said: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    started = subprocess.Popen(
        command("demo"), cwd=tmp_path, env=environment(state), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  a background shell ignores it
    )  # fmt: skip
    wait_for(lambda: len(processes_with(str(state))) == 3)
    started.send_signal(number)
    _, told = started.communicate(timeout=30)
    assert started.returncode == code
    assert said in told
    assert "Traceback" not in told
    assert processes_with(str(state)) == []


def test_a_second_run_of_a_session_is_told_who_runs(
    demo: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    """The session fails, and the reason from its process reaches the person."""
    (tmp_path / "config.yaml").write_text(
        "sessions:\n  crypto:\n    sources: [synthetic]\n    universe: {kind: list, symbols: [SYNCA-USD]}\n", "utf-8"
    )
    with session_lock(tmp_path / "state" / "books" / "rehearsal" / "locks", AssetClass.CRYPTO):
        done = robotrading("plan", "crypto", "--as-of", "2025-09-26", cwd=tmp_path)
    assert done.returncode == 4
    assert "the crypto session is running already" in re.sub(r"\s+", " ", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


def wait_for(happened: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def processes_with(text: str) -> list[int]:
    """Ids of the processes whose command line has the text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            found += [int(entry.name)] if text in line else []
    return found
