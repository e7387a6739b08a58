"""What mail servers do to letters, against real ones, in virtual time: nothing is lost, nothing doubled, no secret told.

Every drill ends with the trouble mended and asks the same: each letter is at each recipient exactly once.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import trustme
from mail_servers import OTHER_NAME, PASSWORD, USER, Mailbox, account, serving

from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.domain.messages import DeliveryState, LetterKind, Urgency
from robotrading.service.post.postman import Round
from tests.service.post.offices import PEOPLE, Office, arrived, mail_to

SSL = Security.SSL
WRONG = "wrong-pass-word"


@dataclass
class Drill:
    office: Office
    authority: trustme.CA
    ca_file: str
    rounds: list[Round]

    def round(self, box: Mailbox, **changes: object) -> Round:
        done = self.office.round(self.at(box, **changes))
        self.rounds.append(done)
        return done

    def at(self, box: Mailbox, **changes: object) -> MailSettings:
        return account(box.port, SSL, **{"timeout": 2.0, "ca_file": self.ca_file, **changes})

    def mended(self, letters: int) -> None:
        """After the next rounds everything is everywhere once, and nothing waits."""
        with serving(Mailbox(), self.authority, SSL) as box:
            self.office.clock.turn(hours=5)
            self.round(box)
            self.all_arrived(box, letters)
            self.office.clock.turn(hours=5)
            assert not self.round(box)

    def all_arrived(self, *boxes: Mailbox | int) -> None:
        *taken, letters = boxes
        found = sum((arrived(box) for box in taken), start=arrived(Mailbox()))
        assert set(found.values()) == {1}
        assert {person: sum(1 for one, _ in found if one == person) for person in PEOPLE} == dict.fromkeys(
            PEOPLE, letters
        )
        assert {one.state for one in self.office.ways()} == {DeliveryState.SENT}


@pytest.fixture
def drill(office: Office, authority: trustme.CA, ca_file: str, caplog: pytest.LogCaptureFixture) -> Iterator[Drill]:
    """No drill may leave a password in the log, the ledger or a sentence."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="mail.log")  # the server's own, which hears the login
    one = Drill(office, authority, ca_file, [])
    yield one
    said = caplog.text + "\n".join(line for done in one.rounds for line in done.lines())
    kept = office.kept()
    for secret in (PASSWORD, WRONG):
        for form in (secret, b64encode(secret.encode()).decode(), b64encode(f"\0{USER}\0{secret}".encode()).decode()):
            assert form not in said
            assert form.encode() not in kept


def test_one_recipient_refused_is_given_up_loudly_and_the_others_have_it(
    drill: Drill, caplog: pytest.LogCaptureFixture
):
    box = Mailbox(rcpt={"bob@example.com": "550 5.1.1 no such user"})
    drill.office.post("report:1")
    with serving(box, drill.authority, SSL):
        drill.round(box)
        drill.office.clock.turn(days=1)
        assert not drill.round(box), "a refusal for good is not asked for again"
    assert drill.office.states() == {
        "ann@example.com": "sent", "bob@example.com": "given_up", "cleo@example.com": "sent",
    }  # fmt: skip
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "bob@example.com" in errors[0]
    assert "550 5.1.1 no such user" in errors[0]
    assert drill.office.outbox.waiting(drill.office.clock.now()).given_up == 0, "a day later it is no news"
    assert drill.office.outbox.retry("report:1", drill.office.clock.now()) == 1
    with serving(Mailbox(), drill.authority, SSL) as mended:
        drill.round(mended)
    drill.all_arrived(box, mended, 1)


def test_a_connection_lost_in_data_is_tried_again_under_the_same_id(drill: Drill):
    box = Mailbox(data={"bob@example.com": "hang up"})
    drill.office.post("report:1")
    with serving(box, drill.authority, SSL):
        drill.round(box)
        assert drill.office.states()["bob@example.com"] == "waiting"
        assert [one.rule for one in drill.office.ways() if one.address.recipient == "bob@example.com"] == ["in_doubt"]
        box.data.clear()
        drill.office.clock.turn(seconds=61)
        drill.round(box)
    drill.all_arrived(box, 1)


