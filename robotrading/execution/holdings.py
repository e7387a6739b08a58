"""What happened to an account that the bot's own orders do not explain.

Entry points: `seen` (what an account holds, and how much of it is the bot's), `changes` (between two looks),
`unbelievable` and `worth_more` (an answer without positions that may or must be there).
Invariants: executions of the bot move what is held and what is owned alike, so that they are never reported; nothing
here is traded on; a change that leaves in doubt how much the bot owns blocks the instrument until a person says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Side, Ticket
from robotrading.domain.skip import Skip
from robotrading.execution.ownership import open_quantity, quantities

_SPLITS = tuple((Decimal(a), Decimal(b)) for a, b in ((2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (10, 1),
           (15, 1), (20, 1), (25, 1), (50, 1), (3, 2), (4, 3), (5, 4), (5, 2)))  # fmt: skip
"""New for old; each may go the other way too (a reverse split)."""
_PRICE_FITS = Decimal("0.15")
"""How far the day's move may be from what a split alone would do to the price, for the price to speak for it."""
_CASH_ONLY = Decimal("0.02")
"""Accrued interest and dividends: how far an account without positions may be from its cash."""


@dataclass(frozen=True, slots=True)
class Change:
    """One instrument whose holding has changed by something else than the bot; `blocks`: its ownership is in doubt."""

    instrument: Instrument
    sentence: str
    blocks: bool = False


def seen(account: Account, owned: Iterable[Position], at: datetime) -> tuple[Holding, ...]:
    """What the account holds and the bot owns, by key; nothing where both are zero."""
    ours = quantities(owned)
    held = quantities(account.positions)
    everything = sorted({*held, *ours}, key=lambda instrument: instrument.key)
    found = (Holding(one, held.get(one, Decimal(0)), ours.get(one, Decimal(0)), at) for one in everything)
    return tuple(one for one in found if one.quantity or one.owned)


def changes(
    before: Sequence[Holding], now: Sequence[Holding], quotes: Mapping[Instrument, Quote | Skip] | None = None
) -> tuple[Change, ...]:
    """What the two looks differ in beyond the bot's executions; nothing when there was no earlier look."""
    if not before:
        return ()
    old = {one.instrument: one for one in before}
    new = {one.instrument: one for one in now}
    since, at = max(one.at for one in before), max((one.at for one in now), default=before[0].at)
    found = []
    for instrument in sorted({*old, *new}, key=lambda one: one.key):
        first = old.get(instrument) or Holding(instrument, Decimal(0), Decimal(0), since)
        last = new.get(instrument) or Holding(instrument, Decimal(0), Decimal(0), at)
        change = _change(first, last, (quotes or {}).get(instrument))
        if change is not None:
            found.append(change)
    return tuple(found)


def _change(first: Holding, last: Holding, quote: Quote | Skip | None) -> Change | None:
    expected = first.quantity + last.owned - first.owned
    if last.quantity == expected:
        return None
    return _split(first, last, expected, quote) or _moved(first, last, last.quantity - expected)


def _split(first: Holding, last: Holding, expected: Decimal, quote: Quote | Skip | None) -> Change | None:
    """A ratio that companies use. Without a part of the bot's in it, it is as well a trade of the person's."""
    ratio = _ratio(expected, last.quantity)
    if ratio is None or not (first.owned or last.owned):
        return None
    new, old = ratio
    instrument, owned = last.instrument, last.owned * new / old
    kept = owned if owned == owned.to_integral_value() else owned.quantize(Decimal("0.0001"))
    return Change(
        instrument,
        f"{instrument}: the account holds {_plain(last.quantity)} where {_plain(expected)} were expected since "
        f"{_day(first)}, which looks like a {_plain(new)}:{_plain(old)} split{_price_too(quote, new, old)}; nothing is "
        f"traded in it until you say how many of them are the bot's, e.g. `robotrading positions set "
        f"{instrument.symbol} {_plain(min(kept, last.quantity))} --owner SESSION --reason split`",
        blocks=True,
    )


