"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    LEFT_OUT = "left out"
    """Not looked at, or not needed here; the finding says why."""
    WARNING = "warning"
    """A run can do its work; somebody should look all the same."""
    BROKEN = "broken"
    """A run fails, must not be trusted, or nobody hears of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: of which part, how bad, what is found, and what to do about it ('' where nothing is to be done)."""

    part: str
    level: Level
    found: str
    remedy: str = ""


def fine(part: str, found: str) -> Finding:
    """All well."""
    return Finding(part, Level.FINE, found)


def left_out(part: str, found: str, remedy: str = "") -> Finding:
    """Not looked at, for a reason."""
    return Finding(part, Level.LEFT_OUT, found, remedy)


def warning(part: str, found: str, remedy: str) -> Finding:
    """Somebody should look."""
    return Finding(part, Level.WARNING, found, remedy)


def broken(part: str, found: str, remedy: str) -> Finding:
    """A run cannot do without it."""
    return Finding(part, Level.BROKEN, found, remedy)


_ORDER = (Level.FINE, Level.LEFT_OUT, Level.WARNING, Level.BROKEN)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst of them; FINE where there are none."""
    return max((one.level for one in findings), key=_ORDER.index, default=Level.FINE)


def size(amount: float) -> str:
    """Bytes in the unit that a person reads."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"
