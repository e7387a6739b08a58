"""Mail against real SMTP servers: over SSL and STARTTLS, with login, and with every trouble a server can make."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from mail_servers import OTHER_NAME, PASSWORD, USER, Mailbox, account, serving, speaking

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.notify.mail import MailNotifier
from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.adapters.notify.trouble import NO_CONNECTION, handing_over, opening
from robotrading.domain.report import Attachment, Message

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
MESSAGE = Message("equities done: bought 7", "the text\n", "<p>the page</p>")
PEOPLE = ("ann@example.com", "bob@example.com", "cleo@example.com")
BOTH = pytest.mark.parametrize("security", list(Security))


def send(settings: MailSettings, message: Message = MESSAGE, people=PEOPLE):
    """The answers; no text of them may hold the password in any form."""
    answers = MailNotifier(settings, FixedClock(NOW)).send(message, people)
    login = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    for skip in filter(None, answers.values()):
        assert PASSWORD not in str(skip)
        assert login not in str(skip)
        assert "\n" not in skip.reason
        assert skip.step == "mail"
    return answers


def rules(answers) -> dict[str, str]:
    return {person: skip.rule if skip else "" for person, skip in answers.items()}


@BOTH
def test_each_recipient_gets_a_mail_of_their_own(authority: trustme.CA, ca_file: str, security: Security):
    """One connection and one login serve all; nobody sees another's address."""
    with serving(Mailbox(), authority, security) as box:
        answers = send(account(box.port, security, ca_file))
    assert answers == dict.fromkeys(PEOPLE)
    assert box.logins == 1
    assert [people for _, people, _ in box.mails] == [[person] for person in PEOPLE]
    assert [mail["To"] for _, _, mail in box.mails] == list(PEOPLE)
    assert len({mail["Message-ID"] for _, _, mail in box.mails}) == 3


@BOTH
def test_both_bodies_and_the_attachment_arrive_whole(authority: trustme.CA, ca_file: str, security: Security):
    long_line = "ä<b>" * 900
    message = Message(
        "Grüße", f"{long_line}\n.\nend\n", f"<p>{long_line}</p>", (Attachment("a.html", "text/html", b"\x00\xff"),)
    )
    with serving(Mailbox(), authority, security) as box:
        send(account(box.port, security, ca_file), message, PEOPLE[:1])
    sender, _, mail = box.mails[0]
    assert sender == USER
    assert mail["Subject"] == "Grüße"
    assert mail["Date"].datetime == NOW
    assert mail.get_body(("plain",)).get_content().splitlines() == message.text.splitlines()
    assert mail.get_body(("html",)).get_content().rstrip("\r\n") == message.html
    attached = list(mail.iter_attachments())
    assert [(part.get_filename(), part.get_content_type()) for part in attached] == [("a.html", "text/html")]
    assert attached[0].get_payload(decode=True) == b"\x00\xff"


@BOTH
def test_one_bad_recipient_does_not_harm_the_others(authority: trustme.CA, ca_file: str, security: Security):
    box = Mailbox(rcpt={"bob@example.com": "550 no such user here"})
    with serving(box, authority, security):
        answers = send(account(box.port, security, ca_file))
    assert box.recipients == ["ann@example.com", "cleo@example.com"]
    assert rules(answers) == {"ann@example.com": "", "bob@example.com": "recipient", "cleo@example.com": ""}
    assert "550 no such user here" in answers["bob@example.com"].reason
    assert box.logins == 1


@pytest.mark.parametrize(
    ("box", "rule", "said"),
    [
        (Mailbox(rcpt={"bob@example.com": "450 mailbox busy"}), "put_off", "try again later"),
        (Mailbox(data={"bob@example.com": "552 too much"}), "content", "552 too much"),
        (Mailbox(data={"bob@example.com": "451 no space"}), "put_off", "try again later"),
        (Mailbox(rcpt={"bob@example.com": "550 5.4.5 Daily user sending limit exceeded"}), "quota", "no more for now"),
        (Mailbox(rcpt={"bob@example.com": "552 5.2.2 over quota"}), "full", "make room"),
        (Mailbox(data={"bob@example.com": "hang up"}), "in_doubt", "may have arrived"),
        (Mailbox(rcpt={"bob@example.com": "hang up"}), "in_doubt", "was lost"),
        (Mailbox(rcpt={"bob@example.com": "421 going down"}), "put_off", "421"),
    ],
)  # fmt: skip
def test_whatever_befalls_one_mail_the_next_is_sent(authority: trustme.CA, ca_file: str, box: Mailbox, rule, said):
    with serving(box, authority, Security.SSL):
        answers = send(account(box.port, Security.SSL, ca_file))
    assert rules(answers) == {"ann@example.com": "", "bob@example.com": rule, "cleo@example.com": ""}
    assert said in answers["bob@example.com"].reason
    assert box.recipients == ["ann@example.com", "cleo@example.com"]