def _ratio(expected: Decimal, found: Decimal) -> tuple[Decimal, Decimal] | None:
    """New for old, when the quantity has become what a split makes of it; fractions are paid out in cash."""
    if expected <= 0 or found <= 0:
        return None
    for a, b in _SPLITS:
        for new, old in ((a, b), (b, a)):
            exact = expected * new / old
            if found == exact or (found < exact < found + 1 and found == found.to_integral_value()):
                return new, old
    return None


def _price_too(quote: Quote | Skip | None, new: Decimal, old: Decimal) -> str:
    """Whether the price has done since the last close what the split would make it do."""
    if not isinstance(quote, Quote) or not quote.close or not quote.price:
        return ""
    off = abs(quote.price * new / (quote.close * old) - 1)
    return f" (and so does its price, {quote.price} after {quote.close})" if off <= _PRICE_FITS else ""


def _moved(first: Holding, last: Holding, by: Decimal) -> Change:
    instrument, amount, since = last.instrument, _plain(abs(by)), _day(first)
    if last.quantity < last.owned:
        return Change(
            instrument,
            f"{instrument}: {amount} are gone since {since}: the account holds {_plain(last.quantity)} and the ledger "
            f"says that {_plain(last.owned)} are the bot's. A sale by hand, a transfer, a merger, a new symbol? "
            f"Nothing is traded in it until they agree; put the ledger right with `robotrading positions set "
            f"{instrument.symbol} {_plain(max(last.quantity, Decimal(0)))} --owner SESSION --reason WHY`",
            blocks=True,
        )
    if by > 0 and not first.quantity:
        told = f"{amount} appeared since {since} that the bot did not buy: bought by hand, transferred, or a spin-off"
    elif by > 0:
        told = f"{amount} more are held than on {since}, and the bot did not buy them: bought by hand, or a transfer"
    elif not last.quantity:
        told = f"{amount} that were not the bot's are gone since {since}: sold by hand, transferred, merged or renamed"
    else:
        told = f"{amount} fewer are held than on {since}, and the bot did not sell them: sold by hand, or a transfer"
    return Change(instrument, f"{instrument}: {told}")


def unbelievable(account: Account, owned: Iterable[Position], open_tickets: Iterable[Ticket]) -> str:
    """Why an account's positions cannot be what it holds, '' when they can.

    An answer without any position means 'unknown' where something must be there: the ledger owns what no open sell can
    have sold.
    """
    tickets = tuple(open_tickets)
    ours = quantities(owned)
    left = sorted(str(one) for one, quantity in ours.items() if quantity > open_quantity(tickets, one, Side.SELL))
    if account.positions or not left:
        return ""
    return (
        f"account {account.account_id} came without any position, and the ledger owns {', '.join(left)}: that means "
        "unknown, not flat, so nothing is traded. If they were really sold or moved by hand, say so with `robotrading "
        "positions forget SYMBOL --owner SESSION --reason WHY`"
    )


def worth_more(account: Account) -> str:
    """Why an account without positions is no witness that there are none: it is worth more than its cash.

    Kinds that the bot does not trade are not among the positions, so this proves nothing missing. Comparable only where
    all cash is in the base currency; '' where it fits, or cannot be judged.
    """
    if account.positions:
        return ""
    base, net = account.base_currency, account.net_liquidation
    cash = account.cash.get(base, Decimal(0))
    foreign = any(amount for currency, amount in account.cash.items() if currency != base)
    if foreign or net <= 0 or net - cash <= _CASH_ONLY * net:
        return ""
    return (
        f"account {account.account_id} came without any position, but it is worth {net:.2f} {base} and has only "
        f"{cash:.2f} in cash"
    )


def _day(holding: Holding) -> str:
    return f"{holding.at:%Y-%m-%d}"


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
