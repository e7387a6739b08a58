"""The report of a run whose process died before it could write its own."""

from __future__ import annotations

from datetime import date, datetime

from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Outcome, SessionReport, StepResult
from robotrading.session.processes import End


def report_for(end: End, ledger: Ledger, trading_date: date, mode: str, at: datetime) -> SessionReport:
    """A failed report with everything the ledger knows of the run: what it ordered and what the bot owns."""
    tickets = tuple(t for t in ledger.tickets_of(trading_date, end.job.kind) if t.intent.session_id == end.job.run_id)
    return SessionReport(
        run_id=end.job.run_id,
        kind=end.job.kind,
        mode=mode,
        trading_date=trading_date,
        started_at=at,
        finished_at=at,
        outcome=Outcome.PARTLY if any(ticket.fills for ticket in tickets) else Outcome.FAILED,
        verdict=f"The {end.job.kind} session failed: {end.story}.{_open(tickets)} Log: {end.job.log_path}",
        steps=(StepResult("process", end.seconds, error=end.story),),
        tickets=tickets,
        owned=tuple(ledger.positions(end.job.kind)),
    )


def _open(tickets: tuple[Ticket, ...]) -> str:
    pending = [ticket for ticket in tickets if not ticket.status.terminal]
    if not pending:
        return ""
    return f" {len(pending)} of its orders have no known end; the next run settles them before it plans anew."
