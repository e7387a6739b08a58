"""Long lists: the first rows open, the rest folded, and never so many that a page grows without bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

SHOWN, FOLDED = 10, 140

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """Rows in the order of weight; `hidden` says how many are not on the page at all (`/status` has them)."""

    shown: tuple[Row, ...]
    folded: tuple[Row, ...]
    hidden: int

    @property
    def total(self) -> int:
        return len(self.shown) + len(self.folded) + self.hidden


def table(rows: Sequence[Row], shown: int = SHOWN, folded: int = FOLDED) -> Table[Row]:
    """One row more than `shown` is not worth folding."""
    first = len(rows) if len(rows) <= shown + 2 else shown
    rest = rows[first : first + folded]
    return Table(tuple(rows[:first]), tuple(rest), len(rows) - first - len(rest))
