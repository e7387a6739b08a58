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


ROBBER = 'raise SystemExit("a module was taken from the folder that deploy.sh was called in")'


def deploy(
    *words: str, script: Path = SCRIPT, said: str = "", where: Path = Path("/"), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run from another folder, both streams in one."""
    known = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PIP_NO_INDEX": "1"}
    known |= {"ROBOTRADING_PYTHON": sys.executable, **environment}
    return subprocess.run(
        ["bash", str(script), *words],
        cwd=where, env=known, input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
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


def test_with_a_prefix_the_service_of_the_machine_is_left_alone(tmp_path: Path) -> None:
    """What is tried in a folder must not stop what trades."""
    called = tmp_path / "called"
    for name in ("systemctl", "journalctl"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {called}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "opt/robotrading").mkdir(parents=True)
    (tmp_path / "opt/robotrading/current").symlink_to("releases/one")
    path = f"{tmp_path}:{os.environ['PATH']}"
    for command in ("start", "stop", "restart", "logs"):
        done = deploy(command, ROBOTRADING_PREFIX=str(tmp_path), PATH=path)
        assert (done.returncode, f"'{command}' is about the machine's service" in done.stdout) == (2, True), done.stdout
    assert not called.exists()


def test_docker_without_an_engine_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "basename", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = deploy("docker", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "there is no docker here" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_install_upgrade_refusal_and_uninstall_in_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Install twice, upgrade, be refused by a version whose check fails, remove, purge; nothing outside the prefix.

    It is called in a folder where somebody has left modules for root's Python to take.
    """
    prefix, shared = tmp_path / "machine", tmp_path / "shared"
    shared.mkdir()
    for module in ("venv", "pip", "json", "logging"):
        (shared / f"{module}.py").write_text(ROBBER)
    script = folder / "deploy.sh"
    opt, etc, state = prefix / "opt/robotrading", prefix / "etc/robotrading", prefix / "var/lib/robotrading"

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return deploy(*words, script=script, said=said, where=shared, ROBOTRADING_PREFIX=str(prefix))

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
    (opt / "state").mkdir()  # the folder is somebody's checkout, too
    assert run("uninstall").returncode == 0
    assert [left.name for left in opt.iterdir()] == ["state"]
    assert (state / "ledger").exists()
    assert run("uninstall", "--purge", said="no\n").returncode == 1
    assert (state / "ledger").exists()
    assert run("uninstall", "--purge", said="purge\n").returncode == 0
    assert not state.exists()
    assert not etc.exists()


def test_a_release_that_cannot_be_put_in_place_is_taken_back(folder: Path, tmp_path: Path) -> None:
    """An upgrade that fails half-way leaves the release before, and says so."""
    prefix, script = tmp_path / "machine", folder / "deploy.sh"
    assert deploy("install", script=script, ROBOTRADING_PREFIX=str(prefix)).returncode == 0
    release = (prefix / "opt/robotrading/current").resolve()
    (folder / UNIT).unlink()
    done = deploy("upgrade", script=script, ROBOTRADING_PREFIX=str(prefix))
    assert (done.returncode, f"{release.name} is the installed one still" in done.stdout) == (1, True), done.stdout
    assert (prefix / "opt/robotrading/current").resolve() == release
    assert [found.name for found in (prefix / "opt/robotrading/releases").iterdir()] == [release.name]
    assert (prefix / "etc/systemd/system" / UNIT).read_text() == (REPOSITORY / UNIT).read_text()


COMMAND = 'here=$1; source "$here/deploy/service.sh"; etc=$2; entry_for "$3"'
STAND_INS = {
    "id": 'case "$1" in -un) echo root ;; *) echo 0 ;; esac',
    "setpriv": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "systemd-creds": 'case "$3" in *KEY) printf "from %s" "$2" ;; *) echo "no such key" >&2; exit 1 ;; esac',
}
"""For what only root and systemd can do."""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command that an installation makes, with a program that shows which secrets it is given."""
    for name, text in {**STAND_INS, "program": "env | grep -E '^(ALPHA|ROBOTRADING_DATABASE)' | sort"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("credentials", "credentials.sealed"):
        (tmp_path / "etc" / name).mkdir(parents=True)
    words = ["bash", "-c", COMMAND, "bash", str(REPOSITORY), str(tmp_path / "etc"), str(tmp_path / "program")]
    text = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
    (tmp_path / "command").write_text(text)
    return tmp_path / "command"


def spoken(command: Path) -> subprocess.CompletedProcess[str]:
    path = f"{command.parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(command), "status"], env={"PATH": path}, capture_output=True, text=True, check=False, timeout=30
    )


def test_the_command_is_given_the_secrets_of_both_folders(command: Path) -> None:
    etc = command.parent / "etc"
    (etc / "credentials/ROBOTRADING_DATABASE_URL").write_text("postgresql://u:p@h/n\n")
    (etc / "credentials.sealed/ALPHA_VANTAGE_KEY").touch()
    (etc / "credentials/ROBOTRADING_DATABASE_URL~").write_text("what an editor left")
    done = spoken(command)
    assert done.stdout.splitlines() == [
        "ALPHA_VANTAGE_KEY=from --name=sealed_ALPHA_VANTAGE_KEY",
        "ROBOTRADING_DATABASE_URL=postgresql://u:p@h/n",
    ]


def test_without_a_secret_that_is_there_the_command_starts_nothing(command: Path) -> None:
    """Without its database's address it would open an empty ledger, and trade."""
    (command.parent / "etc/credentials.sealed/ROBOTRADING_DATABASE_URL").touch()
    done = spoken(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ROBOTRADING_DATABASE_URL cannot be decrypted" in done.stderr


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
