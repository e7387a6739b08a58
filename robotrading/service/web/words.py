"""How the page writes times, durations and sentences.

Invariants: nothing raises for a missing value; a duration is never shown finer than it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from robotrading.domain.instrument import AssetClass
from robotrading.session.schedule import zone_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_HARD = "\N{NO-BREAK SPACE}"
MODES = {
    "live": ("Live", "real money"),
    "paper": ("Paper", "pretend money in a paper account of the broker"),
    "embedded": ("Embedded", "pretend money at the embedded gateway"),
    "rehearsal": ("Rehearsal", "pretend money at the embedded gateway"),
    "demo": ("Demo", "pretend money, synthetic market"),
    "plan": ("Plan", "nothing is ordered"),
}


@dataclass(frozen=True, slots=True)
class Mode:
    """Which book is traded, for the head of a page; `style` is the class that colours it."""

    name: str
    words: str
    style: str


def mode_of(mode: str) -> Mode:
    """One that is not known has its own colour too."""
    name, words = MODES.get(mode, (mode, ""))
    return Mode(name, words, mode if mode in MODES else "unknown")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a sentence; `code` is for the keyboard."""

    text: str
    code: bool = False


def pieces(sentence: str) -> tuple[Piece, ...]:
    """A sentence cut at its backticks: every second part is a command."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return (Piece(sentence),)
    return tuple(Piece(part, bool(index % 2)) for index, part in enumerate(parts) if part)


def span(seconds: float) -> str:
    """`45 s`, `12 min`, `2 h 05`, `3 days`; its parts stay on one line."""
    whole = max(int(seconds), 0)
    if whole < _MINUTE:
        return f"{whole}{_HARD}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}{_HARD}min"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}{_HARD}h{_HARD}{whole % _HOUR // _MINUTE:02d}"
    return f"{whole // _DAY}{_HARD}days"


def from_now(at: datetime, now: datetime) -> str:
    """`in 2 h 05`, `12 min ago`, `now`."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def utc(at: datetime) -> str:
    """`Fri 21 Nov 14:30 UTC`."""
    return f"{_day(at.astimezone(UTC))} {at.astimezone(UTC):%H:%M} UTC"


def exchange_time(at: datetime, kind: AssetClass) -> str:
    """`Fri 21 Nov 09:30 New York (14:30 UTC)`; crypto has UTC alone."""
    there = at.astimezone(zone_of(kind))
    if there.utcoffset() == at.astimezone(UTC).utcoffset():
        return utc(at)
    same_day = there.date() == at.astimezone(UTC).date()
    return f"{_day(there)} {there:%H:%M} New York ({at.astimezone(UTC):%H:%M} UTC{'' if same_day else ' next day'})"


def size(amount: int | None) -> str:
    """Bytes as `4.2 MB`."""
    if amount is None:
        return "unknown"
    if amount < 1e6:
        return f"{amount / 1e3:.0f} kB"
    if amount < 1e9:
        return f"{amount / 1e6:.1f} MB"
    return f"{amount / 1e9:.0f} GB"


def _day(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b}"
