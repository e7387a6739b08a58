"""A `SessionReport` for people who are not at the terminal: a page, a plain text, a mail.

Entry points: `report_html`, `report_text`, `subject`, `message`; `backdrop.Backdrop` is what a report is seen against,
`pictures.draw` makes its pictures (in a child process or a command).
Invariants: no report makes them raise, whatever is missing in it; everything in it that a user, a market or a server
wrote is one printable line before it is laid out, and escaped where it is HTML; no account id is shown in full.
"""

from robotrading.adapters.notify.report.letter import message
from robotrading.adapters.notify.report.page import report_html
from robotrading.adapters.notify.report.plain import report_text
from robotrading.adapters.notify.report.view import subject

__all__ = ["message", "report_html", "report_text", "subject"]
