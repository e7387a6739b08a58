"""`robotrading config`: what is printed where, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robotrading.cli.config import app
from robotrading.config.environment import VARIABLES
from robotrading.config.load import load
from robotrading.config.schema import schema

runner = CliRunner()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and no variable of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROBOTRADING_CONFIG", "CREDENTIALS_DIRECTORY", *(item.name for item in VARIABLES)):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_check_without_a_file_speaks_of_the_defaults() -> None:
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 0
    assert result.stdout.startswith("built-in defaults: fine\nmode paper, gateway embedded, sessions: equities 60 %")
    assert "note: mail is not set up" in result.stdout


def test_check_takes_the_file_that_lies_here(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("sessions: {bonds: {enabled: false}}\n")
    result = runner.invoke(app, ["check"])
    assert result.stdout.startswith("config.yaml: fine\n")
    assert "bonds" not in result.stdout.splitlines()[1]


def test_check_says_everything_on_stderr_and_exits_with_two(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("broker: {port: 0, prot: 1}\n")
    result = runner.invoke(app, ["check", "--config", "mine.yaml"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(" ")[1] for line in result.stderr.splitlines()[:2]] == ["broker.port:", "broker.prot:"]
    assert result.stderr.splitlines()[2].startswith("2 to mend")


def test_the_environment_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("log: {level: error}\n")
    monkeypatch.setenv("ROBOTRADING_CONFIG", "mine.yaml")
    assert runner.invoke(app, ["check"]).stdout.startswith("mine.yaml: fine")


def test_show_prints_what_loads_to_the_same(tmp_path: Path) -> None:
    result = runner.invoke(app, ["show"])
    assert result.exit_code == 0
    (tmp_path / "config.yaml").write_text(result.stdout)
    assert load(tmp_path / "config.yaml", {}) == load(None, {})


def test_show_json_masks_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAIL_APP_PASSWORD", "hunter2")
    result = runner.invoke(app, ["show", "--json"])
    assert "hunter2" not in result.stdout
    shown = json.loads(result.stdout)
    assert shown["mail"]["password"] == "********"
    assert shown["origins"] == {"mail.password": "environment variable GMAIL_APP_PASSWORD"}


def test_show_of_a_bad_file_exits_with_two(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x: 1\n")
    assert runner.invoke(app, ["show"]).exit_code == 2


def test_schema_is_json() -> None:
    assert json.loads(runner.invoke(app, ["schema"]).stdout) == schema()


def test_importing_the_command_is_light() -> None:
    """`robotrading --help` pays for neither pandas nor jsonschema nor the settings."""
    code = (
        "import sys, robotrading.cli.config\n"
        "heavy = {'numpy', 'pandas', 'jsonschema', 'yaml', 'robotrading.config.model'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60).returncode == 0
