"""Every kind of fault that the in-process broker claims really happens, seen from the Broker port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, TicketStatus
from robotrading.domain.skip import Skip
from robotrading.sim.clock import run_virtual
from robotrading.sim.faults.kinds import WHERE, FaultKind, Layer, Trigger
from robotrading.sim.faults.plan import plan_for
from tests.unit.sim.fault_stage import FaultStage, buy, plan, played
from tests.unit.sim.sim_world import ABC, ACCOUNT, UNKNOWN, XYZ

D = Decimal
K, T = FaultKind, Trigger
ACK, FILL, FILLED = EventKind.ACKNOWLEDGED, EventKind.FILL, EventKind.FILLED
USUAL = [ACK, FILL, FILLED, FILL]
"""What is told of a market order: the second fill brings the commission."""

PLAYS: dict[FaultKind, Callable[[], None]] = {}


def shows(kind: FaultKind) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def note(play: Callable[[], None]) -> Callable[[], None]:
        PLAYS[kind] = play
        return play

    return note


def claimed(layer: Layer) -> set[FaultKind]:
    return {kind for kind in FaultKind if layer in WHERE[kind]}


def test_every_kind_claimed_for_the_broker_is_shown_here() -> None:
    assert PLAYS.keys() == claimed(Layer.BROKER)


@pytest.mark.parametrize("kind", sorted(claimed(Layer.BROKER)))
def test_the_fault_happens(kind: FaultKind) -> None:
    PLAYS[kind]()


def one_order(kind: FaultKind, seconds: float = 1.0, **terms: object) -> FaultStage:
    """A market order that the fault befalls, then another that it spares where it still can."""

    async def program(stage: FaultStage) -> None:
        await stage.play(buy(), seconds=seconds)

    return played(plan(kind, **terms), program)  # type: ignore[arg-type]


async def listed(stage: FaultStage) -> list[tuple[str, TicketStatus, D]]:
    orders = [*await stage.broker.open_orders(), *await stage.broker.completed_orders()]
    return [(order.intent_id, order.status, order.filled) for order in orders]


async def unavailable(question: Awaitable[object], words: str = ".") -> None:
    with pytest.raises(BrokerUnavailable, match=words):
        await question


# The connection


@shows(K.DROP)
def drop() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.broker.account()
        await unavailable(stage.broker.quotes([ABC]), "not connected")
        assert not stage.broker.connected
        await stage.broker.connect()
        await stage.broker.quotes([ABC])

    played(plan(K.DROP, T.QUESTION, 2), program)

    async def by_time(stage: FaultStage) -> None:
        await asyncio.sleep(4.9)
        assert stage.broker.connected
        await asyncio.sleep(0.2)
        assert not stage.broker.connected

    played(plan(K.DROP, T.SECONDS, 5), by_time)


@shows(K.DROP_BEFORE_ORDER)
def drop_before_order() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        assert not stage.broker.connected
        await stage.broker.connect()
        assert await listed(stage) == []
        await stage.play(buy(2))
        assert stage.kinds == USUAL

    played(plan(K.DROP_BEFORE_ORDER), program)


@shows(K.DROP_BEFORE_ACK)
def drop_before_ack() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        assert not stage.broker.connected
        await stage.broker.connect()
        assert stage.events == []
        assert await listed(stage) == [(buy().intent_id, TicketStatus.FILLED, D(10))]

    played(plan(K.DROP_BEFORE_ACK), program)


@shows(K.FROZEN)
def frozen() -> None:
    async def waited_out(stage: FaultStage) -> None:
        await stage.broker.account()
        assert stage.seconds == pytest.approx(15)

    played(plan(K.FROZEN, T.QUESTION, seconds=15.0), waited_out)

    async def read_afterwards(stage: FaultStage) -> None:
        await unavailable(stage.broker.account(), "no answer")
        assert stage.seconds == pytest.approx(20)
        await stage.play(buy())
        await stage.broker.disconnect()
        await asyncio.sleep(60)
        assert stage.exchange.executions(), "what waits in the socket is read at the end of the freeze"
        assert stage.kinds == []

    played(plan(K.FROZEN, T.QUESTION, seconds=60.0), read_afterwards)

    async def told_late(stage: FaultStage) -> None:
        await stage.play(buy(limit=D(99)))
        await unavailable(stage.broker.account())
        stage.price(ABC, D(98))
        stage.exchange.step()
        await asyncio.sleep(1)
        assert stage.kinds == [ACK]
        await asyncio.sleep(60)
        assert stage.kinds == USUAL

    played(plan(K.FROZEN, T.QUESTION, seconds=60.0), told_late)

    async def for_ever(stage: FaultStage) -> None:
        await unavailable(stage.broker.account())
        await stage.play(buy(), seconds=100_000)
        assert stage.events == []
        assert not stage.exchange.completed_orders()
        await unavailable(stage.broker.executions())
        await stage.broker.disconnect()
        await unavailable(stage.broker.connect(), "handshake")

    played(plan(K.FROZEN, T.QUESTION), for_ever)


def refused_logins(kind: FaultKind, error: type[Exception], words: str) -> None:
    stage = FaultStage(plan(kind, T.CONNECT, 2, times=2))

    async def program() -> None:
        await stage.broker.connect()
        stage.broker.lose_connection()
        for _ in range(2):
            with pytest.raises(error, match=words):
                await stage.broker.connect()
            assert not stage.broker.connected
        await stage.broker.connect()
        await stage.broker.account()

    run_virtual(program(), stage.world_clock)


@shows(K.REFUSED)
def refused() -> None:
    refused_logins(K.REFUSED, BrokerUnavailable, "refused")


@shows(K.CLIENT_ID_IN_USE)
def client_id_in_use() -> None:
    refused_logins(K.CLIENT_ID_IN_USE, BrokerUnavailable, "326")


@shows(K.WRONG_ACCOUNT)
def wrong_account() -> None:
    refused_logins(K.WRONG_ACCOUNT, ConfigError, ACCOUNT)


async def filled_while_the_link_was_down(stage: FaultStage) -> None:
    await stage.play(buy(limit=D(99)))
    await unavailable(stage.broker.account())
    assert not stage.broker.connected
    await unavailable(stage.broker.submit(buy(2)))
    if stage.seconds < 5:
        await unavailable(stage.broker.connect(), "1100")
    stage.price(ABC, D(98))
    stage.exchange.step()
    await stage.broker.connect()
    assert stage.broker.connected
    assert 30 < stage.seconds < 32
    assert [fill.quantity for fill in await stage.broker.executions()] == [D(10)]


@shows(K.LINK_DATA_LOST)
def link_data_lost() -> None:
    stage = played(plan(K.LINK_DATA_LOST, T.QUESTION, seconds=30.0), filled_while_the_link_was_down)
    assert stage.kinds == [ACK]


@shows(K.LINK_DATA_KEPT)
def link_data_kept() -> None:
    stage = played(plan(K.LINK_DATA_KEPT, T.QUESTION, seconds=30.0), filled_while_the_link_was_down)
    assert stage.kinds == USUAL
    assert stage.when[1] >= 30


@shows(K.ID_ROLLBACK)
def id_rollback() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        await unavailable(stage.broker.account())
        await stage.broker.connect()
        await stage.play(buy(2))
        first, second = stage.exchange.completed_orders()
        assert (first.order_id, first.perm_id) != (second.order_id, second.perm_id)
        assert first.order_id == second.order_id
        assert [one for one, _, _ in await listed(stage)] == [buy().intent_id, buy(2).intent_id]
        assert stage.kinds == [*USUAL, *USUAL]

    played(plan(K.ID_ROLLBACK, T.QUESTION), program)


# One order


@shows(K.ORDER_LOST)
def order_lost() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy(), seconds=3600)
        assert stage.broker.connected
        assert stage.events == []
        assert await listed(stage) == []

    played(plan(K.ORDER_LOST), program)


@shows(K.NO_CALLBACK)
def no_callback() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy(), buy(2, limit=D(90)), buy(3), seconds=3600)
        await stage.broker.cancel(buy(2).intent_id)
        await asyncio.sleep(1)
        assert {event.intent_id for event in stage.events} == {buy(3).intent_id}
        assert [(status, filled) for _, status, filled in await listed(stage)][:2] == [
            (TicketStatus.FILLED, D(10)),
            (TicketStatus.CANCELLED, D(0)),
        ]

    played(plan(K.NO_CALLBACK, times=2), program)


@shows(K.FILLS_FIRST)
def fills_first() -> None:
    assert one_order(K.FILLS_FIRST).kinds == [FILL, ACK, FILLED, FILL]

    async def unfilled(stage: FaultStage) -> None:
        await stage.play(buy(limit=D(90)))
        assert stage.kinds == []
        await stage.broker.cancel(buy().intent_id)
        await asyncio.sleep(1)
        assert stage.kinds == [ACK, EventKind.CANCELLED]

    played(plan(K.FILLS_FIRST), unfilled)


@shows(K.DUPLICATES)
def duplicates() -> None:
    stage = one_order(K.DUPLICATES, amount=D(3))
    assert stage.kinds == [kind for kind in USUAL for _ in range(3)]
    assert stage.booked == 10


@shows(K.PRICE_CORRECTED)
def price_corrected() -> None:
    stage = FaultStage(plan(K.PRICE_CORRECTED, amount=D("1.05"), seconds=60.0))

    async def program() -> None:
        await stage.broker.connect()
        await stage.play(buy(), seconds=59)
        assert [fill.revision for fill in stage.fills] == [1, 1]
        await asyncio.sleep(2)
        assert stage.fills[-1].price == D("105.01")
        assert [fill.price for fill in await stage.broker.executions()] == [D("105.01")]
        assert (await stage.broker.account()).cash["USD"] == D(100_000) - D("1050.10") - 1

    run_virtual(program(), stage.world_clock)
    assert [fill.revision for fill in stage.fills] == [1, 1, 2, 2]
    assert len({fill.fill_id for fill in stage.fills}) == 1


@shows(K.QUANTITY_BUSTED)
def quantity_busted() -> None:
    for share, left in ((D("0.5"), D(5)), (D(0), D(0))):
        stage = FaultStage(plan(K.QUANTITY_BUSTED, amount=share))

        async def program(stage: FaultStage = stage, left: D = left) -> None:
            await stage.broker.connect()
            await stage.play(buy(), seconds=1)
            assert stage.booked == left
            assert (await stage.broker.account()).holding(ABC) == left
            assert await listed(stage) == [(buy().intent_id, TicketStatus.FILLED, left)]

        run_virtual(program(), stage.world_clock)


@shows(K.PARTIAL_THEN_SILENCE)
def partial_then_silence() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy(), seconds=299)
        assert stage.kinds == [ACK, FILL]
        assert stage.booked == 4
        stage.exchange.step()
        assert await listed(stage) == [(buy().intent_id, TicketStatus.PARTIAL, D(4))]
        await asyncio.sleep(2)
        assert await listed(stage) == [(buy().intent_id, TicketStatus.FILLED, D(10))]
        assert stage.kinds == [ACK, FILL]

    played(plan(K.PARTIAL_THEN_SILENCE, amount=D("0.4"), seconds=300.0), program)


@shows(K.REJECTED_INACTIVE)
def rejected_inactive() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        assert [(event.kind, event.code) for event in stage.events] == [(EventKind.REJECTED, 201)]
        assert [status for _, status, _ in await listed(stage)] == [TicketStatus.REJECTED]

    played(plan(K.REJECTED_INACTIVE), program)


@shows(K.REJECTED_CANCELLED)
def rejected_cancelled() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        assert [(event.kind, event.code) for event in stage.events] == [(EventKind.CANCELLED, 201)]
        assert [status for _, status, _ in await listed(stage)] == [TicketStatus.CANCELLED]

    played(plan(K.REJECTED_CANCELLED), program)


@shows(K.OFF_TICK)
def off_tick() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy())
        assert [(event.kind, event.code) for event in stage.events] == [(EventKind.REJECTED, 110)]
        assert await listed(stage) == []

    played(plan(K.OFF_TICK), program)


@shows(K.CANCELLED_UNASKED)
def cancelled_unasked() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.play(buy(limit=D(90)), seconds=59)
        assert stage.kinds == [ACK]
        await asyncio.sleep(2)
        assert [(event.kind, event.code) for event in stage.events[1:]] == [(EventKind.CANCELLED, 202)]

    played(plan(K.CANCELLED_UNASKED, seconds=60.0), program)
    assert one_order(K.CANCELLED_UNASKED).kinds == [ACK, EventKind.CANCELLED]


# Positions and prices


@shows(K.POSITIONS_HUNG)
def positions_hung() -> None:
    async def program(stage: FaultStage) -> None:
        await unavailable(stage.broker.account(), "positions: no answer")
        assert stage.seconds == pytest.approx(20)
        await stage.broker.open_orders()
        await stage.broker.disconnect()
        await unavailable(stage.broker.connect(), "positions")
        await asyncio.sleep(10)
        await stage.broker.connect()
        assert (await stage.broker.account()).holding(XYZ) == 40

    played(plan(K.POSITIONS_HUNG, T.QUESTION, seconds=45.0), program)


@shows(K.POSITIONS_EMPTY)
def positions_empty() -> None:
    async def program(stage: FaultStage) -> None:
        await unavailable(stage.broker.account(), "not believed")
        await asyncio.sleep(46)
        assert (await stage.broker.account()).holding(XYZ) == 40

    played(plan(K.POSITIONS_EMPTY, T.QUESTION, seconds=45.0), program)


def no_quotes(kind: FaultKind, rule: str) -> None:
    async def program(stage: FaultStage) -> None:
        answer = (await stage.broker.quotes([ABC]))[ABC]
        assert isinstance(answer, Skip)
        assert answer.rule == rule
        await stage.play(buy())
        assert stage.kinds == USUAL, "the exchange trades on"
        await asyncio.sleep(60)
        assert isinstance((await stage.broker.quotes([ABC]))[ABC], Quote)

    played(plan(kind, T.QUESTION, seconds=30.0), program)


@shows(K.DATA_FARM_BROKEN)
def data_farm_broken() -> None:
    no_quotes(K.DATA_FARM_BROKEN, "data_farm")


@shows(K.DATA_TAKEN)
def data_taken() -> None:
    no_quotes(K.DATA_TAKEN, "competing_session")


@shows(K.QUOTES_MISSING)
def quotes_missing() -> None:
    no_quotes(K.QUOTES_MISSING, "no_price")


@shows(K.QUOTES_SLOW)
def quotes_slow() -> None:
    async def program(stage: FaultStage) -> None:
        await stage.broker.quotes([ABC])
        assert stage.seconds == pytest.approx(10)
        await stage.broker.account()
        assert stage.seconds == pytest.approx(10)

    played(plan(K.QUOTES_SLOW, T.CONNECT, amount=D(10)), program)

    async def hopeless(stage: FaultStage) -> None:
        await unavailable(stage.broker.quotes([ABC]), "quotes")

    played(plan(K.QUOTES_SLOW, T.CONNECT, amount=D(60)), hopeless)


async def quote(stage: FaultStage) -> Quote:
    found = (await stage.broker.quotes([ABC]))[ABC]
    assert isinstance(found, Quote)
    return found


@shows(K.QUOTES_STALE)
def quotes_stale() -> None:
    async def program(stage: FaultStage) -> None:
        first = await quote(stage)
        assert first.at == stage.world_clock.now()
        assert first.traded_at is not None
        assert (first.at - first.traded_at).total_seconds() == 3600
        stage.price(ABC, D(50))
        assert (await quote(stage)).last == first.last == D(100)
        await asyncio.sleep(61)
        assert (await quote(stage)).last == D(50)

    played(plan(K.QUOTES_STALE, T.QUESTION, amount=D(3600), seconds=60.0), program)


@shows(K.QUOTES_ABSURD)
def quotes_absurd() -> None:
    async def program(stage: FaultStage) -> None:
        assert (await quote(stage)).bid == D(9999)
        await stage.play(buy())
        assert stage.fills[0].price == D("100.01")

    played(plan(K.QUOTES_ABSURD, T.QUESTION), program)


# Laws


def test_a_quote_that_the_market_does_not_have_stays_missing_and_a_lost_link_for_ever_tells_nothing() -> None:
    async def program(stage: FaultStage) -> None:
        assert isinstance((await stage.broker.quotes([UNKNOWN]))[UNKNOWN], Skip)
        await stage.play(buy(limit=D(99)))
        stage.price(ABC, D(98))
        stage.exchange.step()
        await asyncio.sleep(100_000)
        assert stage.kinds == [ACK]
        assert stage.exchange.executions()

    played(plan(K.LINK_DATA_KEPT, T.EVENT), program)


def test_an_order_that_loses_the_link_is_not_sent() -> None:
    async def program(stage: FaultStage) -> None:
        await unavailable(stage.broker.submit(buy()))
        await asyncio.sleep(10)
        assert await listed(stage) == []

    played(plan(K.LINK_DATA_KEPT, T.SUBMIT, seconds=5.0), program)


def test_a_freeze_while_the_connection_is_cut_leaves_the_question_unanswered() -> None:
    async def program(stage: FaultStage) -> None:
        asked = asyncio.ensure_future(stage.broker.account())
        await asyncio.sleep(1)
        stage.broker.lose_connection()
        await unavailable(asked, "not connected")

    played(plan(K.FROZEN, T.QUESTION, seconds=10.0), program)


def test_a_restart_of_the_program_changes_nothing_for_the_world() -> None:
    """An aftermath planned before the program's death happens after it, and the new program hears of it."""
    stage = FaultStage(plan(K.CANCELLED_UNASKED, seconds=60.0))

    async def first() -> None:
        await stage.broker.connect()
        await stage.play(buy(limit=D(90)))

    run_virtual(first(), stage.world_clock)
    stage.broker.lose_connection()

    async def second() -> None:
        stage.broker = stage.new_broker()
        await stage.broker.connect()
        await asyncio.sleep(60)

    run_virtual(second(), stage.world_clock)
    assert stage.kinds == [ACK, EventKind.CANCELLED]


def test_the_same_seed_makes_the_same_run() -> None:
    """Events, their times, and what happened are the same, for every seed."""

    async def program(stage: FaultStage) -> None:
        for attempt in range(1, 7):
            try:
                if not stage.broker.connected:
                    await stage.broker.connect()
                await stage.broker.account()
                await stage.broker.quotes([ABC])
                await stage.play(buy(attempt), seconds=45)
            except (BrokerUnavailable, ConfigError) as error:
                stage.events.append(str(error))  # type: ignore[arg-type]
                await asyncio.sleep(30)

    def run(seed: int) -> tuple[object, ...]:
        stage = FaultStage(plan_for(seed, 3, sorted(claimed(Layer.BROKER))))

        async def play() -> None:
            await program(stage)

        run_virtual(play(), stage.world_clock)
        return (
            stage.events,
            stage.when,
            [str(one) for one in stage.script.happened],
            stage.seconds,
            stage.exchange.snapshot(),
        )

    for seed in range(60):
        assert run(seed) == run(seed), f"seed {seed}"
