"""A small pretend world on virtual time: three sessions, a shared fund, a person's own holdings, and faults at will.

Prices at the exchange are set by the test; what the sessions' models see is made from a strength per symbol.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.orders import OrderType, Side
from robotrading.domain.report import SessionReport
from robotrading.domain.skip import Skip
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.construct import ConstructSettings, Scheme
from robotrading.portfolio.limits import LimitSettings
from robotrading.session.pipeline import run_session
from robotrading.session.settings import CapitalSettings, ExecutionSettings, SessionSettings, UniverseSettings
from robotrading.session.world import RunSpec, Universe, World
from robotrading.sim.broker import SimBroker
from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock, run_virtual
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings, OrderRequest
from robotrading.sim.market import FeedMarket
from robotrading.strategy.chain import SignalSettings
from robotrading.strategy.checks import CheckSettings
from robotrading.strategy.classic import MovingAverageSettings
from tests.session.worlds import Memory

D = Decimal
T = TypeVar("T")
OPEN = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
DAY = date(2025, 9, 26)
ACCOUNT = "DU1"
CALENDAR = WeekdayCalendar()
EQ, BO, CR = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
ALPHA, BRAVO = Instrument("ALPHA", EQ), Instrument("BRAVO", EQ)
FUND = Instrument("FUND", BO)
COIN = Instrument("COIN-USD", CR, exchange="PAXOS", lot=D("0.0001"), min_quantity=D("0.0001"))
BRAVO_AS_BOND = replace(BRAVO, asset_class=BO)
PRICES = {ALPHA: D(100), BRAVO: D(50), FUND: D(20), COIN: D(1000)}
UNIVERSES = {EQ: (ALPHA, BRAVO), BO: (FUND, BRAVO_AS_BOND), CR: (COIN,)}
KINDS = tuple(UNIVERSES)
PERSON = 7
"""The person's own client id at the exchange."""
RICH = D(100_000)
_DAYS = 40


class NoFeed:
    """The market's prices are set by hand."""

    name = "set by the test"

    def daily(self, _asked: Sequence[Instrument], _first: date, _last: date) -> Mapping[Instrument, Bars | Skip]:
        return {}


