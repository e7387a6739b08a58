"""`deploy.sh` as far as it goes without root and without systemd; the rest is the drill's (`make nspawn`)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "deploy.sh"
UNIT = "trading-bot.service"

BACKEND = """
import pathlib, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "robotrading-0.0.1-py3-none-any.whl"
    info = "robotrading-0.0.1.dist-info/"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for file in sorted(pathlib.Path("robotrading").rglob("*.py")):
            wheel.write(file)
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: robotrading\\nVersion: 0.0.1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nrobotrading = robotrading:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
"""Builds the small program below without anything from a package index."""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["docs"]\n'
PROGRAM = """
__version__ = "0.0.1"
def main():
    import os, sys
    print("program", *sys.argv[1:], os.environ["ROBOTRADING_CONFIG"], os.environ["ROBOTRADING_STATE_DIR"])
    sys.exit(EXIT)
"""


def deploy(*words: str, script: Path = SCRIPT, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run from another folder, both streams in one."""
    known = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PIP_NO_INDEX": "1"}
    known |= {"ROBOTRADING_PYTHON": sys.executable, **environment}
    return subprocess.run(
        ["bash", str(script), *words],
        cwd="/", env=known, input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose program is small."""
    made = tmp_path / "checkout"
    for name in ("deploy.sh", "deploy/service.sh", UNIT, "config.yaml"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, made / name)
    (made / "requirements.txt").touch()
    (made / "pyproject.toml").write_text(PROJECT)
    (made / "docs").mkdir()
    (made / "docs/backend.py").write_text(BACKEND)
    program(made)
    return made


def program(folder: Path, code: int = 0) -> None:
    (folder / "robotrading").mkdir(exist_ok=True)
    (folder / "robotrading/__init__.py").write_text(PROGRAM.replace("EXIT", str(code)))
    (folder / "robotrading/adapters/ledger").mkdir(parents=True, exist_ok=True)
    shutil.copy2(REPOSITORY / "robotrading/adapters/ledger/copies.py", folder / "robotrading/adapters/ledger/copies.py")


def test_shellcheck_finds_nothing() -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        assert os.environ.get("CI") != "true", "shellcheck is missing; see install_for_tests in deploy.sh"
        pytest.skip("there is no shellcheck (Debian: apt-get install shellcheck)")
    done = subprocess.run(
        [checker, "--external-sources", "deploy.sh", "deploy/service.sh"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_help_fits_a_terminal_and_names_every_command() -> None:
    done = deploy("help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    commands = re.findall(r"^    ([a-z]+)\)", SCRIPT.read_text(), re.MULTILINE)
    assert len(commands) >= 12
    assert [name for name in commands if not re.search(rf"\b{name}\b", done.stdout)] == []


def test_an_unknown_command_is_named_and_helped() -> None:
    done = deploy("fly")
    assert done.returncode == 2
    assert "there is no command 'fly'" in done.stdout
    assert "Usage:" in done.stdout


@pytest.mark.parametrize("command", ["start", "stop", "restart", "upgrade", "status", "logs"])
def test_without_an_installation_the_answer_is_how_to_install(command: str, tmp_path: Path) -> None:
    done = deploy(command, ROBOTRADING_PREFIX=str(tmp_path))
    assert done.returncode in {1, 3}
    assert "is not installed" in done.stdout
    assert "sudo" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
@pytest.mark.parametrize("command", ["start", "stop", "restart", "upgrade", "uninstall"])
def test_without_root_the_machine_is_left_alone(command: str) -> None:
    done = deploy(command)
    assert done.returncode == 2
    assert f"sudo {SCRIPT} {command}" in done.stdout


def test_docker_without_an_engine_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "basename", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = deploy("docker", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "there is no docker here" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_install_upgrade_refusal_and_uninstall_in_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Install twice, upgrade, be refused by a version whose check fails, remove, purge; nothing outside the prefix."""
    prefix = tmp_path / "machine"
    script = folder / "deploy.sh"
    opt, etc, state = prefix / "opt/robotrading", prefix / "etc/robotrading", prefix / "var/lib/robotrading"

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return deploy(*words, script=script, said=said, ROBOTRADING_PREFIX=str(prefix))

    first = run("install")
    assert first.returncode == 0, first.stdout
    release = (opt / "current").resolve()
    assert (prefix / "etc/systemd/system" / UNIT).read_text() == (folder / UNIT).read_text()
    assert (etc / "credentials").stat().st_mode & 0o777 == 0o700
    spoken = subprocess.run([prefix / "usr/local/bin/robotrading", "x"], capture_output=True, text=True, check=True)
    assert spoken.stdout.split() == ["program", "x", str(etc / "config.yaml"), str(state)]

    (etc / "config.yaml").write_text("log:\n  level: debug\n")
    again = run("install")
    assert (again.returncode, "Nothing to change" in again.stdout) == (0, True), again.stdout
    assert (opt / "current").resolve() == release

    program(folder, code=4)
    refused = run("upgrade")
    assert (refused.returncode, "nothing was changed" in refused.stdout) == (1, True), refused.stdout
    assert (opt / "current").resolve() == release
    assert [found.name for found in (opt / "releases").iterdir()] == [release.name]

    program(folder, code=0)
    (folder / "robotrading/more.py").touch()
    upgraded = run("upgrade")
    assert (upgraded.returncode, "Upgraded from" in upgraded.stdout) == (0, True), upgraded.stdout
    assert (opt / "current").resolve() != release
    assert (etc / "config.yaml").read_text() == "log:\n  level: debug\n"

    (state / "ledger").touch()
    assert run("uninstall").returncode == 0
    assert not opt.exists()
    assert (state / "ledger").exists()
    assert run("uninstall", "--purge", said="no\n").returncode == 1
    assert (state / "ledger").exists()
    assert run("uninstall", "--purge", said="purge\n").returncode == 0
    assert not state.exists()
    assert not etc.exists()


def test_two_at_once_are_refused(folder: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "machine"
    lock = prefix / "opt/robotrading/.lock"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo held; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = deploy("install", script=folder / "deploy.sh", ROBOTRADING_PREFIX=str(prefix))
        other.communicate(b"\n", timeout=10)
    assert done.returncode == 1
    assert "another deploy.sh is at work" in done.stdout
