"""A run's outcome in a sentence or two, from its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import Outcome, SessionReport


def verdict(report: SessionReport, closed: str = "") -> str:
    """What happened, in plain words; `closed` says that the market was, and until when."""
    orders = f"Nothing was sent: {closed}." if closed else _orders(report)
    parts = [_failure(report), orders, _left_out(report)]
    return " ".join(part for part in parts if part) or "Nothing happened."


def _failure(report: SessionReport) -> str:
    failed = next((step for step in report.steps if not step.ok), None)
    if failed is None:
        return ""
    return f"Stopped at step '{failed.name}': {failed.error.rstrip('.')}."


def _orders(report: SessionReport) -> str:
    if report.tickets:
        return _traded(report.tickets)
    if report.plan is None:
        return ""
    count = len(report.plan.intents)
    if count == 0 and all(refusal.rule in _WHERE_IT_SHOULD_BE for refusal in report.plan.refusals):
        return "Nothing to do: every holding is within its band."
    if count == 0:
        return f"No order is possible now{_because(report) or '; what is left alone has its reason'}."
    if report.outcome is Outcome.FAILED:
        return f"None of {_plural(count, 'planned order')} was sent{_because(report)}."
    sells = sum(intent.side is Side.SELL for intent in report.plan.intents)
    return f"Would place {_plural(count, 'order')}: {sells} to sell, {count - sells} to buy."


_WHERE_IT_SHOULD_BE = (RefusalRule.WITHIN_BAND, RefusalRule.TOO_SMALL, RefusalRule.LOT, RefusalRule.COSTS)


def _because(report: SessionReport) -> str:
    """The first reason, where a rule of ours or the broker held the orders back."""
    stopped = [skip for skip in report.skips if skip.step in ("door", "submit", "cash")]
    if not stopped:
        return ""
    others = f" (and {_plural(len(stopped) - 1, 'more reason')})" if len({skip.rule for skip in stopped}) > 1 else ""
    return f": {stopped[0].reason.rstrip('.')}{others}"


def _traded(tickets: Iterable[Ticket]) -> str:
    tickets = tuple(tickets)
    whole = _plural(len(tickets), "order")
    done = Counter(ticket.intent.side for ticket in tickets if ticket.status is TicketStatus.FILLED)
    other = Counter(_end(ticket) for ticket in tickets if ticket.status is not TicketStatus.FILLED)
    wanted = {ticket.intent.side for ticket in tickets}
    counts = [f"{verb} {done[side]}" for side, verb in _VERBS.items() if side in wanted]
    said = f"{' and '.join(counts).capitalize()} of {whole}"
    if not other:
        return f"{said}, all filled."
    rest = ", ".join(f"{count} {status}" for status, count in sorted(other.items()))
    if done:
        return f"{said}; the rest: {rest}."
    if any(ticket.fills for ticket in tickets):
        return f"No order was filled in whole of {whole}: {rest}."
    if TicketStatus.UNKNOWN.value in other:
        return f"No fill is known of {whole}: {rest}."
    return f"Nothing was filled of {whole}: {rest}."


def _end(ticket: Ticket) -> str:
    """How an order that was not filled in whole ended; what was bought with it is not passed over."""
    return f"{ticket.status} with a part filled" if ticket.fills else ticket.status.value


_VERBS = {Side.BUY: "bought", Side.SELL: "sold"}


def _left_out(report: SessionReport) -> str:
    frozen = [weight for weight in report.targets.weights if weight.frozen] if report.targets else []
    stopped = [skip for skip in report.skips if skip.step in ("door", "submit", "fill", "cash")]
    parts = []
    if frozen:
        parts.append(f"{_plural(len(frozen), 'instrument')} left as they are for want of good data.")
    if stopped and report.tickets:
        parts.append(f"{_plural(len(stopped), 'order')} stopped or left in doubt.")
    return " ".join(parts)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