class Beliefs:
    """Bars whose moving averages give the strength that a test has asked for; `silent` symbols have none."""

    name = "beliefs"

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.strength: dict[str, float] = {}
        self.silent: set[str] = set()

    def daily(self, asked: Sequence[Instrument], _first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        return {instrument: self._bars(instrument, last) for instrument in asked}

    def _bars(self, instrument: Instrument, last: date) -> Bars | Skip:
        if instrument.symbol in self.silent:
            return Skip(instrument.symbol, "prices", "the source is dead")
        days = CALENDAR.days(instrument.asset_class, date(2025, 6, 2), last)[-_DAYS:]
        gap = self.strength.get(instrument.symbol, 0.0) * 0.05 / 0.75
        closes = 100.0 * (1 + 0.0005 * np.cos(np.arange(_DAYS)))
        closes[-5:] *= 1 + gap
        closes *= float(PRICES.get(instrument, D(100))) / closes[-1]
        return Bars.from_closes(instrument, days, closes, as_of=self._clock.now(), source=self.name)


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_ledger(f"sqlite:///{path}").close()
        return path.read_bytes()


def settings(kind: AssetClass, **weights: str) -> SessionSettings:
    """A session with fixed weights by symbol (dots for dashes), and bounds short enough for tests."""
    fixed = {symbol.replace("_", "-"): D(weight) for symbol, weight in weights.items()}
    return SessionSettings(
        kind=kind,
        share={EQ: D("0.5"), BO: D("0.3"), CR: D("0.2")}[kind],
        universe=UniverseSettings(),
        sources=("beliefs",),
        history_days=_DAYS,
        checks=CheckSettings(min_days=20, max_constant_days=1000, min_annual_volatility=0.0, adf_p_value=1.0),
        signal=SignalSettings(("moving_average", "hold"), moving_average=MovingAverageSettings(5, 20)),
        construct=ConstructSettings(Scheme.FIXED, fixed, max_weight=D(1)),
        bands=BandSettings(D("0.01"), D("0.05")),
        limits=LimitSettings(max_position_share=D(1)),
        execution=ExecutionSettings(fill_timeout=30.0, cancel_timeout=5.0),
    )


USUAL = {EQ: {"ALPHA": "0.4", "BRAVO": "0.5"}, BO: {"FUND": "0.6", "BRAVO": "0.3"}, CR: {"COIN_USD": "0.8"}}


@dataclass
class Bench:
    """Everything around the sessions. `client` counts the brokers made, which all have the same client id."""

    folder: Path
    exchange: Exchange
    market: FeedMarket
    clock: VirtualClock
    beliefs: Beliefs
    ledger: SqlLedger
    person: dict[Instrument, Decimal]
    runs: int = 0
    brokers: list[SimBroker] = field(default_factory=list)

    def broker(self) -> SimBroker:
        """A connection of a new process; those of the old ones are gone."""
        for old in self.brokers:
            old.lose_connection()
        self.brokers = [SimBroker(self.exchange, self.clock, ACCOUNT)]
        return self.brokers[0]

    def spec(self, kind: AssetClass = EQ, weights: Mapping[str, str] | None = None, **changes: Any) -> RunSpec:
        self.runs += 1
        base = RunSpec(
            run_id=f"run-{self.runs}",
            mode="test",
            trading_date=CALENDAR.trading_day(kind, self.clock.now()),
            settings=settings(kind, **(USUAL[kind] if weights is None else weights)),
            capital=CapitalSettings(),
            account_id=ACCOUNT,
            paper=True,
        )
        return replace(base, **changes)

    def world(self, kind: AssetClass = EQ, **changes: Any) -> World:
        base = World(
            clock=self.clock,
            calendar=CALENDAR,
            feed=self.beliefs,
            universe=lambda: Universe(UNIVERSES[kind]),
            broker=changes.get("broker") or self.broker(),
            ledger=self.ledger,
            fits=Memory(),
        )
        return replace(base, **changes)

    def run(
        self,
        kind: AssetClass = EQ,
        weights: Mapping[str, str] | None = None,
        world: World | None = None,
        **changes: Any,
    ) -> SessionReport:
        """One session to its report, on virtual time."""
        spec = self.spec(kind, weights, **changes)
        return self.virtually(run_session(spec, world or self.world(kind)))

    def virtually(self, program: Coroutine[Any, Any, T]) -> T:
        return run_virtual(program, self.clock)

    def trade_as_person(self, side: Side, instrument: Instrument, quantity: Decimal) -> None:
        """At market, at once, at the exchange itself; never the bot's units."""
        quantity = min(quantity, self.person.get(instrument, D(0))) if side is Side.SELL else quantity
        if not quantity:
            return
        before = self.held(instrument)
        request = OrderRequest(instrument=instrument, side=side, order_type=OrderType.MARKET, quantity=quantity)
        self.exchange.place(PERSON, self.exchange.next_order_id(PERSON), request)
        self.exchange.step()
        self.exchange.cancel_all(PERSON)
        self.person[instrument] = self.person.get(instrument, D(0)) + self.held(instrument) - before

    def held(self, instrument: Instrument) -> Decimal:
        return sum((h.quantity for h in self.exchange.positions(ACCOUNT) if h.instrument == instrument), D(0))

    def owned(self, instrument: Instrument) -> Decimal:
        return self.ledger.owned(instrument)

    def bought_for_the_bot(self, instrument: Instrument) -> Decimal:
        """Net quantity of all executions with our references."""
        latest = {e.fill_id: e for e in self.exchange.executions() if e.order_ref and e.instrument == instrument}
        return sum((e.quantity * e.side.sign for e in latest.values()), D(0))

    def orders(self) -> list[Any]:
        """All that ever reached the exchange with our references."""
        everything = (*self.exchange.open_orders(), *self.exchange.completed_orders())
        return [order for order in everything if order.request.order_ref]

    def assert_sound(self) -> None:
        """What holds at any time, whatever has happened."""
        references = [order.request.order_ref for order in self.orders()]
        assert len(references) == len(set(references)), "an intent was sent twice"
        for instrument in PRICES:
            net = D(0)
            for execution in self.exchange.executions():
                if execution.order_ref and execution.instrument == instrument:
                    net += execution.quantity * execution.side.sign
                    assert net >= 0, f"more {instrument} was sold than the bot had bought"
            assert self.held(instrument) - net == self.person.get(instrument, D(0)), f"{instrument} of the person moved"
        for reference in references:
            assert self.ledger.ticket(reference) is not None, f"{reference} left without an intent"

    def assert_settled(self) -> None:
        """What holds once nothing is open any more: the journal is the exchange's."""
        self.assert_sound()
        for instrument in PRICES:
            assert self.owned(instrument) == self.bought_for_the_bot(instrument), instrument


def build(
    folder: Path,
    holdings: Mapping[Instrument, Decimal] | None = None,
    cash: Decimal = RICH,
    *,
    at: datetime = OPEN,
    prices: Mapping[Instrument, Decimal] = PRICES,
    **rules: Any,
) -> Bench:
    """A fresh bench; `rules` are the exchange's."""
    clock = VirtualClock(at)
    market = FeedMarket(NoFeed(), clock, list(PRICES), calendar=CALENDAR)
    for instrument, price in prices.items():
        market.set_price(instrument, price)
    person = dict(holdings or {})
    seed = AccountSeed(ACCOUNT, {"USD": cash}, tuple((i, q, PRICES[i]) for i, q in person.items()))
    exchange = Exchange(market, clock, [seed], ExchangeSettings(**rules), CALENDAR)
    path = folder / "ledger.db"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_template())
    return Bench(folder, exchange, market, clock, Beliefs(clock), open_ledger(f"sqlite:///{path}"), person)


