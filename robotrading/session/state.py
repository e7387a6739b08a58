"""What is known without asking anybody: the state of one ledger.

Entry points: `state_of`, `last_look`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from robotrading.domain.alerts import Alert
from robotrading.domain.book import Account, Position
from robotrading.domain.claims import Lease
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport
from robotrading.execution.holdings import changes, seen
from robotrading.execution.reentry import exchange_day
from robotrading.session.timetable import NextRun
from robotrading.session.watch import unsettled


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
    account = last_look(runs)
    return State(
        mode=mode,
        ledger=place,
        halted=ledger.halted(),
        runs=runs,
        owned=owned,
        open_tickets=tickets,
        blocked=_blocked(ledger, account, owned, tickets, _days(ledger, account, runs)),
        day_stops=_day_stops(ledger, account, runs),
    )


def last_look(runs: Sequence[SessionReport]) -> Account | None:
    """The account as it was seen last: of sessions side by side the one that began last may have looked first."""
    return max((run.account for run in runs if run.account is not None), key=lambda account: account.at, default=None)


def _days(ledger: Ledger, account: Account | None, runs: Sequence[SessionReport]) -> set[date]:
    """On which the bot may have traded since that look, runs that go on or have died without a word included."""
    begun = [run.trading_date for kind in AssetClass for run in ledger.unreported(kind)]
    seen_on = {exchange_day(kind, account.at) for kind in AssetClass} if account else set()
    return {*seen_on, *begun, *(run.trading_date for run in runs)}


def _blocked(
    ledger: Ledger, account: Account | None, owned: Sequence[Position], tickets: Sequence[Ticket], days: set[date]
) -> dict[str, str]:
    """What the next run will leave alone: orders in doubt, and changes in the account that a person has to explain.

    What the bot itself has traded since the account was seen is no change: that look cannot show it.
    """
    found = {}
    if account is not None:
        now = seen(account, owned, account.at)
        moving = unsettled([ticket for day in days for ticket in ledger.tickets_of(day)], account.at)
        found = {
            str(change.instrument): change.sentence
            for change in changes(ledger.holdings_seen(account.account_id), now)
            if change.blocks and change.instrument not in moving
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