def test_silence_while_handing_over_is_waited_for_within_bounds(authority: trustme.CA, ca_file: str):
    box = Mailbox(data={"bob@example.com": "silence"})
    with serving(box, authority, Security.SSL):
        began = time.monotonic()
        answers = send(account(box.port, Security.SSL, ca_file, timeout=0.5))
    assert time.monotonic() - began < 5
    assert rules(answers) == {"ann@example.com": "", "bob@example.com": "in_doubt", "cleo@example.com": ""}


def test_a_refused_sender_is_told_with_the_key_to_change(authority: trustme.CA, ca_file: str):
    with serving(Mailbox(mail_from="553 not your address"), authority, Security.SSL) as box:
        answers = send(account(box.port, Security.SSL, ca_file, sender="other@example.com"))
    assert set(rules(answers).values()) == {"sender"}
    assert "mail.sender" in answers["ann@example.com"].reason


@BOTH
def test_a_wrong_password_is_tried_once_and_told_to_all(authority: trustme.CA, ca_file: str, security: Security):
    """Once, since a server may lock the account after a few."""
    with serving(Mailbox(), authority, security) as box:
        answers = send(account(box.port, security, ca_file, password="wrong"))
    assert set(rules(answers).values()) == {"login"}
    assert "GMAIL_APP_PASSWORD" in answers["ann@example.com"].reason
    assert box.mails == []
    assert box.logins <= 2  # smtplib tries LOGIN after PLAIN


def test_a_password_that_cannot_be_sent_is_told(authority: trustme.CA, ca_file: str):
    """A no-break space comes along when a password is copied from a page."""
    with serving(Mailbox(), authority, Security.SSL) as box:
        answers = send(account(box.port, Security.SSL, ca_file, password="abcd\xa0efgh"))
    assert set(rules(answers).values()) == {"login"}
    assert "no-break space" in answers["ann@example.com"].reason
    assert "abcd" not in answers["ann@example.com"].reason


@BOTH
def test_an_unknown_authority_gets_neither_password_nor_mail(authority: trustme.CA, security: Security):
    with serving(Mailbox(), authority, security) as box:
        answers = send(account(box.port, security))
    assert set(rules(answers).values()) == {"certificate"}
    assert "mail.ca_file" in answers["ann@example.com"].reason
    assert (box.logins, box.mails) == (0, [])


@BOTH
def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, ca_file: str, security: Security):
    with serving(Mailbox(), authority, security, name=OTHER_NAME) as box:
        answers = send(account(box.port, security, ca_file))
    assert set(rules(answers).values()) == {"certificate"}
    assert box.logins == 0


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_unusable_authority_file_is_named(tmp_path: Path, content: str | None):
    path = tmp_path / "wrong.pem"
    if content:
        path.write_text(content)
    answers = send(account(1, Security.SSL, str(path)))
    assert set(rules(answers).values()) == {"ca_file"}
    assert str(path) in answers["ann@example.com"].reason


def test_a_server_that_is_gone_is_told_for_each_recipient():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answers = send(account(port, Security.SSL))
    assert set(rules(answers).values()) == {"connection"}
    assert f"localhost:{port}" in answers["bob@example.com"].reason


def test_an_unknown_host_is_told():
    answers = send(account(25, Security.SSL, host="mail.invalid"))
    assert set(rules(answers).values()) <= {"unknown_host"}


