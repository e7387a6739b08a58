"""What the doctor found, for a terminal: one line for each finding, and below it what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from robotrading.cli.render import text
from robotrading.wiring.doctor.examine import Diagnosis
from robotrading.wiring.doctor.finding import Finding, Level

MARKS = {Level.FINE: "ok", Level.LEFT_OUT: "-", Level.WARNING: "WARN", Level.BROKEN: "BAD"}
_COLOURS = {Level.FINE: "green", Level.LEFT_OUT: "dim", Level.WARNING: "yellow", Level.BROKEN: "bold red"}


@contextmanager
def waiting(*, shown: bool) -> Iterator[None]:
    """A word on standard error while the checks run; silence without a terminal."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield
        return
    with console.status("Looking at every part that a run needs ..."):
        yield


def diagnosis_view(found: Diagnosis) -> RenderableType:
    """All findings in order, and the sum of them."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    part = ""
    for one in found.findings:
        colour = _COLOURS[one.level]
        rows.add_row(Text(MARKS[one.level], style=colour), text("" if one.part == part else one.part), _words(one))
        part = one.part
    return Group(rows, "", _sum(found))


def _words(one: Finding) -> RenderableType:
    said = text(one.found, "dim" if one.level is Level.LEFT_OUT else "")
    if not one.remedy:
        return said
    remedy = Table.grid()
    remedy.add_column(width=2)
    remedy.add_column(overflow="fold")
    remedy.add_row("", text(one.remedy, "bold" if one.level in (Level.WARNING, Level.BROKEN) else "dim"))
    return Group(said, remedy)


def _sum(found: Diagnosis) -> Text:
    count = Counter(one.level for one in found.findings)
    words = [f"{count[Level.FINE]} fine"]
    words += [f"{count[Level.LEFT_OUT]} left out"] if count[Level.LEFT_OUT] else []
    warnings = count[Level.WARNING]
    words += [f"{warnings} warning{'s' if warnings > 1 else ''}"] if warnings else []
    words += [f"{count[Level.BROKEN]} BROKEN"] if count[Level.BROKEN] else []
    return text(f"{', '.join(words)}, in {found.seconds:.1f} s.", f"bold {_COLOURS[found.level].removeprefix('bold ')}")
