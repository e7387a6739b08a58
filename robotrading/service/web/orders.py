"""What the page says of orders that have not ended, and of instruments that are left alone because of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from robotrading.adapters.notify.report.words import clean, number
from robotrading.domain.orders import Ticket, TicketStatus
from robotrading.service.facts import BookFacts
from robotrading.service.web.portfolio import shortage
from robotrading.service.web.status import Hidden
from robotrading.service.web.tables import Table, table
from robotrading.service.web.words import Piece, from_now, pieces, utc

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Blocked:
    """An instrument in which nothing is ordered: since when, why, and what ends it."""

    symbol: str
    what: str
    since: str
    why: str
    remedy: tuple[Piece, ...]


def blocked(book: BookFacts, now: datetime, hide: Hidden) -> Table[Blocked]:
    """Orders in doubt, the oldest first, then positions that the account does not have."""
    doubts = sorted(book.in_doubt, key=_age)
    rows = [_doubt(ticket, now, hide) for ticket in doubts]
    for symbol, held, owned, at in shortage(book):
        what = f"the account holds {number(held)}, the bot should own {number(owned)}"
        remedy = pieces(f"`robotrading positions` shows both; `robotrading positions set {symbol} ...` takes your word")
        rows.append(Blocked(clean(symbol), what, f"seen {from_now(at, now)}", "", remedy))
    return table(rows)


def _doubt(ticket: Ticket, now: datetime, hide: Hidden) -> Blocked:
    intent, at = ticket.intent, ticket.updated_at
    side, thing = intent.side.value, clean(intent.instrument.symbol)
    return Blocked(
        symbol=thing,
        what=f"{side} {number(intent.quantity)}, {number(ticket.filled)} filled as far as is known",
        since=f"since {utc(at)}, {from_now(at, now)}" if at else f"of {intent.trading_date}",
        why=hide(ticket.reason),
        remedy=pieces(f"Look it up at the broker, then say `robotrading resolve {clean(intent.intent_id)}`"),
    )


def working(book: BookFacts, now: datetime, hide: Hidden) -> Table[tuple[str, ...]]:
    """Orders at work: what, session, status, filled, since, why; the newest first."""
    sure = [one for one in book.open_tickets if one.status is not TicketStatus.UNKNOWN]
    ordered = sorted(sure, key=_age, reverse=True)
    return table([_row(ticket, now, hide) for ticket in ordered])


def _row(ticket: Ticket, now: datetime, hide: Hidden) -> tuple[str, ...]:
    intent = ticket.intent
    limit = f" at {intent.limit_price}" if intent.limit_price else ""
    return (
        f"{intent.side.value} {number(intent.quantity)} {clean(intent.instrument.symbol)}",
        f"{intent.order_type.value.replace('_', ' ')}{limit}",
        intent.kind.value,
        ticket.status.value + (", cancel asked" if ticket.cancel_sent else ""),
        number(ticket.filled),
        from_now(ticket.updated_at, now) if ticket.updated_at else "-",
        hide(ticket.reason),
    )


def _age(ticket: Ticket) -> datetime:
    return ticket.updated_at or _LONG_AGO
