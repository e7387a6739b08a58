"""A message becomes a mail for one recipient: headers without surprises, both bodies, the attachments.

Invariants: no header holds a line break, whatever the message says; a letter's Message-ID is a function of the
letter's id and the recipient alone (of the content where there is no letter), so that a mail that is sent again after a
crash or a lost connection is known as the same mail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

from robotrading.adapters.notify.report.words import clean
from robotrading.adapters.notify.settings import MailSettings
from robotrading.domain.messages import Letter, LetterKind
from robotrading.domain.report import Attachment, Message

_ADDRESS = re.compile(r"[^@\s,;<>()\"\\]+@[^@\s,;<>()\"\\]+")
_TYPE = re.compile(r"([a-z]+)/([a-z0-9.+-]+)")
_OF_A_THREAD = re.compile(r"raised|resolved|reminded-[0-9]+")


def is_address(text: str) -> bool:
    """Whether it is one plain mail address: nothing that could be a second recipient or a second header."""
    return text.isprintable() and _ADDRESS.fullmatch(text) is not None


def sender_of(settings: MailSettings) -> str:
    return settings.sender or settings.username


def compose_letter(letter: Letter, sender: str, recipient: str, origin: str = "") -> EmailMessage:
    """The mail of a letter, the same bytes on every attempt but for the parts' borders.

    An alert's reminders and its resolution answer to its raising, so that mail programs show them together. `origin`
    tells installations apart that give their letters the same ids.
    """
    mail = compose(letter.message, sender, recipient, letter.created_at)
    del mail["Message-ID"]
    mail["Message-ID"] = letter_message_id(letter.letter_id, sender, recipient, origin)
    first = _raising(letter)
    if first and first != letter.letter_id:
        mail["In-Reply-To"] = mail["References"] = letter_message_id(first, sender, recipient, origin)
    return mail


def _raising(letter: Letter) -> str:
    """The id of the letter that opened this one's thread; '' for a letter that stands alone."""
    thread, _, word = letter.letter_id.rpartition(":")
    in_thread = letter.kind is LetterKind.ALERT and _OF_A_THREAD.fullmatch(word) is not None
    return f"{thread}:raised" if in_thread else ""


def letter_message_id(letter_id: str, sender: str, recipient: str, origin: str = "") -> str:
    """The same letter to the same person has the same id on every attempt, from every copy of the service."""
    return _id_of([part.encode("utf-8", "replace") for part in (origin, letter_id, recipient)], sender)


def compose(message: Message, sender: str, recipient: str, at: datetime) -> EmailMessage:
    """The mail. `sender` and `recipient` are plain addresses (`is_address`), `at` is its date."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = clean(message.subject)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id(message, sender, recipient)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_encodable(message.text))
    mail.add_alternative(_encodable(message.html), subtype="html")
    html = list(mail.iter_parts())[-1]
    for attachment in message.attachments:
        _attach(html if attachment.content_id else mail, attachment)
    return mail


def message_id(message: Message, sender: str, recipient: str) -> str:
    """The same mail to the same person has the same id on every attempt."""
    texts = [recipient, message.subject, message.text, message.html]
    parts = [text.encode("utf-8", "replace") for text in texts]
    for attachment in message.attachments:
        parts += [attachment.name.encode("utf-8", "replace"), attachment.content_type.encode(), attachment.data]
    return _id_of(parts, sender)


def _id_of(parts: Sequence[bytes], sender: str) -> str:
    lengths = b"".join(b"%d:" % len(part) for part in parts)
    digest = sha256(b"".join([lengths, *parts])).hexdigest()[:40]
    domain = sender.rpartition("@")[2]
    return f"<{digest}@{domain if domain.isascii() else 'robotrading.invalid'}>"


def _encodable(text: str) -> str:
    """Half characters become question marks: a mail with one is better than none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _attach(mail: MIMEPart, attachment: Attachment) -> None:
    """A file of its own, or beside the HTML that shows it."""
    found = _TYPE.fullmatch(attachment.content_type)
    kind, subkind = found.groups() if found else ("application", "octet-stream")
    name = clean(attachment.name).replace("/", "-") or "attachment"
    if attachment.content_id:
        mail.add_related(
            attachment.data,
            maintype=kind,
            subtype=subkind,
            cid=f"<{clean(attachment.content_id)}>",
            filename=_encodable(name),
            disposition="inline",
        )
    else:
        mail.add_attachment(attachment.data, maintype=kind, subtype=subkind, filename=_encodable(name))
