"""Copies of the ledgers before another version of the program may migrate them, and the way back.

Entry points: `save`, `put_back`, `main` (`python -m robotrading.adapters.ledger.copies save|put-back STATE COPIES`).
A migration goes forward only: after one, the version before it cannot read the ledger. The copy is put back only
where nothing that matters was recorded since it was made; an order that left must never be forgotten.
Only files below `STATE/books` are meant; a shared PostgreSQL database has backups of its own.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_PATTERN = "books/*/ledger.db"
_OF_THE_MOMENT = frozenset({"alembic_version", "leases", "occurrences", "letters", "deliveries", "alerts"})
"""Tables that a mere start writes, and what people are told: a mail that comes twice, with one Message-ID, and an
alert that is raised anew do no harm; a run, whose report may be lost with its letter, is news of its own."""
_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PutBack:
    """What became of one ledger: `restored` when the copy has its place, `lost` when the two cannot be reconciled."""

    ledger: Path
    restored: bool = False
    lost: str = ""


def save(state: Path, copies: Path) -> list[Path]:
    """Copy each ledger below `state` to the same place below `copies`; what was copied. Raises sqlite3.Error, OSError.

    The copy is consistent also while somebody writes.
    """
    return [_copied(ledger, copies / ledger.relative_to(state)) for ledger in sorted(state.glob(_PATTERN))]


def put_back(state: Path, copies: Path) -> list[PutBack]:
    """Give each ledger that has been migrated since its copy back; nobody may have it open."""
    return [_put_back(state / copy.relative_to(copies), copy) for copy in sorted(copies.glob(_PATTERN))]


def _copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(_open(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    return target


def _put_back(ledger: Path, copy: Path) -> PutBack:
    with closing(_open(ledger)) as now, closing(_open(copy)) as then:
        if _schema(now) == _schema(then):
            return PutBack(ledger)
        newer = [table for table in _tables(then) if _rows(now, table) != _rows(then, table)]
    if newer:
        recorded = f"it was migrated and has recorded more since (in {', '.join(newer)}); "
        return PutBack(ledger, lost=recorded + "the version before cannot read it, and the copy would forget orders")
    beside = ledger.with_name(ledger.name + ".coming")
    _copied(copy, beside)
    migrated = ledger.with_name(ledger.name + ".migrated")
    migrated.unlink(missing_ok=True)
    migrated.hardlink_to(ledger)
    for left in ("-wal", "-shm"):
        ledger.with_name(ledger.name + left).unlink(missing_ok=True)
    beside.replace(ledger)
    return PutBack(ledger, restored=True)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS)


def _schema(ledger: sqlite3.Connection) -> str:
    known = "alembic_version" in set(_names(ledger))
    row = ledger.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return str(row[0]) if row else ""


def _tables(ledger: sqlite3.Connection) -> list[str]:
    return [name for name in _names(ledger) if name not in _OF_THE_MOMENT]


def _names(ledger: sqlite3.Connection) -> Iterator[str]:
    found = ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return (str(name) for (name,) in found)


def _rows(ledger: sqlite3.Connection, table: str) -> int:
    """How many rows; -1 where there is no such table any more."""
    if table not in set(_names(ledger)):
        return -1
    return int(ledger.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608  a name from the schema


def main(words: Sequence[str]) -> int:
    """0 fine, 4 when a ledger can neither be kept nor given back."""
    task, state, copies = words[0], Path(words[1]), Path(words[2])
    if task == "save":
        sys.stdout.writelines(f"ledger saved: {copy}\n" for copy in save(state, copies))
        return 0
    ends = put_back(state, copies)
    for end in ends:
        if end.lost:
            sys.stderr.write(f"{end.ledger}: {end.lost}\n")
        elif end.restored:
            sys.stdout.write(
                f"{end.ledger}: the copy from before its migration is back, beside {end.ledger}.migrated\n"
            )
    return 4 if any(end.lost for end in ends) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
