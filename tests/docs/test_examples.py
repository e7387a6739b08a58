"""The examples do what examples/README.md says of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import ROOT, command, environment, robotrading

EXAMPLES = ROOT / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples."""
    return Path(
        shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("prices", "state", "__*"))
    )


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(folder / "state"),
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_plans_from_price_files(folder: Path) -> None:
    made = python(folder, "make_sample_files.py")
    assert (made.returncode, made.stderr) == (0, "")
    words = ["plan", "all", "--config", "plan_from_files.yaml", "--as-of", "2025-09-26"]
    done = robotrading(*words, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    orders = set(re.findall(r"^  buy +(\S+)", done.stdout, re.MULTILINE))
    assert {"SYNAA", "SYNAB", "SYNBA", "SYNBB", "SYNBC", "SYNCA-USD"} <= orders
    assert "SYNAF" not in orders
    assert "--config plan_from_files.yaml" in done.stdout


def test_watching_the_gateway(folder: Path) -> None:
    words = command("gateway", "--port", "0", "--always-open", "--as-of", "2025-09-26")
    with subprocess.Popen(
        words, cwd=folder, env=environment(folder / "state"), stdout=subprocess.PIPE, text=True
    ) as served:
        try:
            assert served.stdout is not None
            first = served.stdout.readline()
            port = re.search(r":(\d+),", first)
            assert port, first
            done = python(folder, "watch_gateway.py", "--port", port[1], "--buy", "SYNAA")
        finally:
            served.terminate()
            code = served.wait(timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SYNAA: Filled, 10 at" in done.stdout
    assert re.search(r"^DU1000001 +SYNAA +10 at", done.stdout, re.MULTILINE)
    assert code == 0


def test_every_example_is_explained() -> None:
    told = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [
        path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name not in ("README.md", ".gitignore")
    ]
    assert not [name for name in files if name not in told]
