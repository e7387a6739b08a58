"""The report as a message: both bodies, its pictures, and the whole page as a file where the mail's had to be short."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.page import page, within
from robotrading.adapters.notify.report.plain import lay_out
from robotrading.adapters.notify.report.shapes import Picture, View
from robotrading.adapters.notify.report.view import NOTHING, subject, view
from robotrading.domain.report import Attachment, Message, SessionReport

_LARGEST = 90_000
"""Bytes of a mail's page: Gmail hides whatever comes after 102 kB of one."""
_BOUNDS = ((40, 1000), (24, 500), (12, 250), (6, 120), (2, 40))
"""Rows of a table and characters of a sentence, tried in this order until the page is small enough."""


def message(report: SessionReport, backdrop: Backdrop = NOTHING, pictures: Sequence[Picture] = ()) -> Message:
    """The mail about a run; its text is complete, its page names what it leaves out.

    Pictures travel inside the mail (RFC 2392), so that nothing is asked of the network to show them.
    """
    whole = view(report, None, backdrop, pictures)
    html, short = _small(whole)
    attachments = [Attachment(f"{one.name}.png", "image/png", one.data, content_id(one)) for one in pictures]
    if short:
        data = page(whole, within).encode("utf-8")
        attachments.append(Attachment(f"{report.kind}-{report.trading_date}.html", "text/html", data))
    return Message(subject(report, backdrop), lay_out(whole), html, tuple(attachments))


def _small(whole: View) -> tuple[str, bool]:
    """The longest page that no mail service cuts, and whether it leaves anything out."""
    html, shown = "", whole
    for rows, characters in _BOUNDS:
        shown = whole.shortened(rows, characters)
        html = page(shown, lambda one: f"cid:{content_id(one)}")
        if len(html.encode("utf-8")) <= _LARGEST:
            break
    return html, shown != whole


def content_id(picture: Picture) -> str:
    """The name by which the page finds it within its mail: a mail program may keep pictures by their names."""
    return f"{picture.name}.{sha256(picture.data).hexdigest()[:16]}@robotrading.invalid"
