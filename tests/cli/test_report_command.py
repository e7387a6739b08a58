"""`report` and `explain` as a person and a script meet them, on the demo's own books."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec

from robotrading.domain.report import SessionReport
from robotrading.wiring.explain import Explanation
from tests.cli.command import robotrading

Demo = tuple[subprocess.CompletedProcess[str], Path]


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Its words in one line; it went well and fits a terminal of 80 columns."""
    assert (done.returncode, done.stderr) == (0, "")
    assert not [line for line in done.stdout.splitlines() if len(line) > 80]
    return " ".join(done.stdout.split())


def test_the_pages_of_the_demo_have_pictures_and_no_mail_is_left_behind(demo: Demo) -> None:
    _, folder = demo
    pages = list((folder / "state/books/demo/runs").glob("*/report.html"))
    assert len(pages) == 3
    for page in pages:
        assert page.read_text("utf-8").count("data:image/png") >= 3
        assert {one.name for one in page.parent.iterdir()} == {
            "job.json", "log.txt", "report.html", "report.json", "report.txt",
        }  # fmt: skip


def test_the_last_report_is_shown_as_text(demo: Demo) -> None:
    text = said(robotrading("report", "--demo", cwd=demo[1]))
    assert "Account value" in text
    assert "There is no history yet" in text


def test_a_report_is_found_by_a_part_of_its_id_and_as_json(demo: Demo) -> None:
    done = robotrading("report", "bonds", "--demo", "--json", cwd=demo[1])
    assert msgspec.json.decode(done.stdout, type=SessionReport).kind == "bonds"
    unclear = robotrading("report", "2025", "--demo", cwd=demo[1])
    assert (unclear.returncode, unclear.stdout) == (2, "")
    assert "'2025' is part of 3 run ids" in unclear.stderr


def test_the_list_names_every_run(demo: Demo) -> None:
    text = said(robotrading("report", "--list", "--demo", cwd=demo[1]))
    runs = [one["run_id"] for one in json.loads(robotrading("report", "-l", "--demo", "--json", cwd=demo[1]).stdout)]
    assert len(runs) == 3
    assert all(run in text for run in runs)


def test_the_page_is_shown_in_the_browser(demo: Demo) -> None:
    done = robotrading("report", "crypto", "--open", "--demo", cwd=demo[1], BROWSER="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).read_bytes().startswith(b"<!DOCTYPE html>")


def test_nothing_stored_says_what_to_do(tmp_path: Path) -> None:
    for words, way_out in ((("report",), "robotrading plan all"), (("explain", "AAPL"), "robotrading plan all")):
        done = robotrading(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert way_out in done.stderr


def test_what_was_bought_is_told_from_prices_to_fills(demo: Demo) -> None:
    text = said(robotrading("explain", "synca-usd", "--demo", cwd=demo[1]))
    for words in (
        "Bought. New, 32.7 % of the budget",
        "From synthetic",
        "Last complete bar 2025-09-25, 1 day before",
        "log-likelihood",
        "% likely now",
        "sent to the broker",
        "slippage +",
        "Commission",
        "The bot's own",
    ):
        assert words in text
    found = msgspec.json.decode(
        robotrading("explain", "SYNCA-USD", "--demo", "--json", cwd=demo[1]).stdout, type=Explanation
    )
    assert [event.kind for order in found.orders for event in order.events][:2] == ["sent", "acknowledged"]


def test_what_no_session_knows_is_said_to_be_so(demo: Demo) -> None:
    text = said(robotrading("explain", "NOSUCH", "--run", "equities", "--demo", cwd=demo[1]))
    assert "Not traded: it is not in the universe of this session." in text
