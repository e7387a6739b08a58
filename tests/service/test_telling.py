"""The service as a real process tells people what they have to know: a real SMTP server and a real address to ask."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import environ
from pathlib import Path
from threading import Thread

import trustme

from robotrading.adapters.ledger.store import open_ledger
from robotrading.adapters.notify.settings import Security
from tests.mail_servers import PASSWORD, USER, Mailbox, serving
from tests.service.services import Service, free_port

EXTRA = """
    mail: {{host: localhost, port: {port}, security: ssl, timeout: 5, ca_file: {ca}}}
    outbox: {{first_retry: 1, longest_retry: 60}}
    alerts: {{clear: 1, heartbeat_seconds: 10}}
    report: {{pictures: false, weekly: {weekly}}}
"""
MAIL = {"GMAIL_ADDRESS": USER, "GMAIL_APP_PASSWORD": PASSWORD, "RECIPIENT_EMAIL": "ann@example.com"}
Make = Callable[..., Service]


def asked(one: Service, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "robotrading", *words, "--config", str(one.folder / "config.yaml")],
        env={**environ, **MAIL},
        cwd=one.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def subjects(box: Mailbox) -> list[str]:
    return [str(mail["Subject"]) for _, _, mail in box.mails]


def having(box: Mailbox, *words: str) -> list[str]:
    return [one for one in subjects(box) if all(word in one for word in words)]


def unsent(one: Service) -> str:
    """What the ledger still calls unsent: the server has a mail a moment before that is written down."""
    return asked(one, "messages", "--unsent").stdout


class Slow(Mailbox):
    """Takes its time over every mail."""

    came = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.came += 1
        await asyncio.sleep(2)
        return await super().handle_DATA(server, session, envelope)


def known_since_yesterday(one: Service) -> None:
    """There is something to sum up only for who was there before the moment."""
    one.book.mkdir(parents=True)
    ledger = open_ledger(f"sqlite:///{one.book / 'ledger.db'}")
    ledger.save_equity(datetime.now(UTC) - timedelta(days=1), "DU1000001", Decimal(1_000_000), "USD")
    ledger.close()


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """An address, and the paths it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping-secret", paths
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_reports_alerts_their_end_the_week_and_the_heartbeat_reach_people_once(service: Make, tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    week = f"{datetime.now(UTC):%a} 00:00 UTC"
    with serving(Mailbox(), authority, Security.SSL) as box, listening() as (url, asks):
        extra = EXTRA.format(port=box.port, ca=tmp_path / "ca.pem", weekly=week)
        one = service(extra=extra, environment={**MAIL, "ROBOTRADING_HEARTBEAT_URL": url})
        known_since_yesterday(one)
        one.start()
        one.until_ready()
        one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
        one.run_crypto()
        one.until(lambda: having(box, "crypto"), 60, "the report")
        one.until(lambda: having(box, "week"), 60, "the week's summary")
        assert asked(one, "halt", "a look at the books").returncode == 0
        one.until(lambda: having(box, "[warning]", "halted"), 60, "the alert")
        assert '"rule":"halted"' in one.get("/status")[1].replace(": ", ":")
        assert asked(one, "resume").returncode == 0
        one.until(lambda: having(box, "[resolved]", "halted"), 60, "its end")
        assert "/ping-secret" in asks
        one.until(lambda: "No message waits" in unsent(one), what="the last word on each message")
        one.signal(signal.SIGKILL)
        one.ended()
        one.until(lambda: not one.left(), what="the end of its children")
        one.start()
        one.until(lambda: having(box, "[critical]", "without a word"), 90, "the alert of a death")
        one.signal(signal.SIGTERM)
        assert one.ended() == 0
        told = Counter(subjects(box))
        assert max(told.values()) == 1, told
        assert len({str(mail["Message-ID"]) for _, _, mail in box.mails}) == len(box.mails)
    assert "No message waits" in unsent(one)
    assert url not in one.output
    assert asked(one, "messages").stdout.count("sent") >= len(told)


def test_an_alert_of_a_dead_mail_server_waits_and_arrives_once(service: Make, tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port = free_port()
    extra = EXTRA.format(port=port, ca=tmp_path / "ca.pem", weekly="''")
    one = service(extra=extra, environment=MAIL)
    one.start()
    one.until_ready()
    assert asked(one, "halt", "no mail today").returncode == 0
    one.until(lambda: "waits until" in one.output, 60, "the round that failed")
    one.until(lambda: "robotrading_outbox_waiting 1.0" in one.get("/metrics")[1], what="the waiting letter")
    with serving(Mailbox(port=port), authority, Security.SSL) as box:
        one.until(lambda: having(box, "[warning]", "halted"), 90, "the alert")
        one.signal(signal.SIGTERM)
        assert one.ended() == 0
        assert len(box.mails) == 1


def test_a_stop_while_a_server_takes_a_mail_waits_for_its_word(service: Make, tmp_path: Path) -> None:
    """The mail is not sent again by the next life."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    box = Slow()
    with serving(box, authority, Security.SSL):
        extra = EXTRA.format(port=box.port, ca=tmp_path / "ca.pem", weekly="''")
        one = service(extra=extra, environment=MAIL)
        one.start()
        one.until_ready()
        assert asked(one, "halt", "a slow server").returncode == 0
        one.until(lambda: box.came, what="the mail")
        one.signal(signal.SIGTERM)
        assert one.ended() == 0
        assert having(box, "halted")
        assert "No message waits" in unsent(one)
