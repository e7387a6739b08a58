"""A Docker engine for the drill: the one of this machine, or one of its own for as long as it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_START_SECONDS = 30
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Unable(Exception):
    """Why this machine cannot; the drill is skipped."""


@dataclass(frozen=True)
class Engine:
    """The client's words; `environment` says where the engine is."""

    client: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, seconds: float = 120, check: bool = True, text: str = "") -> str:
        """What the command wrote, both ways."""
        done = subprocess.run(
            [self.client, *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=seconds, env={**os.environ, **self.environment},
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(words[:4])} ended with {done.returncode}: {done.stdout[-2000:]}")
        return done.stdout.strip()

    def code(self, *words: str) -> int:
        """The exit code of a command."""
        return subprocess.run(
            [self.client, *words], capture_output=True, check=False, timeout=120,
            env={**os.environ, **self.environment},
        ).returncode  # fmt: skip

    def inspect(self, name: str) -> Any:
        return json.loads(self.run("inspect", name))[0]


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine that DOCKER_HOST or the usual socket leads to, else a private one. Raises `Unable`."""
    client = _client()
    there = Engine(client, {"DOCKER_BUILDKIT": "1"})
    if there.code("info") == 0:
        yield there
        return
    if os.geteuid() or shutil.which("dockerd") is None:
        raise Unable("there is no Docker engine, and none can be started (Debian: docker.io, as root)")
    with tempfile.TemporaryDirectory(prefix="drill-docker-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        yield from _own(client, Path(folder))


def _client() -> str:
    """A client that builds with BuildKit: one with buildx, or one of before it was needed."""
    found = dict.fromkeys(
        path for path in (os.environ.get("DOCKER"), shutil.which("docker"), "/usr/bin/docker") if path
    )
    for client in found:
        if not Path(client).exists():
            continue
        said = subprocess.run([client, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
        major = int("".join(filter(str.isdigit, said.partition("version")[2].partition(".")[0])) or 0)
        if (
            major < 23
            or subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode == 0
        ):
            return client
    raise Unable("there is no docker client that can build (Debian: docker.io)")


def _own(client: str, folder: Path) -> Iterator[Engine]:
    """Without bridge and packet filter, which not every machine allows; its containers use the host's network."""
    socket = f"unix://{folder}/docker.sock"
    words = ["dockerd", "--iptables=false", "--bridge=none", "--data-root", str(folder / "data"), "--exec-root",
             str(folder / "exec"), "--pidfile", str(folder / "pid"), "--host", socket]  # fmt: skip
    found = Engine(client, {"DOCKER_BUILDKIT": "1", "DOCKER_HOST": socket})
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            end = time.monotonic() + _START_SECONDS
            while found.code("info") and time.monotonic() < end and process.poll() is None:
                time.sleep(0.5)
            if found.code("info"):
                raise Unable(f"dockerd does not start: {(folder / 'log').read_text()[-300:]}")
            yield found
        finally:
            process.terminate()
            process.wait(60)
            _unmount(folder)


def _unmount(folder: Path) -> None:
    """The engine leaves the mount of its network's name space behind."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((one for one in mounted if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", place], check=False, timeout=30)


def base_image(docker: Engine, tree: Path) -> str:
    """An image of a Debian tree, with this machine's certificates, so that its pip trusts what this machine trusts."""
    name = "robotrading-drill/debian"
    if docker.code("image", "inspect", name) == 0:
        return name
    with tempfile.TemporaryDirectory() as folder:
        certificates = Path(folder) / "etc/ssl/certs/ca-certificates.crt"
        certificates.parent.mkdir(parents=True)
        packed = Path(folder) / "tree.tar"
        ours = [f"--exclude=.{_CERTIFICATES}"] if _CERTIFICATES.exists() else []
        subprocess.run(["tar", "-C", str(tree), *ours, "-cf", str(packed), "."], check=True, timeout=300)
        if ours:
            shutil.copy(_CERTIFICATES, certificates)
            words = ["tar", "-C", folder, "-rf", str(packed), "./etc/ssl/certs/ca-certificates.crt"]
            subprocess.run(words, check=True, timeout=60)
        docker.run("import", str(packed), name, seconds=300)
    return name


def build(docker: Engine, base: str, tag: str, folder: Path) -> None:
    """The image on a base; pip reaches its index as this machine's does."""
    words = ["build", "--network=host", "--build-arg", f"BASE_IMAGE={base}", "--tag", tag]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        settings.write(_pip_settings())
        settings.flush()
        docker.run(*words, "--secret", f"id=pip.conf,src={settings.name}", str(folder), seconds=1800)


def _pip_settings() -> str:
    """This machine's settings of pip, but for folders that the build does not see."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    kept = ["[global]"]
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name, value = key.rpartition(".")[2], value.strip("'\"")
        if name in {"index-url", "extra-index-url", "trusted-host"} and "file:" not in value:
            kept.append(f"{name} = {value}")
    return "\n".join([*kept, f"cert = {_CERTIFICATES}"]) + "\n"
