"""`robotrading doctor` as a person and as a script meets it.

After a change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/cli/test_doctor.py`; read the difference.
"""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from robotrading.cli.app import app
from robotrading.cli.exits import Exit
from robotrading.cli.out import rendered
from robotrading.cli.render_doctor import MARKS, diagnosis_view
from robotrading.wiring.doctor import examine as examining
from robotrading.wiring.doctor.examine import Diagnosis
from robotrading.wiring.doctor.finding import Finding, Level, broken, fine, left_out, warning
from tests.cli.command import robotrading

GOLDEN = Path(__file__).parents[1] / "golden" / "doctor"
WELL = (fine("python", "3.11.7"), fine("packages", "all 22 can be imported"))
LONG = "the gateway at 127.0.0.1:4002 did not complete the handshake within 6 s: it may be frozen or not logged in"
NASTY = "a sentence \x1b[31mthat commands\x07 [bold]the terminal[/bold]\nover two lines"
CASES = {
    "well": WELL,
    "warnings": (*WELL, warning("clock", "no time service keeps it", "timedatectl set-ntp true"), left_out("mail", "none")),
    "broken": (
        *WELL,
        fine("configuration", "/etc/robotrading/config.yaml: mode paper, gateway external, sessions: equities, bonds"),
        warning("configuration", "broker.host is not used", "if that is meant, leave it"),
        broken("gateway", LONG, "look at the gateway's own window: is it logged in, and its API switched on?"),
        left_out("prices alpha_vantage", "it has no key", "set ALPHA_VANTAGE_KEY; the free one does"),
        broken("nasty", NASTY, NASTY),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_findings_look_as_they_did_on_eighty_columns(name: str) -> None:
    paper = Console(file=StringIO(), width=80, color_system=None, highlight=False, markup=False, emoji=False)
    shown = rendered(paper, diagnosis_view(Diagnosis(CASES[name], 4.21)))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_every_level_has_its_mark() -> None:
    assert set(MARKS) == set(Level)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """The real command on an untouched folder, everything but the network."""
    folder = tmp_path_factory.mktemp("doctor")
    return robotrading("doctor", "--offline", cwd=folder), folder


def test_an_untouched_machine_has_nothing_broken(whole) -> None:
    done, folder = whole
    assert done.returncode in (Exit.OK, Exit.PARTLY), done.stdout
    assert done.stderr == ""
    assert "all 22 can be imported" in done.stdout
    assert "BAD" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert list(folder.iterdir()) == []


def _only(*findings: Finding):
    async def check(_scene=None):
        for one in findings:
            yield one

    return check


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Replace the checks; the rest is the command's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))

    def replaced(*found: Finding) -> None:
        monkeypatch.setattr(examining, "_program", _only())
        monkeypatch.setattr(examining, "_clock", lambda _wall: _only()())
        monkeypatch.setattr(examining, "CHECKS", {"one": _only(*found)})

    return replaced


@pytest.mark.parametrize(
    ("found", "code"),
    [(fine("a", "b"), Exit.OK), (left_out("a", "b"), Exit.OK), (warning("a", "b", "c"), Exit.PARTLY),
     (broken("a", "b", "c"), Exit.FAILED)],
)  # fmt: skip
def test_the_exit_code_is_for_scripts(findings, found: Finding, code: Exit) -> None:
    findings(found)
    assert CliRunner().invoke(app, ["doctor"]).exit_code == code
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert told["exit_code"] == code
    assert told["findings"][-1] == {"part": "a", "level": found.level, "found": "b", "remedy": found.remedy}
    assert set(told) == {"version", "exit_code", "offline", "seconds", "findings"}


def test_a_wrong_configuration_is_a_finding_and_no_error(findings, tmp_path: Path) -> None:
    findings()
    (tmp_path / "config.yaml").write_text("broker: {port: none}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == Exit.FAILED
    assert "broker.port" in done.stdout
