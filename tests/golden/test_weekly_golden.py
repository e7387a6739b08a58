"""What the week's summaries look like, kept as files; see test_report_golden.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from week_worlds import ALL

from robotrading.adapters.notify.report.plain import WIDTH
from robotrading.adapters.notify.weekly import message, subject, summary_html, summary_text
from robotrading.adapters.notify.weekly.pictures import draw

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


def test_no_kept_file_is_without_its_week():
    assert {path.stem for path in FOLDER.iterdir()} == {*ALL, "subjects"}
