"""The commands as a person and a script meet them: real processes, the sample market."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec

from robotrading.domain.report import SessionReport
from robotrading.session.state import State
from tests.cli.command import command, environment, robotrading

Demo = tuple[subprocess.CompletedProcess[str], Path]
SAMPLES = (
    "sessions:\n  crypto:\n    sources: [synthetic]\n    universe: {kind: list, symbols: [SYNCA-USD, SYNCB-USD]}\n"
)


def test_the_demo_says_that_its_market_is_made_up(demo: Demo) -> None:
    done, _ = demo
    first, second = done.stdout.splitlines()[:2]
    assert (done.returncode, done.stderr) == (0, "")
    assert first == "DEMO on 2025-09-26: the market is made up, its prices are synthetic."
    assert second == "Embedded gateway, account DU1000001; no order leaves this machine."


def test_the_demo_shows_three_sessions_and_their_files(demo: Demo) -> None:
    done, folder = demo
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if "  demo  " in line] == ["EQUITIES", "BONDS", "CRYPTO"]
    places = [line.split()[1] for line in lines[lines.index("Files") + 1 :][:3]]
    for place in places:
        assert (folder / place).exists()
        assert place.startswith("state/books/demo/runs/2025")


def test_log_lines_go_to_files(demo: Demo) -> None:
    """The command's own beside the books, a session's in its run's folder."""
    _, folder = demo
    assert (folder / "state" / "command.log").is_file()
    assert len(list((folder / "state" / "books" / "demo" / "runs").glob("*/log.txt"))) == 3


def test_no_colours_without_a_terminal(demo: Demo) -> None:
    assert "\x1b" not in demo[0].stdout


def test_the_demo_fits_eighty_columns(demo: Demo) -> None:
    assert not [line for line in demo[0].stdout.splitlines() if len(line) > 80]


def test_status_knows_what_the_demo_bought(demo: Demo) -> None:
    done = robotrading("status", "--demo", "--json", cwd=demo[1])
    found = msgspec.json.decode(done.stdout, type=State)
    assert (found.mode, found.halted, len(found.runs), found.open_tickets) == ("demo", "", 3, ())
    assert {position.owner for position in found.owned} == {"equities", "bonds", "crypto"}
    assert set(json.loads(done.stdout)) == {field.name for field in fields(State)}


def test_status_of_an_untouched_place_says_what_to_try(tmp_path: Path) -> None:
    done = robotrading("status", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No session has run yet. Try: robotrading plan all" in done.stdout


def test_a_plan_as_json_runs_by_its_hash(tmp_path: Path) -> None:
    """What `plan` shows is what `run --plan` does; the JSON has the documented keys and nothing around it."""
    (tmp_path / "config.yaml").write_text(SAMPLES, "utf-8")
    planned = robotrading("plan", "crypto", "--as-of", "2025-09-26", "--json", cwd=tmp_path)
    shown = json.loads(planned.stdout)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert set(shown) == {"version", "exit_code", "folders", "notes", "reports"}
    assert (shown["version"], shown["exit_code"]) == (1, 0)
    [report] = msgspec.convert(shown["reports"], list[SessionReport])
    assert set(shown["reports"][0]) == {field.name for field in fields(SessionReport)}
    assert Path(shown["folders"][report.run_id]).is_dir()
    assert report.plan is not None
    assert not report.tickets
    words = ["run", "crypto", "--plan", report.plan.plan_id, "--as-of", "2025-09-26"]
    done = robotrading(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("REHEARSAL of 2025-09-26: prices of that day, from your sources.\n")
    assert f"Bought {len(report.plan.intents)} of {len(report.plan.intents)} orders, all filled." in done.stdout


def test_an_unknown_hash_is_a_failed_session_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SAMPLES, "utf-8")
    done = robotrading("run", "crypto", "--plan", "0000", "--as-of", "2025-09-26", cwd=tmp_path)
    assert done.returncode == 4
    assert "there is no crypto plan '0000'" in done.stdout
    assert "crypto failed; details: state/books/rehearsal/runs/" in done.stdout
    assert "Next: mend what is named above, then: robotrading plan crypto --as-of 2025-09-26\n" in done.stdout


def test_days_before_all_data_are_a_reported_failure(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SAMPLES, "utf-8")
    done = robotrading("plan", "crypto", "--as-of", "1999-09-24", cwd=tmp_path)
    assert done.returncode == 4
    assert "CRYPTO  1999-09-24  rehearsal  failed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_code_page_without_lines_is_no_error(demo: Demo) -> None:
    done = robotrading("status", "--demo", cwd=demo[1], PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_colours_on_a_terminal_unless_they_are_not_wanted(demo: Demo) -> None:
    assert "\x1b[" in on_a_terminal(demo[1], "status", "--demo")
    assert "\x1b[3" not in on_a_terminal(demo[1], "status", "--demo", NO_COLOR="1")


def test_completion_is_offered(tmp_path: Path) -> None:
    named = {
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"
    }  # the shell is named, not looked for among our parents
    script = robotrading("--show-completion", "bash", cwd=tmp_path, **named)
    # The shell asks the installed command, whose name the variable carries.
    asked = {"_ROBOTRADING_COMPLETE": "complete_bash", "COMP_WORDS": "robotrading ", "COMP_CWORD": "1", **named}
    installed = Path(sys.executable).with_name("robotrading")
    answer = subprocess.run([installed], env=environment(tmp_path, **asked), capture_output=True, text=True, check=True)
    words = set(answer.stdout.split())
    assert "complete" in script.stdout
    assert {"demo", "plan", "run", "status", "config", "gateway"} <= words
    assert not words & {"session", "serve-gateway", "make-pages"}


def on_a_terminal(folder: Path, *words: str, **more: str) -> str:
    """Everything the command writes to a terminal that it believes in."""
    controller, terminal = pty.openpty()
    env = environment(folder / "state", TERM="xterm-256color", **more)
    with subprocess.Popen(
        command(*words), cwd=folder, env=env, stdin=terminal, stdout=terminal, stderr=terminal
    ) as done:
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = os.read(controller, 65536)
            except OSError:  # the other side has closed: how Linux ends a terminal
                break
            if not part:
                break
            shown += part
        done.wait(timeout=30)
    os.close(controller)
    return shown.decode("utf-8", "replace")
