"""Whole sessions over the real wire whose gateway goes away in the middle: nothing is lost, doubled or guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from broker_worlds import until

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.orders import Intent, TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.pipeline import run_session
from robotrading.session.settings import ExecutionSettings
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import DropAt, Faults, GatewayServerSettings
from tests.session.bench import ACCOUNT, EQ, Bench, build, forget

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]
SETTINGS = GatewayServerSettings(fill_delay=0.1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = build(tmp_path / "bench")
    yield made
    forget(made)


class Drill:
    """A bench's exchange behind a gateway; a misfortune comes before or after its n-th order."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.server = GatewayServer(bench.exchange, bench.clock, SETTINGS)
        self.port = 0
        self.sent = 0
        self._beside: set[asyncio.Task[None]] = set()

    async def run(self, nth: int, misfortune: Callable[[Drill], object], *, before: bool = False) -> SessionReport:
        self.port = await self.server.start()
        terms = GatewaySettings(port=self.port, account=ACCOUNT, request_timeout=2.0, connect_timeout=2.0)
        broker = IbkrBroker(terms, self.bench.clock)
        submit = broker.submit

        async def watched(intent: Intent) -> None:
            self.sent += 1
            if before and self.sent == nth:
                misfortune(self)
            await submit(intent)
            if not before and self.sent == nth:
                await until(lambda: intent.intent_id in {order.request.order_ref for order in self.bench.orders()})
                misfortune(self)

        broker.submit = watched  # type: ignore[method-assign]
        spec = self.bench.spec(EQ)
        quick = ExecutionSettings(fill_timeout=3.0, cancel_timeout=2.0, max_open_orders=1)
        spec = replace(spec, settings=replace(spec.settings, execution=quick, deadline=60.0))
        try:
            return await run_session(spec, self.bench.world(EQ, broker=broker))
        finally:
            await broker.disconnect()
            await self.server.stop()

    def beside(self, work: Callable[[], object]) -> None:
        """Do something in a moment."""

        async def later() -> None:
            await asyncio.sleep(0.3)
            answer = work()
            if asyncio.iscoroutine(answer):
                await answer

        task = asyncio.create_task(later())
        self._beside.add(task)

    def restart(self) -> None:
        """The gateway ends and is back in a moment, with its ids counted anew."""
        for writer in self.server._connections.values():
            writer.transport.abort()
        self.server.faults = Faults(refuse_connections=True)
        self.bench.exchange.supervision.forget_order_ids()
        self.bench.exchange.next_order_id = lambda _client: 1  # type: ignore[method-assign]

        def back() -> None:
            self.server.faults = Faults()

        self.beside(back)

    def lose_link(self) -> None:
        """1100, and 1102 in a moment; what happens in between is never told by itself."""
        self.server.broadcast(Code.LINK_LOST)
        self.server.faults = Faults(withhold_acks=True, withhold_fills=True)

        def back() -> None:
            self.server.faults = Faults()
            self.server.broadcast(Code.LINK_RESTORED_DATA_KEPT)

        self.beside(back)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(
    "misfortune",
    [Drill.restart, Drill.lose_link, lambda drill: drill.server.disconnect_all()],
    ids=["restart", "1100", "cut"],
)
async def test_a_gateway_that_goes_away_after_an_order_costs_no_order(
    bench: Bench, nth: int, misfortune: Callable[[Drill], object]
) -> None:
    drill = Drill(bench)
    report = await drill.run(nth, misfortune)
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.FILLED] * 2
    assert report.outcome is Outcome.DONE
    assert drill.sent == 2
    bench.assert_settled()


@pytest.mark.parametrize("moment", [DropAt.BEFORE_ACK, DropAt.AFTER_ACK])
async def test_an_order_whose_acknowledgement_is_lost_is_found_and_not_doubled(bench: Bench, moment: DropAt) -> None:
    def cut(drill: Drill) -> None:
        drill.server.faults = Faults(drop_at=moment)

    report = await Drill(bench).run(1, cut, before=True)
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.FILLED] * 2
    bench.assert_settled()


async def test_an_order_that_never_arrives_is_unknown_and_the_other_is_traded(bench: Bench) -> None:
    """Nobody can tell it from one that is on its way: its instrument is blocked, and nothing else is."""

    def cut(drill: Drill) -> None:
        drill.server.faults = Faults(drop_at=DropAt.BEFORE_ORDER)

    report = await Drill(bench).run(1, cut, before=True)
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.UNKNOWN, TicketStatus.FILLED]
    assert report.outcome is Outcome.PARTLY
    bench.assert_sound()
    assert sum((order.filled for order in bench.orders()), Decimal(0)) > 0
