"""The Notifier port's contract: by mail over a real server, and by mail to a dead one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from mail_servers import Mailbox, account, serving

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.notify.mail import MailNotifier
from robotrading.adapters.notify.nomail import how_to_set_up, missing
from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.domain.ports import Notifier
from robotrading.domain.report import Message
from robotrading.domain.skip import Skip

CLOCK = FixedClock(datetime(2025, 9, 26, 19, 45, tzinfo=UTC))
MESSAGE = Message("subject", "text", "<p>page</p>")
PEOPLE = ("ann@example.com", "bad@example.com", "bob@example.com")


@pytest.fixture(params=["ssl", "starttls", "dead"])
def notifier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notifier]:
    if request.param == "dead":
        yield MailNotifier(account(1, Security.SSL), CLOCK)
    else:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        security = Security(request.param)
        with serving(Mailbox(rcpt={"bad@example.com": "550 unknown"}), authority, security) as box:
            yield MailNotifier(account(box.port, security, str(tmp_path / "ca.pem")), CLOCK)


def test_every_recipient_is_answered_for_once_and_in_order(notifier: Notifier):
    assert tuple(notifier.send(MESSAGE, PEOPLE)) == PEOPLE


def test_an_answer_is_none_or_a_skip_about_that_recipient(notifier: Notifier):
    answers = notifier.send(MESSAGE, PEOPLE)
    for recipient, answer in answers.items():
        assert answer is None or (isinstance(answer, Skip) and answer.subject == recipient)
    assert answers["bad@example.com"] is not None


def test_a_skip_is_a_sentence_with_a_rule(notifier: Notifier):
    for skip in filter(None, notifier.send(MESSAGE, PEOPLE).values()):
        assert skip.step == "mail"
        assert skip.rule
        assert len(skip.reason.split()) > 5
        assert skip.reason.isprintable()


def test_nobody_to_tell_is_no_error(notifier: Notifier):
    assert notifier.send(MESSAGE, ()) == {}


def test_it_can_be_used_again(notifier: Notifier):
    assert notifier.send(MESSAGE, PEOPLE) == notifier.send(MESSAGE, PEOPLE)


def test_without_a_set_up_the_way_to_one_is_told():
    reason = how_to_set_up(MailSettings(username="bot@example.com"))
    assert "GMAIL_APP_PASSWORD, RECIPIENT_EMAIL" in reason
    assert "GMAIL_ADDRESS" not in reason
    assert missing(account(1, Security.SSL)) == ()
    assert "an account" in how_to_set_up(account(1, Security.SSL))
