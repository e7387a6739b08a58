"""A whole pretend world for session tests: synthetic prices, an exchange in this process, a ledger on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.config.demo import demo_config
from robotrading.config.load import load
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.session.settings import CapitalSettings
from robotrading.session.world import RunSpec, Universe, World
from robotrading.sim.broker import SimBroker
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.feed import DEMO_UNIVERSE, SyntheticFeed
from robotrading.sim.market import FeedMarket
from robotrading.strategy.hmm import FitState

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
ACCOUNT = "DU1000001"
CALENDAR = ExchangeCalendar()


class Memory:
    """Fits in memory."""

    def __init__(self) -> None:
        self.states: dict[AssetClass, Mapping[str, FitState]] = {}

    def load(self, kind: AssetClass) -> Mapping[str, FitState]:
        return self.states.get(kind, {})

    def save(self, kind: AssetClass, states: Mapping[str, FitState]) -> None:
        self.states[kind] = states


@dataclass
class Stage:
    """Everything a run needs, and handles on it."""

    exchange: Exchange
    market: FeedMarket
    feed: SyntheticFeed
    ledger: SqlLedger
    clock: FixedClock
    fits: Memory

    def broker(self, client_id: int = 101) -> SimBroker:
        return SimBroker(self.exchange, self.clock, account_id=ACCOUNT, client_id=client_id)

    def world(self, kind: AssetClass = AssetClass.EQUITIES, **changes: object) -> World:
        world = World(
            clock=self.clock,
            calendar=CALENDAR,
            feed=self.feed,
            universe=lambda: Universe(DEMO_UNIVERSE[kind]),
            broker=self.broker(),
            ledger=self.ledger,
            fits=self.fits,
        )
        return replace(world, **changes)


def build(folder: Path, holdings: tuple[tuple[Instrument, Decimal, Decimal], ...] = ()) -> Stage:
    """A fresh stage with a million in cash."""
    clock = FixedClock(NOW)
    feed = SyntheticFeed(CALENDAR, clock)
    everything = [instrument for group in DEMO_UNIVERSE.values() for instrument in group]
    market = FeedMarket(feed, clock, everything, calendar=CALENDAR)
    seed = AccountSeed(ACCOUNT, {"USD": Decimal(1_000_000)}, holdings)
    exchange = Exchange(market, clock, [seed], calendar=CALENDAR)
    return Stage(exchange, market, feed, open_ledger(f"sqlite:///{folder / 'ledger.db'}"), clock, Memory())


def spec(kind: AssetClass = AssetClass.EQUITIES, run_id: str = "run-1", **changes: object) -> RunSpec:
    """A run of a session with the demo's settings."""
    settings = demo_config(load(None, {})).sessions[kind]
    base = RunSpec(
        run_id=run_id,
        mode="test",
        trading_date=DAY,
        settings=settings,
        capital=CapitalSettings(),
        account_id=ACCOUNT,
        paper=True,
    )
    return replace(base, **changes)
