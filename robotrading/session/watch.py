"""Two looks at one account: what happened to it between runs that the bot's orders do not explain.

Entry points: `believed` (an account that is not an empty answer), `noticed`, `unsettled` (what a look may not show
yet). The law of it is `execution/holdings.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Ticket
from robotrading.domain.skip import Skip
from robotrading.execution.holdings import Change, changes, seen, unbelievable
from robotrading.execution.reentry import exchange_day
from robotrading.session.world import World

_POSITIONS_LAG = timedelta(minutes=3)
"""How long after an order's last news the account may still show the holding of before."""


async def believed(world: World) -> Account:
    """The account. Raises `BrokerUnavailable` when it comes without the positions that must be there."""
    account = await world.broker.account()
    doubt = unbelievable(account, world.ledger.positions(), world.ledger.open_tickets())
    if doubt:
        raise BrokerUnavailable(doubt)
    return account


def noticed(
    world: World,
    account: Account,
    owned: Sequence[Position],
    quotes: Mapping[Instrument, Quote | Skip],
    *,
    keep: bool,
) -> tuple[Change, ...]:
    """What has changed since the last look; `keep` makes this one the last.

    Instruments with orders that are open or hardly over are not judged, since positions come after executions; nor is
    the last look at what is blocked forgotten, so that it stays blocked until a person or the account explains it.
    """
    ledger, at = world.ledger, world.clock.now()
    before = {one.instrument: one for one in ledger.holdings_seen(account.account_id)}
    now = {one.instrument: one for one in seen(account, owned, at)}
    busy = _busy(world)
    found = tuple(one for one in changes(_all(before), _all(now), quotes) if one.instrument not in busy)
    if keep:
        held_back = busy | {one.instrument for one in found if one.blocks}
        rows = {one: look for one, look in now.items() if one not in held_back}
        rows.update((one, look) for one, look in before.items() if one in held_back)
        ledger.see_holdings(account.account_id, _all(rows), at)
    return found


def _all(looks: Mapping[Instrument, Holding]) -> tuple[Holding, ...]:
    return tuple(looks.values())


def unsettled(tickets: Iterable[Ticket], at: datetime) -> set[Instrument]:
    """Instruments of which a look at the account at `at` may not show the bot's own orders yet: open, or hardly over.

    Orders with news after that moment are among them.
    """
    return {one.intent.instrument for one in tickets if not one.status.terminal or _after(one, at - _POSITIONS_LAG)}


def _after(ticket: Ticket, moment: datetime) -> bool:
    return ticket.updated_at is not None and ticket.updated_at > moment


def _busy(world: World) -> set[Instrument]:
    """Instruments in which the bot has, or has just had, an order at work."""
    now = world.clock.now()
    days = {exchange_day(kind, now) for kind in AssetClass}
    return unsettled(
        (*world.ledger.open_tickets(), *(one for day in days for one in world.ledger.tickets_of(day))), now
    )
