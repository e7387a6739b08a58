"""A person's word, recorded: what became of an order, what the bot owns, whether anything may be traded at all.

Entry points: `doubts`, `resolve`, `held`, `set_position`, `halt`, `resume`. They work from the ledger alone; nothing is
asked of the broker. Every word leaves an audit line with the name of the system's user.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.stored import storable
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.claims import Lease
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Ticket
from robotrading.domain.ports import Ledger
from robotrading.execution.ownership import quantities
from robotrading.execution.word import Word, events_of
from robotrading.session.state import last_look
from robotrading.wiring.books import Book, Orders, book_for, load_config

_REPORTS = 50
"""Among how many of the newest reports the last look at the account is searched."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One order without a known end. `held` and `seen_at` are of the account's last look, None where there was none."""

    ticket: Ticket
    sent_at: datetime | None
    owned: Decimal
    held: Decimal | None
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """One position of the bot, with what the account held of the instrument when it was last seen.

    `protected` is what of that is the person's own, None where it cannot be told.
    """

    position: Position
    held: Decimal | None
    protected: Decimal | None
    seen_at: datetime | None


def who() -> str:
    """The system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown user"


def running(orders: Orders) -> Lease | None:
    """The lease of a copy that trades the account now, None when nobody does."""
    with _book(orders).claims() as claims:
        lease = claims.holder(_book(orders).account)
    return lease if lease is not None and lease.holder and lease.expires_at > SystemClock().now() else None


def doubts(orders: Orders) -> tuple[Doubt, ...]:
    """Every order whose end is not known, the oldest first."""
    with _book(orders).ledger() as ledger:
        account = _last_account(ledger)
        return tuple(_doubt(ledger, ticket, account) for ticket in ledger.open_tickets())


def _doubt(ledger: Ledger, ticket: Ticket, account: Account | None) -> Doubt:
    instrument, history = ticket.intent.instrument, ledger.events(ticket.intent.intent_id)
    return Doubt(
        ticket=ticket,
        sent_at=history[0].at if history else None,
        owned=ledger.owned(instrument),
        held=account.holding(instrument) if account else None,
        seen_at=account.at if account else None,
    )


def ticket_of(orders: Orders, intent_id: str) -> Ticket:
    """The order of an id. Raises `ConfigError` when this ledger has none."""
    with _book(orders).ledger() as ledger:
        return _ticket(ledger, intent_id)


def _ticket(ledger: Ledger, intent_id: str) -> Ticket:
    ticket = ledger.ticket(storable(intent_id))
    if ticket is None:
        raise ConfigError(f"there is no order {intent_id!r} in this ledger; `robotrading resolve` lists those in doubt")
    return ticket


def resolve(orders: Orders, intent_id: str, word: Word) -> Ticket:
    """Record what became of an order and return its ticket. Raises `ConfigError` when that cannot be, `LedgerError`."""
    now = SystemClock().now()
    word = replace(word, who=storable(word.who), reason=storable(word.reason))
    with _book(orders).ledger() as ledger:
        ticket = _ticket(ledger, intent_id)
        events = events_of(ticket, word, ledger.events(intent_id), now)
        before = f"{ticket.status}, {_plain(ticket.filled)} filled: {ticket.reason}"
        ledger.audit(AuditEntry(now, word.who, "resolve order", intent_id, before, word.sentence))
        for event in events:
            ticket = ledger.append(event)
    return ticket


def held(orders: Orders) -> tuple[Held, ...]:
    """What the bot owns, by instrument and owner."""
    with _book(orders).ledger() as ledger:
        account = _last_account(ledger)
        owned = ledger.positions()
    ours = quantities(owned)
    if account is None:
        return tuple(Held(position, None, None, None) for position in owned)
    there = {one: account.holding(one) for one in ours}
    return tuple(_held(one, there[one.instrument], ours[one.instrument], account.at) for one in owned)


def _held(position: Position, there: Decimal, ours: Decimal, at: datetime) -> Held:
    """Where less was there than is the bot's now, that look was too early, or something is amiss: nothing is known."""
    return Held(position, there, there - ours if there >= ours else None, at)


@dataclass(frozen=True, slots=True)
class Ownership:
    """A person's word on what an owner has of a symbol; `cost` per unit, None keeps what is known. Zero forgets it."""

    symbol: str
    owner: AssetClass
    quantity: Decimal
    reason: str
    who: str
    cost: Decimal | None = None


