"""The words of alerts: golden, complete without HTML, and safe with whatever others say."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from robotrading.domain.alerts import Alert
from robotrading.domain.messages import Urgency
from robotrading.domain.report import Message
from robotrading.service.alerts import words
from robotrading.service.alerts.rules import finding
from robotrading.service.alerts.words import Whence
from tests.unit.alerts.desks import BEGIN, HERE

GOLDEN = Path(__file__).parents[2] / "golden" / "alerts"
GONE = finding("disconnected", "the broker has not been reached for 6 min: nothing listens at 127.0.0.1:4002")
NASTY = finding("session_failed", "the last run of crypto failed: <script>alert('1')</script> & \"so on\"", "crypto")
NOW = BEGIN + timedelta(minutes=6)


def alert(of: object = GONE, **changes: object) -> Alert:
    assert hasattr(of, "key")
    made = Alert(of.key, of.rule, of.urgency, of.found, of.remedy, BEGIN, NOW, 73)
    return replace(made, **changes)


LATER = NOW + timedelta(hours=8)
WARNING = alert(finding("halted", "trading is halted: by hand"), times=1)
LETTERS: dict[str, Message] = {
    "raised": words.raised(alert(), HERE, NOW),
    "reminded": words.reminded(alert(times=5761), HERE, LATER),
    "resolved": words.resolved(alert(), HERE, LATER),
    "nasty": words.raised(alert(NASTY), HERE, NOW),
    "passed": words.passed([WARNING, alert(NASTY, urgency=Urgency.WARNING)], HERE, LATER),
    "nowhere": words.raised(WARNING, Whence("paper"), NOW),
}


class Texts(HTMLParser):
    """The words of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  the parser's
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_is_as_it_was_looked_at(name: str) -> None:
    letter = LETTERS[name]
    for kind, content in (("txt", f"{letter.subject}\n\n{letter.text}"), ("html", letter.html)):
        path = GOLDEN / f"{name}.{kind}"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("name", LETTERS)
def test_text_and_page_say_the_same_and_no_tag_is_anybody_elses(name: str) -> None:
    letter = LETTERS[name]
    page = Texts(letter.html)
    assert "script" not in page.tags
    shown = " ".join("".join(page.said).split())
    for line in letter.text.splitlines():
        for word in line.removeprefix("- ").replace("`", "").replace("'", " ").split():
            assert word.strip(":") in shown.replace("'", " "), line


def test_a_subject_is_one_line_of_bounded_length() -> None:
    long = alert(replace(GONE, found="no\nanswer " * 100))
    subject = words.raised(long, HERE, NOW).subject
    assert "\n" not in subject
    assert len(subject) <= 200
    assert subject.endswith("...")


def test_a_rule_of_an_older_version_has_no_section_and_odd_backticks_stay() -> None:
    old = alert(rule="of_before", remedy="press ` twice")
    letter = words.raised(old, HERE, NOW)
    assert "runbook" not in letter.text
    assert "Press ` twice." in letter.html
