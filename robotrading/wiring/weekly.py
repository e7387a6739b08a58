"""The week's figures, from the ledger.

Entry point: `week_of`.
Invariants: nothing is asked of broker or internet; what only another account's reports tell is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from robotrading.adapters.notify.weekly.figures import KindRuns, Span, WeekFigures, span
from robotrading.config.model import Config
from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Ticket, TicketStatus
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Ended, Outcome, SessionReport
from robotrading.execution.trips import Checkpoint, PositionGain, Priced, closed_trips, position_gains
from robotrading.portfolio.flows import inferred
from robotrading.portfolio.performance import Performance, costs, daily_values, exchange_day, measure
from robotrading.service.recent import prices_at
from robotrading.wiring.benchmark import benchmark_until
from robotrading.wiring.books import Orders, book_for
from robotrading.wiring.payments import side_by_side, tickets_of_days

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
    ended = [one for one in reversed(ledger.ended(_MOST_RUNS)) if begin <= one.started_at < end]
    first = day - _WEEK + timedelta(days=1)
    seen = _seen(ledger, ended, _midnight(first))
    account = seen[-1].account if seen else None
    name = account.account_id if account else config.broker.account
    seen = [one for one in seen if one.account.account_id == name]
    tickets = _tickets(ledger, ended, begin.date(), day)
    looks = [one.account for one in seen]
    flows = inferred(looks, _fills(tickets), partial(prices_at, ledger, ended))
    points = [point for point in ledger.equity(name, begin, _MOST_POINTS) if point[0] < end] if name else []
    benchmark = benchmark_until(config, day)
    trips = closed_trips(tickets, _checkpoints(seen))
    currency = account.base_currency if account else ""

    def spanned(length: timedelta) -> Span:
        since = day - length + timedelta(days=1)
        performance = measure(points, flows.found, since, day)
        inside = [ticket for ticket in tickets if since <= ticket.intent.trading_date <= day]
        closed = tuple(trip for trip in trips if since <= _new_york(trip.closed_at) <= day)
        beside = benchmark.change(*_days(performance)) if benchmark and performance.since else None
        return span(performance, costs(inside), closed, currency, beside)

    gains, unpriced = _gains(seen, tickets, _midnight(first), currency)
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
        runs=_runs(ended, _midnight(first)),
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


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is wanted of a run's report, which may be a thousand times as large. `settled`: `owned` is of its end."""

    kind: AssetClass
    started_at: datetime
    finished_at: datetime
    account: Account
    owned: tuple[Position, ...]
    prices: dict[Instrument, Decimal]
    settled: bool
    traded: bool


def _seen(ledger: Ledger, ended: Sequence[Ended], week: datetime) -> list[_Seen]:
    """Of the runs that reached the account, oldest first: the last of those side by side, and each session's ends.

    Those ends are its first run, its last before the week and its last: what was owned is told by them.
    """
    wanted = side_by_side(ended)
    for kind in AssetClass:
        own = [one for one in ended if one.kind is kind]
        wanted += [own, [one for one in reversed(own) if one.started_at < week], own[::-1]]
    read: dict[str, _Seen | None] = {}
    found = {}
    for candidates in wanted:
        for one in candidates:
            if one.run_id not in read:
                read[one.run_id] = _slim(ledger.report(one.run_id))
            if (seen := read[one.run_id]) is not None:
                found[one.run_id] = seen
                break
    return sorted(found.values(), key=lambda one: (one.account.at, one.finished_at))


def _slim(report: SessionReport | None) -> _Seen | None:
    """None for a run that did not reach the account."""
    if report is None or report.account is None:
        return None
    lines = report.plan.lines if report.plan else ()
    return _Seen(
        report.kind,
        report.started_at,
        report.finished_at,
        report.account,
        report.owned,
        {line.instrument: line.price for line in lines if line.price is not None},
        any(step.name == "compare" and step.ok for step in report.steps),
        bool(_fills(report.tickets)),
    )


def _tickets(ledger: Ledger, ended: Sequence[Ended], first: date, last: date) -> list[Ticket]:
    """All orders of the days on which a session ran, and of the last week's."""
    days = {one.started_at.date() for one in ended} | {_new_york(one.started_at) for one in ended}
    wanted = days | set(_every_day(last - _WEEK, last))
    return tickets_of_days(ledger, (day for day in wanted if first <= day <= last))


def _every_day(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _fills(tickets: Iterable[Ticket]) -> list[Fill]:
    return [fill for ticket in tickets for fill in ticket.fills]


def _checkpoints(seen: Iterable[_Seen]) -> list[Checkpoint]:
    """What a session owned when it was looked at: after its orders, or without any."""
    return [
        Checkpoint(one.finished_at if one.traded else one.account.at, one.kind, one.owned)
        for one in seen
        if one.settled or not one.traded
    ]


def _runs(ended: Iterable[Ended], begin: datetime) -> tuple[KindRuns, ...]:
    """Per session, in the order of the kinds."""
    recent = [one for one in ended if one.started_at >= begin]
    made = []
    for kind in AssetClass:
        own = [one for one in recent if one.kind is kind and one.trade]
        if own:
            outcomes = Counter(one.outcome for one in own)
            ordered = {outcome: outcomes[outcome] for outcome in Outcome if outcomes[outcome]}
            made.append(KindRuns(kind, ordered, max(one.finished_at for one in own)))
    return tuple(made)


def _statuses(tickets: Iterable[Ticket], first: date) -> dict[str, int]:
    """How the week's orders ended."""
    counted = Counter(ticket.status for ticket in tickets if ticket.intent.trading_date >= first)
    return {status.value: counted[status] for status in TicketStatus if counted[status]}


def _gains(
    seen: Sequence[_Seen], tickets: Iterable[Ticket], begin: datetime, currency: str
) -> tuple[tuple[PositionGain, ...], int]:
    """What each instrument brought since the last look before an instant, and of how many that is not known.

    Both ends are a run's own look: what the sessions owned then, at the prices their plans were made with.
    """
    earlier = [one for one in seen if one.started_at < begin]
    if len(earlier) == len(seen):
        return (), 0
    start, end = _held(earlier), _held(seen)
    since = max((one.finished_at for one in earlier), default=begin)
    fills = [fill for fill in _fills(tickets) if fill.at > since and fill.instrument.currency == currency]
    before = {one: priced for one, priced in start.items() if one.currency == currency}
    after = {one: priced for one, priced in end.items() if one.currency == currency}
    found = position_gains(before, after, fills)
    return found, len({*before, *after, *(fill.instrument for fill in fills)}) - len(found)


def _held(seen: Sequence[_Seen]) -> dict[Instrument, Priced]:
    """What all sessions together owned after these runs, with the newest price of each instrument."""
    newest = {one.kind: one for one in seen}
    prices: dict[Instrument, Decimal] = {}
    for one in seen:
        prices |= one.prices
    quantities: dict[Instrument, Decimal] = {}
    for one in newest.values():
        for position in one.owned:
            quantities[position.instrument] = quantities.get(position.instrument, Decimal(0)) + position.quantity
    return {one: Priced(quantity, prices.get(one)) for one, quantity in quantities.items() if quantity}
