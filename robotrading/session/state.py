"""What is known without asking anybody: the state of one ledger."""

from __future__ import annotations

from dataclasses import dataclass

from robotrading.domain.book import Position
from robotrading.domain.claims import Lease
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport


@dataclass(frozen=True, slots=True)
class State:
    """`mode` and `ledger` say of which book; `runs` newest first; `lease` is that of a copy that trades just now."""

    mode: str
    ledger: str
    halted: str
    runs: tuple[SessionReport, ...]
    owned: tuple[Position, ...]
    open_tickets: tuple[Ticket, ...]
    lease: Lease | None = None


def state_of(ledger: Ledger, mode: str, place: str) -> State:
    """Read it all from the ledger."""
    return State(
        mode=mode,
        ledger=place,
        halted=ledger.halted(),
        runs=tuple(ledger.last_reports(6)),
        owned=tuple(ledger.positions()),
        open_tickets=tuple(ledger.open_tickets()),
    )
