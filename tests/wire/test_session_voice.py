"""What a session tells of its progress is for whoever listens: where nobody does any more, it trades on."""

from __future__ import annotations

from pathlib import Path

import pytest

from robotrading.config.demo import DEMO_DAY
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome
from robotrading.session.job import Job
from robotrading.wiring.books import Orders
from robotrading.wiring.runs import carry_out
from tests.wire.session_config import write_config

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]


async def test_a_session_trades_on_when_nobody_listens_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the terminal goes away that shows the bars: the first word fails, and the pipe is closed."""
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))

    def gone(_job: Job, _step: str, _done: int, _total: int) -> None:
        raise OSError(5, "Input/output error")

    (report,) = await carry_out(Orders(write_config(tmp_path), as_of=DEMO_DAY), [AssetClass.CRYPTO], gone)
    assert report.outcome is Outcome.DONE, report.verdict
    assert report.tickets
    assert "progress" in caplog.text
