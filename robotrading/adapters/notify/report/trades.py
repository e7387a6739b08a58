"""The parts of a report about orders: planned against filled, and what was not sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from robotrading.adapters.notify.report.reasons import Reasons
from robotrading.adapters.notify.report.shapes import Cell, Column, Row, Section, Tone
from robotrading.adapters.notify.report.words import NONE, add_up, money, number, points, price, purse, spoken
from robotrading.domain.orders import Fill, Intent, Ticket, TicketStatus
from robotrading.domain.report import SessionReport

_TONES = {
    TicketStatus.FILLED: Tone.GOOD,
    TicketStatus.REJECTED: Tone.BAD,
    TicketStatus.UNKNOWN: Tone.BAD,
}
_FIRST = float("inf")


def orders(report: SessionReport) -> Section:
    """Every order that was handed over: what was meant, what became of it, what it cost, and why it was placed."""
    reasons = Reasons(report)
    return Section(
        "Orders",
        (
            Column("Order"),
            Column("Status"),
            Column("Planned", right=True),
            Column("Filled", right=True),
            Column("Slippage", right=True),
            Column("Commission", right=True),
        ),
        tuple(_order(report, reasons, ticket) for ticket in report.tickets),
        f"Planned at the price of the decision. Slippage is measured against it, + is worse. Money in"
        f" {report.currency} where no other currency is named.",
        name="orders",
    )


def _order(report: SessionReport, reasons: Reasons, ticket: Ticket) -> Row:
    intent, home = ticket.intent, report.currency
    cells = (
        Cell(f"{intent.side} {intent.instrument.symbol}"),
        Cell(ticket.status, _TONES.get(ticket.status, Tone.WARN)),
        Cell(f"{number(intent.quantity)} at {price(intent.arrival_price)}"),
        Cell(_filled(ticket), Tone.PLAIN if ticket.filled else Tone.DIM),
        Cell(_slippage(ticket, home)),
        Cell(_commission(ticket, home)),
    )
    good = ticket.status is TicketStatus.FILLED
    details = (reasons.why(intent), *(() if good else (_trouble(ticket),)))
    rank = float(intent.value) if good else _FIRST
    return Row(cells, details, rank, _folded(intent, details))


def _filled(ticket: Ticket) -> str:
    paid = ticket.avg_price
    return "nothing" if paid is None else f"{number(ticket.filled)} at {price(paid, 6)}"


def _slippage(ticket: Ticket, home: str) -> str:
    if ticket.slippage is None:
        return NONE
    cost = ticket.slippage * ticket.filled
    return f"{points(ticket.slippage, ticket.intent.arrival_price)}, {_at_home(ticket.intent, cost, home)}"


def _at_home(intent: Intent, value: Decimal, home: str) -> str:
    currency = intent.instrument.currency
    return money(value, "" if currency == home else currency)


def _commission(ticket: Ticket, home: str) -> str:
    return charged([ticket], home) if ticket.fills else NONE


def _trouble(ticket: Ticket) -> str:
    code = f" (code {ticket.code})" if ticket.code is not None else ""
    said = ticket.reason or {
        TicketStatus.UNKNOWN: "the broker has not answered; nothing more is ordered in it until it has",
        TicketStatus.PARTIAL: "the rest has no end yet",
    }.get(ticket.status, "no reason was given")
    return f"{ticket.status}: {said}{code}"


def _folded(intent: Intent, said: tuple[str, ...]) -> tuple[str, ...]:
    """The plan's arithmetic where it has not been said, and the order as it went to the broker."""
    return (*(() if intent.reason in said else (intent.reason,)), _terms(intent))


def _terms(intent: Intent) -> str:
    prices = {"limit": intent.limit_price, "stop": intent.stop_price}
    bounds = [f"{name} {price(value)}" for name, value in prices.items() if value is not None]
    if intent.trail_percent is not None:
        bounds.append(f"trailing by {number(intent.trail_percent)} %")
    return ", ".join([f"{spoken(intent.order_type)} order", *bounds, spoken(intent.tif), intent.intent_id])


def not_sent(report: SessionReport) -> Section:
    """What the plan asks for without an order that was handed over."""
    sent = {ticket.intent.intent_id for ticket in report.tickets}
    reasons = Reasons(report)
    waiting = [intent for intent in (report.plan.intents if report.plan else ()) if intent.intent_id not in sent]
    return Section(
        "Planned, not sent",
        (Column("Order"), Column("Quantity", right=True), Column("At about", right=True), Column("Value", right=True)),
        tuple(_planned(report, reasons, intent) for intent in waiting),
        "Orders the plan would place." if not report.tickets else "Orders of the plan that did not leave.",
        name="not_sent",
    )


def _planned(report: SessionReport, reasons: Reasons, intent: Intent) -> Row:
    home, said = report.currency, (reasons.why(intent),)
    value = intent.quantity * intent.arrival_price
    cells = (
        Cell(f"{intent.side} {intent.instrument.symbol}"),
        Cell(number(intent.quantity)),
        Cell(price(intent.arrival_price)),
        Cell(_at_home(intent, value, home)),
    )
    return Row(cells, said, float(value), _folded(intent, said))


def charged(tickets: Sequence[Ticket], home: str = "") -> str:
    """What executions cost, without the name of the currency `home`; what the broker has not told is said to be so."""
    told = [fill.commission is not None for ticket in tickets for fill in ticket.fills]
    if not any(told):
        return "not told"
    paid = purse({"" if name == home else name: value for name, value in commissions(tickets).items()})
    return paid if all(told) else f"{paid}, not all told"


def commissions(tickets: Sequence[Ticket]) -> dict[str, Decimal]:
    """Commissions told so far, by the currency they were charged in."""
    return add_up(
        (_charged_in(fill), fill.commission)
        for ticket in tickets
        for fill in ticket.fills
        if fill.commission is not None
    )


def _charged_in(fill: Fill) -> str:
    return fill.commission_currency or fill.instrument.currency
