"""The one report of a run: its own, or one in its memory when its process died before it could write any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from robotrading.domain.claims import Claim
from robotrading.domain.errors import LedgerError
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Begun, Outcome, SessionReport, StepResult
from robotrading.session.job import read_report
from robotrading.session.occurrence import run_id_of
from robotrading.session.processes import End


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
        stored = ledger.report(end.job.run_id)
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
    due = claim.occurrence
    run_id = run_id_of(due)
    stored = ledger.report(run_id)
    if stored is not None:
        return stored
    story = f"the copy that ran it ({claim.holder}) died after {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
    said = f"due at {due.due_at:%Y-%m-%d %H:%M} UTC failed: {story}; it is not run again by itself."
    report = _remembered(Begun(run_id, due.kind, mode, due.trading_date, claim.claimed_at), ledger, at, story, said)
    ledger.finish_run(report)
    return report


def conclude_begun(begun: Begun, ledger: Ledger, at: datetime) -> SessionReport:
    """The one report of a run that died together with the command which would have written it. Raises `LedgerError`.

    Only for who knows that the run is over.
    """
    story = "its process ended without a word, and so did the command that had started it"
    said = f"begun at {begun.started_at:%Y-%m-%d %H:%M} UTC failed: {story}; this was found by a later run."
    report = _remembered(begun, ledger, at, story, said)
    ledger.finish_run(report)
    return report


def report_for(end: End, ledger: Ledger, occasion: Occasion) -> SessionReport:
    """A failed report with everything the ledger knows of the run: what it ordered and what the bot owns."""
    job, began = end.job, occasion.at - timedelta(seconds=end.seconds)
    begun = Begun(job.run_id, job.kind, occasion.mode, occasion.trading_date, began, job.trade)
    report = _remembered(begun, ledger, occasion.at, end.story, f"failed: {end.story}.")
    steps = (StepResult("process", end.seconds, error=end.story),)
    return replace(report, steps=steps, verdict=f"{report.verdict} Log: {job.log_path}")


def _remembered(begun: Begun, ledger: Ledger, at: datetime, story: str, said: str) -> SessionReport:
    """What the ledger knows of a dead run; `said` is its verdict without the session's name."""
    every = ledger.tickets_of(begun.trading_date, begun.kind)
    tickets = tuple(ticket for ticket in every if ticket.intent.session_id == begun.run_id)
    return SessionReport(
        run_id=begun.run_id,
        kind=begun.kind,
        mode=begun.mode,
        trading_date=begun.trading_date,
        started_at=begun.started_at,
        finished_at=at,
        outcome=Outcome.PARTLY if any(ticket.fills for ticket in tickets) else Outcome.FAILED,
        verdict=f"The {begun.kind} session {said}{_open(tickets)}",
        steps=(StepResult("process", 0.0, error=story),),
        tickets=tickets,
        owned=tuple(ledger.positions(begun.kind)),
        trade=begun.trade,
    )


def _open(tickets: tuple[Ticket, ...]) -> str:
    pending = [ticket for ticket in tickets if not ticket.status.terminal]
    if not pending:
        return ""
    return f" {len(pending)} of its orders have no known end; the next run settles them before it plans anew."
