"""What the page says of orders that have not ended, and of instruments that are left alone because of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from robotrading.adapters.notify.report.words import clean, number
from robotrading.domain.book import Holding
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
    things: list[Ticket | Holding] = [*sorted(book.in_doubt, key=_age), *shortage(book)]
    return table(things, lambda one: _doubt(one, now, hide) if isinstance(one, Ticket) else _short(one, now))


def _short(one: Holding, now: datetime) -> Blocked:
    symbol = clean(one.instrument.symbol)
    return Blocked(
        symbol=symbol,
        what=f"the account holds {number(one.quantity)}, the bot should own {number(one.owned)}",
        since=f"seen {from_now(one.at, now)}",
        why="",
        remedy=pieces(f"`robotrading positions` shows both; `robotrading positions set {symbol} ...` takes your word"),
    )


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
    return table(ordered, partial(_row, now=now, hide=hide))


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