def set_position(orders: Orders, word: Ownership) -> tuple[Position | None, Position | None]:
    """Change what the bot owns; the position before and after, None for none.

    The account as it was last seen counts as explained by it. Raises `ConfigError` for what cannot be, and while an
    order of the instrument is in doubt: that one has to be settled first, or it would be counted twice.
    """
    now = SystemClock().now()
    with _both(orders) as (ledger, book):
        instrument = _instrument(ledger, word.symbol, word.owner)
        for ticket in ledger.open_tickets(instrument):
            raise ConfigError(
                f"{instrument} has an order without a known end ({ticket.intent.intent_id}); settle it first: "
                f"robotrading resolve {ticket.intent.intent_id}"
            )
        before = book.get(instrument, word.owner)
        after = _after(instrument, before, word, now)
        ledger.audit(AuditEntry(now, word.who, "reason", f"{word.owner} {instrument.key}", "", word.reason))
        _change(book, before, after, word.who, now)
        _explained(ledger, instrument, now)
    return before, after


def _after(instrument: Instrument, before: Position | None, word: Ownership, now: datetime) -> Position | None:
    if not word.quantity.is_finite() or word.quantity < 0 or (word.cost is not None and not _price(word.cost)):
        raise ConfigError(f"{word.symbol}: quantity and cost are numbers of zero or more; one is not")
    if not word.quantity:
        if before is None:
            raise ConfigError(
                f"{word.owner} has no {word.symbol}: nothing to forget; `robotrading positions` lists all"
            )
        return None
    if before is None and word.cost is None:
        raise ConfigError(f"{word.owner} has no {word.symbol} yet: give its cost per unit with --cost")
    if before is None:
        return Position(instrument, word.quantity, word.cost or Decimal(0), word.owner, now)
    # A split changes how many there are, not what they have cost together.
    kept = before.quantity * before.avg_cost / word.quantity
    return replace(before, quantity=word.quantity, avg_cost=kept if word.cost is None else word.cost)


def _price(cost: Decimal) -> bool:
    return cost.is_finite() and cost >= 0


def _change(book: SqlPositionBook, before: Position | None, after: Position | None, who: str, now: datetime) -> None:
    """From one position of an owner to another; at least one of them is there."""
    if after is not None and before is not None:
        book.update(after, now, who)
    elif after is not None:
        book.add(after, now, who)
    elif before is not None:
        book.remove(before.instrument, before.owner, now, who)


def _explained(ledger: Ledger, instrument: Instrument, now: datetime) -> None:
    """Make the account's last look at an instrument the one to compare with: the person has explained it."""
    account = _last_account(ledger)
    if account is None:
        return
    rows = {one.instrument: one for one in ledger.holdings_seen(account.account_id)}
    if not rows:
        return
    rows[instrument] = Holding(instrument, account.holding(instrument), ledger.owned(instrument), now)
    ledger.see_holdings(account.account_id, tuple(rows.values()), now)


def halt(orders: Orders, reason: str) -> str:
    """Stop all orders; the reason in force, which is an earlier one's where trading was halted already."""
    if not reason.strip():
        raise ConfigError("say why, as in `robotrading halt 'moving house'`: the reason stands in every report")
    with _book(orders).ledger() as ledger:
        ledger.halt(reason, SystemClock().now(), who())
        return ledger.halted()


def resume(orders: Orders) -> str:
    """End the halt; the reason it had, '' when there was none."""
    with _book(orders).ledger() as ledger:
        reason = ledger.halted()
        ledger.resume(SystemClock().now(), who())
        return reason


def _book(orders: Orders) -> Book:
    return book_for(load_config(orders), orders)


@contextmanager
def _both(orders: Orders) -> Iterator[tuple[Ledger, SqlPositionBook]]:
    """The ledger and its book of positions."""
    book = _book(orders)
    with book.ledger() as ledger:
        database = open_database(book.database)
        try:
            yield ledger, SqlPositionBook(database)
        finally:
            database.close()


def _last_account(ledger: Ledger) -> Account | None:
    """The account as the reports saw it last."""
    return last_look(ledger.last_reports(_REPORTS))


def _instrument(ledger: Ledger, symbol: str, owner: AssetClass) -> Instrument:
    """The instrument of a symbol, as the ledger or the account knows it. Raises `ConfigError`."""
    account = _last_account(ledger)
    known = [position.instrument for position in (*ledger.positions(), *(account.positions if account else ()))]
    fitting = [one for one in dict.fromkeys(known) if one.symbol == symbol and _fits(one, owner)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        keys = ", ".join(sorted(one.key for one in fitting))
        raise ConfigError(f"{symbol} is several instruments ({keys}): this command cannot tell them apart")
    raise ConfigError(
        f"{symbol} is neither in the ledger nor in the account as last seen: check how it is written; "
        f"`robotrading plan {owner}` looks at the account anew"
    )


def _fits(instrument: Instrument, owner: AssetClass) -> bool:
    """Coins belong to the crypto session, everything else to the other two."""
    return (instrument.asset_class is AssetClass.CRYPTO) is (owner is AssetClass.CRYPTO)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
