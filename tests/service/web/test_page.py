"""The page: whole HTML, the right words in each state, nothing that runs, nothing that grows without bound."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
from web_worlds import EMPTY, HOSTILE, NOW, SESSIONS, TROUBLE, WELL, WORLDS, crowded, thing

from robotrading.domain.book import Position
from robotrading.service.facts import Facts, WeightPair
from robotrading.service.health import Health, judge
from robotrading.service.web import status
from robotrading.service.web.page import render_page, render_reports
from robotrading.service.web.words import MODES

GOLDEN = Path(__file__).parent / "golden"
STYLE = Path(status.__file__).with_name("style.css")
VOID = {"meta", "link", "br", "hr", "img", "input"}
SHAPES = {"path", "rect", "circle"}


CHECKED = {"service", "ledger", "halt", "broker", "orders", "session", "data", "programs", "disk", "services"}


def page(facts: Facts) -> str:
    """As judged by the checks that these worlds are made for, so that a new one leaves the kept pages alone."""
    checks = tuple(check for check in judge(facts, NOW).checks if check.name.split()[0] in CHECKED)
    return render_page(facts, Health(NOW, checks), NOW)


def both(facts: Facts) -> tuple[str, str]:
    """The status page and the history."""
    return page(facts), render_reports(facts, NOW)


class Reader(HTMLParser):
    """Holds the open tags, and everything that a law is about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[int] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID | SHAPES:
            self.faults.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


ALL = {**WORLDS, "crowded": crowded()}


@pytest.mark.parametrize("which", [0, 1], ids=["status", "history"])
@pytest.mark.parametrize("name", ALL)
def test_every_tag_is_closed_ids_are_one_and_labels_lead_somewhere(name: str, which: int) -> None:
    reader = read(both(ALL[name])[which])
    assert reader.faults == []
    assert reader.open == []
    ids = [value for _, attribute, value in reader.attributes if attribute == "id"]
    assert len(ids) == len(set(ids))
    assert {value for _, attribute, value in reader.attributes if attribute == "aria-labelledby"} <= set(ids)


@pytest.mark.parametrize("which", [0, 1], ids=["status", "history"])
@pytest.mark.parametrize("name", ALL)
def test_nothing_on_the_page_runs_submits_or_comes_from_elsewhere(name: str, which: int) -> None:
    reader = read(both(ALL[name])[which])
    assert not {"script", "style", "form", "iframe", "object", "img", "base"} & set(reader.tags)
    assert not [one for one in reader.attributes if one[1] == "style" or one[1].startswith("on")]
    links = [value for _, attribute, value in reader.attributes if attribute in {"href", "src"}]
    assert all(
        re.fullmatch(r"/[a-z./]*|/reports/[A-Za-z0-9][A-Za-z0-9._-]*|/summaries/[0-9-]{10}", link) for link in links
    )


@pytest.mark.parametrize("which", [0, 1], ids=["status", "history"])
@pytest.mark.parametrize("name", ALL)
def test_it_can_be_read_aloud(name: str, which: int) -> None:
    """One first heading, none skipped, a caption and head cells for each table, words beside each mark."""
    reader = read(both(ALL[name])[which])
    assert reader.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(reader.headings, reader.headings[1:], strict=False))
    assert reader.tags["table"] == reader.tags["caption"] == reader.tags["thead"]
    scopes = [value for tag, attribute, value in reader.attributes if tag == "th" and attribute == "scope"]
    assert len(scopes) == reader.tags["th"]
    pictures = [one for one in reader.attributes if one[0] == "svg" and one[1] in {"aria-hidden", "aria-label"}]
    assert len(pictures) == reader.tags["svg"]


@pytest.mark.parametrize("name", WORLDS)
def test_the_page_is_as_kept(name: str) -> None:
    is_as_kept(f"{name}.html", page(WORLDS[name]))
    is_as_kept(f"{name}-reports.html", render_reports(WORLDS[name], NOW))


def is_as_kept(file: str, text: str) -> None:
    kept = GOLDEN / file
    if os.environ.get("UPDATE_GOLDEN"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), "write it anew with UPDATE_GOLDEN=1 and look at the difference"


def plain(facts: Facts) -> str:
    """The page's words alone."""
    text = re.sub(r"<[^>]+>", " ", page(facts))
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def test_able_to_trade_says_so_and_what_comes_next() -> None:
    text = plain(WELL)
    assert "Able to trade Crypto is running; next run: equities in 2 h 04 14 checks, all fine" in text
    assert "Fri 21 Nov 15:45 New York (20:45 UTC)" in text
    assert "Step: send orders" in text


def test_trouble_says_why_and_what_to_do_first() -> None:
    text = plain(TROUBLE)
    assert text.index("Not able to trade") < text.index("Trading is halted") < text.index("Blocked instruments")
    assert "<code>robotrading resume</code> ends it" in page(TROUBLE)
    assert "<code>robotrading resolve rt-eq-20251121-AMD-B-1</code>" in page(TROUBLE)
    assert "since Fri 21 Nov 15:28 UTC, 3 h 12 ago" in text
    assert "the account holds 10, the bot should own 15" in text
    assert "the service was down from 14:02 to 17:40" in text
    assert "exit manager given up" in text


