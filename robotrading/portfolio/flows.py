"""Money paid in and out, inferred: nobody tells of it, but cash that no trade explains has come from somewhere.

Entry point: `inferred`.
Invariants: dividends, interest and fees are performance, which is why small changes are none of this (`SMALLEST`); what
has several explanations is told (`Unclear`) and taken for none. Prices, where there are any, only tell what the market
did to the holdings meanwhile, so that its gain or loss is not taken for the reason of the change, nor hides it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from robotrading.domain.book import Account
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill
from robotrading.portfolio.performance import Flow

SMALLEST = Decimal("0.01")
"""Of the account's value: what is below may be a dividend, interest or a fee."""

_TOGETHER = timedelta(minutes=30)
Prices = Callable[[datetime], Mapping[Instrument, Decimal]]
"""What is known of the prices at a look, by its instant; asked only where they may decide."""


def no_prices(_at: datetime) -> Mapping[Instrument, Decimal]:
    """Nobody knows any."""
    return {}


@dataclass(frozen=True, slots=True)
class Unclear:
    """A change of cash that is no trade of the bot's and may be something else than a payment; `why` is a clause."""

    since: datetime
    until: datetime
    amount: Decimal
    currency: str
    why: str


@dataclass(frozen=True, slots=True)
class Flows:
    """What was inferred between the first and the last look (None without two of them)."""

    since: datetime | None = None
    until: datetime | None = None
    found: tuple[Flow, ...] = ()
    unclear: tuple[Unclear, ...] = ()

    @property
    def known(self) -> bool:
        return self.since is not None


def inferred(looks: Iterable[Account], fills: Iterable[Fill], prices: Prices = no_prices) -> Flows:
    """Flows between looks at one account, in its base currency; `fills` are the bot's, all of them."""
    ordered = _apart(looks)
    executed = sorted(fills, key=_at)
    found: list[Flow] = []
    unclear: list[Unclear] = []
    for before, after in pairwise(ordered):
        first, end = bisect_right(executed, before.at, key=_at), bisect_right(executed, after.at, key=_at)
        ours = executed[first:end]
        told = _between(before, after, ours, prices)
        if isinstance(told, Flow):
            found.append(told)
        elif told is not None:
            unclear.append(told)
    if len(ordered) < 2:
        return Flows()
    return Flows(ordered[0].at, ordered[-1].at, tuple(found), tuple(unclear))


def _at(fill: Fill) -> datetime:
    return fill.at


def _apart(looks: Iterable[Account]) -> list[Account]:
    """The last of those close to the first of them: of sessions side by side one sees the other's orders half done."""
    apart: list[Account] = []
    first = None
    for look in sorted(looks, key=lambda look: look.at):
        if first is not None and look.at - first <= _TOGETHER:
            apart[-1] = look
        else:
            apart.append(look)
            first = look.at
    return apart


def _between(before: Account, after: Account, ours: Sequence[Fill], prices: Prices) -> Flow | Unclear | None:
    least = SMALLEST * max(abs(before.net_liquidation), abs(after.net_liquidation))
    rest = {name: value for name, value in _unexplained(before, after, ours).items() if abs(value) > least}
    if not rest:
        return None
    home = after.base_currency
    currency = home if home in rest else min(rest)
    why = _doubt(before, after, ours, rest) or _disbelief(before, after, ours, rest[home], prices)
    if why:
        return Unclear(before.at, after.at, rest[currency], currency, why)
    return Flow(before.at, after.at, rest[home])


def _unexplained(before: Account, after: Account, ours: Sequence[Fill]) -> dict[str, Decimal]:
    """Change of cash by currency, less what the bot's executions moved."""
    names = {*before.cash, *after.cash}
    rest = {name: after.cash.get(name, Decimal(0)) - before.cash.get(name, Decimal(0)) for name in sorted(names)}
    for fill in ours:
        spent = {fill.instrument.currency: fill.side.sign * fill.quantity * fill.price}
        charged = fill.commission_currency or fill.instrument.currency
        spent[charged] = spent.get(charged, Decimal(0)) + (fill.commission or Decimal(0))
        for name, value in spent.items():
            rest[name] = rest.get(name, Decimal(0)) + value
    return rest


def _doubt(before: Account, after: Account, ours: Sequence[Fill], rest: Mapping[str, Decimal]) -> str:
    """Why it may be something else than a payment, '' where nothing speaks against that."""
    home = after.base_currency
    if set(rest) != {home}:
        return "money in another currency moved, whose rate is not known"
    if _moved_otherwise(before, after, ours):
        return "holdings changed too that the bot did not trade"
    return ""


def _disbelief(before: Account, after: Account, ours: Sequence[Fill], paid: Decimal, prices: Prices) -> str:
    """Money that was paid changes the account's value, beside what the market does to it; '' where it did."""
    gain = after.net_liquidation - before.net_liquidation - _market(before, after, ours, prices)
    return "the account's value did not change with it" if abs(gain - paid) > abs(gain) else ""


def _market(before: Account, after: Account, ours: Sequence[Fill], prices: Prices) -> Decimal:
    """What holdings in the base currency brought, commissions too, as far as their prices are known at both looks."""
    start, end, then, now = _held(before), _held(after), prices(before.at), prices(after.at)
    home = [one for one in {**start, **end} if one.currency == after.base_currency]
    known = {one for one in home if (one in then or not start.get(one)) and (one in now or not end.get(one))}
    brought = sum((end.get(one, Decimal(0)) * now.get(one, Decimal(0)) for one in known), Decimal(0))
    brought -= sum((start.get(one, Decimal(0)) * then.get(one, Decimal(0)) for one in known), Decimal(0))
    for fill in ours:
        if fill.instrument in known:
            brought -= fill.side.sign * fill.quantity * fill.price + (fill.commission or Decimal(0))
    return brought


def _held(account: Account) -> dict[Instrument, Decimal]:
    held: dict[Instrument, Decimal] = {}
    for one in account.positions:
        held[one.instrument] = held.get(one.instrument, Decimal(0)) + one.quantity
    return held


def _moved_otherwise(before: Account, after: Account, ours: Sequence[Fill]) -> bool:
    """Whether a quantity changed by something else than the bot's executions."""
    moved = _held(after)
    for instrument, quantity in _held(before).items():
        moved[instrument] = moved.get(instrument, Decimal(0)) - quantity
    for fill in ours:
        moved[fill.instrument] = moved.get(fill.instrument, Decimal(0)) - fill.side.sign * fill.quantity
    return any(moved.values())
