"""Mail: the way to the server up to the login, and only where it is asked for a mail as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from robotrading.adapters.notify.envelope import is_address, sender_of
from robotrading.adapters.notify.mail import MailNotifier
from robotrading.adapters.notify.nomail import missing
from robotrading.adapters.notify.settings import MailSettings
from robotrading.adapters.notify.smtp import Line
from robotrading.adapters.notify.trouble import MailTrouble
from robotrading.domain.ports import Clock
from robotrading.domain.report import Message
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning

PART = "mail"
PATIENCE = 6.0
"""Seconds for each answer of the server; three times as long for all up to the login."""
_SET_UP = "set them in the environment or in the section `mail` of config.yaml (the password in the environment only)"


def addresses(settings: MailSettings) -> Iterator[Finding]:
    """What can be said without asking anybody."""
    wanting = missing(settings)
    if wanting:
        found = f"not set up ({', '.join(wanting)} wanting): reports stay on the disk"
        partly = settings.username or settings.password or settings.recipients
        yield warning(PART, found, _SET_UP) if partly else left_out(PART, found, _SET_UP)
        return
    for address in (sender_of(settings), *settings.recipients):
        if not is_address(address):
            yield broken(PART, f"{address!r} is no mail address", "write it as someone@example.com")
    if settings.ca_file and not Path(settings.ca_file).is_file():
        yield broken(PART, f"mail.ca_file {settings.ca_file} is not there", "put it there, or leave the key out")


def server(settings: MailSettings) -> Finding:
    """Connect, encrypt, log in, and leave again: no mail is sent."""
    line = Line(replace(settings, timeout=min(settings.timeout, PATIENCE)))
    try:
        line.log_in()
    except MailTrouble as trouble:
        return broken(PART, trouble.reason, "a run trades without mail, and you would hear of nothing")
    finally:
        line.close()
    people = len(settings.recipients)
    return fine(PART, f"logged in at {settings.host}:{settings.port}; {people} recipient{'s' if people > 1 else ''}")


def try_mail(settings: MailSettings, clock: Clock, host: str) -> Iterator[Finding]:
    """A mail to every recipient."""
    text = f"robotrading on {host} was asked to send this test mail at {clock.now():%Y-%m-%d %H:%M:%S} UTC."
    message = Message("robotrading: test mail", text, f"<p>{text}</p>")
    told = MailNotifier(replace(settings, timeout=PATIENCE), clock).send(message, settings.recipients)
    for recipient, skip in told.items():
        if skip is None:
            yield fine(PART, f"test mail sent to {recipient}")
        else:
            yield broken(PART, f"test mail to {recipient}: {skip.reason}", "correct mail.recipients or the account")
