"""The pages in a book's folder, for the service: the runs' reports and the weeks' summaries.

Entry points: `StoredPages`, `summaries_of`.
Invariants: a file is opened step by step from the book's own folder, each step by its name alone and never through a
symbolic link, so that no name and no link leads out of it; what is no plain file, or larger than allowed, is not there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from robotrading.wiring.books import Book

_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class StoredPages:
    """Of one book. The names are checked by who asks; one with a separator in it finds nothing all the same."""

    book: Book

    def report(self, run_id: str, most: int) -> bytes | None:
        """The page as it was made after the run."""
        folder = self.book.run_folder(run_id)
        return _read(folder.parent, (run_id, "report.html"), most)

    def summary(self, day: str, most: int) -> bytes | None:
        """The page of the week up to a day."""
        return _read(summaries_of(self.book), (f"{day}.html",), most)


def summaries_of(book: Book) -> Path:
    """Where the weeks' pages lie."""
    return book.root / "summaries"


def _read(folder: Path, names: tuple[str, ...], most: int) -> bytes | None:
    if any(name in {"", ".", ".."} or "/" in name or "\0" in name for name in names):
        return None
    try:
        with _opened(folder, names) as file:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode) or about.st_size > most:
                return None
            with open(file, "rb", closefd=False) as page:
                content = page.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None


@contextmanager
def _opened(folder: Path, names: tuple[str, ...]) -> Iterator[int]:
    """The last of the names, each a step below the one before. Does not wait for the other end of a pipe."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step, name in enumerate(names, start=1):
            kind = os.O_NONBLOCK if step == len(names) else os.O_DIRECTORY
            below = os.open(name, _STEP | kind, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)
