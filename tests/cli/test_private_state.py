"""What the bot writes on a machine with several users is for its own user alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_nobody_else_may_read_what_a_command_writes(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    done = subprocess.run(
        [sys.executable, "-m", "robotrading", "status"],
        env={**os.environ, "ROBOTRADING_STATE_DIR": str(state)},
        cwd=tmp_path,
        umask=0o022,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    written = list(state.rglob("*"))
    assert any(path.is_file() for path in written)
    assert not [path for path in (state, *written) if path.stat().st_mode & 0o077]
