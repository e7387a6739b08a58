"""A report put in order for a reader: what happened, what to look at, the figures, then everything else.

Entry points: `view`, `subject`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from robotrading.adapters.notify.report import beliefs, holdings, left, trades
from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.figures import caveat, day_change, numbers
from robotrading.adapters.notify.report.shapes import Picture, Section, Tone, View
from robotrading.adapters.notify.report.words import (
    NONE,
    add_up,
    clean,
    count,
    hide_accounts,
    ledger_options,
    model_name,
    money,
    names,
    points,
    purse,
    seconds,
    spoken,
)
from robotrading.domain.book import Account
from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.planning import Plan
from robotrading.domain.report import Outcome, SessionReport

NOTHING = Backdrop()
_LONGEST_SUBJECT = 150
_TONES = {
    Outcome.DONE: Tone.GOOD,
    Outcome.NOTHING_TO_DO: Tone.GOOD,
    Outcome.PARTLY: Tone.WARN,
    Outcome.FAILED: Tone.BAD,
}
_MODES = {
    "live": "live: real money",
    "paper": "paper: pretend money in a paper account of the broker",
    "rehearsal": "rehearsal: a past day at the embedded gateway, pretend money",
    "embedded": "embedded: the embedded gateway, pretend money",
    "demo": "demo: the synthetic sample market, pretend money",
}
_SECTIONS: tuple[Callable[[SessionReport], Section], ...] = (
    left.blocked,
    trades.orders,
    trades.not_sent,
    left.refused,
    left.left_out,
    holdings.allocation,
    beliefs.signals,
    beliefs.prices,
    holdings.owned,
    holdings.protected,
    beliefs.steps,
    beliefs.notes,
)


def view(
    report: SessionReport, most: int | None = None, backdrop: Backdrop = NOTHING, pictures: Sequence[Picture] = ()
) -> View:
    """The report, with at most so many rows in a table; every text in it is one printable line."""
    sections = [section for section in (make(report) for make in _SECTIONS) if section.rows]
    made = View(
        title=f"{report.kind} {_said(report)}".capitalize(),
        subtitle=f"{report.trading_date:%A} {report.trading_date}, {report.mode}{'' if report.trade else ', plan'}",
        tone=_TONES[report.outcome],
        verdict=report.verdict or "Nothing is known about this run.",
        alerts=_alerts(report),
        facts=_facts(report, backdrop),
        sections=tuple(sections),
        footer=_footer(report),
        numbers=numbers(report, backdrop),
        pictures=tuple(pictures),
    )
    known = _accounts(report)
    return made.mapped(lambda text: hide_accounts(clean(text), known)).shortened(most)


def subject(report: SessionReport, backdrop: Backdrop = NOTHING) -> str:
    """The verdict first, then the money, in one line without anything that could be a second header."""
    told = ", ".join(filter(None, [_headline(report), day_change(report.account, backdrop)]))
    text = f"[robotrading] {report.kind} {told} ({report.mode}, {report.trading_date})"
    text = hide_accounts(clean(text), _accounts(report))
    return text if len(text) <= _LONGEST_SUBJECT else f"{text[: _LONGEST_SUBJECT - 3]}..."


def _accounts(report: SessionReport) -> set[str]:
    found = {report.account.account_id if report.account else "", report.plan.account_id if report.plan else ""}
    return {account_id for account_id in found if account_id}


def _said(report: SessionReport) -> str:
    if report.outcome is Outcome.DONE and not report.tickets:
        return "planned"
    return "partly done" if report.outcome is Outcome.PARTLY else spoken(report.outcome)


def _headline(report: SessionReport) -> str:
    if report.outcome is Outcome.NOTHING_TO_DO:
        return "nothing to do"
    if report.outcome is Outcome.FAILED:
        return _failed(report)
    if not report.tickets:
        return f"{_said(report)}: {_would(report.plan)}"
    return f"{_said(report)}: {_done(report.tickets)}"


def _failed(report: SessionReport) -> str:
    """Where, and what had been done by then: whoever reads it wants to know first whether anything was traded."""
    failed = next((step.name for step in report.steps if not step.ok), "")
    done = _done(report.tickets) if report.tickets else "nothing was ordered"
    return f"FAILED{f' at step {failed}' if failed else ''}: {done}"


def _would(plan: Plan | None) -> str:
    parts = []
    for side in (Side.BUY, Side.SELL):
        intents = [intent for intent in (plan.intents if plan else ()) if intent.side is side]
        worth = add_up((i.instrument.currency, i.quantity * i.arrival_price) for i in intents)
        parts.append(f"{side} {len(intents):,}{_short(worth)}")
    return "would " + ", ".join(parts)


def _short(worth: Mapping[str, Decimal]) -> str:
    """Money in a few characters, '' where there is none."""
    return f" for {' + '.join(f'{value:,.0f} {name}' for name, value in sorted(worth.items()))}" if worth else ""


def _done(tickets: Sequence[Ticket]) -> str:
    parts = []
    for side, word in ((Side.BUY, "bought"), (Side.SELL, "sold")):
        traded = [ticket for ticket in tickets if ticket.intent.side is side and ticket.fills]
        parts += [f"{word} {_how_many(traded)}{_short(_executed(traded))}"] if traded else []
    rest = Counter(ticket.status for ticket in tickets if not ticket.fills)
    parts = parts or ["nothing was filled"]
    return ", ".join(parts + [f"{amount:,} {_FATES.get(status, status)}" for status, amount in sorted(rest.items())])


def _how_many(traded: Sequence[Ticket]) -> str:
    """`3`, `1 in part`, `3 and 1 in part`."""
    whole = sum(ticket.status is TicketStatus.FILLED for ticket in traded)
    part = len(traded) - whole
    return " and ".join([*([f"{whole:,}"] if whole else []), *([f"{part:,} in part"] if part else [])])


_FATES = {TicketStatus.UNKNOWN: "of unknown fate", TicketStatus.WORKING: "still open"}


def _alerts(report: SessionReport) -> tuple[str, ...]:
    """What a person should know before anything else."""
    failed = [step for step in report.steps if not step.ok and step.error.rstrip(".") not in report.verdict]
    found = [f"Step '{step.name}' failed: {step.error}" for step in failed]
    found += [f"{note[:1].upper()}{note[1:]}." for note in report.notes if note.startswith("trading is halted")]
    for status, meaning in _OPEN.items():
        symbols = [ticket.intent.instrument.symbol for ticket in report.tickets if ticket.status is status]
        if symbols:
            found.append(f"{count(len(symbols), 'order')} {meaning}: {names(symbols)}.")
    seen = {ticket.intent.instrument.symbol for ticket in report.tickets if ticket.status is TicketStatus.UNKNOWN}
    stuck = [symbol for symbol in (row.cells[0].text for row in left.blocked(report).rows) if symbol not in seen]
    if stuck:
        found.append(f"Nothing is ordered in {names(stuck)} until you have looked: see below.")
    adjusted = [source.symbol for source in report.sources if source.adjusted_only]
    if adjusted:
        found.append(f"Sizes come from adjusted prices, no others are known, for {names(adjusted)}.")
    return tuple(found)


_OPEN = {
    TicketStatus.UNKNOWN: "of unknown fate (nothing more is ordered in it until the broker has answered)",
    TicketStatus.REJECTED: "rejected by the broker",
    TicketStatus.PARTIAL: "partly filled, the rest still open",
    TicketStatus.WORKING: "still open at the broker",
    TicketStatus.SENT: "sent, not confirmed by the broker",
    TicketStatus.PLANNED: "recorded, not sent",
    TicketStatus.CANCELLED: "cancelled before being filled in full",
}


def _facts(report: SessionReport, backdrop: Backdrop) -> tuple[tuple[str, str], ...]:
    if report.tickets:
        found = [("Traded", _traded(report.tickets)), ("Cost", _cost(report.tickets))]
    else:
        found = [("Traded", "nothing: no order on record")]
    found += [("Mode", _MODES.get(report.mode, report.mode))]
    found += [] if report.trade else [("Plan", "a mere plan: nothing is ordered, and it counts as no run")]
    found += [("Cash", _cash(report.account))] if report.account else [("Account", "not reached")]
    found += _budget(report)
    models = Counter(model_name(signal.model) for signal in report.signals)
    if models:
        found.append(("Models", ", ".join(f"{model} for {amount:,}" for model, amount in models.most_common())))
    served = Counter(source.source for source in report.sources)
    if served:
        newest = max(source.last_day for source in report.sources)
        names_of = ", ".join(f"{name} for {amount:,}" for name, amount in served.most_common())
        found.append(("Prices", f"{names_of}, to {newest}"))
    if backdrop.next_run is not None:
        found.append(("Next run", f"{backdrop.next_run:%A %Y-%m-%d %H:%M} UTC"))
    told = caveat(report, backdrop)
    return (*found, *([("Bear in mind", told)] if told else []))


def _cash(account: Account) -> str:
    """The account's own currency first; a debt keeps its sign."""
    own = account.base_currency
    ordered = sorted(account.cash.items(), key=lambda one: (one[0] != own, one[0]))
    return ", ".join(money(value, currency) for currency, value in ordered) or "none"


