"""Reports and plans for a terminal of 80 columns and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from robotrading.adapters.notify.report.reasons import RULE_WORDS
from robotrading.adapters.notify.report.words import price
from robotrading.cli.out import printable
from robotrading.domain.orders import Intent, Side, Ticket, TicketStatus
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.report import Outcome, SessionReport
from robotrading.domain.skip import Skip

COLOURS = {Outcome.DONE: "green", Outcome.NOTHING_TO_DO: "green", Outcome.PARTLY: "yellow", Outcome.FAILED: "red"}
_SHOWN_SKIPS = 8
_SHOWN_REFUSALS = 6
_SHOWN_SYMBOLS = 12


def plan_view(report: SessionReport, again: str = "") -> RenderableType:
    """What a session would do: orders first, then what it leaves and why.

    `again` are the options that make another command work in the same place, with a blank before each.
    """
    parts: list[RenderableType] = [_headline(report)]
    if report.plan is not None:
        parts += [*_orders(report.plan), *_refusals(report.plan)]
    parts += [*_skips(report.other_skips), *_notes(report)]
    if report.plan is not None and report.plan.intents:
        parts += _hash(report.plan, again)
    return Group(*parts)


def summary_view(report: SessionReport) -> RenderableType:
    """What a session did."""
    parts: list[RenderableType] = [_headline(report)]
    if report.tickets:
        parts += _tickets(report.tickets, report.currency)
    if report.plan is not None:
        parts += _left_alone(report.plan)
    parts += [*_skips(report.other_skips), *_notes(report)]
    return Group(*parts)


def text(words: str, style: str = "") -> Text:
    """Words from anywhere as one harmless line: no markup, no control characters."""
    return Text(printable(words), style=style)


def _notes(report: SessionReport) -> Iterable[RenderableType]:
    return [Padding(text(f"Note: {note}", "dim"), (0, 2)) for note in report.notes]


def _headline(report: SessionReport) -> RenderableType:
    colour = COLOURS[report.outcome]
    title = Text.assemble(
        (f" {report.kind.value.upper()} ", f"bold reverse {colour}"),
        f" {report.trading_date}  {printable(report.mode)}  ",
        (report.outcome.replace("_", " "), f"bold {colour}"),
    )
    return Group("", title, Padding(text(report.verdict), (0, 2)))


def table(*columns: tuple[str, str]) -> Table:
    """A light table; each column is a heading and `l` (folded where it is too long) or `r` (figures, never broken)."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=False)
    for name, justify in columns:
        figures = justify == "r"
        made.add_column(name, justify="right" if figures else "left", overflow="fold", no_wrap=figures)
    return made


def _orders(plan: Plan) -> Iterable[RenderableType]:
    """One line of figures and one of reasons per order, so that the reasons have the whole width."""
    if not plan.intents:
        return
    rows = [_order_row(intent) for intent in plan.intents]
    widths = [max(len(row[column]) for row in (_ORDER_HEAD, *rows)) for column in range(len(_ORDER_HEAD))]
    yield Padding(Text(_aligned(_ORDER_HEAD, widths), style="bold"), (1, 2, 0, 2))
    for intent, row in zip(plan.intents, rows, strict=True):
        colour = "green" if intent.side is Side.BUY else "magenta"
        yield Padding(Text.assemble((row[0].ljust(widths[0]), colour), _aligned(row, widths)[widths[0] :]), (0, 2))
        yield Padding(text(intent.reason, "dim"), (0, 2, 0, 8))


_ORDER_HEAD = ("", "Symbol", "Quantity", "Limit", "Value")


