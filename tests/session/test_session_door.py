"""What the door itself sees and remembers between two orders, whatever the plan has thought of before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from robotrading.domain.errors import BrokerUnavailable, LedgerError, LimitBreached
from robotrading.domain.orders import Fill, Intent, Side, Ticket, TicketStatus
from robotrading.domain.skip import Skip
from robotrading.execution.quiet import QuietTimes, window
from robotrading.session.account import standing
from robotrading.session.door import Door, Moment, turnover
from robotrading.session.lease import SEND_SECONDS
from robotrading.session.steps import Draft
from robotrading.session.tickets import TicketBook
from tests.session.bench import ACCOUNT, ALPHA, BRAVO, DAY, FUND, OPEN, Bench, Failing
from tests.session.test_executor import execute, intent

D = Decimal
A, B = intent(ALPHA, 10), intent(BRAVO, 20)
"""Each is worth 1003 at its limit."""
LOOK = None
"""In a list of orders: the account is looked at again."""


def submit(bench: Bench, *orders: Intent | None, limits: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    """By order the rule that has refused it, '' where it left; the broker executes nothing meanwhile."""
    base = bench.spec(**{name: value for name, value in changes.items() if name != "quiet"})
    spec = replace(base, settings=replace(base.settings, limits=replace(base.settings.limits, **(limits or {}))))
    world = bench.world(**{name: value for name, value in changes.items() if name == "quiet"})
    told: list[str] = []

    async def work() -> None:
        book = TicketBook(world.ledger)
        world.broker.subscribe(book)
        await world.broker.connect()
        door = Door(spec, world, book)
        sight = (await standing(world, Draft(bench.spec(), bench.clock, bench.clock.now()), [ALPHA, BRAVO, FUND])).sight
        door.look(sight)
        for order in orders:
            if order is LOOK:
                door.look(sight)
                continue
            try:
                await door.submit(order)
                told.append("")
            except LimitBreached as breach:
                told.append(breach.rule)

    bench.virtually(work())
    return told


@pytest.mark.parametrize(
    ("prepare", "changes", "rule"),
    [
        (lambda _: None, {}, ""),
        (lambda bench: bench.ledger.halt("by hand", OPEN, "me"), {}, "halted"),
        (lambda bench: bench.ledger.stop_day(ACCOUNT, DAY, "it lost 6 %", OPEN), {}, "day_stopped"),
        (lambda bench: bench.clock.advance(6 * 3600), {}, "trading_hours"),
        (lambda _: None, {"quiet": QuietTimes((window("11:01-12:00"),), margin=61)}, "quiet_time"),
        (lambda _: None, {"paper": False}, "paper_mode"),
        (lambda _: None, {"account_id": "DU9"}, "account_id"),
        (lambda _: None, {"account_id": ""}, ""),
    ],
)
def test_the_door_asks_for_itself(
    bench: Bench, prepare: Callable[[Bench], None], changes: dict[str, Any], rule: str
) -> None:
    prepare(bench)
    assert submit(bench, A, **changes) == [rule]
    assert len(bench.orders()) == (not rule)


@pytest.mark.parametrize(
    ("orders", "limits", "rules"),
    [
        ((A, B), {"max_positions": 1}, ["", "positions_count"]),
        ((A, B), {"max_turnover_share": D("0.0401")}, ["", "turnover"]),
        ((A, LOOK, B), {"max_turnover_share": D("0.04")}, ["", "turnover"]),
        ((A, B), {"max_turnover_share": D("0.04012")}, ["", ""]),
        ((intent(ALPHA, 600), intent(BRAVO, 900)), {"max_turnover_share": D(9)}, ["", "cash"]),
        (
            (intent(ALPHA, 400), intent(BRAVO, 800), intent(FUND, 1400)),
            {"max_turnover_share": D(9)},
            ["", "", "cash"],
        ),
        ((A, intent(ALPHA, 1, number=2)), {}, ["", "open_ticket"]),
    ],
)
def test_an_order_counts_for_the_next_one_before_it_is_filled(bench: Bench, orders, limits, rules) -> None:
    assert submit(bench, *orders, limits=limits) == rules


def test_a_lost_day_is_stopped_and_without_a_price_or_a_connection_nothing_is_journalled(bench: Bench) -> None:
    world = bench.world()

    async def work() -> None:
        await world.broker.connect()
        door = Door(bench.spec(), world, TicketBook(world.ledger))
        sight = (await standing(world, Draft(bench.spec(), bench.clock, bench.clock.now()), [ALPHA, BRAVO])).sight
        door.look(sight)
        assert not bench.ledger.day_stopped(ACCOUNT, DAY)
        door.look(replace(sight, day_start_value=sight.account.net_liquidation * 2))
        assert "the day has lost 50.0 %" in bench.ledger.day_stopped(ACCOUNT, DAY)
        door.look(replace(sight, quotes={ALPHA: Skip("ALPHA", "quotes", "not subscribed")}))
        with pytest.raises(LimitBreached, match="no usable quote"):
            await door.submit(A)
        await world.broker.disconnect()
        with pytest.raises(BrokerUnavailable, match="buy ALPHA was not sent"):
            await door.submit(A)

    bench.virtually(work())
    assert bench.ledger.ticket(A.intent_id) is None


def test_an_order_that_could_not_be_journalled_as_sent_stays_and_is_told_of(bench: Bench) -> None:
    world = bench.world(ledger=Failing(bench.ledger, "append", LedgerError("the disk is full")))
    book = TicketBook(world.ledger)

    async def work() -> None:
        await world.broker.connect()
        door = Door(bench.spec(), world, book)
        door.look((await standing(world, Draft(bench.spec(), bench.clock, bench.clock.now()), [ALPHA])).sight)
        with pytest.raises(LedgerError, match="full"):
            await door.submit(A)
        with pytest.raises(LedgerError, match="failed earlier in this run"):
            await door.submit(B)

    bench.virtually(work())
    assert [(ticket.intent, ticket.status) for ticket in book.everything()] == [(A, TicketStatus.PLANNED)]
    assert bench.orders() == []


class Witness:
    """A broker that looks into the journal when an order reaches it."""

    def __init__(self, port: Any, bench: Bench) -> None:
        self._port, self._bench = port, bench
        self.saw: list[TicketStatus] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def submit(self, order: Intent) -> None:
        self.saw.append(self._bench.ledger.ticket(order.intent_id).status)
        await self._port.submit(order)


@pytest.mark.parametrize("own", [False, True])
def test_a_turn_that_does_not_come_is_a_doubt_and_the_brokers_own_silence_an_error(bench: Bench, own: bool) -> None:
    class Busy(Witness):
        async def submit(self, _order: Intent) -> None:
            if own:
                raise TimeoutError("the broker's own")
            await asyncio.sleep(SEND_SECONDS + 1)

    world = bench.world(broker=Busy(bench.broker(), bench))

    async def work() -> None:
        await world.broker.connect()
        door = Door(bench.spec(), world, TicketBook(world.ledger))
        door.look((await standing(world, Draft(bench.spec(), bench.clock, bench.clock.now()), [ALPHA])).sight)
        if own:
            with pytest.raises(TimeoutError, match="the broker's own"):
                await door.submit(A)
            return
        ticket = await door.submit(A)
        assert (ticket.status, bench.clock.monotonic()) == (TicketStatus.UNKNOWN, SEND_SECONDS)
        assert ticket.reason.endswith("its turn did not come")

    bench.virtually(work())


def test_when_an_order_reaches_the_broker_the_journal_says_that_it_left(bench: Bench) -> None:
    """Whoever dies then must not find it among those that never did."""
    broker = bench.broker()
    witness = Witness(broker, bench)
    execute(bench, A, B, broker=witness)
    assert witness.saw == [TicketStatus.SENT] * 2


def test_a_sell_takes_nothing_of_the_cash(bench: Bench) -> None:
    execute(bench, intent(ALPHA, 300))
    wide = {"max_turnover_share": D(9)}
    sell, buy = intent(ALPHA, 300, Side.SELL), intent(BRAVO, 1300)
    assert submit(bench, sell, buy, limits=wide) == ["", ""]


def test_what_was_closed_today_is_refused_at_the_door_too(bench: Bench) -> None:
    execute(bench, A)
    execute(bench, intent(ALPHA, 10, Side.SELL))
    assert submit(bench, intent(ALPHA, 5, number=2), B) == ["reentry", ""]


def test_an_order_takes_along_what_the_account_held_beyond_the_bots_own(bench: Bench) -> None:
    bench.trade_as_person(Side.BUY, ALPHA, D(7))
    execute(bench, A)
    again = intent(ALPHA, 4, number=2)
    assert submit(bench, again, B) == ["", ""]
    assert [bench.ledger.ticket(one.intent_id).protected for one in (A, again, B)] == [7, 7, 0]


def test_a_days_turnover_is_what_was_executed_and_what_still_works() -> None:
    fill = Fill("f", A.intent_id, ALPHA, Side.BUY, D(4), D(99), OPEN)
    part = Ticket(A, TicketStatus.UNKNOWN, fills=(fill,))
    ended = replace(part, status=TicketStatus.CANCELLED)
    assert [turnover([part]), turnover([ended]), turnover([part, ended])] == [D(996), D(396), D(1392)]


@dataclass
class TwoClocks:
    """The wall clock may be set; the other stops while the machine sleeps."""

    wall: float = 0.0
    passed: float = 0.0

    def now(self):
        return OPEN + timedelta(seconds=self.wall)

    def monotonic(self) -> float:
        return self.passed


@pytest.mark.parametrize(("wall", "passed", "age"), [(20, 20, 20), (-3600, 20, 20), (3600, 1, 3600)])
def test_an_age_is_told_by_the_clock_that_says_more(wall: float, passed: float, age: float) -> None:
    clock = TwoClocks()
    began = Moment.of(clock)
    clock.wall, clock.passed = wall, passed
    assert began.age(clock) == age