def test_a_mail_that_was_taken_without_a_word_comes_twice_under_one_id(drill: Drill):
    """At least once: nobody can know; a mail program shows the two as one."""
    box = Mailbox(data={"bob@example.com": "take it and hang up"})
    drill.office.post("report:1")
    with serving(box, drill.authority, SSL):
        drill.round(box)
        box.data.clear()
        drill.office.clock.turn(seconds=61)
        drill.round(box)
    found = arrived(box)
    assert sorted(found.values()) == [1, 1, 2]
    assert len(found) == 3
    first, second = (mail for _, people, mail in box.mails if people == ["bob@example.com"])
    assert (first["Date"], first["Subject"], first.get_body().get_content()) == (
        second["Date"], second["Subject"], second.get_body().get_content(),
    )  # fmt: skip


def test_two_lost_connections_in_a_row_end_the_round(drill: Drill):
    """A server that hangs up on everything is not asked for every letter."""
    box = Mailbox(data=dict.fromkeys(PEOPLE, "hang up"))
    for number in range(3):
        drill.office.post(f"report:{number}")
    with serving(box, drill.authority, SSL):
        done = drill.round(box)
    assert sorted(one.attempts for one in done.put_off) == [0] * 7 + [1] * 2
    drill.mended(3)


def test_a_server_that_is_down_for_an_hour_loses_and_doubles_nothing(drill: Drill):
    with serving(Mailbox(), drill.authority, SSL) as gone:
        pass
    attempts = 0
    drill.office.post("report:0")
    for minute in range(60):
        if minute in {10, 30}:
            drill.office.post(f"report:{minute}")
        attempts += sum(one.rule == "connection" for one in drill.round(gone).put_off)
        drill.office.clock.turn(minutes=1)
    assert {one.state for one in drill.office.ways()} == {DeliveryState.WAITING}
    tried = max(one.attempts for one in drill.office.ways())
    assert 5 <= tried <= 9, "pauses grow: about one attempt for each doubling of a minute"
    with serving(Mailbox(), drill.authority, SSL) as box:
        drill.office.clock.turn(hours=1)
        drill.round(box)
        drill.all_arrived(box, 3)
        assert box.logins == 1


def test_who_is_greylisted_waits_five_minutes_and_is_taken(drill: Drill):
    box = Mailbox(rcpt=dict.fromkeys(PEOPLE, "450 4.2.0 greylisted, try again later"))
    drill.office.post("report:1")
    with serving(box, drill.authority, SSL):
        drill.round(box)
        assert {one.rule for one in drill.office.ways()} == {"put_off"}
        assert {one.attempts for one in drill.office.ways()} == {1}, "each recipient's own"
        box.rcpt.clear()
        drill.office.clock.turn(minutes=4, seconds=59)
        assert not drill.round(box)
        drill.office.clock.turn(seconds=1)
        drill.round(box)
    drill.all_arrived(box, 1)


def test_a_content_refused_for_good_is_given_up_at_once(drill: Drill):
    box = Mailbox(data=dict.fromkeys(PEOPLE, "554 5.7.1 looks like spam"))
    drill.office.post("report:1")
    drill.office.alarm = mail_to(*PEOPLE)
    with serving(box, drill.authority, SSL):
        done = drill.round(box)
        assert [one.rule for one in done.given_up][:3] == ["content"] * 3
        box.data.clear()
        drill.office.post("report:2")
        drill.office.clock.turn(minutes=6)
        drill.round(box)
        drill.office.outbox.retry("report:1", drill.office.clock.now())
        drill.round(box)
    drill.office.clock.turn(days=1)
    found = {mail["Subject"] for _, _, mail in box.mails}
    assert {"about report:1", "about report:2"} <= found
    assert set(arrived(box).values()) == {1}


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("localhost", {"password": WRONG}, "login"),
        (OTHER_NAME, {}, "certificate"),
        ("localhost", {"ca_file": ""}, "certificate"),
    ],
)
def test_what_a_person_must_mend_holds_everything_and_gives_nothing_up(
    drill: Drill, name: str, changes: dict[str, object], rule: str
):
    """Wrong password, wrong certificate: the whole account waits for days; one attempt stands for all."""
    for number in range(3):
        drill.office.post(f"report:{number}")
    box = Mailbox()
    with serving(box, drill.authority, SSL, name=name):
        for _ in range(8):
            drill.round(box, **changes)
            drill.office.clock.turn(hours=5)
    assert {(one.state, one.rule) for one in drill.office.ways()} == {(DeliveryState.WAITING, rule)}
    assert sorted(one.attempts for one in drill.office.ways()) == [0] * 8 + [8]
    assert box.mails == []
    assert box.logins <= (16 if rule == "login" else 0)
    drill.mended(3)


