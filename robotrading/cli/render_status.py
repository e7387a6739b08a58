"""The state of things for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from robotrading.cli.render import COLOURS, money, number, table, text
from robotrading.domain.alerts import Alert
from robotrading.domain.book import Position
from robotrading.domain.claims import Lease
from robotrading.domain.messages import Urgency
from robotrading.domain.orders import Ticket
from robotrading.domain.report import SessionReport
from robotrading.session.schedule import zone_of
from robotrading.session.state import State
from robotrading.session.timetable import NextRun


def status_view(state: State, try_this: str, again: str = "") -> RenderableType:
    """Mode and place, then runs, holdings and open orders; `try_this` is the command for a ledger without runs.

    `again` are the options that name the same ledger.
    """
    head = Text.assemble(("Mode ", "dim"), (state.mode, "bold"))
    ledger = Text(f"Ledger {state.ledger}", style="dim", no_wrap=True, overflow="ignore")
    halted = [text(f"HALTED: {state.halted}", "bold red")] if state.halted else []
    trading = [text(_trading(state.lease))] if state.lease else []
    stopped = [text(f"STOPPED: {stop}", "bold red") for stop in state.day_stops]
    return Group(
        head,
        ledger,
        *halted,
        *stopped,
        *trading,
        *_alerts(state.alerts),
        *_runs(state.runs, try_this),
        *_owned(state.owned),
        *_open(state.open_tickets, again),
        *_blocked(state.blocked),
        *_next(state.next_runs),
    )


def _trading(lease: Lease) -> str:
    until = f"{lease.expires_at:%H:%M:%S}"
    return f"{lease.holder} trades this account now (until {until} UTC unless it goes on, number {lease.fence})."


def _alerts(alerts: tuple[Alert, ...]) -> tuple[RenderableType, ...]:
    """What the service has raised and not ended yet."""
    if not alerts:
        return ()
    shown = table(("Open alert", "l"), ("Since", "l"), ("", "l"))
    for alert in alerts:
        style = "red" if alert.urgency is Urgency.CRITICAL else "yellow"
        since = Text(f"{alert.raised_at:%Y-%m-%d %H:%M} UTC", no_wrap=True)
        shown.add_row(text(alert.rule.replace("_", " "), style), since, text(f"{alert.found}; {alert.remedy}"))
    return (shown,)


def _runs(runs: tuple[SessionReport, ...], try_this: str) -> tuple[RenderableType, ...]:
    if not runs:
        return "", text(f"No session has run yet. Try: {try_this}")
    shown = table(("Last runs", "l"), ("Day", "l"), ("Outcome", "l"), ("", "l"))
    for run in runs:
        outcome = Text(run.outcome.value.replace("_", " "), style=COLOURS[run.outcome], no_wrap=True)
        kind = run.kind.value if run.trade else f"{run.kind.value}, plan"
        shown.add_row(kind, Text(str(run.trading_date), no_wrap=True), outcome, text(run.verdict))
    return (shown,)


def _owned(owned: tuple[Position, ...]) -> tuple[RenderableType, ...]:
    if not owned:
        return "", "The bot owns nothing."
    shown = table(("Owned", "l"), ("Session", "l"), ("Quantity", "r"), ("Average cost", "r"), ("", "l"))
    for position in owned:
        instrument = position.instrument
        cost = money(position.avg_cost)
        quantity = number(position.quantity)
        shown.add_row(text(instrument.symbol), text(position.owner), quantity, cost, text(instrument.currency))
    return (shown,)


def _open(tickets: tuple[Ticket, ...], again: str) -> tuple[RenderableType, ...]:
    if not tickets:
        return "", "Every order has a known end."
    shown = table(("Open order", "l"), ("Status", "l"), ("Filled", "r"), ("", "l"))
    for ticket in tickets:
        filled = f"{number(ticket.filled)}/{number(ticket.intent.quantity)}"
        shown.add_row(text(ticket.intent.intent_id), ticket.status.value, filled, text(ticket.reason))
    return shown, f"The next run asks the broker about these before it plans; more: robotrading resolve{again}"


def _blocked(blocked: dict[str, str]) -> tuple[RenderableType, ...]:
    if not blocked:
        return ()
    shown = table(("Blocked", "l"), ("Nothing is ordered in it until this is settled", "l"))
    for symbol, why in sorted(blocked.items()):
        shown.add_row(text(symbol), text(why))
    return (shown,)


def _next(runs: tuple[NextRun, ...]) -> tuple[RenderableType, ...]:
    """What the service would run next, whether it lives or not."""
    if not runs:
        return ()
    shown = table(("Next by schedule", "l"), ("At the exchange", "l"), ("Schedule", "l"))
    for run in runs:
        due = f"{run.next.due_at.astimezone(zone_of(run.kind)):%a %Y-%m-%d %H:%M %Z}" if run.next else "not in sight"
        shown.add_row(run.kind.value, due, text(run.words))
    return (shown,)