def set_rules(bench: Bench, **rules: Any) -> None:
    """From now on the exchange matches by other rules."""
    bench.exchange._settings = bench.exchange._floor.settings = ExchangeSettings(**rules)


def forget(bench: Bench) -> None:
    """Close and remove what a bench has on the disk."""
    bench.ledger.close()
    shutil.rmtree(bench.folder, ignore_errors=True)


# Misfortune -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing that it would do from now on happens."""


@dataclass
class Fate:
    """Ends a process at its `at`-th call to the ledger or the broker, before or after the call has had its effect."""

    at: int
    after: bool = False
    calls: int = 0

    def meet(self, *, after: bool) -> None:
        if not after:
            self.calls += 1
        if self.calls > self.at or (self.calls == self.at and after is self.after):
            self.calls = max(self.calls, self.at + 1)
            raise Killed


class Mortal:
    """A port as seen by a process that is going to die."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port = port
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if inspect.iscoroutinefunction(found):
            return self._awaited(found)
        return self._called(found) if callable(found) else found

    def _awaited(self, work: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **named: Any) -> Any:
            self._fate.meet(after=False)
            answer = await work(*args, **named)
            self._fate.meet(after=True)
            return answer

        return call

    def _called(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self._fate.meet(after=False)
            answer = work(*args, **named)
            self._fate.meet(after=True)
            return answer

        return call


class Failing:
    """A port whose method `name` raises `error` from its `at`-th call on; with `once` only then."""

    def __init__(self, port: Any, name: str, error: Exception, at: int = 1, *, once: bool = False) -> None:
        self._port = port
        self._name = name
        self._error = error
        self._at = at
        self._once = once
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name != self._name:
            return found
        if inspect.iscoroutinefunction(found):

            async def late(*args: Any, **named: Any) -> Any:
                self._count()
                return await found(*args, **named)

            return late

        def now(*args: Any, **named: Any) -> Any:
            self._count()
            return found(*args, **named)

        return now

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._at or (self.calls > self._at and not self._once):
            raise self._error


DISK_FULL = LedgerError("ledger.db: database or disk is full; nothing was written")
