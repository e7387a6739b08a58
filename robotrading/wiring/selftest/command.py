"""The runs of a drill, apart from who plays it: what `robotrading run` does, at a gateway that misbehaves.

`python -m robotrading.wiring.selftest.command FILE...`; each file holds an `Order`. Entry points: `Order`, `main`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec

from robotrading.adapters.clock import SystemClock
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import SessionReport
from robotrading.sim.exchange_types import AccountSeed, Holding
from robotrading.sim.faults.plan import FaultPlan
from robotrading.wiring.books import Orders
from robotrading.wiring.runs import carry_out
from robotrading.wiring.selftest.drills import Stroke
from robotrading.wiring.selftest.gateway import DrilledGateway, Scene
from robotrading.wiring.selftest.record import Recorder


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run leaves: its reports, and what the pretend account holds and still has at work."""

    reports: tuple[SessionReport, ...]
    held: tuple[Holding, ...] = ()
    still_open: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """One run: its number, configuration file and day, the sessions in it, and what goes wrong."""

    folder: str
    number: int
    config: str
    day: date
    kinds: tuple[AssetClass, ...]
    account: AccountSeed
    plan: FaultPlan
    stroke: Stroke | None = None
    trade: bool = True

    @property
    def path(self) -> Path:
        return Path(self.folder) / f"run-{self.number}.json"

    @property
    def record(self) -> Path:
        return Path(self.folder) / "record.jsonl"

    @property
    def log(self) -> Path:
        return Path(self.folder) / f"run-{self.number}.log"

    @property
    def answer(self) -> Path:
        """Where the reports are left."""
        return Path(self.folder) / f"run-{self.number}.reports.json"

    def left(self) -> Answer | None:
        """What the run has left; None when it was killed."""
        try:
            return msgspec.json.decode(self.answer.read_bytes(), type=Answer)
        except (OSError, msgspec.DecodeError):
            return None


async def run(order: Order) -> Answer:
    """Carry it out and write down which misfortunes took place."""
    clock = SystemClock()
    began = clock.monotonic()
    scene = Scene(order.number, order.record, order.account, order.plan, order.stroke)
    gateway = DrilledGateway(scene, clock)
    orders = Orders(config=Path(order.config), as_of=order.day, trade=order.trade)
    try:
        reports = await carry_out(orders, order.kinds, lambda *_: None, gateway=gateway)
    finally:
        recorder = Recorder(order.record, order.number, Path())
        for happening in gateway.script.happened:
            recorder.happened(str(happening))
    answer = Answer(tuple(reports), seconds=clock.monotonic() - began)
    exchange = gateway.exchange
    if exchange is None:
        return answer
    still_open = tuple(order.request.order_ref for order in exchange.open_orders())
    return replace(answer, held=exchange.positions(order.account.account_id), still_open=still_open)


def main(paths: Sequence[Path]) -> None:
    """One after the other; each leaves its answer before the next begins."""
    for path in paths:
        order = msgspec.json.decode(path.read_bytes(), type=Order)
        order.answer.write_bytes(msgspec.json.encode(asyncio.run(run(order))))


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
