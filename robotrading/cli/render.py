"""Reports and plans for a terminal of 80 columns and more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.planning import Plan
from robotrading.domain.report import Outcome, SessionReport
from robotrading.domain.skip import Skip

_COLOURS = {Outcome.DONE: "green", Outcome.NOTHING_TO_DO: "green", Outcome.PARTLY: "yellow", Outcome.FAILED: "red"}
_SHOWN_SKIPS = 8


def plan_view(report: SessionReport) -> RenderableType:
    """What a session would do: orders first, then what it leaves and why."""
    if report.plan is None:
        return Group(_headline(report), *_skips(report.skips))
    return Group(_headline(report), _orders(report.plan), _refusals(report.plan), *_skips(report.skips), _hash(report))


def summary_view(report: SessionReport) -> RenderableType:
    """What a session did."""
    parts: list[RenderableType] = [_headline(report)]
    if report.tickets:
        parts.append(_tickets(report.tickets, report.currency))
    parts.extend(_skips(report.skips))
    parts.extend(Padding(Text(f"Note: {note}", style="dim"), (0, 2)) for note in report.notes)
    return Group(*parts)


def _headline(report: SessionReport) -> RenderableType:
    colour = _COLOURS[report.outcome]
    title = Text.assemble(
        (f" {report.kind.value.upper()} ", f"bold reverse {colour}"),
        f" {report.trading_date}  {report.mode}  ",
        (report.outcome.replace("_", " "), f"bold {colour}"),
    )
    return Group("", title, Padding(Text(report.verdict), (0, 2)))


def table(*columns: tuple[str, str]) -> Table:
    """A light table; each column is a heading and `l` or `r`."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=False)
    for name, justify in columns:
        made.add_column(name, justify="right" if justify == "r" else "left", overflow="fold")
    return made


def _orders(plan: Plan) -> RenderableType:
    if not plan.intents:
        return ""
    shown = table(("", "l"), ("Symbol", "l"), ("Quantity", "r"), ("Limit", "r"), ("Value", "r"), ("Why", "l"))
    for intent in plan.intents:
        shown.add_row(
            _side(intent.side),
            intent.instrument.symbol,
            number(intent.quantity),
            number(intent.limit_price) if intent.limit_price else "market",
            money(intent.quantity * intent.arrival_price),
            intent.reason,
        )
    return shown


def _side(side: Side) -> Text:
    return Text(side.value, style="green" if side is Side.BUY else "magenta")


def _refusals(plan: Plan) -> RenderableType:
    if not plan.refusals:
        return ""
    shown = table(("Left alone", "l"), ("Why", "l"))
    for refusal in plan.refusals:
        shown.add_row(refusal.instrument.symbol, refusal.reason)
    return shown


def _tickets(tickets: Sequence[Ticket], currency: str) -> RenderableType:
    shown = table(
        ("", "l"), ("Symbol", "l"), ("Filled", "r"), ("Price", "r"), ("Slippage", "r"), ("Fee", "r"), ("Status", "l")
    )
    for ticket in tickets:
        intent = ticket.intent
        shown.add_row(
            _side(intent.side),
            intent.instrument.symbol,
            f"{number(ticket.filled)}/{number(intent.quantity)}"
            if ticket.filled != intent.quantity
            else number(ticket.filled),
            number(ticket.avg_price, 4) if ticket.avg_price is not None else "-",
            _slippage(ticket),
            money(ticket.commission),
            _status(ticket),
        )
    shown.caption = f"Slippage in basis points of the arrival price, + is worse; fees in {currency}"
    shown.caption_justify = "left"
    return shown


def _slippage(ticket: Ticket) -> str:
    if ticket.slippage is None or not ticket.intent.arrival_price:
        return "-"
    return f"{ticket.slippage / ticket.intent.arrival_price * 10_000:+.1f}"


def _status(ticket: Ticket) -> Text:
    good = ticket.status is TicketStatus.FILLED
    words = ticket.status.value if good or not ticket.reason else f"{ticket.status.value}: {ticket.reason}"
    return Text(words, style="green" if good else "yellow")


def _skips(skips: Sequence[Skip]) -> Iterable[RenderableType]:
    if not skips:
        return
    lines = [Text.assemble((f"{skip.subject}", "bold"), f" ({skip.step}): {skip.reason}") for skip in skips]
    if len(lines) > _SHOWN_SKIPS:
        rest = Text(f"and {len(lines) - _SHOWN_SKIPS} more, all of them in the report", style="dim")
        lines = [*lines[:_SHOWN_SKIPS], rest]
    yield Padding(Group(Text("Left out, healed or done another way:", style="yellow"), *lines), (0, 2))


def _hash(report: SessionReport) -> RenderableType:
    if report.plan is None or not report.plan.intents:
        return ""
    plan = report.plan
    return Padding(
        Text.assemble(
            f"Budget {money(plan.budget)} {plan.currency}, free cash {money(plan.cash)}. To do just this: ",
            (f"robotrading run {plan.kind} --plan {plan.plan_id}", "bold"),
        ),
        (0, 2),
    )


def money(value: Decimal) -> str:
    """Two places, thousands separated."""
    return f"{value:,.2f}"


def number(value: Decimal, places: int | None = None) -> str:
    """As written, without trailing zeros; rounded to `places` where given."""
    shown = value if places is None else round(value, places)
    text = f"{shown:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def console() -> Console:
    """Standard output; honours NO_COLOR and the terminal's width."""
    return Console(highlight=False)
