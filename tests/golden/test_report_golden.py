"""What the reports look like, kept as files, so that every change of them is seen by whoever reviews it.

Write them anew after a wanted change: UPDATE_GOLDEN=1 python -m pytest tests/golden
"""

from __future__ import annotations

import os
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest
from report_worlds import ALL, BACKDROPS

from robotrading.adapters.notify.envelope import compose
from robotrading.adapters.notify.report import message, report_html, report_text
from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.pictures import draw
from robotrading.adapters.notify.report.plain import WIDTH

FOLDER = Path(__file__).parent / "reports"
SHORT = ["many_trades"]
TEXT_ALONE = ["paid_in"]
"""Their pages are another report's with other numbers."""
MAILS = ["good_day", "hostile", "many_trades"]


def shortened(text: str) -> str:
    """The first lines and the counts: five hundred trades would only repeat themselves."""
    lines = text.splitlines()
    return "\n".join([*lines[:60], f"... {len(lines):,} lines, {len(text):,} characters"]) + "\n"


def page_of(name: str) -> str:
    """With pictures where there is a backdrop; what they look like depends on the drawing library, so they are empty."""
    made = ALL[name]()
    if name not in BACKDROPS:
        return report_html(made)
    around = BACKDROPS[name]()
    return report_html(made, around, [replace(picture, data=b"") for picture in draw(made, around)])


def compare(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == text, f"{name} has changed; see this file's first lines"


@pytest.mark.parametrize("name", ALL)
def test_the_text_is_as_kept(name: str):
    text = report_text(ALL[name](), BACKDROPS.get(name, Backdrop)())
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    compare(f"{name}.txt", shortened(text) if name in SHORT else text)


@pytest.mark.parametrize("name", [name for name in ALL if name not in TEXT_ALONE])
def test_the_page_is_as_kept(name: str):
    page = page_of(name)
    body = page[page.index("<body") :]
    compare(f"{name}.html", f"{shortened(body)}{body.count('<tr>'):,} rows\n" if name in SHORT else body)


def test_the_head_of_the_page_is_as_kept():
    page = report_html(ALL["nothing_to_do"]())
    compare("head.html", page[: page.index("<body")])


def test_the_subjects_are_as_kept():
    made = {name: message(make(), BACKDROPS.get(name, Backdrop)()) for name, make in ALL.items()}
    compare("subjects.txt", "".join(f"{name}: {one.subject}\n" for name, one in made.items()))


def mail_of(name: str) -> str:
    """Headers and parts of one recipient's mail: what is in a part is kept elsewhere, and is not printed again."""
    made, around = ALL[name](), BACKDROPS.get(name, Backdrop)()
    empty = [replace(picture, data=b"") for picture in draw(made, around)]
    mail = compose(message(made, around, empty), "bot@example.com", "you@example.com", made.finished_at)
    headers = [f"{name}: {value}" for name, value in mail.items() if name not in {"Content-Type", "Message-ID"}]
    return "\n".join([*headers, *_parts(mail, "")]) + "\n"


def _parts(part: Message, indent: str) -> list[str]:
    told = [part.get_content_type(), part.get_content_disposition() or "", part.get_filename() or ""]
    own = f"{indent}{' '.join(filter(None, [*told, part.get('Content-ID', '')]))}"
    inner = part.get_payload() if part.is_multipart() else []
    return [own, *(line for one in inner if isinstance(one, Message) for line in _parts(one, f"{indent}  "))]


@pytest.mark.parametrize("name", MAILS)
def test_the_mail_is_as_kept(name: str):
    """A text and a page, the page's pictures beside it, and the whole page as a file where the mail's was cut."""
    compare(f"mail_{name}.txt", mail_of(name))


@pytest.mark.parametrize("name", SHORT)
def test_the_page_in_a_long_mail_is_as_kept(name: str):
    html = message(ALL[name]()).html
    body = html[html.index("<body") :]
    compare(f"mail_{name}.html", f"{shortened(body)}{body.count('<tr>'):,} rows\n")


def test_no_kept_file_is_without_its_report():
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == {*ALL, "head", "subjects", *(f"mail_{name}" for name in MAILS)}
