"""Steps about the account: what the broker says there is, and what of it the bot may use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError, ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.skip import Skip
from robotrading.execution.holdings import unbelievable
from robotrading.execution.ownership import protected, shortfalls
from robotrading.portfolio.agreement import agreed
from robotrading.session import market
from robotrading.session.capital import capital, investable, price_of
from robotrading.session.door import Sight, judge_day
from robotrading.session.steps import Draft
from robotrading.session.watch import believed, noticed
from robotrading.session.world import World

_QUOTES_GOOD_FOR = timedelta(seconds=60)
_GAP_ELSEWHERE = Decimal("0.5")
_SETTLE_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """The account, the bot's part of it, and the market around both. Quantities and money are of this session."""

    account: Account
    owned: Mapping[Instrument, Decimal]
    quotes: Mapping[Instrument, Quote | Skip]
    instruments: tuple[Instrument, ...]
    capital: Decimal
    budget: Decimal
    cash: Decimal
    day_start_value: Decimal | None

    @property
    def sight(self) -> Sight:
        return Sight(self.account, self.quotes, self.capital, self.budget, self.day_start_value)


@dataclass(frozen=True, slots=True)
class Glance:
    """What the broker says of instruments: their contract rules and their quotes."""

    refined: Mapping[Instrument, Instrument | Skip]
    quotes: Mapping[Instrument, Quote | Skip]


async def glance(world: World, instruments: Sequence[Instrument]) -> Glance:
    """Ask for contract rules, then for quotes of what the broker knows. Raises `BrokerUnavailable`."""
    refined = await world.broker.refine(instruments)
    usable = [answer for answer in refined.values() if isinstance(answer, Instrument)]
    return Glance(refined, await world.broker.quotes(usable))


async def standing(
    world: World, draft: Draft, wanted: Sequence[Instrument], early: Awaitable[Glance] | None = None
) -> Standing:
    """Ask for the account, the contract rules and the quotes of everything wanted or owned.

    `early` is a glance that was begun while the prices were loaded: at the broker's pace of 45 messages a second five
    hundred quotes take eleven seconds. What has grown old meanwhile, or failed, is asked again. What other sessions
    own is priced too, since it is part of the capital; a price missing there is not told here. A price that disagrees
    with the source of prices is left out: its instrument is not traded, and counts at its cost.
    """
    spec = draft.spec
    seen = await _early(world, early)

    async def look() -> tuple[Account, Sequence[Position], Glance]:
        account = await believed(world)
        all_owned = world.ledger.positions()
        mine = [position.instrument for position in all_owned if position.owner == spec.kind]
        elsewhere = [position.instrument for position in all_owned if position.owner != spec.kind]
        return account, all_owned, await _completed(world, seen, list(dict.fromkeys([*wanted, *mine])), elsewhere)

    await market.closes(world, draft, wanted)  # before the quotes, which grow old
    account, all_owned, found = await world.answer(look)
    await market.closes(world, draft, [one for one, quote in found.quotes.items() if isinstance(quote, Quote)])
    quotes = agreed(found.quotes, draft.closes, _gaps(draft))
    usable = tuple(answer for answer in found.refined.values() if isinstance(answer, Instrument))
    draft.skip(*(answer for answer in found.refined.values() if isinstance(answer, Skip)))
    draft.skip(*(answer for instrument in usable if isinstance(answer := quotes[instrument], Skip)))
    if draft.account is None:  # once a run, before its own orders
        draft.changed = noticed(world, account, all_owned, found.quotes, keep=spec.trade)
        draft.remark(*(change.sentence for change in draft.changed))
    draft.account = account
    draft.owned = tuple(position for position in all_owned if position.owner == spec.kind)
    draft.protected = protected(account, all_owned)
    draft.remark(*map(str, world.broker_notes()))
    return _told_if_stopped(world, draft, _standing(world, draft, account, all_owned, quotes, usable))


async def _early(world: World, early: Awaitable[Glance] | None) -> Glance:
    """The early glance as far as it is still good; an empty one where it failed."""
    if early is None:
        return Glance({}, {})
    try:
        found = await early
    except BrokerError:
        return Glance({}, {})
    oldest = world.clock.now() - _QUOTES_GOOD_FOR
    young = {i: quote for i, quote in found.quotes.items() if isinstance(quote, Quote) and quote.at >= oldest}
    return Glance(found.refined, young)


async def _completed(
    world: World, seen: Glance, everything: Sequence[Instrument], elsewhere: Sequence[Instrument]
) -> Glance:
    """What was not seen yet, asked now; the answers in the order of the questions."""
    unknown = [instrument for instrument in everything if instrument not in seen.refined]
    more = await world.broker.refine(unknown) if unknown else {}
    refined = {instrument: {**seen.refined, **more}[instrument] for instrument in everything}
    usable = [answer for answer in refined.values() if isinstance(answer, Instrument)]
    unseen = [instrument for instrument in dict.fromkeys([*usable, *elsewhere]) if instrument not in seen.quotes]
    quotes = await world.broker.quotes(unseen) if unseen else {}
    return Glance(refined, {**seen.quotes, **quotes})


