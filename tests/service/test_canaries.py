"""Secrets are planted in every secret setting and looked for in everything that the service and its children leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme

from robotrading.adapters.notify.settings import Security
from robotrading.config.environment import VARIABLES
from tests.mail_servers import PASSWORD, USER, Mailbox, serving
from tests.service.services import TOKEN, Service

KEY = "canary-of-alpha-vantage-7f3a"
DATABASE_PASSWORD = "canary-of-the-database-91bc"
PUSH_TOKEN = "canary-of-a-push-5d1e"
HEARTBEAT = "canary-of-the-heartbeat-c02b"
CANARIES = {
    "GMAIL_APP_PASSWORD": PASSWORD,
    "ALPHA_VANTAGE_KEY": KEY,
    "ROBOTRADING_TOKEN": TOKEN,
    "ROBOTRADING_PUSH_URLS": PUSH_TOKEN,
    "ROBOTRADING_HEARTBEAT_URL": HEARTBEAT,
}
URLS = {
    "ROBOTRADING_PUSH_URLS": f"json://127.0.0.1:1/{PUSH_TOKEN} tgram://{PUSH_TOKEN}",
    "ROBOTRADING_HEARTBEAT_URL": f"http://127.0.0.1:1/{HEARTBEAT}",
}
EXTRA = """
    mail: {{host: localhost, port: {port}, security: ssl, ca_file: {ca}, timeout: 5}}
    feeds:
      alpha_vantage: {{url: "http://127.0.0.1:1/query", retry: {{attempts: 1}}}}
      yahoo: {{url: "http://127.0.0.1:1/", retry: {{attempts: 1}}}}
"""


def words_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def environments(one: Service) -> dict[str, str]:
    """By command line, of the processes of this service."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(one.folder) in line:
                found[line] = environment
    return found


def of_a_session(line: str) -> bool:
    return "session" in line and "job.json" in line


def test_every_secret_is_planted():
    assert {one.name for one in VARIABLES if one.secret} == {*CANARIES, "ROBOTRADING_DATABASE_URL"}


def test_no_secret_is_in_anything_that_the_service_leaves(service: Callable[..., Service], tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    box = Mailbox(rcpt={"bob@example.com": "550 nobody of that name"})
    with serving(box, authority, Security.SSL) as server:
        environment = {
            **CANARIES,
            **URLS,
            "GMAIL_ADDRESS": USER,
            "RECIPIENT_EMAIL": "ann@example.com,bob@example.com",
            "DEBUG": "true",
        }
        one = service(extra=EXTRA.format(port=server.port, ca=tmp_path / "ca.pem"), environment=environment)
        config = one.folder / "config.yaml"
        config.write_text(config.read_text().replace("[synthetic]", "[yahoo, alpha_vantage, synthetic]"))
        one.start()
        one.until_ready()
        one.until(lambda: "logged in to" in one.get("/health/detailed")[1], what="the broker")
        seen = environments(one)
        one.run_crypto()
        one.until(lambda: seen.update(environments(one)) or any(map(of_a_session, seen)), what="the session's process")
        one.until(lambda: box.mails, 60, "the mail")
        one.until(lambda: "bob@example.com" in one.output, what="the note on the refused recipient")
        answers = [
            one.get(path)[1]
            for path in ("/", "/status", "/metrics", "/health", "/health/detailed", "/run/x", "/reports")
        ]
        asked = (["status"], ["plan", "crypto"], ["config", "show"], ["doctor"], ["messages"], ["messages", "test"])
        answers += [command(one, environment, *words) for words in asked]
        one.signal(signal.SIGTERM)
        assert one.ended() == 0
    assert 'api_calls_total{service="yahoo",status_code="failed"}' in answers[2]
    children = {line: env for line, env in seen.items() if " serve --config" not in line}
    assert any("serve-gateway" in line for line in children)
    assert any(map(of_a_session, children))
    for name, canary in CANARIES.items():
        assert canary not in one.output, name
        assert canary not in one.heard(), name
        for path, content in words_in(one.folder):
            assert canary.encode() not in content, (name, path)
        for answer in answers:
            assert canary not in answer, name
        for _, _, mail in box.mails:
            assert canary not in mail.as_string(), name
        for line in seen:
            assert canary not in line, name
        for line, variables in children.items():
            if name != "ALPHA_VANTAGE_KEY" and "session-report" not in line and "make-pages" not in line:
                assert canary not in variables, (name, line)


def test_a_database_that_does_not_answer_keeps_its_password_secret(service: Callable[..., Service]) -> None:
    url = f"postgresql://bot:{DATABASE_PASSWORD}@127.0.0.1:1/books"
    one = service(
        extra="broker: {gateway: external, account: DU1234567}\n",
        environment={"ROBOTRADING_DATABASE_URL": url, "DEBUG": "true"},
    )
    config = one.folder / "config.yaml"
    config.write_text(config.read_text().replace("[synthetic]", "[yahoo]"))
    one.start()
    assert one.ended(60) == 4, one.output
    assert "127.0.0.1" in one.output
    for path, content in words_in(one.folder):
        assert DATABASE_PASSWORD.encode() not in content, path


def command(one: Service, environment: dict[str, str], *words: str) -> str:
    """What a person's command says, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "robotrading", *words, "--config", str(one.folder / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=one.folder,
        env={**os.environ, **environment},
    )
    return done.stdout + done.stderr
