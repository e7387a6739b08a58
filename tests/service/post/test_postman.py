"""Several postmen, several channels, what is given up and who is told of it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trustme
from mail_servers import Mailbox, account, serving
from push_servers import PushBox, taking_pushes

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.notify.mail import MailCarrier
from robotrading.adapters.notify.push import PushCarrier
from robotrading.adapters.notify.settings import Security
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Address, Channel, DeliveryState, Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.service.post.direct import send_directly
from robotrading.service.post.postman import Postman
from tests.service.post.offices import NOON, PEOPLE, Office, arrived, mail_to

SSL = Security.SSL
PUSH = (Address(Channel.PUSH, "json 1"),)


def alert(name: str = "alert:down:1:raised", urgency: Urgency = Urgency.CRITICAL) -> Letter:
    return Letter(name, LetterKind.ALERT, urgency, NOON, Message("it is down", "text", "<p>"))


def headers_of(box: Mailbox, name: str) -> Sequence[str]:
    return [mail[name] for _, _, mail in box.mails]


def test_several_postmen_send_each_letter_once(office: Office, authority: trustme.CA, ca_file: str):
    """As several copies of the service do, each over its own connections."""
    for number in range(4):
        office.post(f"report:{number}")
    with serving(Mailbox(), authority, SSL) as box:
        settings = account(box.port, SSL, ca_file)
        start, failures = threading.Barrier(4), []

        def work() -> None:
            database = open_database(f"sqlite:///{office.path}", durable=False)
            postman = Postman(SqlOutbox(database), {Channel.MAIL: MailCarrier(settings)}, office.settings, office.clock)
            start.wait()
            try:
                postman.round()
            except LedgerError as error:
                failures.append(error)
            finally:
                database.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []
    assert set(office.states().values()) == {"sent"}
    assert len(box.mails) == 4 * len(PEOPLE)
    assert set(arrived(box).values()) == {1}


def test_an_attempt_whose_postman_died_is_made_again_when_it_has_run_out(
    office: Office, authority: trustme.CA, ca_file: str
):
    office.post("report:1")
    for one in office.outbox.due(office.clock.now()):
        assert office.outbox.take(one, office.clock.now(), 150.0)
    with serving(Mailbox(), authority, SSL) as box:
        settings = account(box.port, SSL, ca_file)
        office.clock.turn(seconds=149)
        assert not office.round(settings, hurry=True), "it may still be at work"
        office.clock.turn(seconds=1)
        office.round(settings)
    assert len(box.mails) == len(PEOPLE)


def test_an_attempt_is_its_postmans_for_as_long_as_it_can_take():
    """Opening and handing over are each bounded as a whole."""
    assert MailCarrier(account(1, SSL, timeout=20.0)).longest == 120.0
    assert PushCarrier("json://x", seconds=7.0).longest == 7.0


def test_one_dead_push_does_not_delay_another_nor_mail(office: Office, authority: trustme.CA, ca_file: str):
    names = ("json 1", "json 2")
    office.post("alert:1", *mail_to("ann@example.com"), *(Address(Channel.PUSH, name) for name in names))
    with taking_pushes(PushBox()) as phone, serving(Mailbox(), authority, SSL) as box:
        urls = f"json://127.0.0.1:1/dead json://127.0.0.1:{phone.port}/alive"
        office.round(account(box.port, SSL, ca_file), urls)
    assert office.states() == {"ann@example.com": "sent", "json 1": "waiting", "json 2": "sent"}
    assert phone.bodies[0]["title"] == "about alert:1"


def test_a_giving_up_is_told_over_the_other_channel(
    office: Office, authority: trustme.CA, ca_file: str, caplog: pytest.LogCaptureFixture
):
    office.alarm = (*mail_to("bob@example.com"), *PUSH)
    for number in range(3):
        office.post(f"report:{number}", *mail_to("bob@example.com"))
    box = Mailbox(rcpt={"bob@example.com": "550 no such user"})
    with taking_pushes(PushBox()) as phone, serving(box, authority, SSL):
        office.round(account(box.port, SSL, ca_file), f"json://127.0.0.1:{phone.port}/x")
    assert len(phone.taken) == 1, "one word a day for each address"
    assert phone.bodies[0]["title"] == "robotrading: mail to bob@example.com was given up"
    assert "550 no such user" in str(phone.bodies[0]["message"])
    assert "robotrading messages retry 'report:0'" in str(phone.bodies[0]["message"])
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 3
    assert office.outbox.waiting(office.clock.now()).given_up == 3


def test_of_a_refused_recipient_the_others_are_told_by_mail(office: Office, authority: trustme.CA, ca_file: str):
    office.alarm = mail_to(*PEOPLE)
    office.post("report:1")
    box = Mailbox(rcpt={"bob@example.com": "550 no such user"})
    with serving(box, authority, SSL):
        office.round(account(box.port, SSL, ca_file))
    told = {people[0]: mail for _, people, mail in box.mails if "given up" in mail["Subject"]}
    assert sorted(told) == ["ann@example.com", "cleo@example.com"]
    pages = [mail.get_body(("html",)).get_content() for mail in told.values()]
    assert all("pre-wrap; overflow-wrap: anywhere" in page and "width=device-width" in page for page in pages), (
        "its lines break where a phone is narrower"
    )


def test_of_a_refused_mail_its_own_recipient_is_told(office: Office, authority: trustme.CA, ca_file: str):
    """The way is open; it was this mail that the server did not want."""
    office.alarm = mail_to("ann@example.com")
    office.post("report:big", *mail_to("ann@example.com"), text="y\n" * 20_000)
    with serving(Mailbox(), authority, SSL, data_size_limit=20_000) as box:
        office.round(account(box.port, SSL, ca_file))
    assert headers_of(box, "Subject") == ["robotrading: mail to ann@example.com was given up"]


def test_a_telling_that_is_given_up_itself_is_told_no_further(office: Office, authority: trustme.CA, ca_file: str):
    office.alarm = mail_to(*PEOPLE)
    office.post("report:1")
    box = Mailbox(rcpt=dict.fromkeys(PEOPLE, "550 no"))
    with serving(box, authority, SSL):
        for _ in range(4):
            office.round(account(box.port, SSL, ca_file))
    assert len({one.letter_id for one in office.ways()}) == 1


def test_a_channel_that_is_set_up_no_more_waits_for_days_and_is_given_up(office: Office):
    office.post("alert:1", *PUSH)
    first = office.round()
    assert [one.rule for one in first.put_off] == ["not_set_up"]
    office.clock.turn(days=4)
    assert [one.rule for one in office.round().given_up] == ["not_set_up"]


def test_a_push_that_is_gone_from_the_configuration_is_given_up_at_once(office: Office):
    office.post("alert:1", Address(Channel.PUSH, "tgram 7"))
    assert [one.rule for one in office.round(push="json://127.0.0.1:1/x").given_up] == ["no_such_push"]


def test_a_letter_without_its_text_is_given_up(office: Office, authority: trustme.CA, ca_file: str):
    office.post("report:1", *mail_to("ann@example.com"))
    with sqlite3.connect(office.path) as connection:
        connection.execute("UPDATE letters SET body = x''")
    connection.close()
    with serving(Mailbox(), authority, SSL) as box:
        done = office.round(account(box.port, SSL, ca_file))
    assert [one.rule for one in done.given_up] == ["forgotten"]
    assert not box.mails


def test_in_a_hurry_what_was_put_off_is_tried_now_and_what_was_given_up_is_not(
    office: Office, authority: trustme.CA, ca_file: str
):
    office.post("report:1")
    box = Mailbox(rcpt={"ann@example.com": "450 later", "bob@example.com": "550 never"})
    with serving(box, authority, SSL):
        settings = account(box.port, SSL, ca_file)
        office.round(settings)
        box.rcpt.clear()
        assert not office.round(settings)
        office.round(settings, hurry=True)
    assert office.states() == {"ann@example.com": "sent", "bob@example.com": "given_up", "cleo@example.com": "sent"}


def test_an_alerts_end_is_shown_with_its_beginning(office: Office, authority: trustme.CA, ca_file: str):
    one = mail_to("ann@example.com")
    for word in ("raised", "reminded-1", "resolved"):
        office.post(f"alert:broker:2026-03-02T12:00:00:{word}", *one, kind=LetterKind.ALERT)
    office.post("alert:other:2026-03-02T12:00:00:resolved", *one, kind=LetterKind.ALERT)
    office.post("report:x:resolved", *one)
    with serving(Mailbox(), authority, SSL) as box:
        office.settings = replace(office.settings, digest_from=10)
        office.round(account(box.port, SSL, ca_file))
    by_subject = {mail["Subject"].removeprefix("about "): mail for _, _, mail in box.mails}
    raised = by_subject["alert:broker:2026-03-02T12:00:00:raised"]
    assert raised["In-Reply-To"] is None
    for word in ("reminded-1", "resolved"):
        mail = by_subject[f"alert:broker:2026-03-02T12:00:00:{word}"]
        assert mail["In-Reply-To"] == mail["References"] == raised["Message-ID"]
        assert mail["Auto-Submitted"] == "auto-generated"
    assert by_subject["alert:other:2026-03-02T12:00:00:resolved"]["References"] != raised["Message-ID"]
    assert by_subject["report:x:resolved"]["References"] is None
    assert len(set(headers_of(box, "Message-ID"))) == 5


def test_messages_in_one_say_that_they_were_held_up_only_where_they_were(
    office: Office, authority: trustme.CA, ca_file: str
):
    """Six warnings at the end of quiet hours are a flood too, and nothing had kept them back."""
    for number in range(6):
        office.post(f"alert:{number}", *mail_to("ann@example.com"), kind=LetterKind.ALERT, urgency=Urgency.WARNING)
    with serving(Mailbox(), authority, SSL) as box:
        office.round(account(box.port, SSL, ca_file))
    assert headers_of(box, "Subject") == ["robotrading: 6 messages in one (6 alerts)"]
    (digest,) = [office.outbox.letter(one.letter_id) for one in office.ways() if one.letter_id.startswith("digest:")]
    assert digest is not None
    assert "were made between 2026-03-02 12:00 and 2026-03-02 12:00 UTC" in digest.message.text
    assert "could not be sent" not in digest.message.text


def test_without_a_bound_nothing_becomes_a_digest(office: Office, authority: trustme.CA, ca_file: str):
    """`outbox.digest_from: 0` is never."""
    office.settings = replace(office.settings, digest_from=0)
    for number in range(8):
        office.post(f"report:{number}", *mail_to("ann@example.com"))
    with serving(Mailbox(), authority, SSL) as box:
        office.round(account(box.port, SSL, ca_file))
    assert sorted(headers_of(box, "Subject")) == [f"about report:{number}" for number in range(8)]


def test_a_round_says_what_became_of_each(office: Office, authority: trustme.CA, ca_file: str):
    office.post("report:1")
    box = Mailbox(rcpt={"ann@example.com": "450 later", "bob@example.com": "550 never"})
    with serving(box, authority, SSL):
        lines = office.round(account(box.port, SSL, ca_file)).lines()
    assert lines[0] == "sent: about report:1 to cleo@example.com"
    assert lines[1].startswith("waits until 2026-03-02 12:05 UTC: about report:1 to ann@example.com: localhost does")
    assert lines[2].startswith("given up: about report:1 to bob@example.com: localhost refused the recipient (550")


def test_a_round_that_takes_too_long_begins_nothing_more(office: Office):
    """What is left stays due for the next one."""

    class Slow:
        longest = 1.0

        def open(self, _: str) -> None:
            return None

        def carry(self, _: Letter, __: str) -> None:
            office.clock.turn(seconds=100)

        def close(self) -> None: ...

    for number in range(3):
        office.post(f"report:{number}")
    done = Postman(
        office.outbox, {Channel.MAIL: Slow()}, replace(office.settings, digest_from=20), office.clock
    ).round()
    assert len(done.sent) == 3
    assert office.outbox.waiting(office.clock.now()).deliveries == 6


def test_who_is_told_to_leave_writes_down_what_was_taken_and_begins_nothing_more(office: Office):
    """What waits has no attempt more, and no later moment."""
    carried: list[str] = []

    class Carrier:
        longest = 0.0

        def open(self, _: str) -> None:
            return None

        def carry(self, letter: Letter, recipient: str) -> None:
            carried.append(f"{letter.letter_id} {recipient}")

        def close(self) -> None: ...

    office.post("report:1")
    before = office.ways()
    postman = Postman(office.outbox, {Channel.MAIL: Carrier()}, office.settings, office.clock)
    assert not postman.round(leave=lambda: True)
    assert office.ways() == before
    assert len(postman.round(leave=lambda: bool(carried)).sent) == len(carried) == 1
    states = Counter((one.state, one.attempts) for one in office.ways())
    assert states == {(DeliveryState.SENT, 1): 1, (DeliveryState.WAITING, 0): 2}
    assert len(postman.round().sent) == 2


def test_without_an_outbox_letters_leave_all_the_same(authority: trustme.CA, ca_file: str):
    """And a server that is down is asked once for all of them."""
    with serving(Mailbox(), authority, SSL) as box:
        carriers = {Channel.MAIL: MailCarrier(account(box.port, SSL, ca_file))}
        answers = send_directly([(alert(), (*mail_to("ann@example.com", "nobody"), *PUSH))], carriers)
    assert [skip.rule if skip else "" for skip in answers[0].values()] == ["", "address", "not_set_up"]
    dead = {Channel.MAIL: MailCarrier(account(box.port, SSL, ca_file))}
    answers = send_directly([(alert(), mail_to(*PEOPLE)), (alert("alert:2"), mail_to(*PEOPLE))], dead)
    assert {(skip.subject, skip.rule) for known in answers for skip in known.values() if skip} == {
        (person, "connection") for person in PEOPLE
    }


def test_the_same_letter_has_the_same_id_from_every_copy_and_every_way(
    office: Office, authority: trustme.CA, ca_file: str
):
    """From the outbox, and directly where there is none."""
    letter = office.post("alert:down:1:raised", *mail_to("ann@example.com"), kind=LetterKind.ALERT)
    with serving(Mailbox(), authority, SSL) as box:
        settings = account(box.port, SSL, ca_file)
        office.round(settings)
        send_directly([(letter, mail_to("ann@example.com"))], {Channel.MAIL: MailCarrier(settings, "book")})
        send_directly([(letter, mail_to("ann@example.com"))], {Channel.MAIL: MailCarrier(settings, "another book")})
    first, second, other = headers_of(box, "Message-ID")
    assert first == second != other


def test_each_recipients_mail_has_an_id_of_its_own(office: Office, authority: trustme.CA, ca_file: str):
    office.post("report:1")
    with serving(Mailbox(), authority, SSL) as box:
        office.round(account(box.port, SSL, ca_file))
    assert len(set(headers_of(box, "Message-ID"))) == len(PEOPLE)