def test_what_cannot_leave_for_days_is_given_up_and_told_by_hand_only(drill: Drill):
    """Those that only waited behind are given up in their time too; a person can still send them."""
    drill.office.post("report:1")
    with serving(Mailbox(), drill.authority, SSL) as gone:
        pass
    for _ in range(20):
        drill.round(gone)
        drill.office.clock.turn(hours=4)
    assert set(drill.office.states().values()) == {"given_up"}
    drill.office.outbox.retry("report:1", drill.office.clock.now())
    with serving(Mailbox(), drill.authority, SSL) as box:
        drill.round(box)
    drill.all_arrived(box, 1)


def test_a_new_letter_that_gets_through_takes_along_what_waited(drill: Drill):
    """Nobody waits for hours for a server that answers again."""
    drill.office.settings = replace(drill.office.settings, first_retry=3600.0)
    drill.office.post("report:1")
    with serving(Mailbox(), drill.authority, SSL) as gone:
        pass
    drill.round(gone)
    drill.office.clock.turn(minutes=2)
    drill.office.post("report:2")
    with serving(Mailbox(), drill.authority, SSL) as box:
        drill.round(box)
        drill.all_arrived(box, 2)


def test_after_a_long_outage_everybody_gets_one_digest_and_the_critical_ones(drill: Drill):
    with serving(Mailbox(), drill.authority, SSL) as gone:
        pass
    for number in range(12):
        drill.office.post(f"report:run-{number}")
        drill.office.post(f"alert:slow:{number}:raised", kind=LetterKind.ALERT, urgency=Urgency.WARNING)
        drill.round(gone)
        drill.office.clock.turn(hours=2)
    drill.office.post("alert:down:9:raised", kind=LetterKind.ALERT, urgency=Urgency.CRITICAL)
    with serving(Mailbox(), drill.authority, SSL) as box:
        drill.office.clock.turn(hours=4)
        drill.round(box)
    subjects = [(people[0], mail["Subject"]) for _, people, mail in box.mails]
    assert sorted(subjects) == sorted(
        (person, subject)
        for person in PEOPLE
        for subject in (
            "about alert:down:9:raised",
            "robotrading: 24 messages that waited (12 reports, 12 alerts)",
        )
    )
    told = next(mail for _, _, mail in box.mails if "24" in mail["Subject"]).get_body(("plain",)).get_content()
    for number in range(12):
        assert f"robotrading report run-{number}\n" in told.replace("\r\n", "\n")
        assert f"robotrading messages show alert:slow:{number}:raised" in told
    assert set(arrived(box).values()) == {1}
    assert drill.office.outbox.waiting(drill.office.clock.now()).deliveries == 0


def test_a_limit_of_the_day_is_no_refusal_for_good(drill: Drill):
    """Gmail tells of it with a code for good."""
    box = Mailbox(rcpt=dict.fromkeys(PEOPLE, "550 5.4.5 Daily user sending limit exceeded"))
    drill.office.post("report:1")
    with serving(box, drill.authority, SSL):
        done = drill.round(box)
    assert sorted(one.attempts for one in done.put_off) == [0, 0, 1]
    drill.mended(1)


def test_too_big_a_mail_is_given_up_as_that_and_not_for_its_sender(drill: Drill):
    """Its size is told before its recipient, where a sender is refused too."""
    drill.office.post("report:big", text="x" * 70 + "\n" + "y\n" * 20_000)
    drill.office.post("report:small")
    with serving(Mailbox(), drill.authority, SSL, data_size_limit=20_000) as box:
        done = drill.round(box)
    assert {one.letter_id for one in done.given_up} == {"report:big"}
    assert {one.rule for one in done.given_up} == {"content"}
    assert {one.letter_id for one in done.sent} == {"report:small"}
    assert len(box.mails) == 3
