"""`explain` and the list of reports, for a terminal of 80 columns and more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from robotrading.adapters.notify.report.words import model_name, price
from robotrading.cli.render import COLOURS, money, number, table, text
from robotrading.domain.orders import EventKind, OrderEvent
from robotrading.domain.report import Ended
from robotrading.domain.signals import Regime, Signal
from robotrading.domain.skip import Skip

if TYPE_CHECKING:
    from robotrading.wiring.explain import Explanation, Order

_INDENT = (0, 2, 0, 2)


def history_view(found: Sequence[Ended], again: str = "", elsewhere: str = "") -> RenderableType:
    """One line per run; `again` are the options that name the same book, `elsewhere` says which others have runs."""
    if not found:
        return text(f"No run has a report here yet. Try: robotrading plan all{again}{elsewhere}")
    shown = table(("Finished (UTC)", "l"), ("Mode", "l"), ("Outcome", "l"), ("Run", "l"))
    for one in found:
        outcome = Text(one.outcome.value.replace("_", " "), style=COLOURS[one.outcome], no_wrap=True)
        shown.add_row(
            Text(f"{one.finished_at:%Y-%m-%d %H:%M}", no_wrap=True),
            text(one.mode if one.trade else f"{one.mode}, plan"),
            outcome,
            text(one.run_id),
        )
    return Group(shown, text(f"One of them: robotrading report RUN{again}"))


def explain_view(found: Explanation) -> RenderableType:
    """The answer first, then every station on the way from prices to orders."""
    head = Text.assemble(
        (f" {text(found.symbol).plain} ", "bold reverse"),
        f" {found.kind.value} {found.trading_date}  {text(found.mode).plain}{'' if found.trade else ', plan'}  ",
        (found.outcome.value.replace("_", " "), f"bold {COLOURS[found.outcome]}"),
    )
    parts: list[RenderableType] = ["", head, Padding(text(found.answer, "bold"), _INDENT)]
    for title, lines in (
        ("Prices", _prices(found)),
        ("Checks and what was left out", [f"{skip.step}: {skip.reason}" for skip in _others(found)]),
        ("Signal", _signal(found.signal)),
        ("Weight", _weight(found)),
        ("Plan", _plan(found)),
        *((f"Order {order.ticket.intent.intent_id}, times in UTC", _order(order)) for order in found.orders),
        ("Held", _held(found)),
    ):
        parts += _section(title, lines)
    return Group(*parts, "", text(f"Run {found.run_id}, ended {found.finished_at:%Y-%m-%d %H:%M} UTC.", "dim"))


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    shown = [text(line) for line in lines if line]
    if not shown:
        return []
    return [Padding(text(title, "bold"), (1, 0, 0, 0)), *(Padding(line, _INDENT) for line in shown)]


def _prices(found: Explanation) -> list[str]:
    source = found.source
    if source is None:
        return ["None that could be used; nothing was asked of the models."]
    served = f"{source.source}, from the cache" if source.from_cache else source.source
    days = (
        "on the trading day itself"
        if not found.age_days
        else f"{found.age_days} day{'s' * (found.age_days != 1)} before the trading day"
    )
    kind = "adjusted prices only: sizes come from them too" if source.adjusted_only else "real and adjusted prices"
    return [f"From {served}: {kind}.", f"Last complete bar {source.last_day}, {days}."]


def _others(found: Explanation) -> list[Skip]:
    """What the chain of models says is told with the signal."""
    told = set(found.signal.skips) if found.signal else set()
    return [skip for skip in found.skips if skip not in told]


def _signal(signal: Signal | None) -> list[str]:
    if signal is None:
        return []
    lines = [f"Not by {skip.reason}" for skip in signal.skips]
    model = model_name(signal.model)
    lines.append(
        f"The {model} spoke: {signal.stance} {signal.strength:+.2f} (-1 is least, +1 is most), as of {signal.as_of}."
    )
    return lines + (_regime(signal.regime) if signal.regime else [])


def _regime(regime: Regime) -> list[str]:
    lines = [
        f"{label}: {chance * 100:.1f} % likely now; {mean * 100:+.3f} % a day on average, +-{volatility * 100:.2f} %"
        for label, chance, mean, volatility in zip(
            regime.labels, regime.probabilities, regime.means, regime.volatilities, strict=False
        )
    ]
    ended = "converged" if regime.converged else "not converged"
    fit = (
        f"Fitted with {len(regime.labels)} states: log-likelihood {regime.log_likelihood:,.1f}, {ended} after "
        f"{regime.iterations} iterations, best of {regime.starts} starts."
    )
    return [*lines, fit]


def _weight(found: Explanation) -> list[str]:
    target, lines = found.target, []
    if target is not None:
        lines += [
            f"{_percent(target.base)} of the budget before the signal, {_percent(target.weight)} after its bounds.",
            f"{target.reason}." if target.reason else "",
        ]
    line = found.line
    if line is not None:
        worth = f" at {price(line.price)} {found.currency}" if line.price is not None else ", its price was not known"
        lines.append(f"The bot owned {number(line.owned)}{worth}: {_percent(line.weight_now)} of the budget.")
        lines.append(f"Wanted {_percent(line.weight_target)}, by the plan {_percent(line.weight_after)} afterwards.")
    if lines and found.budget is not None:
        lines.append(f"The session's budget was {money(found.budget)} {found.currency}.")
    return lines


def _plan(found: Explanation) -> list[str]:
    lines = [f"Refused, {one.rule.value.replace('_', ' ')}: {one.reason}." for one in found.refusals]
    for intent in found.planned:
        limit = f", limit {price(intent.limit_price)}" if intent.limit_price is not None else ""
        lines.append(
            f"{intent.side.capitalize()} {number(intent.quantity)} at about {price(intent.arrival_price)}{limit}, "
            f"{money(intent.quantity * intent.arrival_price)} {intent.instrument.currency}."
        )
        lines.append(f"Because it {intent.reason}.")
    return lines


def _order(order: Order) -> list[str]:
    intent, ticket = order.ticket.intent, order.ticket
    why = f": {ticket.reason}" if ticket.reason else ""
    code = f" (code {ticket.code})" if ticket.code is not None else ""
    lines = _events(order.events, intent.trading_date)
    lines.append(f"Now {ticket.status}{why}{code}, {number(order.filled)} of {number(intent.quantity)} filled.")
    if order.avg_price is not None and order.slippage is not None:
        lines.append(
            f"Average price {price(order.avg_price, 6)} against {price(intent.arrival_price)} at the decision: "
            f"slippage {_points(order.slippage, intent.arrival_price)}, {money(order.slippage * order.filled)} "
            f"{intent.instrument.currency} (+ is worse)."
        )
        told = all(fill.commission is not None for fill in ticket.fills)
        lines.append(f"Commission {money(order.commission)}{'' if told else ', not all of it told yet'}.")
    return lines


_EVENTS = {
    EventKind.SENT: "sent to the broker",
    EventKind.ACKNOWLEDGED: "the broker has it",
    EventKind.FILLED: "the broker says it is done",
    EventKind.CANCEL_SENT: "asked to cancel",
    EventKind.CANCELLED: "cancelled",
    EventKind.REJECTED: "rejected",
    EventKind.UNKNOWN: "no answer: its fate is not known",
}


def _events(events: Sequence[OrderEvent], day: date) -> list[str]:
    """One line each; a commission that comes after its execution is said as such."""
    lines, seen = [], set()
    for event in events:
        fill = event.fill
        known = fill is not None and (fill.fill_id, fill.revision) in seen
        if fill is not None:
            seen.add((fill.fill_id, fill.revision))
        if known and fill is not None and fill.commission is not None:
            fee = f"{number(fill.commission, 4)} {fill.commission_currency}".rstrip()
            lines.append(f"{_when(event, day)}  commission {fee}")
        else:
            lines.append(_event(event, day))
    return lines


def _when(event: OrderEvent, day: date) -> str:
    """With its day where that is not the order's."""
    return f"{event.at:%H:%M:%S}" if event.at.date() == day else f"{event.at:%Y-%m-%d %H:%M:%S}"


def _event(event: OrderEvent, day: date) -> str:
    at = _when(event, day)
    if event.fill is not None:
        fill = event.fill
        fee = (
            f", commission {number(fill.commission, 4)} {fill.commission_currency}"
            if fill.commission is not None
            else ""
        )
        again = f" (revision {fill.revision})" if fill.revision > 1 else ""
        return f"{at}  {number(fill.quantity)} filled at {price(fill.price)}{fee}{again}"
    code = f" (code {event.code})" if event.code is not None else ""
    return f"{at}  {_EVENTS.get(event.kind, event.kind.value)}{f': {event.reason}' if event.reason else ''}{code}"


def _held(found: Explanation) -> list[str]:
    lines = [
        f"The bot's own: {number(one.quantity)} at {price(one.avg_cost, 4)} on average ({one.owner})."
        for one in found.owned
    ]
    return lines + [
        f"Protected, never sold by the bot: {number(one.quantity)} at {price(one.avg_cost, 4)}."
        for one in found.protected
    ]


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"


def _points(cost: Decimal, base: Decimal) -> str:
    return f"{cost / base * 10_000:+.1f} bps" if base else "not known in bps"
