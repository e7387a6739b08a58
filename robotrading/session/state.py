"""What is known without asking anybody: the state of one ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from robotrading.domain.alerts import Alert
from robotrading.domain.book import Account, Position
from robotrading.domain.claims import Lease
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport
from robotrading.execution.holdings import changes, seen
from robotrading.session.timetable import NextRun


@dataclass(frozen=True, slots=True)
class State:
    """`mode` and `ledger` say of which book; `runs` newest first; `lease` is that of a copy that trades just now.

    `blocked` says by symbol why nothing is ordered in it; `day_stops` why nothing is bought on a day; `next_runs`
    are those of the service, whether it lives or not; `alerts` are open.
    """

    mode: str
    ledger: str
    halted: str
    runs: tuple[SessionReport, ...]
    owned: tuple[Position, ...]
    open_tickets: tuple[Ticket, ...]
    lease: Lease | None = None
    blocked: dict[str, str] = field(default_factory=dict)
    day_stops: tuple[str, ...] = ()
    next_runs: tuple[NextRun, ...] = ()
    alerts: tuple[Alert, ...] = ()


def state_of(ledger: Ledger, mode: str, place: str) -> State:
    """Read it all from the ledger."""
    runs = tuple(ledger.last_reports(6))
    owned, tickets = tuple(ledger.positions()), tuple(ledger.open_tickets())
    account = next((run.account for run in runs if run.account is not None), None)
    return State(
        mode=mode,
        ledger=place,
        halted=ledger.halted(),
        runs=runs,
        owned=owned,
        open_tickets=tickets,
        blocked=_blocked(ledger, account, owned, tickets),
        day_stops=_day_stops(ledger, account, runs),
    )


def _blocked(
    ledger: Ledger, account: Account | None, owned: Sequence[Position], tickets: Sequence[Ticket]
) -> dict[str, str]:
    """What the next run will leave alone: orders in doubt, and changes in the account that a person has to explain."""
    found = {}
    if account is not None:
        now = seen(account, owned, account.at)
        found = {
            str(c.instrument): c.sentence for c in changes(ledger.holdings_seen(account.account_id), now) if c.blocks
        }
    doubt = {str(t.intent.instrument): f"{t.intent.intent_id} is {t.status}" for t in tickets}
    return found | doubt


def _day_stops(ledger: Ledger, account: Account | None, runs: Sequence[SessionReport]) -> tuple[str, ...]:
    """Of the newest day that a session ran on."""
    if account is None:
        return ()
    day = max(run.trading_date for run in runs)
    stopped = ledger.day_stopped(account.account_id, day)
    return (f"no entry on {day}: {stopped}",) if stopped else ()
