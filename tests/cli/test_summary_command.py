"""`summary` as a person, a script and the service meet it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import trustme

from robotrading.adapters.notify.settings import Security
from tests.cli.command import robotrading
from tests.mail_servers import PASSWORD, USER, Mailbox, serving

Demo = tuple[subprocess.CompletedProcess[str], Path]


def test_a_week_fits_the_terminal(demo: Demo) -> None:
    done = robotrading("summary", "--demo", cwd=demo[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert not [line for line in done.stdout.splitlines() if len(line) > 80]
    text = " ".join(done.stdout.split())
    assert "3 runs; " in text
    assert "Paid in or out not known: that takes the reports of two runs" in text


def test_a_week_is_json_for_programs(demo: Demo) -> None:
    found = json.loads(robotrading("summary", "--demo", "--json", cwd=demo[1]).stdout)
    assert (found["day"], found["mode"], found["week"]["performance"]["total"]) == ("2025-09-26", "demo", None)
    assert sum(sum(one["outcomes"].values()) for one in found["runs"]) == 3
    before = json.loads(robotrading("summary", "--demo", "--json", "--week", "2025-09-12", cwd=demo[1]).stdout)
    assert (before["first"], before["runs"]) == ("2025-09-06", [])


def test_the_page_is_shown_in_the_browser(demo: Demo) -> None:
    done = robotrading("summary", "--open", "--demo", cwd=demo[1], BROWSER="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).read_bytes().startswith(b"<!DOCTYPE html>")


def test_one_form_at_a_time(tmp_path: Path) -> None:
    done = robotrading("summary", "--open", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "exclude each other" in done.stderr


def test_mail_that_is_not_set_up_is_told_with_the_way_out(tmp_path: Path) -> None:
    done = robotrading("summary", "--mail", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "mail is not set up: GMAIL_ADDRESS, GMAIL_APP_PASSWORD, RECIPIENT_EMAIL wanting" in done.stderr


def test_it_is_mailed_once(tmp_path: Path) -> None:
    """By a person's word now, by the service's later: one mail for each recipient, through a real server."""
    authority, ca_file = trustme.CA(key_type=trustme.KeyType.ECDSA), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with serving(Mailbox(), authority, Security.SSL) as box:
        (tmp_path / "config.yaml").write_text(
            f"mail:\n  host: localhost\n  port: {box.port}\n  username: {USER}\n  ca_file: {ca_file}\n"
            "  recipients: [ann@example.com, ben@example.com]\n",
            "utf-8",
        )
        words = {"GMAIL_APP_PASSWORD": PASSWORD}
        first = robotrading("summary", "--week", "2026-11-20", "--mail", cwd=tmp_path, **words)
        again = robotrading("summary", "--week", "2026-11-20", "--mail", cwd=tmp_path, **words)
        later = robotrading("send-summary", "--week", "2026-11-20", cwd=tmp_path, **words)
    assert (first.returncode, first.stderr) == (0, "")
    assert (again.returncode, later.returncode) == (0, 0)
    assert first.stdout.splitlines() == [
        f"sent: [robotrading] Week without a run (embedded, week to 2026-11-20) to {person}@example.com"
        for person in ("ann", "ben")
    ]
    assert "was posted before" in again.stdout
    assert "was posted before" in later.stdout
    assert sorted(mail["To"] for _, _, mail in box.mails) == ["ann@example.com", "ben@example.com"]
    assert {mail["Subject"] for _, _, mail in box.mails} == {
        "[robotrading] Week without a run (embedded, week to 2026-11-20)"
    }
    assert PASSWORD not in first.stdout + again.stdout + later.stderr


@pytest.mark.parametrize("day", ["2026-13-01", "yesterday"])
def test_a_day_that_is_none_is_refused(tmp_path: Path, day: str) -> None:
    done = robotrading("summary", "--week", day, cwd=tmp_path)
    assert done.returncode == 2
    assert day in done.stderr
