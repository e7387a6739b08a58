"""One instrument in one run, from its prices to its orders: what is stored, put in order.

Entry points: `explained`, `explain`, `newest`, `Explanation`.
Invariant: everything here is from the stored report and the ledger of the run; nothing is fetched or reckoned anew, but
for differences of what stands there. What the run never came to is None or empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain

from robotrading.adapters.notify.report.reasons import why
from robotrading.domain.book import Position
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, OrderEvent, Ticket, TicketStatus
from robotrading.domain.planning import Line, Plan, Refusal, TargetWeight
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Outcome, SessionReport, Source
from robotrading.domain.signals import Signal
from robotrading.domain.skip import Skip
from robotrading.wiring.books import Orders, book_for, elsewhere, load_config

_LOOKED_BACK = 30
"""In how many of the newest reports a symbol is looked for."""


class NotExplained(ConfigError):
    """There is nothing stored to tell; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """An intent with its whole history. `slippage` per unit against the arrival price, + is worse."""

    ticket: Ticket
    events: tuple[OrderEvent, ...]
    avg_price: Decimal | None
    filled: Decimal
    slippage: Decimal | None
    commission: Decimal

    @classmethod
    def of(cls, ticket: Ticket, events: Sequence[OrderEvent]) -> Order:
        return cls(ticket, tuple(events), ticket.avg_price, ticket.filled, ticket.slippage, ticket.commission)


@dataclass(frozen=True, slots=True)
class Explanation:
    """From prices to orders. `age_days` is in calendar days, from the last bar to the trading date.

    `answer` is the short of it in a sentence; `trade` is false of a mere plan; `skips` are those that name it, in
    the order of the steps.
    """

    symbol: str
    run_id: str
    kind: AssetClass
    mode: str
    trading_date: date
    finished_at: datetime
    outcome: Outcome
    verdict: str
    answer: str
    currency: str
    source: Source | None = None
    age_days: int | None = None
    skips: tuple[Skip, ...] = ()
    signal: Signal | None = None
    target: TargetWeight | None = None
    line: Line | None = None
    budget: Decimal | None = None
    refusals: tuple[Refusal, ...] = ()
    planned: tuple[Intent, ...] = ()
    orders: tuple[Order, ...] = ()
    owned: tuple[Position, ...] = ()
    protected: tuple[Position, ...] = ()
    trade: bool = True


def explained(orders: Orders, symbol: str, run: str = "") -> Explanation:
    """What a run made of an instrument; without `run`, the newest that dealt with it, else the newest that names it.

    Where none does, it is the newest of all.

    Raises `NotExplained`, `NoReport`, `LedgerError`.
    """
    from robotrading.wiring.pages import stored_report  # noqa: PLC0415  its child is not needed here

    report = stored_report(orders, run) if run else None
    with book_for(load_config(orders), orders).ledger() as ledger:
        found = report or newest(ledger, symbol, elsewhere(orders))
        return explain(found, _spelled(found, symbol), ledger)


def newest(ledger: Ledger, symbol: str, hint: str = "") -> SessionReport:
    """The run that is asked about when none is named. Raises `NotExplained` (with `hint` behind it), `LedgerError`."""
    reports = ledger.last_reports(_LOOKED_BACK)
    if not reports:
        raise NotExplained(f"no run has a report here yet: nothing to explain; see `robotrading plan all`{hint}")
    traded = (one for one in reports if symbol.casefold() in map(str.casefold, _considered(one)))
    named = (one for one in reports if symbol.casefold() in map(str.casefold, _symbols(one)))
    return next(chain(traded, named), reports[0])


def _symbols(report: SessionReport) -> set[str]:
    """All that a report names."""
    return _considered(report) | {position.instrument.symbol for position in report.protected}


def _considered(report: SessionReport) -> set[str]:
    """What the session traded or thought of: every session sees all that is protected."""
    plan = report.plan
    named = [signal.instrument for signal in report.signals]
    named += [weight.instrument for weight in (report.targets.weights if report.targets else ())]
    named += [line.instrument for line in (plan.lines if plan else ())]
    named += [refusal.instrument for refusal in (plan.refusals if plan else ())]
    named += [ticket.intent.instrument for ticket in report.tickets]
    named += [position.instrument for position in report.owned]
    return {
        *(instrument.symbol for instrument in named),
        *(source.symbol for source in report.sources),
        *(skip.subject for skip in report.skips),
    }


def _spelled(report: SessionReport, symbol: str) -> str:
    """As the report writes it, whatever its capitals."""
    return next((one for one in sorted(_symbols(report)) if one.casefold() == symbol.casefold()), symbol)


