"""`robotrading messages` and what a run leaves to be told, in real processes against real servers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
import trustme
from mail_servers import PASSWORD, USER, Mailbox, serving
from push_servers import PushBox, taking_pushes

from robotrading.adapters.notify.settings import Security
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.report import Message
from robotrading.wiring.books import Book
from robotrading.wiring.post import opened_outbox
from tests.cli.command import command, environment, robotrading

SSL = Security.SSL
SECRET = "canary-Hook-77ab12"
CONFIG = """
    capital: {amount: 50000}
    sessions:
      equities: {enabled: false}
      bonds: {enabled: false}
      crypto:
        universe: {symbols: [SYNCA-USD, SYNCB-USD], tick: 0.01}
        sources: [synthetic]
        signal: {chain: [moving_average, hold]}
"""
MAIL = "mail: {{host: localhost, port: {port}, security: ssl, ca_file: {ca}, timeout: 3}}\n"


class Desk:
    """A folder with a configuration, and a person's commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.variables = {
            "GMAIL_ADDRESS": USER,
            "GMAIL_APP_PASSWORD": PASSWORD,
            "RECIPIENT_EMAIL": "ann@example.com,bob@example.com",
        }
        self.said = ""
        self.over(1)

    def over(self, port: int) -> None:
        """Mail goes over this port from now on."""
        mail = MAIL.format(port=port, ca=self.folder / "ca.pem")
        (self.folder / "config.yaml").write_text(dedent(CONFIG) + mail, "utf-8")

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.heard(robotrading(*words, cwd=self.folder, **self.variables))

    def tell(self, text: str, *words: str) -> subprocess.CompletedProcess[str]:
        variables = environment(self.folder / "state", **self.variables)
        return self.heard(
            subprocess.run(
                command(*words),
                cwd=self.folder,
                env=variables,
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        )

    def heard(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        self.said += done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def post(self, letter_id: str) -> None:
        letter = Letter(letter_id, LetterKind.REPORT, Urgency.NORMAL, datetime.now(UTC), Message("s", "text", "<p>"))
        people = self.variables["RECIPIENT_EMAIL"].split(",")
        with opened_outbox(Book(self.ledger.parent, "embedded")) as outbox:
            outbox.post(letter, [Address(Channel.MAIL, person) for person in people])

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "books" / "embedded" / "ledger.db"

    def rows(self, table: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.ledger)
        try:
            return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a table's name of ours
        finally:
            connection.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Whatever was asked: no secret is in any answer, log or database file."""
    one = Desk(tmp_path)
    yield one
    for secret in (PASSWORD, SECRET):
        assert secret not in one.said
        for path in (tmp_path / "state").rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path


def test_a_letter_is_listed_with_all_its_ways_however_few_are_asked_for(desk: Desk):
    """Half of its recipients would pass for all of them."""
    for name in ("report:one", "report:two"):
        desk.post(name)
    listed = " ".join(desk.ask("messages", "-n", "1").stdout.split())
    assert "report:two" in listed
    assert "report:one" not in listed
    assert "mail to ann@example.com, bob@example.com" in listed


def test_a_weeks_summary_is_remembered_while_a_service_may_still_catch_it_up(desk: Desk):
    """Forgotten earlier, it would be posted again after a restart, whatever `outbox.keep_days` says."""
    config = desk.folder / "config.yaml"
    config.write_text(config.read_text("utf-8") + "outbox: {keep_days: 1}\n", "utf-8")
    now = datetime.now(UTC)
    ages = {"summary:young": timedelta(days=2), "summary:old": timedelta(days=5)}
    desk.post("report:one")
    with opened_outbox(Book(desk.ledger.parent, "embedded")) as outbox:
        for name, age in ages.items():
            message = Message("s", "text", "<p>")
            outbox.post(Letter(name, LetterKind.SUMMARY, Urgency.NORMAL, now - age, message), [])
    assert desk.ask("send-messages").returncode == 0
    assert {row[0] for row in desk.rows("letters")} == {"report:one", "summary:young"}


def test_a_dead_mail_server_leaves_trading_untouched_and_the_letter_waits_for_it(desk: Desk):
    done = desk.ask("run", "crypto", "-q")
    told = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Bought 2 of 2 orders, all filled." in told
    assert "mail: crypto report sent to 0 of 2 recipients; ann@example.com, bob@example.com: nothing answers" in told
    assert "it waits, next attempt at " in told
    assert {row[3] for row in desk.rows("deliveries")} == {"waiting"}

    listed = desk.ask("messages")
    assert listed.stdout.count("waits, 1 attempt") + listed.stdout.count("waits, 0 attempts") == 2
    assert "nothing answers at" in listed.stdout
    assert not [line for line in listed.stdout.splitlines() if len(line) > 80 and "report:" not in line]
    assert desk.ask("messages", "send").returncode == 3

    with serving(Mailbox(), desk.authority, SSL) as box:
        desk.over(box.port)
        sent = desk.ask("messages", "send")
        assert (sent.returncode, sent.stdout.count("sent: ")) == (0, 2)
        assert desk.ask("messages", "send").stdout == "Nothing waits.\n"
    assert sorted(box.recipients) == ["ann@example.com", "bob@example.com"]
    shown = desk.ask("messages", "show", str(desk.rows("letters")[0][0]))
    assert "sent " in shown.stdout
    assert "Bought 2" in " ".join(shown.stdout.split())


def test_what_was_given_up_can_be_sent_by_hand(desk: Desk):
    desk.post("report:one")
    box = Mailbox(rcpt={"bob@example.com": "550 no such user"})
    with serving(box, desk.authority, SSL):
        desk.over(box.port)
        done = desk.ask("messages", "send")
        assert (done.returncode, "given up: " in done.stdout) == (4, True)
        assert "given up after 1 attempt" in desk.ask("messages", "--unsent").stdout
        assert "550 no such user" in (desk.folder / "state" / "command.log").read_text("utf-8")
        box.rcpt.clear()
        assert desk.ask("messages", "retry", "report:").returncode == 0
        assert "Nothing of report:one" in desk.ask("messages", "retry", "report:one").stdout
    found = json.loads(desk.ask("messages", "--json").stdout)
    assert {one["state"] for one in found if one["kind"] == "report"} == {"sent"}


def test_an_unknown_message_is_told_with_the_way_out(desk: Desk):
    for words in (["show", "x"], ["retry", "x"]):
        done = desk.ask("messages", *words)
        assert (done.returncode, "`robotrading messages` lists them" in done.stderr) == (2, True)
    assert desk.ask("messages").stdout == "There is no message yet.\n"
    assert desk.ask("messages", "-u").stdout == "No message waits or was given up.\n"


def test_a_test_message_goes_to_everyone_on_every_channel(desk: Desk):
    with taking_pushes(PushBox()) as phone, serving(Mailbox(), desk.authority, SSL) as box:
        desk.over(box.port)
        desk.variables["ROBOTRADING_PUSH_URLS"] = f"json://127.0.0.1:{phone.port}/{SECRET}"
        every = desk.ask("messages", "test")
        assert (every.returncode, every.stdout.count("taken by the server")) == (0, 3)
        box.rcpt["bob@example.com"] = "550 no such user"
        mail = desk.ask("messages", "test", "--mail")
        assert (mail.returncode, "bob@example.com: not taken: " in mail.stdout) == (3, True)
        phone.status = 403
        push = desk.ask("messages", "test", "--push", "--json")
    assert push.returncode == 4
    assert [(one["address"]["recipient"], one["rule"]) for one in json.loads(push.stdout)] == [
        ("json 1", "push_refused")
    ]
    assert phone.bodies[0]["title"].startswith("robotrading: test message from ")
    assert sorted(box.recipients) == ["ann@example.com", "ann@example.com", "bob@example.com"]
    assert not desk.ledger.exists(), "a test leaves nothing"


def test_a_test_without_any_channel_says_what_to_set_up(desk: Desk):
    desk.variables.clear()
    done = desk.ask("messages", "test")
    assert done.returncode == 2
    assert "mail is not set up" in done.stderr
    assert "ROBOTRADING_PUSH_URLS" in done.stderr


def test_the_services_child_makes_a_round_and_says_what_became_of_it(desk: Desk):
    desk.post("report:one")
    with serving(Mailbox(), desk.authority, SSL) as box:
        desk.over(box.port)
        done = desk.ask("send-messages")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("sent: ") == 2
    assert sorted(box.recipients) == ["ann@example.com", "bob@example.com"]


def test_letters_on_standard_input_leave_without_a_ledger(desk: Desk):
    made = Message("the ledger is gone", "nothing can be stored\n", "<p>nothing can be stored</p>")
    alert = Letter("alert:ledger:1:raised", LetterKind.ALERT, Urgency.CRITICAL, datetime.now(UTC), made)
    lines = "\n".join(
        msgspec.json.encode(one).decode() for one in (alert, replace(alert, letter_id="alert:b:1:raised"))
    )
    (desk.folder / "state" / "books").mkdir(parents=True)
    (desk.folder / "state" / "books" / "embedded").write_text("in the way of any ledger")
    with taking_pushes(PushBox()) as phone, serving(Mailbox(), desk.authority, SSL) as box:
        desk.over(box.port)
        desk.variables["ROBOTRADING_PUSH_URLS"] = f"json://127.0.0.1:{phone.port}/{SECRET}"
        done = desk.tell(lines + "\n\n", "send-messages", "--direct")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("sent without the outbox: ") == 6
        assert len(phone.taken) == 2
        assert sorted(box.recipients) == ["ann@example.com"] * 2 + ["bob@example.com"] * 2
        phone.status = 500
    assert desk.tell(lines, "send-messages", "--direct").returncode == 4
    assert desk.tell("{", "send-messages", "--direct").returncode == 4
    desk.variables.clear()
    assert "neither mail nor push is set up" in desk.tell(lines, "send-messages", "--direct").stdout
