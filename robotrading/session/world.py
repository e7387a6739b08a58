"""What a session run is given: ports, settings, and who it is. `wiring/job.py` fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.ports import Broker, Calendar, Clock, Feed, Ledger
from robotrading.domain.skip import Skip
from robotrading.execution.quiet import QuietTimes
from robotrading.session.leash import Leash
from robotrading.session.reach import Reach
from robotrading.session.settings import CapitalSettings, SessionSettings
from robotrading.strategy.hmm import FitState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Universe:
    """What the session considers; `weights` are an index's, None for a plain list."""

    instruments: tuple[Instrument, ...]
    weights: Mapping[Instrument, Decimal] | None = None
    skips: tuple[Skip, ...] = ()


class FitStore(Protocol):
    """Where fitted models wait for the next run, by instrument key. Losing them costs time, never truth."""

    def load(self, kind: AssetClass) -> Mapping[str, FitState]: ...

    def save(self, kind: AssetClass, states: Mapping[str, FitState]) -> None: ...


def _silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


def _forget_nothing(instruments: Iterable[Instrument]) -> None:
    """Keep everything."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one run. `broker` is only read by the pipeline; orders go through the door made around it.

    `feed_notes` tells what the feed's latest answer was served from, where that was not the source itself;
    `feed_forget` is told of series that the checks refused, so that they are fetched anew next time. `broker_notes`
    tells of holdings and orders of kinds that the bot does not trade. `quiet` are the times in which no order leaves
    and nobody logs in. `progress` hears of each step: 0 of 0 when it begins, then how far along it is. `reach` is the
    run's own way to the broker; without one the broker is asked once. `leash` ties the run to the command that started
    it.
    """

    clock: Clock
    calendar: Calendar
    feed: Feed
    universe: Callable[[], Universe]
    broker: Broker
    ledger: Ledger
    fits: FitStore
    progress: Callable[[str, int, int], None] = field(default=_silent)
    feed_notes: Callable[[], Sequence[Skip]] = field(default=tuple)
    feed_forget: Callable[[Iterable[Instrument]], None] = field(default=_forget_nothing)
    broker_notes: Callable[[], Sequence[Skip]] = field(default=tuple)
    quiet: QuietTimes = field(default_factory=QuietTimes)
    reach: Reach | None = None
    leash: Leash = field(default_factory=Leash)

    async def connect(self) -> None:
        """Logged in at the broker. Raises `BrokerUnavailable` when that could not be had in time, and `ConfigError`."""
        await (self.broker.connect() if self.reach is None else self.reach.connect())

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Logged in, ask the broker what may be asked twice. Raises as `connect` does."""
        if self.reach is not None:
            return await self.reach.answer(ask)
        await self.connect()
        return await ask()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Which run this is. `plan_id` executes a stored plan and nothing else; `trade` False stops before the first order.

    `account_id` and `paper` are what the configuration promises; the door refuses any other account. `pretend`
    says that the broker is the embedded one, whose quotes are made from the feed's prices.
    """

    run_id: str
    mode: str
    trading_date: date
    settings: SessionSettings
    capital: CapitalSettings
    account_id: str
    paper: bool
    trade: bool = True
    plan_id: str = ""
    pretend: bool = False

    @property
    def kind(self) -> AssetClass:
        return self.settings.kind
