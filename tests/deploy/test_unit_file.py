"""What systemd itself thinks of the unit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from robotrading.service.settings import ServiceSettings

UNIT = Path(__file__).parents[2] / "trading-bot.service"
THRESHOLD = 15
"""Exposure in tenths."""


@pytest.fixture(scope="module")
def analyze() -> str:
    """The program; on a machine for tests it must be there."""
    program = shutil.which("systemd-analyze")
    if program is None:
        assert os.environ.get("CI") != "true", "systemd-analyze is missing; see install_for_tests in deploy.sh"
        pytest.skip("there is no systemd-analyze (Debian: apt-get install systemd)")
    return program


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def verified(analyze: str, folder: Path, text: str) -> tuple[int, str]:
    """The command is not installed where tests run, so another one stands for it."""
    file = folder / UNIT.name
    file.write_text(text.replace("/opt/robotrading/current/venv/bin/robotrading serve", shutil.which("true") or ""))
    return run(analyze, "verify", "--man=no", str(file))


def test_the_unit_has_no_mistake_or_unknown_word(analyze: str, tmp_path: Path) -> None:
    code, said = verified(analyze, tmp_path, UNIT.read_text())
    ours = [line for line in said.splitlines() if UNIT.name in line]
    assert (code, ours) == (0, []), said


def test_a_mistake_would_be_seen(analyze: str, tmp_path: Path) -> None:
    _, said = verified(analyze, tmp_path, UNIT.read_text().replace("WatchdogSec=", "WatchDogSeconds="))
    assert "WatchDogSeconds" in said


def test_exposure_is_a_tenth_of_an_unhardened_service(analyze: str) -> None:
    code, said = run(analyze, "security", "--no-pager", "--offline=true", f"--threshold={THRESHOLD}", str(UNIT))
    assert code == 0, said


def test_less_hardening_would_be_seen(analyze: str, tmp_path: Path) -> None:
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("SystemCallFilter=", "#").replace("CapabilityBoundingSet=", "#"))
    code, _ = run(analyze, "security", "--no-pager", "--offline=true", f"--threshold={THRESHOLD}", str(file))
    assert code != 0


def test_systemd_waits_longer_for_a_stop_than_the_daemon_takes() -> None:
    assert float(settings()["TimeoutStopSec"][0]) >= ServiceSettings().stop_seconds + 15


def test_the_watchdog_looks_before_the_daemon_s_own_watcher_kills_without_a_word() -> None:
    """SIGABRT writes where every thread stood, SIGKILL does not."""
    assert float(settings()["WatchdogSec"][0]) < ServiceSettings().watchdog_seconds
    assert "PYTHONFAULTHANDLER=1" in settings()["Environment"]


def test_a_configuration_that_cannot_be_used_is_not_tried_again() -> None:
    from robotrading.cli.exits import Exit

    assert settings()["RestartPreventExitStatus"] == [str(int(Exit.USAGE))]


def test_no_secret_stands_in_the_unit() -> None:
    assert not re.search(r"PASSWORD=|KEY=|TOKEN=|DATABASE_URL=", UNIT.read_text())
