"""Who hears of alerts, what did not leave, and whether the dead man's switch is reached; no secret is in a finding."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.load import load
from robotrading.config.model import GatewayKind
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency, Waiting
from robotrading.domain.report import Message
from robotrading.service.alerts.settings import AlertSettings
from robotrading.wiring.doctor import ledger, messages
from robotrading.wiring.doctor.finding import Level
from tests.push_servers import PushBox, taking_pushes

NOW = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
MAIL = MailSettings(username="bot@example.com", password="secret", recipients=("a@example.com", "b@example.com"))
DEMO = load(None, {})
TRADES = replace(DEMO, broker=replace(DEMO.broker, gateway=GatewayKind.EXTERNAL, account="DU1234567"))
PUSH = AlertSettings(push="json://localhost/x")


def test_each_push_that_cannot_be_used_is_broken_and_no_url_is_shown() -> None:
    found = list(messages.pushes("json://localhost/abc tgram://very-secret-token nonsense"))
    assert [(one.part, one.level) for one in found] == [
        ("push", Level.BROKEN), ("push", Level.BROKEN), ("push", Level.FINE)
    ]  # fmt: skip
    assert found[0].found == "the URL of push 'tgram 1' cannot be used"
    assert "ROBOTRADING_PUSH_URLS" in found[0].remedy
    assert found[2].found.startswith("json 1;")
    assert not any("very-secret-token" in one.found + one.remedy for one in found)


@pytest.mark.parametrize(
    ("config", "level", "said"),
    [
        (replace(TRADES, mail=MAIL, alerts=PUSH), Level.FINE, "2 by mail and 1 by push"),
        (replace(DEMO, mail=MAIL), Level.FINE, "they go to 2 by mail"),
        (replace(TRADES, mail=MAIL, alerts=AlertSettings(mail=False)), Level.WARNING, "to nobody"),
        (TRADES, Level.WARNING, "to nobody"),
        (DEMO, Level.LEFT_OUT, "to nobody"),
    ],
)
def test_alerts_that_nobody_hears_are_a_warning_once_an_account_is_traded(config, level: Level, said: str) -> None:
    found = messages.audience(config)
    assert found.level is level
    assert said in found.found
    assert (level is Level.FINE) == (not found.remedy)


def test_the_switch_is_reached_and_not_asked() -> None:
    with taking_pushes(PushBox()) as box:
        found = messages.heartbeat(f"http://127.0.0.1:{box.port}/secret-path", offline=False)
        assert (found.level, box.taken) == (Level.FINE, [])
        secure = messages.heartbeat(f"https://127.0.0.1:{box.port}/secret-path", offline=False)
        assert secure.level is Level.WARNING, "nobody there speaks TLS"
        assert "secret" not in secure.found + found.found


def test_a_switch_out_of_reach_is_a_warning_without_its_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/secret", "ftp://127.0.0.1/secret", "http://[secret", "https:///secret"):
            found = messages.heartbeat(url, offline=False)
            assert found.level is Level.WARNING
            assert "secret" not in found.found + found.remedy
            assert "127.0.0.1" not in found.found


def test_no_switch_and_no_network_are_left_out() -> None:
    assert messages.heartbeat("", offline=False).level is Level.LEFT_OUT
    assert messages.heartbeat("http://127.0.0.1:1", offline=True).found == "not asked (--offline)"


def test_what_did_not_leave_says_what_to_do() -> None:
    old = Waiting(deliveries=3, oldest=NOW - timedelta(hours=2), given_up=1)
    lost, late = messages.outbox(old, NOW)
    assert (lost.level, late.level) == (Level.WARNING, Level.WARNING)
    assert lost.found.startswith("1 given up")
    assert "robotrading messages retry ID" in lost.remedy
    assert late.found == "3 not sent yet, the oldest for 2 h"
    assert "robotrading messages send" in late.remedy
    (young,) = messages.outbox(replace(old, given_up=0, oldest=NOW), NOW)
    assert (young.level, young.found) == (Level.FINE, "3 on their way")
    assert list(messages.outbox(Waiting(), NOW)) == []


def test_the_ledgers_check_tells_of_its_outbox(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database = open_database(f"sqlite:///{path}")
    letter = Letter("test:1", LetterKind.TEST, Urgency.NORMAL, NOW, Message("s", "t", "h"))
    SqlOutbox(database).post(letter, [Address(Channel.MAIL, "a@example.com")])
    database.close()
    (found,) = [one for one in ledger.file(path, tmp_path, NOW + timedelta(hours=3)) if one.part == messages.PART]
    assert found.found == "1 not sent yet, the oldest for 3 h"
