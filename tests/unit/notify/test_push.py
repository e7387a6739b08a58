"""Pushes through Apprise against real HTTP servers: what is received, how troubles are told, and what nobody reads."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from push_servers import PushBox, taking_pushes

from robotrading.adapters.notify.push import PushCarrier, quoted, redacted, text_of, unusable
from robotrading.adapters.notify.push_urls import named, pieces, tokens
from robotrading.domain.messages import Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.domain.skip import Skip

TOKEN = "987654321:AAcanaryOfTelegram-Q_x7Lz9vWk3bT5rNm8d"
SECRET = "canary-Hook-77ab12"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def letter(subject: str = "robotrading: broker lost", text: str = "It is <gone> & away.\n", **more: Urgency) -> Letter:
    urgency = more.get("urgency", Urgency.CRITICAL)
    return Letter("alert:down:1:raised", LetterKind.ALERT, urgency, NOW, Message(subject, text, "<p>page</p>"))


@pytest.fixture(autouse=True)
def nothing_told(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No line of ours, of Apprise's or of HTTP's holds a token, at the chattiest level."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="urllib3")  # as wiring/logs.py sets it
    yield
    said = caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in said
    assert SECRET not in said
    assert not [record for record in caplog.records if record.name.startswith("apprise")]


def push(urls: str, seconds: float = 3.0, **more: Urgency) -> Skip | None:
    name = next(iter(named(urls)))
    found = PushCarrier(urls, seconds).carry(letter(**more), name)
    if found is not None:
        assert SECRET not in str(found)
        assert TOKEN not in str(found)
        assert found.reason.isprintable()
        assert name in found.reason
    return found


def test_a_webhook_gets_subject_and_text():
    with taking_pushes(PushBox()) as box:
        assert push(f"json://127.0.0.1:{box.port}/{SECRET}") is None
    path, headers, _ = box.taken[0]
    assert path == f"/{SECRET}"
    assert headers["User-Agent"] == "robotrading"
    assert box.bodies[0]["title"] == "robotrading: broker lost"
    assert box.bodies[0]["message"] == "It is <gone> & away."
    assert box.bodies[0]["type"] == "failure"


@pytest.mark.parametrize(("urgency", "kind"), [(Urgency.WARNING, "warning"), (Urgency.NORMAL, "info")])
def test_urgency_is_told(urgency: Urgency, kind: str):
    with taking_pushes(PushBox()) as box:
        push(f"json://127.0.0.1:{box.port}/{SECRET}", urgency=urgency)
    assert box.bodies[0]["type"] == kind


def test_a_phone_gets_it_over_ntfy():
    with taking_pushes(PushBox(answer=b'{"id":"1"}')) as box:
        assert push(f"ntfy://127.0.0.1:{box.port}/{SECRET}") is None
    assert SECRET in box.taken[0][0] + str(box.taken[0][2])
    assert b"It is <gone> & away." in box.taken[0][2]


def test_telegram_gets_it_and_its_refusal_is_told_without_the_token(monkeypatch: pytest.MonkeyPatch):
    """The service's address is the only thing that is not Telegram's here."""
    from apprise.plugins.telegram import NotifyTelegram

    with taking_pushes(PushBox(answer=b'{"ok":true}')) as box:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{box.port}/bot")
        assert push(f"tgram://{TOKEN}/1234567") is None
        assert box.taken[0][0] == f"/bot{TOKEN}/sendMessage"
        assert "broker lost" in str(box.bodies[0]["text"])
        assert "&lt;gone&gt; &amp; away" in str(box.bodies[0]["text"])
        box.status, box.answer = 401, b'{"ok":false,"description":"Unauthorized"}'
        trouble = push(f"tgram://{TOKEN}/1234567")
    assert trouble is not None
    assert trouble.rule == "push_refused"
    assert "Unauthorized, error=401" in trouble.reason
    assert "ROBOTRADING_PUSH_URLS" in trouble.reason


@pytest.mark.parametrize(
    ("status", "rule"),
    [(400, "push_refused"), (403, "push_refused"), (404, "push_refused"), (429, "push_busy"), (408, "push_busy"),
     (500, "push_busy"), (503, "push_busy")],
)  # fmt: skip
def test_a_refusal_and_a_busy_server_are_told_apart(status: int, rule: str):
    with taking_pushes(PushBox(status=status)) as box:
        trouble = push(f"json://127.0.0.1:{box.port}/{SECRET}?retry=5&wait=3")
    assert trouble is not None
    assert (trouble.rule, str(status) in trouble.reason) == (rule, True)
    assert len(box.taken) == 1, "trying again is the outbox's work"


def test_a_redirection_is_not_followed():
    """It would hand everything secret to somebody else."""
    with taking_pushes(PushBox()) as other, taking_pushes(PushBox(status=307)) as box:
        box.headers["Location"] = f"http://127.0.0.1:{other.port}/elsewhere"
        trouble = push(f"json://127.0.0.1:{box.port}/{SECRET}?redirect=yes")
    assert trouble is not None
    assert other.taken == []


@pytest.mark.parametrize("status", [0, -1])
def test_silence_and_dribbling_are_waited_for_within_bounds(status: int):
    with taking_pushes(PushBox(status=status)) as box:
        began = time.monotonic()
        trouble = push(f"json://127.0.0.1:{box.port}/{SECRET}", seconds=0.6)
        assert time.monotonic() - began < 10
    assert trouble is not None
    assert trouble.rule == "push_timeout"


def test_a_server_that_is_gone_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    trouble = push(f"json://127.0.0.1:{port}/{SECRET}")
    assert trouble is not None
    assert trouble.rule == "push_unreached"


@pytest.mark.parametrize("url", [f"tgram://{SECRET}", f"nonsense://{SECRET}", SECRET, f"json://?x={SECRET}"])
def test_an_unusable_url_is_a_sentence_without_it(url: str):
    trouble = push(url)
    assert trouble is not None
    assert trouble.rule == "push_url"
    assert "cannot be used" in trouble.reason


def test_one_unusable_url_is_named_among_others():
    found = unusable(f"json://127.0.0.1:1/{SECRET} tgram://{SECRET}")
    assert list(found) == ["tgram 1"]


def test_a_push_that_is_configured_no_more_is_no_server_in_trouble():
    trouble = PushCarrier(f"json://127.0.0.1:1/{SECRET}").carry(letter(), "tgram 1")
    assert trouble is not None
    assert trouble.rule == "no_such_push"
    assert "json 1" in trouble.reason


def test_each_push_has_a_public_name():
    urls = f"tgram://{TOKEN}/1\n tgram://{TOKEN}/2  ntfys://topic tgram://{TOKEN}/1 what"
    assert list(named(urls)) == ["tgram 1", "tgram 2", "ntfys 1", "push 1"]
    assert named("  ") == {}


def test_a_long_text_is_cut_to_what_a_phone_shows():
    short, long = letter(text="one\ntwo\n"), letter(text="\n".join(f"line {number}" for number in range(40)))
    assert text_of(short) == "one\ntwo"
    assert text_of(long).splitlines()[-2:] == ["line 11", "..."]
    assert len(text_of(letter(text="x" * 5000))) < 910


def test_a_message_without_a_text_tells_its_subject():
    with taking_pushes(PushBox()) as box:
        carrier = PushCarrier(f"json://127.0.0.1:{box.port}/{SECRET}")
        assert carrier.carry(letter(text=""), "json 1") is None
        carrier.close()
    assert box.bodies[0]["message"] == "robotrading: broker lost"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"tgram://{TOKEN}/1234567", TOKEN.partition(":")[2]),
        (f"tgram://{TOKEN}/1234567", f"{TOKEN}/1234567"),
        (f"json://bot:{SECRET}@hooks.example.com/in", SECRET),
        ("json://bot:pass@hooks.example.com/in", "pass"),
        ("json://bot:p%40ss@hooks.example.com/in", "p@ss"),
        (f"json://hooks.example.com/services/{SECRET}?token=abcdef123456", SECRET),
        ("json://hooks.example.com/services?token=abcdef123456", "abcdef123456"),
        ("https://hc-ping.com/0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d", "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"),
    ],
)
def test_every_token_of_a_url_is_known_as_secret(url: str, secret: str):
    assert {url, secret} <= tokens(url)
    assert secret not in redacted(f"said {secret}!", pieces(url) | tokens(url))


@pytest.mark.parametrize("before", [0, 130, 150, 159])
def test_no_part_of_a_token_is_left_where_a_long_answer_is_cut(before: int):
    said = quoted(f"{'x' * before} {TOKEN} was refused", pieces(f"tgram://{TOKEN}/123"))
    assert TOKEN[:6] not in said
    assert len(said) <= 160


def test_host_names_and_plain_words_are_no_secrets():
    found = tokens(f"json://hooks.example.com/services/{SECRET}") | tokens("json://127.0.0.1:8080/webhooks")
    assert not found & {"hooks.example.com", "services", "127.0.0.1", "webhooks", "8080"}
