"""The real command in a process of its own, with a state folder of its own and no configuration from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEFT_OUT = (
    "ROBOTRADING_",
    "COV_CORE_",
    "GMAIL_",
    "ALPHA_VANTAGE_",
    "RECIPIENT_",
    "USE_PAPER",
    "NO_COLOR",
    "FORCE_COLOR",
)


def environment(state: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return kept | {"ROBOTRADING_STATE_DIR": str(state), "COLUMNS": "80", "PYTHONPATH": str(ROOT)} | more


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "robotrading", *words]


def robotrading(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in `cwd`, with `cwd/state` as the state folder unless the environment says otherwise."""
    return subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(cwd / "state", **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
