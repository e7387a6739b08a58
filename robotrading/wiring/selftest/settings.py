"""A person's configuration as the drills use it: what is replaced, and why nothing of it leaves the machine.

Entry points: `prepared`, `Prepared`.
Invariant: everything that is not in `Prepared.notes` is as the person has set it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from robotrading.adapters.cache.lists import ListCache
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.feeds.universe import load_universe
from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.model import Config, GatewayKind, Mode
from robotrading.config.onclose import ON_CLOSE
from robotrading.domain.errors import ConfigError, FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Constituent
from robotrading.domain.orders import OrderType
from robotrading.portfolio.construct import Scheme
from robotrading.service.settings import ServiceSettings
from robotrading.session.settings import SessionSettings, UniverseKind, UniverseSettings
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.feed import DEMO_UNIVERSE
from robotrading.wiring.gateway import EMBEDDED_ACCOUNT

PREPARE = "before"
"""The folder of the day before."""
MOST_SYMBOLS = 6
"""Of a session's universe: enough to sell, to buy and to adjust; each costs its time in every drill."""
_REQUEST, _CONNECT, _FILL, _CANCEL, _DEADLINE = 3.0, 3.0, 3.0, 2.0, 45.0
"""Seconds: a drill waits for nothing longer. The rest of a deadline that the session keeps for its report is in it."""
_LEAST_CASH = Decimal(1_000_000)
_OWN_SHARES, _OWN_COINS, _OWN_COST = Decimal(40), Decimal("0.5"), Decimal(10)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The day before (`first`), on which something is bought, and the day of the drills (`then`).

    `account` is the pretend account as it is opened, with holdings that are not the bot's.
    """

    first: Config
    then: Config
    kinds: tuple[AssetClass, ...]
    account: AccountSeed
    notes: tuple[str, ...]


def prepared(config: Config, folder: Path) -> Prepared:
    """The configuration for drills below `folder`.

    Raises `ConfigError`, where no session is enabled or a universe cannot be read.
    """
    kinds = config.enabled
    if not kinds:
        raise ConfigError("no session to try: all are disabled; set sessions.<name>.enabled to true")
    notes: list[str] = []
    universes = {kind: _universe(config, kind, notes) for kind in kinds}
    base = _grounded(config, folder / PREPARE / "state", notes)
    first = {kind: _the_day_before(base.sessions[kind], universes[kind]) for kind in kinds}
    then = {kind: _on_the_day(base.sessions[kind], universes[kind], notes) for kind in kinds}
    return Prepared(
        replace(base, sessions={**base.sessions, **first}),
        replace(base, sessions={**base.sessions, **then}),
        kinds,
        _account(config, universes),
        (*_always(), *notes),
    )


def _always() -> Iterator[str]:
    yield "orders go to the embedded gateway and its fresh account; nothing leaves this machine, no mail is sent"
    yield "prices are the built-in synthetic market's, whatever the symbol; the clock stands 15 minutes before a close"
    yield "each drill has a state folder of its own; your ledger and its halts are not touched"


def _grounded(config: Config, state_dir: Path, notes: list[str]) -> Config:
    """Nothing of it reaches an account, a mail server, the internet or the person's own files."""
    broker = replace(
        config.broker,
        gateway=GatewayKind.EMBEDDED,
        mode=Mode.PAPER,
        account="",
        confirm_live="",
        host="127.0.0.1",
        gateway_restart="",
        connect_timeout=min(config.broker.connect_timeout, _CONNECT),
        request_timeout=min(config.broker.request_timeout, _REQUEST),
    )
    cache = replace(config.feeds.cache, directory=str(state_dir / "cache"))
    notes.append(
        f"waits are cut so that a drill takes seconds: answers {_REQUEST:g} s, fills {_FILL:g} s, cancels {_CANCEL:g} "
        f"s, a whole session {_DEADLINE:g} s; models are fitted in the session's own process"
    )
    return replace(
        config,
        broker=broker,
        feeds=replace(config.feeds, cache=cache),
        sessions={kind: _hurried(session, notes) for kind, session in config.sessions.items()},
        mail=MailSettings(),
        service=ServiceSettings(),
        database_url="",
        state_dir=state_dir,
    )