def _order_row(intent: Intent) -> tuple[str, ...]:
    limit = price(intent.limit_price) if intent.limit_price else "market"
    value = money(intent.quantity * intent.arrival_price)
    return intent.side.value, printable(intent.instrument.symbol), number(intent.quantity), limit, value


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first two columns to the left, figures to the right."""
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells)


def _side(side: Side) -> Text:
    return Text(side.value, style="green" if side is Side.BUY else "magenta")


def _refusals(plan: Plan) -> Iterable[RenderableType]:
    """What is left alone, one line per reason: a hundred holdings within their bands are one line."""
    if not plan.refusals:
        return
    yield Padding(Text("Left alone", style="bold"), (1, 2, 0, 2))
    for reason, symbols in _by_reason(plan):
        yield Padding(Text.assemble((_listed(symbols), "bold"), f": {printable(reason)}"), (0, 2))


def _by_reason(plan: Plan) -> list[tuple[str, list[str]]]:
    """Refusals of the same rule together where there are many, each with its own sentence where there are few."""
    groups: dict[RefusalRule, list[Refusal]] = {}
    for refusal in plan.refusals:
        groups.setdefault(refusal.rule, []).append(refusal)
    found: list[tuple[str, list[str]]] = []
    for rule, refusals in groups.items():
        if len(refusals) > _SHOWN_REFUSALS:
            found.append((RULE_WORDS[rule], [refusal.instrument.symbol for refusal in refusals]))
        else:
            found += [(_plain_reason(refusal), [refusal.instrument.symbol]) for refusal in refusals]
    return found


def _plain_reason(refusal: Refusal) -> str:
    """The reason without the symbol before it, which the line names already."""
    return refusal.reason.removeprefix(f"{refusal.instrument.symbol}: ")


def _listed(symbols: Sequence[str]) -> str:
    shown = ", ".join(map(printable, symbols[:_SHOWN_SYMBOLS]))
    return shown if len(symbols) <= _SHOWN_SYMBOLS else f"{shown} and {len(symbols) - _SHOWN_SYMBOLS} more"


def _left_alone(plan: Plan) -> Iterable[RenderableType]:
    """After a run: what was left for other reasons than being where it should be."""
    quiet = (RefusalRule.WITHIN_BAND, RefusalRule.TOO_SMALL, RefusalRule.LOT)
    rest = replace(plan, refusals=tuple(refusal for refusal in plan.refusals if refusal.rule not in quiet))
    return _refusals(rest)


def _tickets(tickets: Sequence[Ticket], currency: str) -> Iterable[RenderableType]:
    shown = table(
        ("", "l"), ("Symbol", "l"), ("Filled", "r"), ("Price", "r"), ("Slippage", "r"), ("Fee", "r"), ("Status", "l")
    )
    for ticket in tickets:
        shown.add_row(
            _side(ticket.intent.side),
            text(ticket.intent.instrument.symbol),
            _filled(ticket),
            price(ticket.avg_price, 4),
            _slippage(ticket),
            money(ticket.commission),
            _status(ticket),
        )
    yield Padding(shown, (0, 0, 0, 2))
    caption = f"Slippage in basis points of the arrival price, + is worse; fees in {currency}."
    yield Padding(text(caption, "dim"), (0, 2))


def _filled(ticket: Ticket) -> str:
    filled, wanted = number(ticket.filled), number(ticket.intent.quantity)
    return filled if ticket.filled == ticket.intent.quantity else f"{filled}/{wanted}"


def _slippage(ticket: Ticket) -> str:
    if ticket.slippage is None or not ticket.intent.arrival_price:
        return "-"
    return f"{ticket.slippage / ticket.intent.arrival_price * 10_000:+.1f}"


def _status(ticket: Ticket) -> Text:
    good = ticket.status is TicketStatus.FILLED
    words = ticket.status.value if good or not ticket.reason else f"{ticket.status.value}: {ticket.reason}"
    return text(words, "green" if good else "yellow")


def _skips(skips: Sequence[Skip]) -> Iterable[RenderableType]:
    """What was left out: the same reason in one line, and no more lines than a person reads."""
    if not skips:
        return
    lines = [
        Text.assemble((_listed(subjects), "bold"), printable(f" ({step}): {reason}"))
        for step, reason, subjects in _skips_by_reason(skips)
    ]
    if len(lines) > _SHOWN_SKIPS:
        rest = Text(f"and {len(lines) - _SHOWN_SKIPS} more reasons, all of them in the report", style="dim")
        lines = [*lines[:_SHOWN_SKIPS], rest]
    yield Padding(Group(Text("Left out, healed or done another way", style="yellow"), *lines), (1, 2, 0, 2))


def _skips_by_reason(skips: Sequence[Skip]) -> list[tuple[str, str, list[str]]]:
    """Step, reason and subjects; many of one rule are told by the first of them."""
    often = Counter((skip.step, skip.rule) for skip in skips if skip.rule)
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in skips:
        many = often[skip.step, skip.rule] > _SHOWN_REFUSALS
        groups.setdefault((skip.step, skip.rule if many else skip.reason), []).append(skip)
    return [(step, _shared_reason(group), [skip.subject for skip in group]) for (step, _), group in groups.items()]


def _shared_reason(group: Sequence[Skip]) -> str:
    first = group[0].reason
    return first if all(skip.reason == first for skip in group) else f"{group[0].rule}, for example: {first}"


def _hash(plan: Plan, again: str) -> Iterable[RenderableType]:
    """The command that does just this, never broken into two lines, so that it can be copied."""
    purse = f"Budget {money(plan.budget)} {plan.currency}, free cash {money(plan.cash)}. To do just this:"
    yield Padding(text(purse), (1, 2, 0, 2))
    command = printable(f"  robotrading run {plan.kind} --plan {plan.plan_id}{again}")
    yield Text(command, style="bold", no_wrap=True, overflow="ignore")


def money(value: Decimal) -> str:
    """Two places, thousands separated."""
    return f"{value:,.2f}"


def number(value: Decimal, places: int | None = None) -> str:
    """As written, without trailing zeros; rounded to `places` where given."""
    shown = value if places is None else round(value, places)
    figures = f"{shown:,f}"
    return figures.rstrip("0").rstrip(".") if "." in figures else figures
