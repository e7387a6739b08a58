"""A broker, a market with set prices and a plan, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side, intent_id_for
from robotrading.sim.clock import VirtualClock, run_virtual
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings
from robotrading.sim.faults.broker import FaultyBroker
from robotrading.sim.faults.clock import JumpingClock
from robotrading.sim.faults.kinds import FaultKind, Trigger
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.plan import Fault, FaultPlan
from robotrading.sim.faults.script import Script
from robotrading.sim.market import FeedMarket
from tests.unit.sim.sim_world import ABC, ACCOUNT, NOON, XYZ, NoFeed

D = Decimal
PRICE = D(100)


def fault(kind: FaultKind, on: Trigger = Trigger.SUBMIT, at: float = 1, **terms: Any) -> Fault:
    return Fault(kind=kind, on=on, at=at, **terms)


def plan(kind: FaultKind, on: Trigger = Trigger.SUBMIT, at: float = 1, **terms: Any) -> FaultPlan:
    return FaultPlan(0, (fault(kind, on, at, **terms),))


def buy(attempt: int = 1, quantity: int = 10, limit: D | None = None, **terms: Any) -> Intent:
    """Ten ABC at market, or at a limit."""
    fields: dict[str, Any] = {
        "intent_id": intent_id_for(ABC.asset_class, NOON.date(), ABC, Side.BUY, attempt),
        "session_id": "test",
        "kind": ABC.asset_class,
        "trading_date": NOON.date(),
        "instrument": ABC,
        "side": Side.BUY,
        "quantity": D(quantity),
        "order_type": OrderType.MARKET if limit is None else OrderType.LIMIT,
        "limit_price": limit,
        "arrival_price": PRICE,
        "reason": "test",
    }
    return Intent(**{**fields, **terms})


class FaultStage:
    """A world with its plan, and one program's broker. The account holds 40 XYZ that nobody of ours bought."""

    def __init__(self, planned: FaultPlan, **rules: Any) -> None:
        self.world_clock = VirtualClock(NOON)
        self.script = Script(planned, self.world_clock)
        self.clock = JumpingClock(self.world_clock, self.script)
        self.market = FeedMarket(NoFeed(), self.world_clock, [ABC, XYZ])
        self.price(ABC, PRICE)
        self.price(XYZ, D(50))
        seed = AccountSeed(ACCOUNT, {"USD": D(100_000)}, ((XYZ, D(40), D(45)),))
        self.exchange = Exchange(self.market, self.world_clock, [seed], ExchangeSettings(**rules))
        self.mishaps = OrderFaults(self.exchange, self.script)
        self.events: list[OrderEvent] = []
        self.when: list[float] = []
        self.broker = self.new_broker()

    def price(self, instrument: Instrument, last: D) -> None:
        self.market.set_price(instrument, last, last - D("0.01"), last + D("0.01"))

    def new_broker(self) -> FaultyBroker:
        """As after a restart of the program."""
        broker = FaultyBroker(self.mishaps, self.world_clock, ACCOUNT)
        broker.subscribe(self._hear)
        return broker

    def _hear(self, event: OrderEvent) -> None:
        self.events.append(event)
        self.when.append(self.seconds)

    @property
    def seconds(self) -> float:
        return self.world_clock.monotonic()

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    @property
    def fills(self) -> list[Fill]:
        return [event.fill for event in self.events if event.fill is not None]

    @property
    def booked(self) -> D:
        """Quantity by the latest revisions told."""
        return sum(
            ({fill.fill_id: fill for fill in self.fills}[key].quantity for key in {f.fill_id for f in self.fills}), D(0)
        )

    async def play(self, *orders: Intent, seconds: float = 1.0) -> None:
        """Submit, and let some time pass."""
        for order in orders:
            await self.broker.submit(order)
        await asyncio.sleep(seconds)


def played(planned: FaultPlan, program: Callable[[FaultStage], Awaitable[None]], **rules: Any) -> FaultStage:
    """Connect and run a program on virtual time."""
    stage = FaultStage(planned, **rules)

    async def run() -> None:
        await stage.broker.connect()
        await program(stage)

    run_virtual(run(), stage.world_clock)
    return stage
