"""The week's summary as a message, a page and a text."""

from __future__ import annotations

from collections.abc import Sequence

from robotrading.adapters.notify.report.letter import content_id
from robotrading.adapters.notify.report.page import page, within
from robotrading.adapters.notify.report.plain import lay_out
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.adapters.notify.weekly.figures import WeekFigures
from robotrading.adapters.notify.weekly.view import subject, view
from robotrading.domain.report import Attachment, Message

_MOST_ROWS = 40
"""Rows of a table in a mail; the text and the attached page have them all."""


def message(week: WeekFigures, pictures: Sequence[Picture] = ()) -> Message:
    """The mail of a week, its pictures inside it (RFC 2392), and the whole page as a file where that is longer."""
    whole = view(week, pictures)
    shown = whole.shortened(_MOST_ROWS)
    html = page(shown, lambda one: f"cid:{content_id(one)}")
    attached = [Attachment(f"{one.name}.png", "image/png", one.data, content_id(one)) for one in pictures]
    if shown != whole:
        attached.append(Attachment(f"week-{week.day}.html", "text/html", page(whole, within).encode("utf-8")))
    return Message(subject(week), lay_out(whole), html, tuple(attached))


def summary_html(week: WeekFigures, pictures: Sequence[Picture] = ()) -> str:
    """The whole page, its pictures in itself."""
    return page(view(week, pictures), within)


def summary_text(week: WeekFigures) -> str:
    """Everything, no line longer than 78 characters."""
    return lay_out(view(week))
