"""What goes to standard output: whole texts, safe for any terminal, pipe and reader.

Entry points: `write` (a finished text), `show` (Rich views), `as_json` (JSON for programs), `printable`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def write(text: str) -> None:
    """Print a text as it is, with one line end. A reader that has gone (`| head`) has what it wanted: no error."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(*views: RenderableType) -> None:
    """Print Rich views; colours on a terminal only, and not with NO_COLOR."""
    write(rendered(console(), *views))


def rendered(paper: Console, *views: RenderableType) -> str:
    """The views as text, without the blanks that Rich fills lines up with."""
    with paper.capture() as captured:
        for view in views:
            paper.print(view, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def console() -> Console:
    """Standard output at the terminal's width."""
    from rich.console import Console  # noqa: PLC0415  only where something is laid out

    return Console(highlight=False, markup=False, emoji=False)


def as_json(found: Any) -> None:
    """Print dataclasses, mappings and lists as indented JSON."""
    import msgspec  # noqa: PLC0415  only where JSON is asked for

    write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def printable(text: str) -> str:
    """One line that cannot command the terminal: line ends and tabs are blanks, other controls are spelled out."""
    return "".join(
        character if character.isprintable() else " " if character in "\n\t" else _spelled(character)
        for character in text
    )


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
