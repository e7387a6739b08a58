"""One connection to an SMTP server: encrypted, verified, logged in, and never waited for without a bound."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from threading import Timer

from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.adapters.notify.trouble import TROUBLE, authority, handing_over, opening

PATIENCE = 3
"""How many timeouts opening, or handing over one mail, may take as a whole."""
_OWN_NAME = "[127.0.0.1]"
"""What the greeting says we are; smtplib would ask the name service for a better answer, without a bound."""


class Line:
    """A connection that opens when it is needed and again after it was lost.

    Each answer of the server is waited for `settings.timeout` seconds, and login or one mail as a whole three times
    that long, so that a server that dribbles is cut off too.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def log_in(self) -> None:
        """Connect, encrypt and log in, without a mail. Raises `Unreachable`."""
        self._opened()

    def hand_over(self, mail: EmailMessage, sender: str, recipient: str) -> None:
        """One mail to one recipient. Raises `Unreachable` without a connection, `MailTrouble` when it is not taken."""
        smtp = self._opened()
        try:
            with self._bounded(smtp):
                smtp.send_message(mail, sender, [recipient])
        except TROUBLE as error:
            if not isinstance(error, smtplib.SMTPException) or smtp.sock is None:
                self._drop()
            raise handing_over(error, self._settings, sender) from error

    def close(self) -> None:
        """Say goodbye; nothing depends on the answer."""
        smtp = self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(*TROUBLE), self._bounded(smtp):
                smtp.quit()
        self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None

    def _opened(self) -> smtplib.SMTP:
        if self._smtp is None or self._smtp.sock is None:
            self._smtp = self._open()
        return self._smtp

    def _open(self) -> smtplib.SMTP:
        settings = self._settings
        context = _trusting(settings)
        smtp = _client(settings, context)
        try:
            with self._bounded(smtp):
                code, said = smtp.connect(settings.host, settings.port)
                if code != 220:
                    raise smtplib.SMTPConnectError(code, said)
                if settings.security is Security.STARTTLS:
                    smtp.starttls(context=context)
                smtp.login(settings.username, settings.password)
        except TROUBLE as error:
            smtp.close()
            raise opening(error, settings) from error
        return smtp

    @contextmanager
    def _bounded(self, smtp: smtplib.SMTP) -> Iterator[None]:
        """Hang up when the block takes too long as a whole: smtplib's own timeout begins anew with every byte."""
        timer = Timer(self._settings.timeout * PATIENCE, _hang_up, (smtp,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _trusting(settings: MailSettings) -> ssl.SSLContext:
    """The system's authorities, and the private one where there is one."""
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except TROUBLE as error:
            raise authority(error, settings) from error
    return context


def _client(settings: MailSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    """Not connected yet, so that the bound holds from the first byte on."""
    smtp = (
        smtplib.SMTP_SSL(local_hostname=_OWN_NAME, timeout=settings.timeout, context=context)
        if settings.security is Security.SSL
        else smtplib.SMTP(local_hostname=_OWN_NAME, timeout=settings.timeout)
    )
    # The name the certificate is checked against; smtplib sets it only where it connects in its constructor.
    smtp._host = settings.host  # type: ignore[attr-defined]  # noqa: SLF001
    return smtp


def _hang_up(smtp: smtplib.SMTP) -> None:
    """End every wait on the connection, from another thread."""
    if smtp.sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)
