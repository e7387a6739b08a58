"""Orders in doubt and positions, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from robotrading.cli.render import money, number, table, text

if TYPE_CHECKING:
    from robotrading.wiring.resolve import Doubt, Held


def doubts_view(found: Sequence[Doubt], again: str = "") -> RenderableType:
    """Each order with its numbers, and how to settle it; `again` are the options that name the same ledger."""
    if not found:
        return text("Every order has a known end: nothing to settle.")
    return Group(*(part for doubt in found for part in (*_doubt(doubt), "")), _advice(again))


def _advice(again: str) -> Text:
    return Text(
        "The next run asks the broker about them. Where it cannot answer any more: look in its statement, then say\n"
        f"  robotrading resolve ID --filled QTY@PRICE{again}\n"
        f"  robotrading resolve ID --not-filled{again}"
    )


def _doubt(doubt: Doubt) -> list[RenderableType]:
    ticket, intent = doubt.ticket, doubt.ticket.intent
    order = f"{intent.side} {number(intent.quantity)} {intent.instrument}"
    sent = f", sent {doubt.sent_at:%Y-%m-%d %H:%M} UTC" if doubt.sent_at else ""
    lines: list[RenderableType] = [
        Text(intent.intent_id, style="bold", no_wrap=True, overflow="ignore"),
        text(f"  {order} for the {intent.kind} session{sent}: {ticket.status}, {number(ticket.filled)} filled"),
    ]
    if ticket.reason:
        lines.append(text(f"  {ticket.reason}"))
    then = "not known" if ticket.protected is None else number(ticket.protected)
    lines.append(text(f"  beyond the bot's own the account held {then} when it left{_now(doubt)}"))
    return lines


def _now(doubt: Doubt) -> str:
    if doubt.held is None or doubt.seen_at is None:
        return ""
    beyond, at = number(doubt.held - doubt.owned), f"{doubt.seen_at:%Y-%m-%d %H:%M}"
    return f", and {beyond} on {at} UTC ({number(doubt.held)} held, {number(doubt.owned)} the bot's)"


def positions_view(found: Sequence[Held]) -> RenderableType:
    """Owner, quantity, cost, and what is the person's own of the same instrument."""
    if not found:
        return text("The bot owns nothing.")
    shown = table(("Owned", "l"), ("Session", "l"), ("Quantity", "r"), ("Average cost", "r"), ("", "l"), ("Yours", "r"))
    for one in found:
        position = one.position
        yours = "?" if one.protected is None else number(one.protected)
        shown.add_row(
            text(position.instrument.symbol),
            text(position.owner),
            number(position.quantity),
            money(position.avg_cost),
            text(position.instrument.currency),
            yours,
        )
    seen_at = found[0].seen_at
    when = f"Yours: as the account was last seen, on {seen_at:%Y-%m-%d %H:%M} UTC." if seen_at else "Never seen yet."
    return Group(shown, text(when))
