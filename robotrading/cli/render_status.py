"""The state of things for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from robotrading.cli.render import money, number, table
from robotrading.domain.book import Position
from robotrading.domain.orders import Ticket
from robotrading.domain.report import SessionReport
from robotrading.session.state import State


def status_view(state: State) -> RenderableType:
    """Mode and place, then runs, holdings and open orders."""
    head = Text.assemble(("Mode ", "dim"), (state.mode, "bold"), ("   Ledger ", "dim"), state.ledger)
    halted = Text(f"HALTED: {state.halted}", style="bold red") if state.halted else Text("")
    return Group(head, halted, _runs(state.runs), _owned(state.owned), _open(state.open_tickets))


def _runs(runs: tuple[SessionReport, ...]) -> RenderableType:
    if not runs:
        return Text("No session has run yet. Try `robotrading plan all`.")
    shown = table(("Last runs", "l"), ("Day", "l"), ("Outcome", "l"), ("", "l"))
    for run in runs:
        shown.add_row(run.kind.value, str(run.trading_date), run.outcome.value.replace("_", " "), run.verdict)
    return shown


def _owned(owned: tuple[Position, ...]) -> RenderableType:
    if not owned:
        return Text("The bot owns nothing.")
    shown = table(("Owned", "l"), ("Session", "l"), ("Quantity", "r"), ("Average cost", "r"))
    for position in owned:
        shown.add_row(position.instrument.symbol, position.owner, number(position.quantity), money(position.avg_cost))
    return shown


def _open(tickets: tuple[Ticket, ...]) -> RenderableType:
    if not tickets:
        return Text("Every order has a known end.")
    shown = table(("Open order", "l"), ("Status", "l"), ("Filled", "r"), ("", "l"))
    for ticket in tickets:
        shown.add_row(
            ticket.intent.intent_id,
            ticket.status.value,
            f"{number(ticket.filled)}/{number(ticket.intent.quantity)}",
            ticket.reason,
        )
    return shown