def _hurried(session: SessionSettings, notes: list[str]) -> SessionSettings:
    execution = session.execution
    if execution.order_type in ON_CLOSE:
        if session.enabled:
            notes.append(
                f"{session.kind}: limit orders instead of {execution.order_type}, since no drill lasts to a close"
            )
        execution = replace(execution, order_type=OrderType.LIMIT)
    return replace(
        session,
        sources=("synthetic",),
        deadline=min(session.deadline, _DEADLINE),
        signal=replace(session.signal, workers=1),
        execution=replace(
            execution,
            fill_timeout=min(execution.fill_timeout, _FILL),
            cancel_timeout=min(execution.cancel_timeout, _CANCEL),
        ),
    )


# Universes -----------------------------------------------------------------------------------------------------------


class _KeptList:
    """The index as it was last fetched; nothing is fetched now."""

    name = "the last list that was fetched"

    def __init__(self, config: Config) -> None:
        self._cache = ListCache(config.feeds.cache, SystemClock())

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        return self._cache.get(index, _nothing)[0]


def _nothing() -> tuple[Constituent, ...]:
    raise FeedUnavailable("the self test asks nobody outside")


def _universe(config: Config, kind: AssetClass, notes: list[str]) -> tuple[Instrument, ...]:
    """A handful of the session's own symbols; the sample market's where there is no list yet."""
    settings = config.sessions[kind].universe
    source = _KeptList(config) if settings.kind is UniverseKind.SP500 else None
    try:
        found, _, _ = load_universe(settings, kind, source)
    except FeedUnavailable:
        notes.append(f"{kind}: the index list was never fetched here, so the sample market's symbols stand in for it")
        return DEMO_UNIVERSE[kind][:MOST_SYMBOLS]
    if len(found) > MOST_SYMBOLS:
        names = ", ".join(one.symbol for one in found[:MOST_SYMBOLS])
        notes.append(f"{kind}: the first {MOST_SYMBOLS} of {len(found)} symbols are used: {names}")
    return found[:MOST_SYMBOLS]


def leaving(count: int) -> int:
    """How many symbols the bot owns on the day that are not in its universe any more: there is something to sell."""
    return count // 3


def _the_day_before(session: SessionSettings, universe: tuple[Instrument, ...]) -> SessionSettings:
    """Everything is known and fitted; what is bought is the first part, the larger one."""
    bought = universe[: max(len(universe) - max(leaving(len(universe)), 1), 1)]
    weight = min(session.construct.max_weight, Decimal("0.9") / len(bought))
    fixed = {one.symbol: weight.quantize(Decimal("0.0001")) for one in bought}
    construct = replace(session.construct, scheme=Scheme.FIXED, fixed=fixed)
    return replace(session, universe=_listed(session.universe, universe), construct=construct)


def _on_the_day(session: SessionSettings, universe: tuple[Instrument, ...], notes: list[str]) -> SessionSettings:
    """The person's own way to weigh, over the last part of the symbols."""
    gone = leaving(len(universe))
    kept = universe[gone:]
    if gone:
        names = ", ".join(one.symbol for one in universe[:gone])
        notes.append(f"{session.kind}: bought the day before and then left out, so that drills sell too: {names}")
    construct = session.construct
    if construct.scheme is Scheme.MARKET_CAP:
        notes.append(f"{session.kind}: equal weights instead of market_cap, since a few symbols are no index")
        construct = replace(construct, scheme=Scheme.EQUAL)
    names_kept = {one.symbol for one in kept}
    construct = replace(construct, fixed={s: w for s, w in construct.fixed.items() if s in names_kept})
    if construct.scheme is Scheme.FIXED and not construct.fixed:
        notes.append(f"{session.kind}: equal weights, since none of the fixed ones is among the symbols")
        construct = replace(construct, scheme=Scheme.EQUAL)
    return replace(session, universe=_listed(session.universe, kept), construct=construct)


def _listed(settings: UniverseSettings, instruments: tuple[Instrument, ...]) -> UniverseSettings:
    symbols = tuple(one.symbol for one in instruments)
    return replace(settings, kind=UniverseKind.LIST, symbols=symbols, file="", top=0)


def _account(config: Config, universes: dict[AssetClass, tuple[Instrument, ...]]) -> AccountSeed:
    """Money enough, and of each session's first and last symbol a little that is the person's own."""
    own = {one: None for found in universes.values() for one in (found[0], found[-1])}
    holdings = tuple((one, _OWN_SHARES if one.lot >= 1 else _OWN_COINS, _OWN_COST) for one in own)
    cash = max(_LEAST_CASH, 2 * (config.capital.amount or Decimal(0)))
    currency = config.capital.currency
    return AccountSeed(EMBEDDED_ACCOUNT, {currency: cash}, holdings, base_currency=currency)
