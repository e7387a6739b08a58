"""What happened lately, from the ledger: positions that were closed, and money that was paid in and out.

Entry points: `Recent` (`trades`, `flows`), `prices_at`.
Invariants: orders and reports are read when a run has ended, and not at every look; a report is decoded once (again for
its prices, where a payment is in question), and only some at a look, so that a service with a long history starts as
fast as a young one; a trade whose cost is not known is left out, never guessed (`execution/trips.py`), and payments are
inferred as `portfolio/flows.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Ended, SessionReport
from robotrading.execution.trips import Checkpoint, closed_trips
from robotrading.portfolio.flows import Prices, inferred
from robotrading.service.facts import ClosedTrade, PaidFlows

_BACK = timedelta(days=124)
"""A little more than the curve of the account's values that figures are made of."""
_MOST_RUNS = 1000
_COMPARED = 20
_AT_ONCE = 60
"""Reports of a hundred instruments take some milliseconds each."""
_PRICED = timedelta(days=4)
"""How old the prices of a look may be: those of before a long weekend."""


@dataclass(frozen=True, slots=True)
class _Brief:
    """What is kept of a report, which may be a thousand times as large."""

    account: Account | None
    finished_at: datetime
    checkpoint: Checkpoint | None


class Recent:
    """Used in one thread at a time. Raises `LedgerError`."""

    def __init__(self, ledger: Ledger, at_once: int = _AT_ONCE) -> None:
        self._ledger, self._at_once = ledger, at_once
        self._newest: frozenset[str] = frozenset()
        self._reading = True
        self._runs: Sequence[Ended] = ()
        self._prices: dict[datetime, Mapping[Instrument, Decimal]] = {}
        self._briefs: dict[str, _Brief | None] = {}
        self._trades: tuple[ClosedTrade, ...] = ()
        self._flows: dict[str, PaidFlows] = {}

    def trades(self, since: datetime) -> Sequence[ClosedTrade]:
        """Those closed since an instant, as of the run that ended last; oldest first."""
        self._refresh()
        return [trade for trade in self._trades if trade.at >= since]

    def flows(self, account_id: str) -> PaidFlows:
        """Of an account, as of the run that ended last."""
        self._refresh()
        return replace(self._flows.get(account_id, PaidFlows()), reading=self._reading)

    def _refresh(self) -> None:
        """Several runs go on side by side, and the one that began last need not end last."""
        newest = self._ledger.ended(_COMPARED)
        names = frozenset(run.run_id for run in newest)
        if names == self._newest and not self._reading:
            return
        begin = max((run.started_at for run in newest), default=None)
        self._reading = begin is not None and self._read_reports(begin - _BACK)
        if begin is not None and not self._reading:
            self._conclude(begin - _BACK)
        self._newest = names

    def _read_reports(self, begin: datetime) -> bool:
        """The newest first; whether more are to be read."""
        runs = [run for run in self._ledger.ended(_MOST_RUNS) if run.started_at >= begin]
        shared = {one: one for brief in self._briefs.values() for one in _positions(brief)}
        unread = [run for run in runs if run.run_id not in self._briefs]
        new = {run.run_id: self._brief(run, shared) for run in unread[: self._at_once]}
        known = self._briefs | new
        self._runs = runs
        self._briefs = {run.run_id: known[run.run_id] for run in runs if run.run_id in known}
        return len(unread) > self._at_once

    def _conclude(self, begin: datetime) -> None:
        """From all that is read: the trades, and each account's flows."""
        briefs = [one for one in self._briefs.values() if one is not None]
        tickets = self._tickets(begin)
        checkpoints = [one.checkpoint for one in briefs if one.checkpoint is not None]
        self._trades = tuple(
            ClosedTrade(trip.instrument.symbol, trip.closed_at, trip.gain)
            for trip in closed_trips(tickets, checkpoints)
            if trip.gain is not None
        )
        names = {one.account.account_id for one in briefs if one.account is not None}
        self._prices = {at: known for at, known in self._prices.items() if at >= begin}
        self._flows = {name: _paid(name, briefs, tickets, self._priced) for name in names}

    def _priced(self, at: datetime) -> Mapping[Instrument, Decimal]:
        """Asked of few instants, and of the same ones each time."""
        if at not in self._prices:
            self._prices[at] = prices_at(self._ledger, self._runs, at)
        return self._prices[at]

    def _tickets(self, begin: datetime) -> list[Ticket]:
        """Of every day since; the days after it count too, since zones differ."""
        days = (begin.date() + timedelta(days=number) for number in range(_BACK.days + 4))
        return [ticket for day in days for ticket in self._ledger.tickets_of(day)]

    def _brief(self, run: Ended, shared: dict[Position, Position]) -> _Brief | None:
        report = self._ledger.report(run.run_id)
        return None if report is None else _slim(report, shared)


def _positions(brief: _Brief | None) -> Iterable[Position]:
    if brief is not None and brief.account is not None:
        yield from brief.account.positions
    if brief is not None and brief.checkpoint is not None:
        yield from brief.checkpoint.owned


def _slim(report: SessionReport, shared: dict[Position, Position]) -> _Brief:
    """Of alike positions, which are most of them from run to run, one is kept."""
    account, seen = report.account, checkpoint(report)
    if account is not None:
        account = replace(account, positions=_alike(account.positions, shared))
    if seen is not None:
        seen = replace(seen, owned=_alike(seen.owned, shared))
    return _Brief(account, report.finished_at, seen)


def _alike(positions: Iterable[Position], shared: dict[Position, Position]) -> tuple[Position, ...]:
    return tuple(shared.setdefault(one, one) for one in positions)


def _paid(account_id: str, briefs: Sequence[_Brief], tickets: Iterable[Ticket], prices: Prices) -> PaidFlows:
    """What was paid in and out between the looks at one account."""
    looks = [(one.account, one.finished_at) for one in briefs if one.account and one.account.account_id == account_id]
    flows = inferred([look for look, _ in looks], [fill for ticket in tickets for fill in ticket.fills], prices)
    if flows.since is None:
        return PaidFlows()
    return PaidFlows(flows.found, len(flows.unclear), flows.since, max(ended for _, ended in looks))


def checkpoint(report: SessionReport) -> Checkpoint | None:
    """What a session owned when it was looked at; None of a run whose own orders changed something of it."""
    if report.account is None or any(ticket.fills for ticket in report.tickets):
        return None
    return Checkpoint(report.account.at, report.kind, report.owned)


def prices_at(ledger: Ledger, runs: Iterable[Ended], at: datetime) -> dict[Instrument, Decimal]:
    """What is known of prices at an instant: those of each session's newest plan up to it."""
    found: dict[AssetClass, dict[Instrument, Decimal]] = {}
    near = (run for run in runs if at - _PRICED <= run.started_at <= at)
    for run in sorted(near, key=lambda run: run.started_at, reverse=True):
        if run.kind not in found and (report := ledger.report(run.run_id)) is not None and report.plan is not None:
            lines = report.plan.lines
            found[run.kind] = {line.instrument: line.price for line in lines if line.price is not None}
    return {instrument: price for prices in reversed(found.values()) for instrument, price in prices.items()}
