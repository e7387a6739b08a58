"""The week's summary for people: a page, a plain text, a mail, in the look of the reports.

Entry points: `message`, `summary_html`, `summary_text`, `subject`; `figures.WeekFigures` is what it tells,
`pictures.draw` makes its pictures (in a child process or a command).
Invariants: no week makes them raise, however empty; no account id is shown in full; both bodies are complete.
"""

from robotrading.adapters.notify.weekly.letter import message, summary_html, summary_text
from robotrading.adapters.notify.weekly.view import subject

__all__ = ["message", "subject", "summary_html", "summary_text"]
