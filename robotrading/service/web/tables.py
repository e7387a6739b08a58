"""Long lists: the first rows open, the rest folded, and never so many that a page grows without bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

SHOWN, FOLDED = 10, 140

Row = TypeVar("Row")
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """Rows in the order of weight; `hidden` says how many are not on the page at all (`/status` has them)."""

    shown: tuple[Row, ...]
    folded: tuple[Row, ...]
    hidden: int

    @property
    def total(self) -> int:
        return len(self.shown) + len(self.folded) + self.hidden


def table(
    things: Sequence[Thing], make: Callable[[Thing], Row], shown: int = SHOWN, folded: int = FOLDED
) -> Table[Row]:
    """Rows are made only of the things that are on the page. Two more than `shown` are not worth folding."""
    first = len(things) if len(things) <= shown + 2 else shown
    rest = things[first : first + folded]
    hidden = len(things) - first - len(rest)
    return Table(tuple(map(make, things[:first])), tuple(map(make, rest)), hidden)
