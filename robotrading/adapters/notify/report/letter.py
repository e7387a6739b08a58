"""The report as a message: both bodies, its pictures, and the whole page as a file where the mail's had to be short."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.page import page, report_html
from robotrading.adapters.notify.report.plain import report_text
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.adapters.notify.report.view import NOTHING, subject, view
from robotrading.domain.report import Attachment, Message, SessionReport

_MOST_ROWS = 40
"""Rows of a table in a mail: large mail services hide what comes after about 100 kB of a page."""


def message(report: SessionReport, backdrop: Backdrop = NOTHING, pictures: Sequence[Picture] = ()) -> Message:
    """The mail about a run; its text is complete, its page names what it leaves out.

    Pictures travel inside the mail (RFC 2392), so that nothing is asked of the network to show them.
    """
    shown = view(report, _MOST_ROWS, backdrop, pictures)
    attachments = [Attachment(f"{one.name}.png", "image/png", one.data, content_id(one)) for one in pictures]
    if shown.short:
        whole = report_html(report, backdrop, pictures).encode("utf-8")
        attachments.append(Attachment(f"{report.kind}-{report.trading_date}.html", "text/html", whole))
    text = report_text(report, backdrop)
    return Message(subject(report), text, page(shown, lambda one: f"cid:{content_id(one)}"), tuple(attachments))


def content_id(picture: Picture) -> str:
    """The name by which the page finds it within its mail: a mail program may keep pictures by their names."""
    return f"{picture.name}.{sha256(picture.data).hexdigest()[:16]}@robotrading.invalid"
