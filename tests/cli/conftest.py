"""One demo for all tests of a worker: it takes seconds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import robotrading


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A finished demo and the folder it ran in."""
    folder = tmp_path_factory.mktemp("demo")
    return robotrading("demo", cwd=folder), folder
