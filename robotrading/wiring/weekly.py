"""The week's figures, from the ledger.

Entry point: `week_of`.
Invariants: nothing is asked of broker or internet; what only another account's reports tell is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from robotrading.adapters.notify.weekly.figures import KindRuns, Span, WeekFigures, span
from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Ticket, TicketStatus
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Outcome, SessionReport
from robotrading.execution.trips import Checkpoint, PositionGain, Priced, closed_trips, position_gains
from robotrading.portfolio.flows import inferred
from robotrading.portfolio.performance import Performance, costs, daily_values, exchange_day, measure
from robotrading.wiring.benchmark import benchmark_until
from robotrading.wiring.books import Orders, book_for

_WEEK, _QUARTER = timedelta(days=7), timedelta(days=91)
_BEFORE = timedelta(days=14)
"""How far back the last look before a stretch is sought."""
_MOST_RUNS = 5_000
_MOST_POINTS = 100_000
_NEW_YORK = ZoneInfo("America/New_York")


def week_of(config: Config, orders: Orders, day: date) -> WeekFigures:
    """The seven days up to and including `day`, in New York, and the 91 that end with them. Raises `LedgerError`."""
    book = book_for(config, orders)
    with book.ledger() as ledger:
        return _figures(config, ledger, book.mode, day)


def _figures(config: Config, ledger: Ledger, mode: str, day: date) -> WeekFigures:
    begin, end = _midnight(day - _QUARTER - _BEFORE), _midnight(day + timedelta(days=1))
    reports = _reports(ledger, begin, end)
    looks = [report.account for report in reports if report.account is not None]
    account = looks[-1] if looks else None
    name = account.account_id if account else config.broker.account
    looks = [look for look in looks if look.account_id == name]
    tickets = _tickets(ledger, reports, begin.date(), day)
    flows = inferred(looks, _fills(tickets))
    points = [point for point in ledger.equity(name, begin, _MOST_POINTS) if point[0] < end] if name else []
    benchmark = benchmark_until(config, day)
    trips = closed_trips(tickets, _checkpoints(reports))
    currency = account.base_currency if account else ""

    def spanned(length: timedelta) -> Span:
        first = day - length + timedelta(days=1)
        performance = measure(points, flows.found, first, day)
        inside = [ticket for ticket in tickets if first <= ticket.intent.trading_date <= day]
        closed = tuple(trip for trip in trips if first <= _new_york(trip.closed_at) <= day)
        beside = benchmark.change(*_days(performance)) if benchmark and performance.since else None
        return span(performance, costs(inside), closed, currency, beside)

    first = day - _WEEK + timedelta(days=1)
    gains, unpriced = _gains(reports, tickets, _midnight(first), currency)
    return WeekFigures(
        day=day,
        first=first,
        mode=mode,
        week=spanned(_WEEK),
        quarter=spanned(_QUARTER),
        account_id=name,
        currency=currency,
        paper=account.paper if account else True,
        worth=points[-1][1] if points else None,
        worth_at=points[-1][0] if points else None,
        runs=_runs(reports, _midnight(first)),
        statuses=_statuses(tickets, first),
        gains=gains,
        unpriced=unpriced,
        flows=flows,
        curve=daily_values(point for point in points if exchange_day(point[0]) > day - _QUARTER),
        benchmark_name=config.report.benchmark,
        benchmark=benchmark,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _NEW_YORK).astimezone(UTC)


def _new_york(at: datetime) -> date:
    return at.astimezone(_NEW_YORK).date()


def _days(performance: Performance) -> tuple[date, date]:
    """The days of the closes that a stretch's values lie on."""
    begin = exchange_day(performance.since) if performance.since else performance.first
    return begin, performance.returns[-1].day if performance.returns else begin


def _reports(ledger: Ledger, begin: datetime, end: datetime) -> list[SessionReport]:
    """Those of runs that started in a stretch, oldest first."""
    wanted = [one.run_id for one in ledger.ended(_MOST_RUNS) if begin <= one.started_at < end]
    found = (ledger.report(run_id) for run_id in reversed(wanted))
    return [report for report in found if report is not None]


def _tickets(ledger: Ledger, reports: Sequence[SessionReport], first: date, last: date) -> list[Ticket]:
    """All orders of the days on which a session ran, those too that were settled by another run."""
    days = sorted({report.trading_date for report in reports} | set(_every_day(last - _WEEK, last)))
    return [ticket for day in days if first <= day <= last for ticket in ledger.tickets_of(day)]


def _every_day(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _fills(tickets: Iterable[Ticket]) -> list[Fill]:
    return [fill for ticket in tickets for fill in ticket.fills]


def _checkpoints(reports: Iterable[SessionReport]) -> list[Checkpoint]:
    """What a session owned when it was looked at: of runs whose own orders changed nothing of it."""
    return [
        Checkpoint(report.account.at, report.kind, report.owned)
        for report in reports
        if report.account is not None and not _fills(report.tickets)
    ]


def _runs(reports: Iterable[SessionReport], begin: datetime) -> tuple[KindRuns, ...]:
    """Per session, in the order of the kinds."""
    recent = [report for report in reports if report.started_at >= begin]
    made = []
    for kind in AssetClass:
        own = [report for report in recent if report.kind is kind]
        if own:
            outcomes = Counter(report.outcome for report in own)
            ordered = {outcome: outcomes[outcome] for outcome in Outcome if outcomes[outcome]}
            made.append(KindRuns(kind, ordered, max(report.finished_at for report in own)))
    return tuple(made)


def _statuses(tickets: Iterable[Ticket], first: date) -> dict[str, int]:
    """How the week's orders ended."""
    counted = Counter(ticket.status for ticket in tickets if ticket.intent.trading_date >= first)
    return {status.value: counted[status] for status in TicketStatus if counted[status]}


def _gains(
    reports: Sequence[SessionReport], tickets: Iterable[Ticket], begin: datetime, currency: str
) -> tuple[tuple[PositionGain, ...], int]:
    """What each instrument brought since the last look before an instant, and of how many that is not known.

    Both ends are a run's own look: what the sessions owned then, at the prices their plans were made with.
    """
    start = _held([report for report in reports if report.started_at < begin])
    end = _held(reports)
    since = max((r.finished_at for r in reports if r.started_at < begin), default=begin)
    fills = [fill for fill in _fills(tickets) if fill.at > since and fill.instrument.currency == currency]
    before = {one: priced for one, priced in start.items() if one.currency == currency}
    after = {one: priced for one, priced in end.items() if one.currency == currency}
    found = position_gains(before, after, fills)
    return found, len({*before, *after, *(fill.instrument for fill in fills)}) - len(found)


def _held(reports: Sequence[SessionReport]) -> dict[Instrument, Priced]:
    """What all sessions together owned after these runs, with the newest price of each instrument."""
    newest = {report.kind: report for report in reports if report.account is not None}
    prices: dict[Instrument, Decimal] = {}
    for report in reports:
        lines = report.plan.lines if report.plan else ()
        prices |= {line.instrument: line.price for line in lines if line.price is not None}
    quantities: dict[Instrument, Decimal] = {}
    for report in newest.values():
        for position in report.owned:
            quantities[position.instrument] = quantities.get(position.instrument, Decimal(0)) + position.quantity
    return {one: Priced(quantity, prices.get(one)) for one, quantity in quantities.items() if quantity}
