"""500 limit orders through the gateway, from the first to leave to the last to be filled.

Run with `.venv/bin/python benchmarks/bench_gateway.py [orders]`. The aim: within 3 s of what the limit of 45 messages a
second allows.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.library import NAME, VERSION
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.orders import EventKind, Intent, OrderEvent, OrderType, Side, intent_id_for
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.market import FeedMarket

NOON = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)
ACCOUNT = "DU1000001"
SPARE_SECONDS = 3.0


class NoFeed:
    """All prices are set."""

    name = "set"

    def daily(self, _asked: Sequence[Instrument], _first: date, _last: date) -> Mapping[Instrument, Bars | Skip]:
        return {}


def limit_order(instrument: Instrument) -> Intent:
    return Intent(
        intent_id=intent_id_for(instrument.asset_class, NOON.date(), instrument, Side.BUY, 1),
        session_id="bench",
        kind=instrument.asset_class,
        trading_date=NOON.date(),
        instrument=instrument,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        arrival_price=Decimal(100),
        reason="measured",
        limit_price=Decimal(101),
    )


async def measure(count: int) -> tuple[float, float]:
    """Seconds until the last order has left, and until the last is filled and its execution told."""
    clock = VirtualClock(NOON)
    instruments = [Instrument(f"SYN{number:03d}", AssetClass.EQUITIES) for number in range(count)]
    market = FeedMarket(NoFeed(), clock, instruments)
    for instrument in instruments:
        market.set_price(instrument, Decimal(100))
    exchange = Exchange(market, clock, [AccountSeed(ACCOUNT, {"USD": Decimal(10_000_000)})])
    server = GatewayServer(exchange, clock)
    broker = IbkrBroker(GatewaySettings(port=await server.start(), account=ACCOUNT), clock)
    waiting = {instrument.symbol for instrument in instruments}
    done = asyncio.Event()

    def hear(event: OrderEvent) -> None:
        if event.kind is EventKind.FILL and event.fill is not None:
            waiting.discard(event.fill.instrument.symbol)
            if not waiting:
                done.set()

    broker.subscribe(hear)
    try:
        await broker.connect()
        start = time.perf_counter()
        await asyncio.gather(*(broker.submit(limit_order(instrument)) for instrument in instruments))
        sent = time.perf_counter() - start
        await asyncio.wait_for(done.wait(), 60)
        return sent, time.perf_counter() - start
    finally:
        await broker.disconnect()
        await server.stop()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    sent, filled = asyncio.run(measure(count))
    allowed = count / GatewaySettings().messages_per_second + SPARE_SECONDS
    print(f"{NAME} {VERSION}: {count} orders sent in {sent:.2f} s, filled in {filled:.2f} s, aim {allowed:.2f} s")
    assert filled <= allowed


if __name__ == "__main__":
    main()
