"""Whole commands: a dry run of 455 equities from a warm cache, and how fast the command line answers.

`python -m pytest benchmarks/bench_session.py`. The market is synthetic, so that everybody can measure the same.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from string import ascii_uppercase

import pytest

DAY = "2025-09-26"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "robotrading", *words]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    letters = [a + b for a in ascii_uppercase[:18] for b in ascii_uppercase]
    symbols = ", ".join(f"SYN{pair}" for pair in letters[:455])
    (tmp_path / "config.yaml").write_text(
        f"sessions:\n  equities:\n    universe: {{symbols: [{symbols}]}}\n    sources: [synthetic]\n"
        "    construct: {max_weight: 0.1}\n"
    )
    return tmp_path


@pytest.mark.timeout(600)
def test_dry_run_of_455_equities_from_a_warm_cache(benchmark, folder):
    def plan() -> None:
        done = subprocess.run(
            command("plan", "equities", "--as-of", DAY, "--quiet", "--json"),
            cwd=folder,
            env=os.environ | {"ROBOTRADING_STATE_DIR": str(folder / "state")},
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()

    plan()
    benchmark.pedantic(plan, rounds=3)
    # ru_maxrss is the largest single process of all that have ended, in KiB on Linux.
    benchmark.extra_info["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def test_help_answers(benchmark):
    benchmark.pedantic(
        lambda: subprocess.run(command("--help"), check=True, capture_output=True), rounds=10, warmup_rounds=1
    )