def _gaps(draft: Draft) -> dict[AssetClass, Decimal]:
    """How far a quote may lie from the source's close; what only other sessions trade is merely valued here."""
    own, kind = draft.spec.settings.limits.max_source_gap, draft.spec.kind
    return {one: own if one is kind else max(own, _GAP_ELSEWHERE) for one in AssetClass}


def _standing(  # noqa: PLR0913, PLR0917  the pieces of one value
    world: World,
    draft: Draft,
    account: Account,
    all_owned: Sequence[Position],
    quotes: Mapping[Instrument, Quote | Skip],
    usable: tuple[Instrument, ...],
) -> Standing:
    spec, currency = draft.spec, draft.spec.capital.currency
    now = world.clock.now()
    world.ledger.save_equity(now, account.account_id, account.net_liquidation, account.base_currency)
    given = _capital(world, draft, investable(account, all_owned, quotes, currency), account)
    budget = given * spec.settings.share
    mine = {position.instrument: position.quantity for position in draft.owned}
    invested = sum((_value(p, quotes) for p in draft.owned if p.instrument.currency == currency), Decimal(0))
    return Standing(
        account=account,
        owned=mine,
        quotes=quotes,
        instruments=usable,
        capital=given,
        budget=budget,
        cash=max(min(budget - invested, account.cash[currency]), Decimal(0)),
        day_start_value=_day_start_value(world, draft, account, now),
    )


def _told_if_stopped(world: World, draft: Draft, found: Standing) -> Standing:
    """A day that has lost too much stays without entries, whatever comes after; every report of it says so."""
    judge_day(draft.spec, world.ledger, found.sight, world.clock.now())
    stopped = world.ledger.day_stopped(found.account.account_id, draft.spec.trading_date)
    draft.remark(*([f"no entry for the rest of {draft.spec.trading_date}: {stopped}"] if stopped else []))
    return found


def _capital(world: World, draft: Draft, there: Decimal, account: Account) -> Decimal:
    """The day's capital: the first look of the day that finds any is kept. Raises `ConfigError` when there is none."""
    spec, currency = draft.spec, draft.spec.capital.currency
    given = Decimal(0)
    if there > 0:
        given = capital(spec.capital, world.ledger.pin_capital(account.account_id, spec.trading_date, there, currency))
    if given * spec.settings.share > 0:
        return given
    raise ConfigError(
        f"there is no capital for the {spec.kind} session: account {account.account_id} has {there:.2f} {currency} "
        f"that the bot may use, capital gives it {given:.2f} of that and sessions.{spec.kind}.share is "
        f"{spec.settings.share}; fund the account, raise capital or share, or disable the session"
    )


def _value(position: Position, quotes: Mapping[Instrument, Quote | Skip]) -> Decimal:
    return position.quantity * (price_of(position.instrument, quotes) or position.avg_cost)


def _day_start_value(world: World, draft: Draft, account: Account, now: datetime) -> Decimal | None:
    """Yesterday's closing equity or the first that was seen today, whichever is higher: a loss is judged by both."""
    seen = world.ledger.day_start_equity(account.account_id, _day_start(world, draft, now))
    return max((value for value in (seen, account.day_start_value) if value is not None and value > 0), default=None)


def _day_start(world: World, draft: Draft, now: datetime) -> datetime:
    """When the exchange's day began: half a day before its open, or the last 24 hours where it does not open."""
    hours = world.calendar.hours(draft.spec.kind, draft.spec.trading_date)
    return hours[0] - timedelta(hours=12) if hours else now - timedelta(days=1)


async def compare(world: World, draft: Draft) -> None:
    """This session's positions at the broker against the ledger, asked again for a while: they come after the fills."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + _SETTLE_SECONDS
    while True:
        account = await world.answer(world.broker.account)
        all_owned = world.ledger.positions()
        mine = [position for position in all_owned if position.owner == draft.spec.kind]
        doubt = unbelievable(account, all_owned, world.ledger.open_tickets())
        missing = () if doubt else shortfalls(account, mine)
        if not (doubt or missing) or loop.time() >= patience:
            break
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
    draft.owned = tuple(mine)
    if doubt:
        draft.skip(Skip(account.account_id, "compare", doubt, "positions_unknown"))
        return
    draft.account = account
    draft.protected = protected(account, all_owned)
    draft.skip(*(Skip(text.partition(":")[0], "compare", text.partition(": ")[2], "shortfall") for text in missing))
    world.ledger.save_equity(world.clock.now(), account.account_id, account.net_liquidation, account.base_currency)
