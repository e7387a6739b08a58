"""What happened at the pretend exchange, line by line on the disk, so that it outlives every process of a drill.

Entry points: `Recorder` writes, `read_record` reads.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from robotrading.domain.ports import Clock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import ExchangeEvent
from robotrading.wiring.drills.facts import Placement, Strike, Tape


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened in the run of this number: an order, an execution, or a misfortune in words."""

    run: int
    placed: Placement | None = None
    strike: Strike | None = None
    word: str = ""


class Recorder:
    """Appends to the record; a line is with the system when its call returns."""

    def __init__(self, path: Path, run: int, ledger: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._run = run
        self._ledger = ledger

    def listen(self, exchange: Exchange, clock: Clock) -> None:
        """Hear the exchange from now on. An execution's `seconds` are its run's number: earlier, same or later."""
        tape = Tape(exchange, lambda: float(self._run), clock.now, self._journalled, lambda _: None)

        def hear(event: ExchangeEvent) -> None:
            orders, strikes = len(tape.placements), len(tape.strikes)
            tape.hear(event)
            for placed in tape.placements[orders:]:
                self._write(Line(self._run, placed=placed))
            for strike in tape.strikes[strikes:]:
                self._write(Line(self._run, strike=strike))

        exchange.subscribe(hear)

    def happened(self, word: str) -> None:
        """A misfortune took place."""
        self._write(Line(self._run, word=word))

    def _write(self, line: Line) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")

    def _journalled(self, reference: str) -> str:
        """The status of the order's ticket on the disk by now, '' where there is no intent."""
        with closing(sqlite3.connect(f"{self._ledger.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)) as rows:
            row = rows.execute("SELECT status FROM intents WHERE intent_id = ?", (reference,)).fetchone()
        return str(row[0]) if row else ""


def read_record(path: Path) -> list[Line]:
    """Everything, oldest first. An order that a restarted gateway has found again counts where it was first seen."""
    if not path.exists():
        return []
    seen: set[int] = set()
    lines = []
    for text in path.read_bytes().splitlines():
        line = msgspec.json.decode(text, type=Line)
        if line.placed is not None:
            if line.placed.perm_id in seen:
                continue
            seen.add(line.placed.perm_id)
        lines.append(line)
    return lines
