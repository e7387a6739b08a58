"""The parts of a report about what is held: allocation against targets, the bot's own, and what it never touches."""

from __future__ import annotations

from decimal import Decimal

from robotrading.adapters.notify.report.shapes import Cell, Column, Row, Section, Tone, bar
from robotrading.adapters.notify.report.words import NONE, money, number, percent, price
from robotrading.domain.book import Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.planning import Line, Plan
from robotrading.domain.report import SessionReport


def allocation(report: SessionReport) -> Section:
    """Weights before, wanted and after, as fractions of the session's budget."""
    if report.plan is not None and report.plan.lines:
        return _of_plan(report, report.plan)
    return _of_targets(report)


def _of_plan(report: SessionReport, plan: Plan) -> Section:
    told = _told(report, plan)
    after = shares_after(report, plan)
    longest = max(
        float(weight) for line in plan.lines for weight in (line.weight_now, line.weight_target, after[line.instrument])
    )
    settled = report.tickets or not plan.intents
    traded = "After: what the bot owns, at the plan's prices." if settled else "After: if all of it is filled."
    return Section(
        "Allocation",
        (
            Column("Instrument"),
            Column("Price", right=True),
            Column("Before", right=True),
            Column("Target", right=True),
            Column("After", right=True),
        ),
        tuple(_line(line, after[line.instrument], told.get(line.instrument, ""), longest) for line in plan.lines),
        f"Shares of the session's budget. {traded}{_cash(report)}",
        name="allocation",
    )


def _told(report: SessionReport, plan: Plan) -> dict[Instrument, str]:
    """Why a weight is what it is, where no order or refusal of the plan has said it already."""
    told = {intent.instrument for intent in plan.intents} | {refusal.instrument for refusal in plan.refusals}
    weights = report.targets.weights if report.targets else ()
    return {weight.instrument: weight.reason for weight in weights if weight.instrument not in told}


def shares_after(report: SessionReport, plan: Plan) -> dict[Instrument, Decimal]:
    """The shares really owned after orders, as planned where nothing was ordered or they cannot be worked out."""
    owned: dict[Instrument, Decimal] = {}
    for position in report.owned:
        owned[position.instrument] = owned.get(position.instrument, Decimal(0)) + position.quantity
    made = {}
    for line in plan.lines:
        there = owned.get(line.instrument, Decimal(0))
        known = report.tickets and plan.budget and line.instrument.currency == plan.currency
        made[line.instrument] = (
            line.weight_after if not known or line.price is None else there * line.price / plan.budget
        )
    return made


def _line(line: Line, after: Decimal, told: str, longest: float) -> Row:
    return Row(
        (
            Cell(line.instrument.symbol),
            Cell(price(line.price)),
            _share(line.weight_now, longest),
            _share(line.weight_target, longest),
            _share(after, longest),
        ),
        (told,),
        max(float(line.weight_now), float(line.weight_target), float(after)),
    )


def _share(weight: Decimal, longest: float) -> Cell:
    return Cell(percent(weight), bar=bar(float(weight), longest))


def _of_targets(report: SessionReport) -> Section:
    weights = report.targets.weights if report.targets else ()
    longest = max((float(weight.weight) for weight in weights), default=0.0)
    return Section(
        "Targets",
        (Column("Instrument"), Column("Base", right=True), Column("Target", right=True)),
        tuple(
            Row(
                (Cell(item.instrument.symbol), Cell(percent(item.base)), _share(item.weight, longest)),
                (item.reason,),
                float(item.weight),
            )
            for item in weights
        ),
        f"Shares of the session's budget.{_cash(report)}",
    )


def _cash(report: SessionReport) -> str:
    return f" Kept in cash: {percent(report.targets.cash_weight)}." if report.targets else ""


def owned(report: SessionReport) -> Section:
    """What the bot bought and still has."""
    return Section(
        "Owned by the bot",
        (
            Column("Instrument"),
            Column("Quantity", right=True),
            Column("Average cost", right=True),
            Column("Cost", right=True),
            Column("Since", right=True),
        ),
        tuple(_position(position) for position in report.owned),
        "Bought by this session and not sold yet; costs include commissions.",
        quiet=True,
    )


def _position(position: Position) -> Row:
    cost = position.quantity * position.avg_cost
    return Row(
        (
            Cell(position.instrument.symbol),
            Cell(number(position.quantity)),
            Cell(_cost(position)),
            Cell(money(cost, position.instrument.currency)),
            Cell(f"{position.opened_at:%Y-%m-%d}" if position.opened_at else NONE, Tone.DIM),
        ),
        rank=float(cost),
    )


def _cost(position: Position) -> str:
    return price(position.avg_cost, 4)


def protected(report: SessionReport) -> Section:
    """What else the account holds."""
    return Section(
        "Protected",
        (Column("Instrument"), Column("Quantity", right=True), Column("Average cost", right=True)),
        tuple(
            Row(
                (
                    Cell(position.instrument.symbol),
                    Cell(number(position.quantity)),
                    Cell(f"{_cost(position)} {position.instrument.currency}"),
                ),
                rank=float(position.quantity * position.avg_cost),
            )
            for position in report.protected
        ),
        "Not bought by the bot, never sold by it.",
    )
