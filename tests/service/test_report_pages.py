"""The real service shows what its own session and its own week left on the disk."""

from __future__ import annotations

import re
from urllib.request import urlopen

from tests.service.services import Service


def test_a_run_asked_for_over_http_is_in_the_history_and_its_report_is_shown(service) -> None:
    one: Service = service()
    one.start()
    one.until_ready()
    assert one.get("/reports")[0] == 200
    one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
    one.run_crypto()
    one.until(lambda: "/reports/" in one.get("/reports")[1], what="the run in the history")
    (run_id,) = set(re.findall(r'href="/reports/([^"]+)"', one.get("/reports")[1]))
    one.until(lambda: f'href="/reports/{run_id}"' in one.get("/")[1], what="the run on the status page")
    one.until(lambda: one.get(f"/reports/{run_id}")[0] == 200, what="the run's page")
    with urlopen(f"http://127.0.0.1:{one.port}/reports/{run_id}", timeout=10) as answer:
        page, headers = answer.read(), answer.headers
    assert page == (one.book / "runs" / run_id / "report.html").read_bytes()
    assert run_id.encode() in page
    assert b"data:image/png" in page
    assert "img-src data:" in headers["content-security-policy"]
    (one.book / "summaries").mkdir()
    (one.book / "summaries" / "2026-01-03.html").write_text("the week")
    one.until(lambda: "/summaries/2026-01-03" in one.get("/reports")[1], what="the week in the history")
    assert one.get("/summaries/2026-01-03") == (200, "the week")
    status, said = one.get("/reports/20250101-000000-scheduled-crypto")
    assert status == 404
    assert "robotrading report 20250101-000000-scheduled-crypto --open" in said
