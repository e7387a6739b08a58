"""Money paid in and out as far as a book knows, from the looks of its runs at the account.

Entry points: `payments_until`, `side_by_side`, `tickets_of_days`.
Invariants: of runs side by side one report is read, and only the account of it is kept: a book of years takes a second,
of those who draw a report and never of the service.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from robotrading.domain.book import Account
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Ended, SessionReport
from robotrading.portfolio.flows import Flows, inferred
from robotrading.service.recent import prices_at

_SIDE_BY_SIDE = timedelta(minutes=30)
_MOST_RUNS = 5_000
_NEW_YORK = ZoneInfo("America/New_York")


def payments_until(ledger: Ledger, report: SessionReport) -> Flows:
    """Of the report's account, up to its look at it; nothing where it did not reach one. Raises `LedgerError`."""
    if report.account is None:
        return Flows()
    before = [one for one in ledger.ended(_MOST_RUNS) if one.started_at <= report.started_at]
    runs = [one for one in reversed(before) if one.run_id != report.run_id]
    looks = [look for group in side_by_side(runs) if (look := _look(ledger, group, report.account)) is not None]
    looks.append(report.account)
    tickets = tickets_of_days(ledger, {day for one in runs for day in _days(one.started_at)} | _days_of(report))
    fills = [fill for ticket in tickets for fill in ticket.fills]
    return inferred(looks, fills, partial(prices_at, ledger, before))


def _look(ledger: Ledger, group: Iterable[Ended], newest: Account) -> Account | None:
    """Of runs side by side the last one that reached the account, not later than its newest look."""
    for one in group:
        found = ledger.report(one.run_id)
        if found is not None and found.account is not None:
            account = found.account
            return account if account.account_id == newest.account_id and account.at <= newest.at else None
    return None


def side_by_side(ended: Iterable[Ended]) -> list[list[Ended]]:
    """Runs, oldest first, in groups of those that began close together; in a group the last to end comes first."""
    groups: list[list[Ended]] = []
    for one in ended:
        if groups and one.started_at - groups[-1][0].started_at <= _SIDE_BY_SIDE:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [sorted(group, key=lambda one: one.finished_at, reverse=True) for group in groups]


def tickets_of_days(ledger: Ledger, days: Iterable[date]) -> list[Ticket]:
    """All orders of these trading days, oldest day first. Raises `LedgerError`."""
    return [ticket for day in sorted(set(days)) for ticket in ledger.tickets_of(day)]


def _days_of(report: SessionReport) -> set[date]:
    return {report.trading_date, *_days(report.started_at)}


def _days(at: datetime) -> set[date]:
    """The days that an instant belongs to, in UTC and in New York."""
    return {at.date(), at.astimezone(_NEW_YORK).date()}
