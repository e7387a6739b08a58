"""What a failing mail server means to the person who reads about it: what happened, why, and what to do.

Entry points: `opening` (nobody can be reached), `handing_over` (one recipient was not served), `MailTrouble`, and the
rules by what they mean for the next attempt: `NO_CONNECTION`, `HOLDS_FOR_ALL`, `FOR_GOOD`.
Invariant: no sentence holds the password, also when the server repeats it.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from base64 import b64encode

from robotrading.adapters.notify.report.words import clean
from robotrading.adapters.notify.settings import MailSettings

TROUBLE = (OSError, ValueError)
"""What smtplib, ssl and sockets raise: SMTPException and SSLError are OSErrors, unsendable text is a ValueError."""

NO_CONNECTION = frozenset(
    {
        "login",
        "unsupported",
        "disconnected",
        "refused",
        "certificate",
        "timeout",
        "tls",
        "unknown_host",
        "connection",
        "ca_file",
    }
)
"""Rules of `Unreachable`: what holds for every recipient, and for the next message too."""

HOLDS_FOR_ALL = NO_CONNECTION | {"sender", "quota", "busy"}
"""Troubles of the account as a whole: who is tried after them meets the same."""

FOR_GOOD = frozenset({"recipient", "content", "address"})
"""Refused in a way that another attempt cannot change."""

_LONGEST_ANSWER = 200

# Enhanced status codes of RFC 3463. Gmail tells of its daily limit as 550 5.4.5, which is over the next day.
_QUOTA = re.compile(r"\b5[.]4[.]5\b")
_FULL = re.compile(r"\b[45][.]2[.]2\b")
_TOO_BIG = re.compile(r"^552\b|\b5[.]3[.]4\b")
"""A size is told with MAIL FROM, so that a mail that is too big is refused there."""


class MailTrouble(Exception):
    """A mail did not leave; the text is for people, `rule` is the short name of what happened."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


class Unreachable(MailTrouble):
    """There is no usable connection: the other recipients need not be tried."""


def opening(error: Exception, settings: MailSettings) -> Unreachable:
    """Why there is no connection, or no login."""
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, TimeoutError | ssl.SSLError):
        error = error.__context__  # smtplib tells of a lost connection where its own waiting ended
    rule, reason = _answered(error, settings) or _no_connection(error, settings)
    return Unreachable(rule, _redacted(reason, settings))


