"""What is wrong with a configuration, all of it, in words.

Entry points: `Place`, `Problem`, `InvalidConfig`, `quoted`, `dotted`, `nearest`, `looks_secret`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from robotrading.domain.errors import ConfigError

_LONGEST = 60
_LONGEST_KEY = 120
_MOST = 50
_SECRET_NAME = re.compile(r"pass|secret|token|api_?key|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value was written: a line and column of a file (counted from 1), or a source without lines (0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where, at which dotted key ('' for the file as a whole), and a sentence with the way out."""

    place: Place
    key: str
    text: str

    def __str__(self) -> str:
        line = f"{self.place}: {self.key}: {self.text}" if self.key else f"{self.place}: {self.text}"
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


class InvalidConfig(ConfigError):
    """Every problem found, one per line, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems[:_MOST]]
        if len(self.problems) > _MOST:
            lines.append(f"... and {len(self.problems) - _MOST} more; mend these first")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[InvalidConfig], tuple[Sequence[Problem]]]:
        return type(self), (self.problems,)


def quoted(value: object) -> str:
    """The value as one short line, control characters escaped."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + "..." + text[-1]


KeyPath = tuple[str | int, ...]


def dotted(path: KeyPath) -> str:
    """`sessions.bonds.sources[1]` for ("sessions", "bonds", "sources", 1)."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text if len(text) <= _LONGEST_KEY else text[: _LONGEST_KEY - 3] + "..."


def looks_secret(key: str) -> bool:
    """Whether what stands under this key should not be shown, however the key is misspelt."""
    return bool(_SECRET_NAME.search(key.rpartition(".")[2]))


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?`, or '' when nothing is near."""
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(name[:_LONGEST].lower(), list(by_lower), n=1, cutoff=0.6)
    return f" Did you mean {by_lower[found[0]]}?" if found else ""
