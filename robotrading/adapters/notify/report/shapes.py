"""What a report looks like before it is a page or a text: headings, tables, cells; no layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

_SEEN, _FEW = 12, 4
"""Rows that a page shows at once, and how few more are not worth folding."""


class Tone(StrEnum):
    """How a thing is meant; the words say it too, colour is never alone."""

    PLAIN = ""
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value; `bar` is the length of a bar beneath it, a fraction in [0, 1]."""

    text: str
    tone: Tone = Tone.PLAIN
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """`wide` has a line of its own where a row does not fit on the screen."""

    name: str
    right: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, and sentences beneath them. `rank` is how much it matters where not all rows can be shown.

    `folded` are sentences that a page shows when asked, and a text always; `hidden` counts those that a short form
    left out.
    """

    cells: tuple[Cell, ...]
    details: tuple[str, ...] = ()
    rank: float = 0.0
    folded: tuple[str, ...] = ()
    hidden: int = 0

    def shortened(self, most: int) -> Row:
        """At most so many folded sentences, the first ones."""
        rest = len(self.folded) - most
        return self if rest <= 0 else replace(self, folded=self.folded[:most], hidden=rest)


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is seen before anything else, and a word beneath it."""

    label: str
    value: str
    tone: Tone = Tone.PLAIN
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG of `width` by `height` CSS pixels; `alt` and `caption` say in words what it shows."""

    name: str
    title: str
    alt: str
    caption: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Section:
    """A headed table. `hidden` counts the rows that a short form left out; `quiet` ones are folded in a page."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    intro: str = ""
    hidden: int = 0
    quiet: bool = False
    name: str = ""

    @property
    def seen(self) -> tuple[Row, ...]:
        """The rows that a page shows at once: those that matter most, in their order."""
        return self._most(_SEEN).rows if len(self.rows) > _SEEN + _FEW else self.rows

    @property
    def folded(self) -> tuple[Row, ...]:
        """The others, which it shows when asked."""
        shown = set(map(id, self.seen))
        return tuple(row for row in self.rows if id(row) not in shown)

    def shortened(self, most: int | None) -> Section:
        """At most so many rows, those that matter most, in their old order; and of each as many sentences."""
        if most is None:
            return self
        cut = self._most(most)
        rows = tuple(row.shortened(most) for row in cut.rows)
        return cut if rows == cut.rows else replace(cut, rows=rows)

    def _most(self, most: int) -> Section:
        if len(self.rows) <= most:
            return self
        by_rank = sorted(range(len(self.rows)), key=lambda index: -self.rows[index].rank)
        kept = tuple(self.rows[index] for index in sorted(by_rank[:most]))
        return replace(self, rows=kept, hidden=len(self.rows) - most)


@dataclass(frozen=True, slots=True)
class View:
    """A whole report. `facts` are pairs of a label and a value, `alerts` what a person should look at first."""

    title: str
    subtitle: str
    tone: Tone
    verdict: str
    alerts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: tuple[str, ...]
    numbers: tuple[Number, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def shortened(self, most: int | None, longest: int | None = None) -> View:
        """At most so many rows in a table, and no sentence of more than `longest` characters."""
        made = replace(self, sections=tuple(section.shortened(most) for section in self.sections))
        if longest is None:
            return made
        return made.mapped(lambda text: text if len(text) <= longest else f"{text[:longest]}...")

    def mapped(self, change: Callable[[str], str]) -> View:
        """The same report with every text changed: the one place that all foreign text passes."""
        return replace(
            self,
            title=change(self.title),
            subtitle=change(self.subtitle),
            verdict=change(self.verdict),
            alerts=tuple(map(change, self.alerts)),
            facts=tuple((change(label), change(value)) for label, value in self.facts),
            sections=tuple(_mapped(section, change) for section in self.sections),
            footer=tuple(map(change, self.footer)),
            numbers=tuple(
                replace(one, label=change(one.label), value=change(one.value), note=change(one.note))
                for one in self.numbers
            ),
            pictures=tuple(
                replace(one, title=change(one.title), alt=change(one.alt), caption=change(one.caption))
                for one in self.pictures
            ),
        )


def _mapped(section: Section, change: Callable[[str], str]) -> Section:
    rows = tuple(
        replace(
            row,
            cells=tuple(replace(cell, text=change(cell.text)) for cell in row.cells),
            details=tuple(filter(None, map(change, row.details))),
            folded=tuple(filter(None, map(change, row.folded))),
        )
        for row in section.rows
    )
    return replace(section, rows=rows, intro=change(section.intro))


def bar(value: float, longest: float) -> float:
    """The length of a bar as a fraction of the longest, 0 where nothing can be compared."""
    return min(max(0.0, value / longest), 1.0) if longest > 0 else 0.0
