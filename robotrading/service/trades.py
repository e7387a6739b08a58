"""Which positions were closed lately, and with what gain, for the win rate.

Entry point: `RecentTrades`, called with an instant.
Invariants: the orders and reports of a month are read once a run has ended, and not at every look; a report is decoded
once; a trade whose cost is not known is left out, never guessed (`execution/trips.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Ended, SessionReport
from robotrading.execution.trips import Checkpoint, closed_trips
from robotrading.service.facts import ClosedTrade

_BACK = timedelta(days=30)
_MOST_RUNS = 200


class RecentTrades:
    """Used in one thread at a time. Raises `LedgerError`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest = ""
        self._checkpoints: dict[str, Checkpoint | None] = {}
        self._trades: tuple[ClosedTrade, ...] = ()

    def __call__(self, since: datetime) -> Sequence[ClosedTrade]:
        """Those closed since an instant, as of the run that ended last; oldest first."""
        newest = next((run.run_id for run in self._ledger.ended(1)), "")
        if newest != self._newest:
            self._trades = self._read(since)
            self._newest = newest
        return [trade for trade in self._trades if trade.at >= since]

    def _read(self, since: datetime) -> tuple[ClosedTrade, ...]:
        begin = since - _BACK
        runs = [run for run in self._ledger.ended(_MOST_RUNS) if run.started_at >= begin]
        self._checkpoints = {run.run_id: self._checkpoint(run) for run in runs}
        known = [one for one in self._checkpoints.values() if one is not None]
        return tuple(
            ClosedTrade(trip.instrument.symbol, trip.closed_at, trip.gain)
            for trip in closed_trips(self._tickets(begin), known)
            if trip.gain is not None
        )

    def _tickets(self, begin: datetime) -> list[Ticket]:
        """Of every day since; the days after it count too, since zones differ."""
        days = (begin.date() + timedelta(days=number) for number in range(_BACK.days + 4))
        return [ticket for day in days for ticket in self._ledger.tickets_of(day)]

    def _checkpoint(self, run: Ended) -> Checkpoint | None:
        if run.run_id in self._checkpoints:
            return self._checkpoints[run.run_id]
        report = self._ledger.report(run.run_id)
        return None if report is None else checkpoint(report)


def checkpoint(report: SessionReport) -> Checkpoint | None:
    """What a session owned when it was looked at; None of a run whose own orders changed something of it."""
    if report.account is None or any(ticket.fills for ticket in report.tickets):
        return None
    return Checkpoint(report.account.at, report.kind, report.owned)
