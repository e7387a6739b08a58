"""Real SMTP servers on loopback: a decent one over SSL or STARTTLS, and ones that misbehave."""

# ruff: noqa: ARG002  the handlers' arguments are the SMTP server's

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from robotrading.adapters.notify.settings import MailSettings, Security

USER, PASSWORD = "bot@example.com", "app-pass-word"
OTHER_NAME = "elsewhere.example"


@dataclass
class Mailbox:
    """What a server took, and how it treats whom: a reply for a recipient's RCPT or DATA, or 'hang up'.

    Of DATA also 'silence', and 'take it and hang up': the mail is kept, and nobody is told.
    """

    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    rcpt: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    mail_from: str = "250 OK"
    logins: int = 0
    port: int = 0

    @property
    def recipients(self) -> list[str]:
        return [person for _, people, _ in self.mails for person in people]

    async def handle_MAIL(self, server, session, envelope, address, mail_options):  # noqa: N802
        if self.mail_from.startswith("250"):
            envelope.mail_from = address
        return self.mail_from

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):  # noqa: N802
        reply = self.rcpt.get(address, "250 OK")
        if reply == "hang up":
            server.transport.abort()
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        reply = self.data.get(envelope.rcpt_tos[0], "250 taken")
        if reply == "hang up":
            server.transport.abort()
        if reply == "silence":
            await asyncio.sleep(30)
        if reply.startswith(("250", "take it")):
            mail = message_from_bytes(envelope.content, policy=default)
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, mail))
        if reply == "take it and hang up":
            server.transport.abort()
        return reply

    def authenticate(self, server, session, envelope, mechanism, auth_data) -> AuthResult:
        self.logins += 1
        good = (auth_data.login, auth_data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)


@contextmanager
def serving(
    box: Mailbox, authority: trustme.CA, security: Security, name: str = "localhost", **options
) -> Iterator[Mailbox]:
    """The server in a thread of its own, on the box's port, or where that is 0 on one that the system chooses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    starttls = security is Security.STARTTLS
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            box,
            loop=loop,
            hostname="localhost",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=box.authenticate,
            auth_required=starttls,  # aiosmtpd warns of a login without its own STARTTLS; the tests count logins
            auth_require_tls=starttls,
            **options,
        )

    listening = loop.create_server(protocol, "127.0.0.1", box.port, ssl=None if starttls else context)
    server = loop.run_until_complete(listening)
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(_shut(server, loop), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _shut(server: asyncio.Server, loop: asyncio.AbstractEventLoop) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.05)


@contextmanager
def speaking(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A server that says what `talk` says to each caller; yields its port."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def answer() -> None:
        while not over.is_set():
            try:
                caller, _ = listener.accept()
            except TimeoutError:
                continue
            caller.settimeout(5)
            with caller, suppress(OSError):
                talk(caller, over)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join(10)
        listener.close()


def account(port: int, security: Security, ca_file: str = "", **changes: object) -> MailSettings:
    """Settings for a server on this port."""
    known = {
        "host": "localhost",
        "port": port,
        "security": security,
        "username": USER,
        "password": PASSWORD,
        "recipients": ("ann@example.com",),
        "timeout": 5.0,
        "ca_file": ca_file,
    }
    return MailSettings(**(known | changes))