def silent(caller: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def dribbling(caller: socket.socket, over: threading.Event) -> None:
    """A greeting without an end, each byte well within the timeout."""
    while not over.wait(0.05):
        caller.sendall(b"220-patience\r\n")


def busy(caller: socket.socket, over: threading.Event) -> None:
    caller.sendall(b"421 too many connections\r\n")


def plain(caller: socket.socket, over: threading.Event) -> None:
    """A server without STARTTLS."""
    caller.sendall(b"220 hello\r\n")
    while line := caller.recv(1000):
        caller.sendall(b"250-localhost\r\n250 AUTH PLAIN\r\n" if line.startswith(b"ehlo") else b"221 bye\r\n")


def hanging_up(caller: socket.socket, over: threading.Event) -> None:
    caller.sendall(b"220 hello\r\n")


@pytest.mark.parametrize(
    ("talk", "security", "rule"),
    [
        (silent, Security.SSL, "timeout"),
        (silent, Security.STARTTLS, "timeout"),
        (dribbling, Security.STARTTLS, "disconnected"),
        (busy, Security.STARTTLS, "refused"),
        (plain, Security.STARTTLS, "unsupported"),
        (plain, Security.SSL, "tls"),
        (hanging_up, Security.STARTTLS, "disconnected"),
    ],
)
def test_a_server_that_cannot_be_used_costs_little_time(talk, security: Security, rule: str):
    """All recipients together wait once, and no longer than three timeouts."""
    with speaking(talk) as port:
        began = time.monotonic()
        answers = send(account(port, security, timeout=0.3))
        assert time.monotonic() - began < 10
    assert set(rules(answers).values()) == {rule}
    assert rule in NO_CONNECTION
    assert all(f":{port}" in skip.reason for skip in answers.values())


@pytest.mark.parametrize(
    "person", ["nobody", "", "a@b, c@d", "a@b\r\nBcc: c@d", "a b@c", "<a@b>", "a@b\x00", "a@b@c", "\ud800@b"]
)
def test_what_is_no_single_address_is_not_sent_to(authority: trustme.CA, ca_file: str, person: str):
    with serving(Mailbox(), authority, Security.SSL) as box:
        answers = send(account(box.port, Security.SSL, ca_file), MESSAGE, (person, "ann@example.com"))
    assert answers[person].rule == "address"
    assert box.recipients == ["ann@example.com"]


def test_an_address_beyond_ascii_is_told_where_the_server_cannot(authority: trustme.CA, ca_file: str):
    with serving(Mailbox(), authority, Security.SSL) as box:
        answers = send(account(box.port, Security.SSL, ca_file), MESSAGE, ("jürgen@example.com", "ann@example.com"))
    assert rules(answers) == {"jürgen@example.com": "address", "ann@example.com": ""}


def test_a_sender_that_is_no_address_is_told():
    answers = send(account(1, Security.SSL, username="bot", sender=""))
    assert set(rules(answers).values()) == {"sender"}


def test_a_subject_cannot_become_a_second_header(authority: trustme.CA, ca_file: str):
    message = Message("done\r\nBcc: thief@example.com\r\n\r\nbody", "text", "<p>page</p>")
    with serving(Mailbox(), authority, Security.SSL) as box:
        send(account(box.port, Security.SSL, ca_file), message, ("ann@example.com", "ann@example.com"))
    assert box.recipients == ["ann@example.com"]
    assert box.mails[0][2]["Bcc"] is None
    assert box.mails[0][2]["Subject"] == "done Bcc: thief@example.com body"


def test_the_password_is_struck_out_where_a_server_repeats_it():
    def tattling(caller: socket.socket, over: threading.Event) -> None:
        caller.sendall(f"554 {PASSWORD} is your password\r\n".encode())

    with speaking(tattling) as port:
        answers = send(account(port, Security.STARTTLS))
    assert "554 *** is your password" in answers["ann@example.com"].reason


@pytest.mark.parametrize(
    ("make", "error", "rule"),
    [
        (opening, socket.gaierror(-2, "Name or service not known"), "unknown_host"),
        (opening, OSError(113, "No route to host"), "connection"),
        (lambda error, settings: handing_over(error, settings, USER), ValueError("odd line"), "not_sent"),
    ],
)
def test_rare_troubles_are_sentences_too(make, error: Exception, rule: str):
    """What no server on loopback can bring about."""
    trouble = make(error, account(1, Security.SSL))
    assert trouble.rule == rule
    assert "check" in trouble.reason


def test_too_many_logins_are_no_wrong_password():
    """Gmail answers 454 for a while; the password is right."""
    trouble = opening(smtplib.SMTPAuthenticationError(454, b"4.7.0 Too many login attempts"), account(1, Security.SSL))
    assert trouble.rule == "refused"
    assert "GMAIL_APP_PASSWORD" not in trouble.reason


def test_a_sender_that_is_not_taken_now_need_not_be_changed(authority: trustme.CA, ca_file: str):
    with serving(Mailbox(mail_from="451 4.7.1 slow down"), authority, Security.SSL) as box:
        answers = send(account(box.port, Security.SSL, ca_file))
    assert set(rules(answers).values()) == {"busy"}
    assert "mail.sender" not in answers["ann@example.com"].reason


@pytest.mark.parametrize("before", [0, 180, 190, 199])
def test_no_part_of_the_password_is_left_where_a_long_answer_is_cut(before: int):
    """However far into its answer the server repeats it, and in whichever form."""
    settings = account(1, Security.SSL)
    encoded = b64encode(settings.password.encode()).decode()
    for secret in (settings.password, encoded):
        said = f"{'x' * before} {secret} and more".encode()
        for made in (
            opening(smtplib.SMTPAuthenticationError(535, said), settings),
            handing_over(smtplib.SMTPDataError(554, said), settings, USER),
            handing_over(smtplib.SMTPSenderRefused(550, said, USER), settings, USER),
            handing_over(smtplib.SMTPRecipientsRefused({"a@example.com": (550, said)}), settings, USER),
        ):
            assert secret[:5] not in made.reason


def test_without_a_password_nothing_is_struck_out():
    said = opening(OSError("odd"), account(1, Security.SSL, password="")).reason
    assert "(odd)" in said