def _answered(error: Exception, settings: MailSettings) -> tuple[str, str] | None:
    """The server speaks, and says no."""
    host = settings.host
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _login_refused(error, settings)
    if isinstance(error, UnicodeError):
        return "login", (
            "mail.username or its password has a character that cannot be sent (often a no-break space that was copied"
            " with it); type GMAIL_APP_PASSWORD anew"
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "unsupported", (
            f"{host}:{settings.port} does not offer what mail needs ({clean(str(error))}); without it the password"
            " would be readable by others: check mail.port and mail.security"
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "disconnected", (
            f"{host}:{settings.port} closed the connection before the login was done, or took too long; check mail.port"
            " and mail.security (465 with ssl, 587 with starttls), or try again later"
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return "refused", f"{host}:{settings.port} takes no mail now ({_answer(error, settings)}); try again later"
    return None


def _login_refused(error: smtplib.SMTPAuthenticationError, settings: MailSettings) -> tuple[str, str]:
    """Too many logins are no wrong password."""
    host = settings.host
    if 400 <= error.smtp_code < 500:
        return "refused", f"{host}:{settings.port} takes no login now ({_answer(error, settings)}); try again later"
    return "login", (
        f"{host} refused the login of {settings.username} ({_answer(error, settings)}); put a valid password into"
        " GMAIL_APP_PASSWORD (Google wants an app password there, not the account's own)"
    )


def _no_connection(error: Exception, settings: MailSettings) -> tuple[str, str]:
    """The server does not speak, or not safely."""
    where = f"{settings.host}:{settings.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate", (
            f"the certificate of {where} could not be verified ({clean(error.verify_message)}), so the password was not"
            " sent; check mail.host, or name the private authority's file in mail.ca_file"
        )
    if isinstance(error, TimeoutError):
        return "timeout", (
            f"{where} did not answer within {settings.timeout:g} s; check mail.host, mail.port (465 with ssl, 587 with"
            " starttls) and the firewall, or give mail.timeout more"
        )
    if isinstance(error, ssl.SSLError):
        return "tls", (
            f"no encrypted connection with {where} ({clean(error.reason or str(error))}); check mail.security: ssl goes"
            " with port 465, starttls with 587"
        )
    if isinstance(error, socket.gaierror):
        return "unknown_host", f"no address is known for {settings.host}; check mail.host and the network"
    if isinstance(error, ConnectionRefusedError):
        return "connection", f"nothing answers at {where}; check mail.host and mail.port, and whether the server runs"
    return "connection", f"no connection with {where} ({clean(str(error))}); check mail.host, mail.port and the network"


def authority(error: Exception, settings: MailSettings) -> Unreachable:
    """Why the private authority's file cannot be used."""
    text = (
        f"mail.ca_file {settings.ca_file} could not be used ({clean(str(error))}); it must be a certificate in PEM form"
    )
    return Unreachable("ca_file", text)


def handing_over(error: Exception, settings: MailSettings, sender: str) -> MailTrouble:
    """Why one mail was not taken."""
    rule, reason = _handed(error, settings, sender)
    return MailTrouble(rule, _redacted(reason, settings))


def _handed(error: Exception, settings: MailSettings, sender: str) -> tuple[str, str]:
    host = settings.host
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _recipient_refused(*next(iter(error.recipients.values())), settings)
    if isinstance(error, smtplib.SMTPSenderRefused) and _TOO_BIG.search(_answer(error, settings)) is None:
        return _sender_refused(error, sender, settings)
    if isinstance(error, smtplib.SMTPResponseException):
        return _content_refused(error.smtp_code, error.smtp_error, settings)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "address", f"{host} takes no address with letters beyond ASCII; use another address"
    if isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError | ConnectionError | ssl.SSLError):
        doubt = "while the mail was handed over; it may have arrived or not"
        return "in_doubt", f"the connection with {host} was lost or silent {doubt}"
    return "not_sent", f"the mail could not be sent ({clean(str(error))}); check the address and mail.host"


def _recipient_refused(code: int, said: bytes | str, settings: MailSettings) -> tuple[str, str]:
    answer, host = _words(code, said, settings), settings.host
    refused = f"{host} refused the recipient ({answer}); check the address in mail.recipients"
    return _not_now(code, answer, host) or ("recipient", refused)


def _content_refused(code: int, said: bytes | str, settings: MailSettings) -> tuple[str, str]:
    answer, host = _words(code, said, settings), settings.host
    return _not_now(code, answer, host) or (
        "content",
        f"{host} refused the mail ({answer}); ask the server's keeper for its rules",
    )


def _not_now(code: int, answer: str, host: str) -> tuple[str, str] | None:
    """What passes by itself, whatever its first digit says; None for a refusal for good."""
    if _QUOTA.search(answer):
        return "quota", f"{host} lets this account send no more for now ({answer}); try again later"
    if _FULL.search(answer):
        return "full", f"{host} says that the mailbox is full ({answer}); its owner has to make room"
    if 400 <= code < 500:
        return "put_off", f"{host} does not take it now ({answer}); try again later"
    return None


def _sender_refused(error: smtplib.SMTPSenderRefused, sender: str, settings: MailSettings) -> tuple[str, str]:
    host = settings.host
    if 400 <= error.smtp_code < 500:
        return "busy", f"{host} takes no mail of {sender} now ({_answer(error, settings)}); try again later"
    return "sender", f"{host} refused the sender {sender} ({_answer(error, settings)}); check mail.sender"


def _answer(error: smtplib.SMTPResponseException, settings: MailSettings) -> str:
    return _words(error.smtp_code, error.smtp_error, settings)


def _words(code: int, said: bytes | str, settings: MailSettings) -> str:
    """The server's answer, cut last: half a password would not be found any more."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {_redacted(clean(text), settings)[:_LONGEST_ANSWER]}".strip()


def _redacted(text: str, settings: MailSettings) -> str:
    """Without the password, plain or in the forms a login writes it."""
    if not settings.password:
        return text
    user, password = settings.username.encode(), settings.password.encode()
    forms = [password, b"\0" + user + b"\0" + password]
    for secret in (settings.password, clean(settings.password), *(b64encode(form).decode() for form in forms)):
        text = text.replace(secret, "***") if secret else text
    return text
