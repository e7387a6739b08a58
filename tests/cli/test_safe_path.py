"""Who has left modules in the folder that a command is called in does not get them run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from robotrading import __version__

CALLED = """
import subprocess, sys
from robotrading.__main__ import main
from robotrading.session.processes import command
sys.argv = ["robotrading", "--version"]
try:
    main()
except SystemExit:
    subprocess.run(command("--version"), check=True)
"""
"""As the installed command does, which takes nothing from there itself, and then begins a child."""


def test_a_child_takes_no_module_from_the_folder_that_the_command_is_called_in(tmp_path: Path) -> None:
    (tmp_path / "robotrading").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "robotrading" / name).write_text("raise SystemExit('taken from the folder')")
    done = subprocess.run(
        [sys.executable, "-P", "-c", CALLED], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == [f"robotrading {__version__}"] * 2, done.stderr
