"""A session reads the configuration anew: one that has become another account's is refused before anything is opened."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from robotrading.domain.claims import Lease
from robotrading.domain.instrument import AssetClass
from robotrading.session.job import Job, read_report

CONFIG = """
state_dir: {folder}/state
broker: {{gateway: external, account: DU7654321}}
sessions: {{equities: {{enabled: false}}, bonds: {{enabled: false}}}}
"""


def test_a_session_is_refused_when_the_configuration_has_become_another_accounts(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    lease = Lease("account:embedded", "this machine", 1, datetime.now(UTC) + timedelta(hours=1))
    job = Job("run-1", AssetClass.CRYPTO, str(tmp_path / "run-1"), str(config), gateway_port=1, lease=lease)
    done = subprocess.run(
        [sys.executable, "-m", "robotrading", "session", str(job.write())],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "account:paper-DU7654321's now, and this session was started for account:embedded" in done.stderr
    assert "restart the service" in done.stderr.lower()
    assert read_report(job) is None
    assert not (tmp_path / "state" / "books").exists()
