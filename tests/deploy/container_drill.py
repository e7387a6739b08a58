"""The image, really built and run: `make container`, or `python -m tests.deploy.container_drill`.

Prints a table of what was done and seen, or 'skipped: reason'. Exit code 0 when all held or nothing could be done, 1
when something did not hold. Takes five minutes or so. IMAGE=name takes an image that is there instead of building one;
BASE_IMAGE=name builds on that base instead of a Debian made for the purpose.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.container_engine import Engine, Unable, base_image, build, engine
from tests.deploy.nspawn_machine import cannot, debian_tree

ROOT = Path(__file__).parents[2]
WATCHDOG = 10
CONFIG = "service:\n  port: {port}\n  watchdog_seconds: {watchdog}\n"
GRACE = 75


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def wait_for(what: Callable[[], bool], seconds: float, why: str) -> float:
    """How long it took. Raises AssertionError."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {why}"
        time.sleep(0.5)
    return time.monotonic() - began


@dataclass
class Copy:
    """One container of the bot, as compose starts it; on the host's network, since not every engine has another."""

    docker: Engine
    image: str
    name: str
    state: str
    port: int
    folder: Path

    def start(self) -> None:
        config, given = self.folder / "config", self.folder / "secrets"
        config.mkdir(parents=True)
        given.mkdir()
        (config / "config.yaml").write_text(CONFIG.format(port=self.port, watchdog=WATCHDOG))
        (given / "ROBOTRADING_TOKEN").write_text(secrets.token_hex(20))
        for path in (self.folder, config, given, *config.iterdir(), *given.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.docker.run(
            "run", "--detach", "--name", self.name, "--network=host", "--restart=unless-stopped", "--read-only",
            "--tmpfs=/tmp:size=256m,mode=1777,nosuid,nodev,noexec", "--cap-drop=ALL",
            "--security-opt=no-new-privileges:true", "--memory=4g", "--pids-limit=512",
            f"--volume={self.state}:/state", f"--volume={config}:/config:ro", f"--volume={given}:/run/secrets:ro",
            "--env=ROBOTRADING_HOST=127.0.0.1", f"--env=ROBOTRADING_HEALTH_URL=http://127.0.0.1:{self.port}/health",
            "--health-interval=3s", "--health-start-period=2m", self.image,
        )  # fmt: skip

    @property
    def secret(self) -> str:
        return (self.folder / "secrets/ROBOTRADING_TOKEN").read_text()

    def inside(self, *words: str, check: bool = True, seconds: float = 180) -> str:
        return self.docker.run("exec", self.name, *words, check=check, seconds=seconds)

    def health(self) -> str:
        return str(self.docker.inspect(self.name)["State"]["Health"]["Status"])

    def restarts(self) -> int:
        return int(self.docker.inspect(self.name)["RestartCount"])

    def until_healthy(self) -> float:
        return wait_for(lambda: self.health() == "healthy", 180, f"healthy; {self.said()}")

    def said(self) -> str:
        return str(self.docker.inspect(self.name)["State"]["Health"]["Log"][-1:]) + self.log()[-1500:]

    def log(self) -> str:
        return self.docker.run("logs", self.name)

    def daemon(self) -> str:
        """The daemon's process id inside: tini's only child, or its eldest."""
        return self.inside("cat", "/proc/1/task/1/children").split()[0]

    def signal(self, name: str) -> float:
        """Send the daemon a signal from inside; seconds until Docker has started another one and it is healthy."""
        before, began = self.restarts(), time.monotonic()
        self.inside("python", "-c", f"import os, signal; os.kill({self.daemon()}, signal.{name})", check=False)
        wait_for(lambda: self.restarts() > before, WATCHDOG + 60, f"Docker starts it again after {name}")
        wait_for(lambda: self.health() != "healthy", 5, "the new one is asked anew")
        self.until_healthy()
        return time.monotonic() - began


@dataclass
class Drill:
    """What has been seen so far."""

    docker: Engine
    seen: list[tuple[str, float, str]] = field(default_factory=list)
    _words: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        say(f"... {name}")
        began, self._words = time.monotonic(), ""
        yield
        self.seen.append((name, time.monotonic() - began, self._words))

    def note(self, words: str) -> None:
        self._words = words

    def table(self) -> str:
        return "\n".join(["", *(f"{name:<58} {took:6.1f} s  {words}" for name, took, words in self.seen)])


def sizes(docker: Engine, image: str) -> str:
    """The whole, and each layer that this build has added."""
    layers = docker.run("history", "--format", "{{.Size}} {{.CreatedBy}}", image).splitlines()
    added = [line.split()[0] + " " + line.split("COPY ")[-1].split()[0] for line in layers if "COPY /opt" in line]
    total = int(docker.run("image", "inspect", "--format", "{{.Size}}", image))
    return f"{total / 1e6:.0f} MB with its base; " + ", ".join(added)


def confined(copy: Copy) -> str:
    """Not root, nothing gained, nothing written but where it may."""
    assert copy.inside("id", "-u") == "10001"
    status = copy.inside("cat", f"/proc/{copy.daemon()}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    for path in ("/x", "/config/x", "/run/secrets/x", "/opt/venv/x", "/opt/robotrading/robotrading/x", "/var/tmp/x"):
        assert copy.docker.code("exec", copy.name, "touch", path), path
    for path in ("/state/x", "/tmp/x"):
        copy.inside("touch", path)
        copy.inside("rm", path)
    assert not copy.docker.run("diff", copy.name).replace("C /run", "").strip(), copy.docker.run("diff", copy.name)
    for program in ("gcc", "cc", "/opt/venv/bin/pip", "/opt/pip/bin/pip"):  # a base may have a pip of its own
        assert copy.docker.code("exec", copy.name, "sh", "-c", f"command -v {program}"), program
    resident = int(facts["VmRSS"].split()[0]) / 1024
    return f"uid 10001, no capability, root read-only, no compiler or pip of ours; daemon {resident:.0f} MB"


def keeps_secrets(copy: Copy) -> str:
    """The secret that the bot read is in nothing that Docker shows, nor in the state."""
    places = {
        "inspect": json.dumps(copy.docker.inspect(copy.name)),
        "image": json.dumps(copy.docker.inspect(copy.image)),
        "history": copy.docker.run("history", "--no-trunc", copy.image),
        "logs": copy.log(),
        "processes": copy.inside("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true"),
    }
    assert "CREDENTIALS_DIRECTORY=" in places["processes"]
    assert not [name for name, text in places.items() if copy.secret in text]
    assert copy.docker.code("exec", copy.name, "grep", "-rqF", copy.secret, "/state") == 1  # read, and not found
    return ", ".join([*places, "state"])


def stops(copy: Copy) -> str:
    """Asked to stop, it does: by itself, in time, with exit code 0."""
    began = time.monotonic()
    copy.docker.run("stop", "--time", str(GRACE), copy.name, seconds=GRACE + 30)
    took, state = time.monotonic() - began, copy.docker.inspect(copy.name)["State"]
    assert state["ExitCode"] == 0, f"{state}; {copy.log()[-1500:]}"
    assert not state["OOMKilled"]
    assert took < GRACE
    return f"exit code 0 after {took:.1f} s of {GRACE}"


def second_copy(first: Copy, second: Copy) -> str:
    """Beside a copy on the same state, the first goes on undisturbed; when it is gone the second can trade."""
    second.start()
    time.sleep(15)
    assert first.health() == "healthy", first.said()
    state = second.docker.inspect(second.name)
    stood_by = f"second copy: {state['State']['Status']}, started {state['RestartCount']} times again"
    stops(first)
    took = wait_for(lambda: second.health() == "healthy", 180, f"the second takes over; {second.said()}")
    return f"{stood_by}; healthy {took:.0f} s after the first had stopped"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def image_for(drill: Drill) -> str:
    if named := os.environ.get("IMAGE"):
        return named
    base = os.environ.get("BASE_IMAGE") or base_image(drill.docker, debian_tree())
    with drill.step(f"the image is built on {base}"):
        build(drill.docker, base, "robotrading:drill", ROOT)
    return "robotrading:drill"


def play(drill: Drill, folder: Path) -> None:
    docker, image, mark = drill.docker, image_for(drill), secrets.token_hex(3)
    first, second = (
        Copy(docker, image, f"drill-{mark}-{number}", f"drill-{mark}", free_port(), folder / str(number))
        for number in (1, 2)
    )
    with drill.step("the image's size"):
        drill.note(sizes(docker, image))
    try:
        with drill.step("healthy with the embedded gateway, without an account"):
            first.start()
            first.until_healthy()
        play_on(drill, first, second)
    finally:
        for copy in (first, second):
            docker.code("rm", "--force", "--volumes", copy.name)
        docker.code("volume", "rm", "--force", first.state)


def play_on(drill: Drill, first: Copy, second: Copy) -> None:
    with drill.step("confined"):
        drill.note(confined(first))
    with drill.step("a secret from a file stays secret"):
        drill.note(keeps_secrets(first))
    with drill.step("a demo of all sessions inside"):
        assert "Files" in first.inside("robotrading", "demo", "--quiet")
    with drill.step("`robotrading health` inside"):
        began = time.monotonic()
        drill.note(first.inside("robotrading", "health") + f" ({time.monotonic() - began:.1f} s with docker exec)")
    with drill.step("a frozen daemon is ended and started again"):
        drill.note(f"healthy again after {first.signal('SIGSTOP'):.0f} s, watchdog {WATCHDOG} s")
    with drill.step("kill -9 of the daemon"):
        drill.note(f"healthy again after {first.signal('SIGKILL'):.0f} s")
    with drill.step("a second copy on the same state"):
        drill.note(second_copy(first, second))
    with drill.step("docker stop"):
        drill.note(stops(second))


def main() -> int:
    if not os.environ.get("IMAGE") and not os.environ.get("BASE_IMAGE") and (reason := cannot()):
        say(f"skipped: {reason}")
        return 0
    try:
        with engine() as docker, tempfile.TemporaryDirectory(prefix="drill-") as folder:
            drill = Drill(docker)
            try:
                play(drill, Path(folder))
            except AssertionError as error:
                say(f"{drill.table()}\n\nnot as it should be: {error}")
                return 1
            say(drill.table())
    except Unable as error:
        say(f"skipped: {error}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
