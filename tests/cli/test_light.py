"""Help and configuration answer at once: nothing heavy is imported for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment

NEVER = {"pandas", "scipy", "sklearn", "sqlalchemy", "hmmlearn", "yfinance", "ib_insync", "ib_async", "matplotlib"}
SCRIPT = """
import json, sys
sys.argv = ["robotrading", *sys.argv[1:]]
from robotrading.__main__ import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (["--help"], {"numpy", *NEVER}),
        (["run", "--help"], {"numpy", *NEVER}),
        (["--version"], {"numpy", *NEVER}),
        (["config", "check"], NEVER),
        (["config", "schema"], NEVER),
    ],
)
def test_a_light_command_imports_nothing_heavy(words: list[str], never: set[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=tmp_path, env=environment(tmp_path / "state"), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in (0, None)
    assert not never & set(modules)