def test_of_an_alert_that_nobody_hears_the_page_does_not_say_that_it_was_told() -> None:
    heard, unheard = (page(replace(TROUBLE, heard=here)) for here in (True, False))
    assert "; told 20" in heard
    assert "told when the quiet hours end" in heard
    assert "; told 20" not in unheard
    assert unheard.count("nobody is told: neither mail nor push is set up") == len(TROUBLE.alerts)


def test_the_first_start_has_no_empty_tables() -> None:
    text = plain(EMPTY)
    assert "has not run yet" in text
    assert "No value is known yet" in text
    assert "The bot owns nothing" in text
    assert "<tbody>" not in page(EMPTY)


@pytest.mark.parametrize("mode", [*MODES, "new"])
def test_no_two_modes_look_alike(mode: str) -> None:
    text = page(replace(WELL, mode=mode))
    shown = f"<strong>{MODES[mode][0] if mode in MODES else mode}</strong>"
    assert shown in text
    assert f'<body class="m-{mode if mode in MODES else "unknown"}">' in text


def test_no_session_configured_is_said() -> None:
    assert "No session is configured." in plain(replace(EMPTY, sessions=()))


def test_hostile_names_stay_text_everywhere() -> None:
    """Wherever words of others stand on the page, they are words."""
    last = replace(
        SESSIONS[0].last,
        verdict=HOSTILE,
        run_id=HOSTILE,
        regimes=(replace(SESSIONS[0].last.regimes[0], label=HOSTILE),),
        weights=(WeightPair(HOSTILE, 0.1, 0.1),),
    )
    session = replace(SESSIONS[0], schedule=HOSTILE, step=HOSTILE, missed=(HOSTILE,), last=last, running_since=NOW)
    book = replace(WELL.book, halted=HOSTILE, owned=(Position(thing(HOSTILE), Decimal(1), Decimal(1), HOSTILE),))
    facts = replace(
        WELL,
        sessions=(session,),
        book=book,
        place=HOSTILE,
        version=HOSTILE,
        mode=HOSTILE,
        breakers={HOSTILE: True},
        broker=replace(WELL.broker, reason=HOSTILE),
        programs=(replace(WELL.programs[0], name=HOSTILE, last_end=HOSTILE),),
    )
    reader = read(page(facts))
    assert reader.faults == []
    assert "script" not in reader.tags
    assert page(facts).count("&lt;script&gt;") >= 12


def test_a_crowd_is_folded_and_the_rest_counted() -> None:
    text = page(crowded())
    assert text.count("<tr>") < 1200
    assert len(text) < 300_000
    assert "350 more positions" in plain(crowded())
    assert text.count("<details>") >= 4


def test_numbers_that_are_none_are_no_error() -> None:
    broken = Position(thing("X"), Decimal("NaN"), Decimal("Infinity"), "equities")
    odd = replace(WELL, book=replace(WELL.book, owned=(broken,), equity=WELL.book.equity[:1]), free_bytes=None)
    assert "The curve is drawn from the second value on." in plain(odd)


def test_day_change_is_against_the_last_value_before_today_in_new_york() -> None:
    points = tuple(
        replace(WELL.book.equity[-1], at=NOW - timedelta(hours=hours), value=Decimal(value))
        for hours, value in ((40, 90), (20, 100), (3, 120), (1, 110))
    )
    assert "+10.00 USD (+10.00 %)" in plain(replace(WELL, book=replace(WELL.book, equity=points)))
    today = replace(WELL, book=replace(WELL.book, equity=points[2:]))
    assert "-10.00 USD (-8.33 %)" in plain(today)


def _fields(kind: type) -> set[str]:
    names = set()
    for one in fields(kind):
        names.add(one.name)
        hint = get_type_hints(kind, vars(status))[one.name]
        for part in (hint, *get_args(hint)):
            if is_dataclass(part):
                names |= _fields(part)
    return names


def test_every_field_of_status_is_documented() -> None:
    words = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
    assert {name for name in _fields(status.Status) if f"`{name}`" not in words} == set()


@pytest.mark.parametrize("name", WORLDS)
def test_status_reads_back_as_what_it_says(name: str) -> None:
    made = status.status_document(WORLDS[name], judge(WORLDS[name], NOW))
    assert msgspec.json.decode(msgspec.json.encode(made), type=status.Status) == made
    assert made.version == 1


def tones(dark: bool) -> dict[str, str]:
    text = STYLE.read_text()
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text.split("@media")[0]))
    night = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text.split("@media")[1].split("\n* {")[0]))
    return light | night if dark else light


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_of_wcag_aa(dark: bool) -> None:
    tone = tones(dark)
    for ground in ("page", "card", "good-bg", "warn-bg", "bad-bg"):
        for ink in ("ink", "dim", "link"):
            assert contrast(tone[ink], tone[ground]) >= 4.5, (ink, ground)
    for word in ("good", "warn", "bad"):
        assert contrast(tone[word], tone["card"]) >= 4.5
        assert contrast(tone[word], tone[f"{word}-bg"]) >= 4.5
        assert contrast(tone["on"], tone[word]) >= 3
    assert contrast(tone["ink"], tone["code"]) >= 4.5
    modes = re.findall(r"\.m-\w+[^{]*\{ --mode: (#[0-9a-f]{6})", STYLE.read_text())
    assert len(modes) >= 3
    assert all(contrast("#ffffff", mode) >= 4.5 for mode in [tone["mode"], *modes])
    for shade in (f"s{index}" for index in range(6)):
        assert contrast(tone[shade], tone["card"]) >= 2.5