def _budget(report: SessionReport) -> list[tuple[str, str]]:
    plan = report.plan
    if plan is None:
        return [("Session budget", "not worked out: there is no plan")]
    free = f", {money(plan.cash)} of it free before trading"
    return [("Session budget", f"{money(plan.budget, plan.currency)}{free}")]


def _traded(tickets: Sequence[Ticket]) -> str:
    parts = []
    for side, word in ((Side.BUY, "bought"), (Side.SELL, "sold")):
        spent = _executed([ticket for ticket in tickets if ticket.intent.side is side])
        parts.append(f"{word} for {purse(spent)}" if spent else f"{word} nothing")
    return ", ".join(parts)


def _executed(tickets: Sequence[Ticket]) -> dict[str, Decimal]:
    return add_up(
        (ticket.intent.instrument.currency, fill.quantity * fill.price) for ticket in tickets for fill in ticket.fills
    )


def _cost(tickets: tuple[Ticket, ...]) -> str:
    """Commission and slippage in money, and slippage in basis points of what it was measured against."""
    lost = add_up((t.intent.instrument.currency, t.slippage * t.filled) for t in tickets if t.slippage is not None)
    base = add_up((t.intent.instrument.currency, t.intent.arrival_price * t.filled) for t in tickets if t.filled)
    slippage = " + ".join(f"{money(cost, name)} ({points(cost, base[name])})" for name, cost in sorted(lost.items()))
    if not base:
        return "none, nothing was filled"
    return f"commission {trades.charged(tickets)}, slippage {slippage or NONE}"


def _footer(report: SessionReport) -> tuple[str, ...]:
    took = seconds(sum(step.seconds for step in report.steps))
    plan = f", plan {report.plan.plan_id}" if report.plan else ""
    there = ledger_options(report.mode, report.trading_date)
    return (
        f"Run {report.run_id}{plan}. Started {report.started_at:%Y-%m-%d %H:%M} UTC, took {took}.",
        f"The whole page, where the bot runs: robotrading report {report.run_id}{there} --open",
        f"One instrument, from its prices to its executions: robotrading explain SYMBOL{there}",
    )
