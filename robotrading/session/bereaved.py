"""The one report of a run: its own, or one in its memory when its process died before it could write any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from robotrading.domain.claims import Claim
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Begun, Outcome, SessionReport, StepResult
from robotrading.session.job import read_report
from robotrading.session.occurrence import run_id_of
from robotrading.session.processes import End

_RECENT = 50
"""Among how many of the newest reports a run's own is looked for."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is known of a run from outside: the exchange's day, the mode of its book, and the time now."""

    trading_date: date
    mode: str
    at: datetime


def conclude(end: End, ledger: Ledger, occasion: Occasion) -> SessionReport:
    """The report that the run left, in its folder or in the ledger; else one is written and stored for it.

    A ledger that cannot be used does not cost the other sessions their reports: this one then says so.
    """
    found = read_report(end.job)
    if found is not None:
        return found
    try:
        stored = next((one for one in ledger.last_reports(_RECENT) if one.run_id == end.job.run_id), None)
        if stored is not None:
            return stored
        report = report_for(end, ledger, occasion)
        ledger.finish_run(report)
    except LedgerError as error:
        return _unstored(end, occasion, error)
    return report


def _unstored(end: End, occasion: Occasion, error: LedgerError) -> SessionReport:
    return SessionReport(
        run_id=end.job.run_id,
        kind=end.job.kind,
        mode=occasion.mode,
        trading_date=occasion.trading_date,
        started_at=occasion.at - timedelta(seconds=end.seconds),
        finished_at=occasion.at,
        outcome=Outcome.FAILED,
        verdict=f"The {end.job.kind} session failed: {end.story}. The ledger could not be used: {error}. "
        f"Log: {end.job.log_path}",
        steps=(
            StepResult("process", end.seconds, error=end.story),
            StepResult("ledger", 0.0, error=str(error)),
        ),
        trade=end.job.trade,
    )


def conclude_claim(claim: Claim, ledger: Ledger, mode: str, at: datetime) -> SessionReport:
    """The one report of a scheduled run whose copy died: the one it left, else one that is written and stored for it.

    Raises `LedgerError`.
    """
    run_id = run_id_of(claim.occurrence)
    stored = next((one for one in ledger.last_reports(_RECENT) if one.run_id == run_id), None)
    if stored is not None:
        return stored
    occurrence = claim.occurrence
    story = f"the copy that ran it ({claim.holder}) died after {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
    tickets = _tickets(ledger, run_id, occurrence.kind, occurrence.trading_date)
    report = SessionReport(
        run_id=run_id,
        kind=occurrence.kind,
        mode=mode,
        trading_date=occurrence.trading_date,
        started_at=claim.claimed_at,
        finished_at=at,
        outcome=_outcome(tickets),
        verdict=f"The {occurrence.kind} session due at {occurrence.due_at:%Y-%m-%d %H:%M} UTC failed: {story}; it "
        f"is not run again by itself.{_open(tickets)}",
        steps=(StepResult("process", 0.0, error=story),),
        tickets=tickets,
        owned=tuple(ledger.positions(occurrence.kind)),
    )
    ledger.finish_run(report)
    return report


def conclude_begun(begun: Begun, ledger: Ledger, at: datetime) -> SessionReport:
    """The one report of a run that died together with the command which would have written it. Raises `LedgerError`.

    Only for who knows that the run is over.
    """
    story = "its process ended without a word, and so did the command that had started it"
    tickets = _tickets(ledger, begun.run_id, begun.kind, begun.trading_date)
    report = SessionReport(
        run_id=begun.run_id,
        kind=begun.kind,
        mode=begun.mode,
        trading_date=begun.trading_date,
        started_at=begun.started_at,
        finished_at=at,
        outcome=_outcome(tickets),
        verdict=f"The {begun.kind} session begun at {begun.started_at:%Y-%m-%d %H:%M} UTC failed: {story}; this was "
        f"found by a later run.{_open(tickets)}",
        steps=(StepResult("process", 0.0, error=story),),
        tickets=tickets,
        owned=tuple(ledger.positions(begun.kind)),
        trade=begun.trade,
    )
    ledger.finish_run(report)
    return report


def report_for(end: End, ledger: Ledger, occasion: Occasion) -> SessionReport:
    """A failed report with everything the ledger knows of the run: what it ordered and what the bot owns."""
    tickets = _tickets(ledger, end.job.run_id, end.job.kind, occasion.trading_date)
    return SessionReport(
        run_id=end.job.run_id,
        kind=end.job.kind,
        mode=occasion.mode,
        trading_date=occasion.trading_date,
        started_at=occasion.at - timedelta(seconds=end.seconds),
        finished_at=occasion.at,
        outcome=_outcome(tickets),
        verdict=f"The {end.job.kind} session failed: {end.story}.{_open(tickets)} Log: {end.job.log_path}",
        steps=(StepResult("process", end.seconds, error=end.story),),
        tickets=tickets,
        owned=tuple(ledger.positions(end.job.kind)),
        trade=end.job.trade,
    )


def _tickets(ledger: Ledger, run_id: str, kind: AssetClass, day: date) -> tuple[Ticket, ...]:
    return tuple(ticket for ticket in ledger.tickets_of(day, kind) if ticket.intent.session_id == run_id)


def _outcome(tickets: tuple[Ticket, ...]) -> Outcome:
    return Outcome.PARTLY if any(ticket.fills for ticket in tickets) else Outcome.FAILED


def _open(tickets: tuple[Ticket, ...]) -> str:
    pending = [ticket for ticket in tickets if not ticket.status.terminal]
    if not pending:
        return ""
    return f" {len(pending)} of its orders have no known end; the next run settles them before it plans anew."
