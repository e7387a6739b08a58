"""The report as a message: both bodies, and the whole page as a file where the mail's own page had to be short."""

from __future__ import annotations

from robotrading.adapters.notify.report.page import page, report_html
from robotrading.adapters.notify.report.plain import report_text
from robotrading.adapters.notify.report.view import subject, view
from robotrading.domain.report import Attachment, Message, SessionReport

_MOST_ROWS = 40
"""Rows of a table in a mail: large mail services hide what comes after about 100 kB of a page."""


def message(report: SessionReport) -> Message:
    """The mail about a run; its text is complete, its page names what it leaves out."""
    shown = view(report, _MOST_ROWS)
    attachments: tuple[Attachment, ...] = ()
    if shown.short:
        whole = report_html(report).encode("utf-8")
        attachments = (Attachment(f"{report.kind}-{report.trading_date}.html", "text/html", whole),)
    return Message(subject(report), report_text(report), page(shown), attachments)
