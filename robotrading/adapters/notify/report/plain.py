"""The report as plain text of 78 columns, complete by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from robotrading.adapters.notify.report.shapes import Row, Section
from robotrading.adapters.notify.report.view import view
from robotrading.domain.report import SessionReport

WIDTH = 78
_GAP = "  "
_LABEL = 16


def report_text(report: SessionReport) -> str:
    """Everything in the report, no line longer than `WIDTH` characters."""
    shown = view(report)
    lines = [*_wrapped(shown.title.upper(), ""), shown.subtitle, "=" * WIDTH, *_wrapped(shown.verdict, "")]
    if shown.alerts:
        lines += ["", "LOOK AT THIS", *_each("- ", shown.alerts)]
    lines.append("")
    for label, value in shown.facts:
        lines += _wrapped(value, f"{label:<{_LABEL}}", " " * _LABEL)
    for section in shown.sections:
        lines += ["", *_section(section)]
    lines += ["", "-" * WIDTH]
    for text in shown.footer:
        lines += _wrapped(text, "")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _each(mark: str, texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in _wrapped(text, mark, " " * len(mark))]


def _wrapped(text: str, first: str, later: str = "") -> list[str]:
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=later) or [first]


def _section(section: Section) -> list[str]:
    head = f"{section.title.upper()} ({len(section.rows):,})"
    lines = [head, "-" * len(head), *(_wrapped(section.intro, "") if section.intro else [])]
    widths = _widths(section)
    if sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        return lines + [line for row in section.rows for line in _stacked(section, row)]
    if len(section.columns) > 1:
        lines.append(_table_line([column.name for column in section.columns], section, widths))
    for row in section.rows:
        lines.append(_table_line([cell.text for cell in row.cells], section, widths))
        lines += _each("    ", row.details)
    return lines


def _widths(section: Section) -> list[int]:
    names = [len(column.name) for column in section.columns]
    return [max([names[i], *(len(row.cells[i].text) for row in section.rows)]) for i in range(len(names))]


def _table_line(texts: Sequence[str], section: Section, widths: Sequence[int]) -> str:
    cells = zip(texts, section.columns, widths, strict=True)
    return _GAP.join(text.rjust(width) if column.right else text.ljust(width) for text, column, width in cells)


def _stacked(section: Section, row: Row) -> list[str]:
    """A row too wide for a table: its first cell, then the others with their names."""
    pairs = zip(section.columns[1:], row.cells[1:], strict=True)
    rest = "; ".join(f"{column.name.lower()} {cell.text}" for column, cell in pairs)
    lines = _wrapped(row.cells[0].text, "* ", "  ")
    return lines + _each("    ", [text for text in (rest, *row.details) if text])