def explain(report: SessionReport, symbol: str, ledger: Ledger) -> Explanation:
    """The parts of a report that are about a symbol, with its orders' histories. Raises `LedgerError`."""

    def about(instrument: Instrument) -> bool:
        return instrument.symbol == symbol

    plan, targets = report.plan, report.targets
    source = next((one for one in report.sources if one.symbol == symbol), None)
    tickets = [ticket for ticket in report.tickets if about(ticket.intent.instrument)]
    latest = ledger.tickets([ticket.intent.intent_id for ticket in tickets])
    tickets = [latest.get(ticket.intent.intent_id, ticket) for ticket in tickets]
    found = Explanation(
        symbol=symbol,
        run_id=report.run_id,
        kind=report.kind,
        mode=report.mode,
        trade=report.trade,
        trading_date=report.trading_date,
        finished_at=report.finished_at,
        outcome=report.outcome,
        verdict=report.verdict,
        answer="",
        currency=plan.currency if plan else report.currency,
        source=source,
        age_days=(report.trading_date - source.last_day).days if source else None,
        skips=tuple(skip for skip in report.skips if skip.subject in {symbol, *_ids(plan, symbol)}),
        signal=next((one for one in report.signals if about(one.instrument)), None),
        target=next((one for one in (targets.weights if targets else ()) if about(one.instrument)), None),
        line=next((one for one in (plan.lines if plan else ()) if about(one.instrument)), None),
        budget=plan.budget if plan else None,
        refusals=tuple(one for one in (plan.refusals if plan else ()) if about(one.instrument)),
        planned=tuple(one for one in (plan.intents if plan else ()) if about(one.instrument)),
        orders=tuple(Order.of(ticket, ledger.events(ticket.intent.intent_id)) for ticket in tickets),
        owned=tuple(one for one in report.owned if about(one.instrument)),
        protected=tuple(one for one in report.protected if about(one.instrument)),
    )
    return replace(found, answer=_answer(found, report))


def _ids(plan: Plan | None, symbol: str) -> set[str]:
    """Orders are skipped by their ids too."""
    return {one.intent_id for one in (plan.intents if plan else ()) if one.instrument.symbol == symbol}


def _answer(found: Explanation, report: SessionReport) -> str:
    """Why it was traded, or why not: the last word that the run had on it."""
    if found.orders:
        return " ".join(_traded(order, report) for order in found.orders)
    if found.planned:
        return _not_sent(found.planned[0], found, report)
    stopped = _stopped(report)
    if found.refusals:
        return f"Not traded: {found.refusals[0].reason}."
    if found.skips:
        return f"Not traded: {found.skips[-1].reason.rstrip('.')}."
    return f"Not traded: {stopped}." if stopped else _not_considered(found)


def _stopped(report: SessionReport) -> str:
    failed = next((step for step in report.steps if not step.ok), None)
    return f"the run stopped at step '{failed.name}': {failed.error.rstrip('.')}" if failed else ""


def _not_considered(found: Explanation) -> str:
    if found.target or found.line or found.signal or found.source:
        return "Not traded: nothing was held and nothing was wanted of it."
    beyond = ", and what the account holds of it is not the bot's" if found.protected else ""
    return f"Not traded: it is not in the universe of this session{beyond}."


def _traded(order: Order, report: SessionReport) -> str:
    intent, done = order.ticket.intent, {"buy": "Bought", "sell": "Sold"}[order.ticket.intent.side.value]
    reason = why(report, intent)
    if order.ticket.status is TicketStatus.FILLED:
        return f"{done}. {reason}"
    some = f"{done} {order.filled.normalize():f} of {intent.quantity.normalize():f}"
    said = f" ({order.ticket.reason})" if order.ticket.reason else ""
    if order.ticket.status is TicketStatus.UNKNOWN:
        what = f"{some}, perhaps more" if order.filled else f"Perhaps {done.lower()}"
        return f"{what}: the fate of the order is not known{said}. What it was for: {reason}"
    what = some if order.filled else f"Not {done.lower()}"
    return f"{what}: the order is {order.ticket.status}{said}. What it was for: {reason}"


def _not_sent(intent: Intent, found: Explanation, report: SessionReport) -> str:
    order = f"{intent.side} {intent.quantity.normalize():f}"
    held_back = found.skips[-1].reason.rstrip(".") if found.skips else _stopped(report)
    if held_back:
        return f"Not sent, though the plan says {order}: {held_back}."
    if report.outcome is Outcome.NOTHING_TO_DO:
        return f"Not sent, though the plan says {order}: {report.verdict}"
    return f"Planned, not sent: {order}. {why(report, intent)}"
