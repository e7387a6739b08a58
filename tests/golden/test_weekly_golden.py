"""What the week's summaries look like, kept as files; see test_report_golden.py."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from report_worlds import share
from week_worlds import ALL

from robotrading.adapters.notify.report.plain import WIDTH
from robotrading.adapters.notify.weekly import message, subject, summary_html, summary_text
from robotrading.adapters.notify.weekly.pictures import draw
from robotrading.portfolio.performance import Flow

FOLDER = Path(__file__).parent / "weekly"


def compare(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == text, f"{name} has changed; see test_report_golden.py's first lines"


@pytest.mark.parametrize("name", ALL)
def test_the_text_is_as_kept(name: str):
    text = summary_text(ALL[name]())
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    compare(f"{name}.txt", text)


@pytest.mark.parametrize("name", ALL)
def test_the_page_is_as_kept(name: str):
    """With its pictures, which are empty here: what they look like depends on the drawing library."""
    made = ALL[name]()
    page = summary_html(made, [replace(picture, data=b"") for picture in draw(made)])
    compare(f"{name}.html", page[page.index("<body") :])


def test_the_subjects_are_as_kept():
    compare("subjects.txt", "".join(f"{name}: {subject(make())}\n" for name, make in ALL.items()))


@pytest.mark.parametrize("name", ALL)
def test_the_mail_is_complete(name: str):
    """Both bodies, every picture shown, nothing foreign in it, no account in full."""
    made = ALL[name]()
    pictures = draw(made)
    mail = message(made, pictures)
    assert len(mail.html.encode()) < 90_000
    assert [mail.html.count(f'"cid:{one.content_id}"') for one in mail.attachments] == [1] * len(pictures)
    for text in (mail.subject, mail.text, mail.html):
        assert "DU7654321" not in text
        assert "<img src=x" not in mail.html
    assert mail.subject.isprintable()


def test_a_mail_that_is_cut_carries_the_whole_page():
    """It says so, and what it says must be true."""
    assert not [one for one in message(ALL["normal"]()).attachments if not one.content_id]
    made = ALL["normal"]()
    trips = tuple(replace(made.week.trips[0], instrument=share(f"T{number:03}")) for number in range(60))
    mail = message(replace(made, week=replace(made.week, trips=trips)))
    assert "The other 20 are in the attached file and in the text of this mail." in mail.html
    (whole,) = mail.attachments
    assert whole.name == "week-2025-09-27.html"
    assert all(f"T{number:03}" in whole.data.decode() and f"T{number:03}" in mail.text for number in range(60))


def test_days_are_new_yorks():
    """A crypto position may be closed on Saturday evening there, which is Sunday in UTC."""
    made = ALL["normal"]()
    late = datetime(2025, 9, 28, 1, tzinfo=UTC)
    week = replace(made.week, trips=(replace(made.week.trips[0], closed_at=late),))
    flows = replace(made.flows, found=(Flow(late - timedelta(days=1), late, Decimal(9000)),))
    text = summary_text(replace(made, week=week, flows=flows, worth_at=late))
    assert "2025-09-28" not in text
    assert text.count("2025-09-27") == 4, "the subtitle, the value, the position and the payment"


def test_payments_before_the_three_months_are_none_of_theirs():
    """They are known, since the first value of the three months has to be."""
    made = ALL["loss_and_deposit"]()
    before = datetime(2025, 6, 20, 20, tzinfo=UTC)
    found = (*made.flows.found, Flow(before - timedelta(days=1), before, Decimal(77_000)))
    unclear = (*made.flows.unclear, replace(made.flows.unclear[0], until=before, amount=Decimal(55_000)))
    text = summary_text(replace(made, flows=replace(made.flows, found=found, unclear=unclear)))
    assert "77,000" not in text
    assert "55,000" not in text
    assert "1 change of cash could not be explained" in " ".join(text.split())


def test_no_kept_file_is_without_its_week():
    assert {path.stem for path in FOLDER.iterdir()} == {*ALL, "subjects"}
