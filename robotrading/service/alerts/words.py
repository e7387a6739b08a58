"""What a person reads when an alert is raised, reminded of, or over.

Entry points: `Whence`, `raised`, `reminded`, `resolved`, `passed`. Pure.
Invariants: the subject alone says how bad it is, where, and what; the text body is complete without the HTML; foreign
words stand in the HTML escaped, and in subjects as one line; no colour is needed to understand it, and both bodies are
readable on light and on dark ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from robotrading.adapters.notify.report.words import clean
from robotrading.domain.alerts import Alert
from robotrading.domain.report import Message
from robotrading.service.alerts.catalogue import CATALOGUE
from robotrading.service.alerts.rules import spell

_LONGEST_SUBJECT = 200
_COLOURS = {"critical": "#d1242f", "warning": "#bf8700", "resolved": "#1a7f37"}


@dataclass(frozen=True, slots=True)
class Whence:
    """Who speaks: `title` as in `paper ***567`, the machine's name, the status page's address ('' for none)."""

    title: str
    host: str = ""
    page: str = ""


def raised(alert: Alert, whence: Whence, now: datetime) -> Message:
    """The first word."""
    return _message(alert.urgency.value, alert.found, _facts(alert, now), alert, whence)


def reminded(alert: Alert, whence: Whence, now: datetime) -> Message:
    """It still lasts."""
    lasted = spell((now - alert.raised_at).total_seconds())
    return _message(f"still {alert.urgency}", f"{alert.found} (open for {lasted})", _facts(alert, now), alert, whence)


def resolved(alert: Alert, whence: Whence, now: datetime) -> Message:
    """It is over."""
    lasted = spell((alert.seen_at - alert.raised_at).total_seconds())
    rows = [
        ("It was", f"{alert.urgency}: {alert.found}"),
        ("It began", _utc(alert.raised_at)),
        ("Seen last", _utc(alert.seen_at)),
        ("It lasted", lasted),
        ("Found", _times(alert.times)),
        ("Told", _utc(now)),
    ]
    return _message("resolved", f"over after {lasted}: {alert.found}", rows, alert, whence)


def passed(alerts: Sequence[Alert], whence: Whence, now: datetime) -> Message:
    """Warnings that came and went while nobody was to be disturbed, a line each; none of them lasts."""
    lines = [passed_line(alert) for alert in alerts]
    what = "a warning" if len(lines) == 1 else f"{len(lines)} warnings"
    subject = _subject("resolved", f"{what} came and went meanwhile: {alerts[0].found}", whence)
    head = f"{what.capitalize()} came and went without a word to you; nothing of it lasts."
    text = "\n".join([head, "", *(f"- {line}" for line in lines), "", *_foot(whence, now)]) + "\n"
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    body = f"<p>{escape(head)}</p><ul>{items}</ul>{_foot_html(whence, now)}"
    return Message(subject, text, _page(subject, "resolved", body))


def passed_line(alert: Alert) -> str:
    """One line of it: the same whoever writes it, and whenever."""
    return clean(f"{_utc(alert.raised_at)}, {alert.rule.replace('_', ' ')}: {alert.found}")


def _facts(alert: Alert, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Since", f"{_utc(alert.raised_at)} ({spell((now - alert.raised_at).total_seconds())})"),
        ("Found", _times(alert.times)),
    ]


def _times(times: int) -> str:
    return "once" if times == 1 else f"{times:,} times"


def _message(mark: str, said: str, rows: Sequence[tuple[str, str]], alert: Alert, whence: Whence) -> Message:
    subject = _subject(mark, said, whence)
    is_over = mark == "resolved"
    todo = "" if is_over else alert.remedy
    known = CATALOGUE.get(alert.rule)
    section = known.section if known is not None and not is_over else ""
    body = [_sentence(said), "", *(f"{name}: {value}" for name, value in rows)]
    if todo:
        body += ["", f"What to do: {_sentence(todo)}"]
    if section:
        body.append(f"More: docs/runbook.md, section '{section}'.")
    text = "\n".join([*body, "", *_foot(whence, None, alert.rule)]) + "\n"
    return Message(subject, text, _page(subject, mark, _html(said, rows, todo, section) + _rule_html(whence, alert)))


def _html(said: str, rows: Sequence[tuple[str, str]], todo: str, section: str) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    parts = [f'<p class="said">{escape(_sentence(said))}</p><table>{cells}</table>']
    if todo:
        parts.append(f"<p><b>What to do:</b> {_code(_sentence(todo))}</p>")
    if section:
        parts.append(f"<p>More: docs/runbook.md, section <i>{escape(section)}</i>.</p>")
    return "".join(parts)


def _code(text: str) -> str:
    """Commands between backticks as code."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _page(title: str, mark: str, body: str) -> str:
    colour = _COLOURS[mark.removeprefix("still ")]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(title)}</title><style>"
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:16px}"
        f"main{{max-width:640px;border-left:6px solid {colour};padding-left:16px}}"
        ".mark{font-weight:700;text-transform:uppercase;letter-spacing:.05em}.said{font-size:1.15em}"
        "th{text-align:left;padding-right:12px;font-weight:600;vertical-align:top}td,p,li{overflow-wrap:anywhere}"
        "code{font-family:ui-monospace,monospace}.foot{opacity:.75;font-size:.85em}</style></head>"
        f'<body><main><p class="mark">{escape(mark)}</p>{body}</main></body></html>\n'
    )


def _foot(whence: Whence, now: datetime | None, rule: str = "") -> list[str]:
    lines = [f"robotrading {whence.title}" + (f" at {whence.host}" if whence.host else "")]
    if now is not None:
        lines[0] += f", {_utc(now)}"
    if whence.page:
        lines.append(f"Status: {whence.page}")
    if rule:
        lines.append(f"Rule: {rule} (docs/alerts.md; `alerts.muted` silences it)")
    return [clean(line) for line in lines]


def _foot_html(whence: Whence, now: datetime | None, rule: str = "") -> str:
    return f'<p class="foot">{"<br>".join(_code(line) for line in _foot(whence, now, rule))}</p>'


def _rule_html(whence: Whence, alert: Alert) -> str:
    return _foot_html(whence, None, alert.rule)


def _subject(mark: str, said: str, whence: Whence) -> str:
    subject = clean(f"[{mark}] robotrading {whence.title}: {said}")
    return subject if len(subject) <= _LONGEST_SUBJECT else subject[: _LONGEST_SUBJECT - 3].rstrip() + "..."


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    said = clean(text)
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "!", "?")) else said + "."


def _utc(at: datetime) -> str:
    there = at.astimezone(UTC)
    return f"{there:%a} {there.day} {there:%b %Y %H:%M} UTC"
