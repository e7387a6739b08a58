"""The report as plain text of 78 columns, complete by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.shapes import Row, Section, View
from robotrading.adapters.notify.report.view import NOTHING, view
from robotrading.domain.report import SessionReport

WIDTH = 78
_GAP = "  "
_LABEL = 16


def report_text(report: SessionReport, backdrop: Backdrop = NOTHING) -> str:
    """Everything in the report, no line longer than `WIDTH` characters."""
    return lay_out(view(report, backdrop=backdrop))


def lay_out(shown: View) -> str:
    """Any view as a text."""
    lines = [*_wrapped(shown.title.upper(), ""), *_wrapped(shown.subtitle, ""), "=" * WIDTH]
    lines += _wrapped(shown.verdict, "")
    if shown.alerts:
        lines += ["", "LOOK AT THIS", *_each("- ", shown.alerts)]
    lines.append("")
    for number in shown.numbers:
        note = f"  ({number.note})" if number.note else ""
        lines += _wrapped(f"{number.value}{note}", f"{number.label:<{_LABEL}}", " " * _LABEL)
    for label, value in shown.facts:
        lines += _wrapped(value, f"{_label(label):<{_LABEL}}", " " * _LABEL)
    for section in shown.sections:
        lines += ["", *_section(section)]
    lines += ["", "-" * WIDTH]
    for text in shown.footer:
        lines += _wrapped(text, "")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _label(label: str) -> str:
    """One that is too long for its column stands before its value."""
    return label if len(label) < _LABEL else f"{label}: "


def _each(mark: str, texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in _wrapped(text, mark, " " * len(mark))]


def _wrapped(text: str, first: str, later: str = "") -> list[str]:
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=later) or [first]


def _section(section: Section) -> list[str]:
    head = f"{section.title.upper()} ({len(section.rows):,})"
    lines = [head, "-" * len(head), *(_wrapped(section.intro, "") if section.intro else [])]
    widths = _widths(section)
    beside = _fitting(widths)
    if not beside:
        return lines + [line for row in section.rows for line in _stacked(section, row)]
    if len(section.columns) > 1:
        lines.append(_table_line([column.name for column in section.columns[:beside]], section, widths))
    for row in section.rows:
        lines.append(_table_line([cell.text for cell in row.cells[:beside]], section, widths))
        lines += _each("    ", [*_named(section, row, beside), *row.details, *row.folded])
    return lines


def _widths(section: Section) -> list[int]:
    names = [len(column.name) for column in section.columns]
    return [max([names[i], *(len(row.cells[i].text) for row in section.rows)]) for i in range(len(names))]


def _fitting(widths: Sequence[int]) -> int:
    """How many columns stand side by side: all but the last two at least, else 0."""
    for columns in range(len(widths), max(len(widths) - 3, 0), -1):
        if sum(widths[:columns]) + len(_GAP) * (columns - 1) <= WIDTH:
            return columns
    return 0


def _table_line(texts: Sequence[str], section: Section, widths: Sequence[int]) -> str:
    cells = zip(texts, section.columns, widths, strict=False)
    return _GAP.join(text.rjust(width) if column.right else text.ljust(width) for text, column, width in cells)


def _stacked(section: Section, row: Row) -> list[str]:
    """A row too wide for a table: its first cell, then the others with their names."""
    return _wrapped(row.cells[0].text, "* ", "  ") + _each(
        "    ", [*_named(section, row, 1), *row.details, *row.folded]
    )


def _named(section: Section, row: Row, first: int) -> list[str]:
    """The cells that have no room in the table, each with its column's name, in one line."""
    pairs = zip(section.columns[first:], row.cells[first:], strict=True)
    text = "; ".join(f"{column.name.lower()}: {cell.text}" for column, cell in pairs)
    return [text] if text else []
