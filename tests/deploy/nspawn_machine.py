"""A Debian that is really booted, by systemd-nspawn, from a tree made with debootstrap. It has no network but its own.

Entry points: `cannot`, `debian_tree`, `wheelhouse`, `copy_of_sources`, `Machine`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
STORE = Path("/var/tmp/robotrading-nspawn")  # kept between drills: the tree and the wheels
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,libgomp1"


def cannot() -> str:
    """Why this machine cannot boot another one; '' when it can."""
    if os.geteuid():
        return "it needs root"
    if shutil.which("systemd-nspawn") is None:
        return "there is no systemd-nspawn (Debian: apt-get install systemd-container)"
    if not os.environ.get("ROBOTRADING_DEBIAN") and shutil.which("debootstrap") is None:
        return (
            "there is no debootstrap (Debian: apt-get install debootstrap), nor ROBOTRADING_DEBIAN, a tree made by it"
        )
    return ""


def debian_tree() -> Path:
    """An untouched bookworm with Python: the one that is named, or one made for the purpose."""
    if named := os.environ.get("ROBOTRADING_DEBIAN"):
        return Path(named)
    tree = STORE / "bookworm"
    if not (tree / ".complete").exists():
        shutil.rmtree(tree, ignore_errors=True)
        words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(tree)]
        subprocess.run(words, check=True, stdout=sys.stderr, timeout=1200)
        (tree / ".complete").touch()
    return tree


def wheelhouse(tree: Path) -> Path:
    """Everything that an installation in the tree fetches, for its Python, so that the machine needs no network."""
    asked = ["chroot", str(tree), "python3", "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    pins = _meant_for(version, _committed("requirements.txt"))
    wheels = STORE / f"wheels-{version}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    if not (wheels / ".complete").exists():
        wheels.mkdir(parents=True, exist_ok=True)
        (wheels / "pins.txt").write_text(pins)
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--python-version={version}"]
        words += ["-r", str(wheels / "pins.txt"), "setuptools>=77", "wheel", "--dest", str(wheels)]
        subprocess.run(words, check=True, stdout=sys.stderr, timeout=1200)
        (wheels / ".complete").touch()
    return wheels


def _committed(name: str) -> str:
    words = ["git", "-C", str(REPOSITORY), "show", f"HEAD:{name}"]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def _meant_for(version: str, requirements: str) -> str:
    """The pins that hold for that Python; pip itself would judge by the one it runs on."""
    target = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
    kept = []
    for line in requirements.splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(target):
                kept.append(f"{pin.name}{pin.specifier}")
    return "\n".join(kept)


def copy_of_sources(target: Path) -> None:
    """What is committed, as somebody gets it who clones the repository."""
    target.mkdir(parents=True)
    packed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "archive", "HEAD"], check=True, capture_output=True, timeout=60
    ).stdout
    subprocess.run(["tar", "-C", str(target), "-xf", "-"], check=True, input=packed, timeout=60)


@dataclass
class Machine:
    """One booted tree at `root`. `wheels` is what its pip may install from."""

    root: Path
    wheels: Path
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _leader: int = field(default=0, init=False)

    def boot(self, seconds: float = 120) -> str:
        """Boot, and wait until systemd has started everything; its word on how that went."""
        words = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.root}",
            f"--machine=robotrading-drill-{os.getpid()}",
        ]
        words += ["--register=no", "--keep-unit", "--link-journal=no", "--private-network", "--console=pipe"]
        words += [f"--bind-ro={self.wheels}:/wheels"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._leader = wait_for("the machine's first process", self._first_process, seconds)
        wait_for("systemd's private socket", (self.inside / "run/systemd/private").exists, seconds)
        return self.run("systemctl is-system-running --wait", timeout=seconds, check=False).stdout.strip()

    @property
    def inside(self) -> Path:
        """The machine's own view of its files; `root` lacks what it has mounted."""
        return Path(f"/proc/{self._leader}/root")

    def _first_process(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None, f"systemd-nspawn ended; see {self.log}"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return next((int(child) for child in children if _namespace(int(child)) != _namespace(os.getpid())), 0)

    def run(self, command: str, *, timeout: float = 600, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A shell command inside, as root; its output with both streams in one."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/wheels",
        }
        words = ["nsenter", f"--target={self._leader}", "--all", "/bin/bash", "-c", f"cd /\n{command}"]
        done = subprocess.run(
            words,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        with self.log.open("a") as log:
            log.write(f"\n$ {command}\n{done.stdout}[{done.returncode}]\n")
        assert not check or done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done

    def power_off(self, seconds: float = 150) -> None:
        """As a person would: every service is stopped in order."""
        assert self._process is not None
        self.run("systemctl poweroff", check=False)
        self._process.wait(seconds)

    def destroy(self) -> None:
        """Whatever state it is in."""
        if self._process is None or self._process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGKILL)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return str(Path("/proc/self/ns/pid").readlink())


T = TypeVar("T")


def wait_for(what: str, ask: Callable[[], T], seconds: float) -> T:
    """The first answer that is true, or a failed assertion that says what did not come."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s")
