"""What every Broker keeps, whatever lies behind it: run on the in-process broker and over the real wire.

To run it on another broker, subclass `BrokerContract` in a test module (`class TestMine(BrokerContract)`) with a
fixture `broker_case` that yields a `MakeCase`: an async callable that takes the keyword arguments of `make_world` and
answers a `BrokerCase` whose broker is connected. Waits are bounded by `eventually`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest

from robotrading.domain.errors import BrokerError, BrokerUnavailable, OrderRejected
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.orders import EventKind, Intent, OrderEvent, OrderType, Side, TicketStatus, TimeInForce
from robotrading.domain.ports import Broker
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings, OrderRequest
from robotrading.sim.market import FeedMarket

D = Decimal
NOON = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)
STOCK = Instrument("SYNAA", AssetClass.EQUITIES)
HELD = Instrument("SYNAB", AssetClass.EQUITIES)
CLASS_B = Instrument("SYNX-B", AssetClass.EQUITIES)
COIN = Instrument(
    "BTC-USD",
    AssetClass.CRYPTO,
    exchange="PAXOS",
    tick=D("0.25"),
    lot=D("0.00000001"),
    min_quantity=D("0.00001"),
)
UNPRICED = Instrument("SYNAZ", AssetClass.EQUITIES)
UNKNOWN = Instrument("NOSUCH", AssetClass.EQUITIES)
ACCOUNT = "DU7654321"
FOREIGN_CLIENT = 7
WAIT = 10.0
RICH = D(100_000)
TEN = D(10)
PRICES = {STOCK: D(100), HELD: D(50), CLASS_B: D(480), COIN: D(60_000)}


class NoFeed:
    """A feed that has nothing: all prices are set by the test."""

    name = "set by the test"

    def daily(self, _asked: Sequence[Instrument], _first: date, _last: date) -> Mapping[Instrument, Bars | Skip]:
        return {}


@dataclass
class World:
    """An exchange with set prices, and one account that holds 40 SYNAB that nobody of ours bought."""

    exchange: Exchange
    market: FeedMarket
    clock: VirtualClock


def make_world(cash: Decimal = RICH, settings: ExchangeSettings | None = None) -> World:
    clock = VirtualClock(NOON)
    market = FeedMarket(NoFeed(), clock, [*PRICES, UNPRICED])
    for instrument, price in PRICES.items():
        market.set_price(instrument, price)
    seed = AccountSeed(ACCOUNT, {"USD": cash}, holdings=((HELD, D(40), D(45)),))
    return World(Exchange(market, clock, [seed], settings), market, clock)


@dataclass
class BrokerCase:
    """A connected broker, and the world behind it.

    `drop` loses the connection from outside. `events` is everything the broker has told so far.
    """

    broker: Broker
    world: World
    drop: Callable[[], Awaitable[None]]
    events: list[OrderEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker.subscribe(self.events.append)

    @property
    def exchange(self) -> Exchange:
        return self.world.exchange

    def of(self, intent: Intent) -> list[OrderEvent]:
        return [event for event in self.events if event.intent_id == intent.intent_id]

    def kinds(self, intent: Intent) -> set[EventKind]:
        return {event.kind for event in self.of(intent)}

    def filled(self, intent: Intent) -> Decimal:
        latest = {event.fill.fill_id: event.fill for event in self.of(intent) if event.fill is not None}
        return sum((fill.quantity for fill in latest.values()), D(0))

    async def saw(self, intent: Intent, kind: EventKind) -> OrderEvent:
        await eventually(lambda: kind in self.kinds(intent), f"{intent.intent_id}: {kind}, told: {self.events}")
        return next(event for event in reversed(self.of(intent)) if event.kind is kind)


MakeCase = Callable[..., Awaitable[BrokerCase]]


async def eventually(
    predicate: Callable[[], bool], what: str = "", seconds: float = WAIT, act: Callable[[], object] | None = None
) -> None:
    """Wait until it holds, or fail with `what`; `act` is done before each look."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if act is not None:
                    act()
                if predicate():
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"did not happen within {seconds} s: {what}")


_numbers = count(1)


def intent(instrument: Instrument = STOCK, side: Side = Side.BUY, quantity: Decimal = TEN, **terms: object) -> Intent:
    """A market order unless the terms say otherwise, with an id of its own."""
    fields: dict[str, object] = {
        "intent_id": f"rt-te-20250926-{instrument.symbol}-{side[0].upper()}-{next(_numbers)}",
        "session_id": "test",
        "kind": instrument.asset_class,
        "trading_date": NOON.date(),
        "instrument": instrument,
        "side": side,
        "quantity": quantity,
        "order_type": OrderType.MARKET,
        "arrival_price": PRICES.get(instrument, D(10)),
        "reason": "because the test says so",
    }
    return Intent(**{**fields, **terms})  # type: ignore[arg-type]


def limit(price: Decimal, **terms: object) -> Intent:
    return intent(order_type=OrderType.LIMIT, limit_price=price, **terms)  # type: ignore[arg-type]


class BrokerContract:
    """One law per test."""

    # Questions

    async def test_the_account_tells_all_positions_and_cash(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        account = await case.broker.account()
        assert case.broker.connected
        assert account.account_id == ACCOUNT
        assert account.paper
        assert account.base_currency == "USD"
        assert account.cash["USD"] == D(100_000)
        assert account.net_liquidation == D(102_000)
        assert account.buying_power > 0
        assert [(p.instrument.key, p.quantity, p.avg_cost) for p in account.positions] == [(HELD.key, D(40), D(45))]
        assert account.at.tzinfo is not None

    async def test_connecting_twice_is_harmless(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        await case.broker.connect()
        order = intent()
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        assert case.filled(order) == 10

    async def test_refining_takes_the_brokers_tick_and_lot_and_skips_the_unknown(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        answer = await case.broker.refine([STOCK, CLASS_B, COIN, UNKNOWN])
        refined = answer[COIN]
        assert isinstance(refined, Instrument)
        assert (refined.tick, refined.lot) == (COIN.tick, COIN.lot)
        assert answer[CLASS_B] == CLASS_B
        assert answer[STOCK] == STOCK
        assert isinstance(answer[UNKNOWN], Skip)

    async def test_quotes_are_two_sided_and_a_missing_one_is_a_skip(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        answer = await case.broker.quotes([STOCK, COIN, UNPRICED])
        for instrument in (STOCK, COIN):
            quote = answer[instrument]
            assert not isinstance(quote, Skip)
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.bid < PRICES[instrument] < quote.ask
        assert isinstance(answer[UNPRICED], Skip)

    # Orders

    async def test_submit_returns_before_the_order_has_filled(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent()
        await case.broker.submit(order)
        assert not case.kinds(order) & {EventKind.FILL, EventKind.FILLED}
        await case.saw(order, EventKind.FILLED)

    async def test_a_market_order_is_told_from_acknowledgement_to_commission(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent(quantity=D(10))
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        await eventually(lambda: any(e.fill and e.fill.commission for e in case.of(order)), "a commission report")
        kinds = [event.kind for event in case.of(order)]
        assert kinds.index(EventKind.ACKNOWLEDGED) < kinds.index(EventKind.FILL)
        fills = [event.fill for event in case.of(order) if event.fill]
        assert {fill.fill_id for fill in fills} == {fills[0].fill_id}
        assert fills[-1].commission == D(1)
        assert (fills[-1].commission_currency, fills[-1].quantity, fills[-1].side) == ("USD", D(10), Side.BUY)
        assert fills[-1].instrument == STOCK
        assert {event.broker_id for event in case.of(order) if event.kind is EventKind.FILLED} != {0}

    async def test_a_bought_share_is_in_the_account(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent(quantity=D(10))
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        account = await case.broker.account()
        assert account.holding(STOCK) == 10
        assert account.holding(HELD) == 40
        assert account.cash["USD"] < D(100_000) - 1000

    async def test_a_class_share_is_spelled_for_the_broker_and_back(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent(CLASS_B, quantity=D(2))
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        assert (await case.broker.account()).holding(CLASS_B) == 2

    async def test_a_limit_order_rests_until_the_market_comes(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = limit(D("99.50"))
        await case.broker.submit(order)
        await case.saw(order, EventKind.ACKNOWLEDGED)
        case.exchange.step()
        listed = [o for o in await case.broker.open_orders() if o.intent_id == order.intent_id]
        assert [(o.status, o.filled, o.quantity, o.side) for o in listed] == [
            (TicketStatus.WORKING, D(0), D(10), Side.BUY)
        ]
        case.world.market.set_price(STOCK, D(99))
        await eventually(lambda: case.filled(order) == 10, "the fill", act=case.exchange.step)
        fill = next(event.fill for event in case.of(order) if event.fill)
        assert fill.price <= D("99.50")

    async def test_a_stop_order_sleeps_until_its_price_is_touched(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent(HELD, Side.SELL, D(40), order_type=OrderType.STOP, stop_price=D(45), tif=TimeInForce.GTC)
        await case.broker.submit(order)
        await case.saw(order, EventKind.ACKNOWLEDGED)
        case.exchange.step()
        assert case.filled(order) == 0
        case.world.market.set_price(HELD, D(44))
        await eventually(lambda: case.filled(order) == 40, "the stop's fill", act=case.exchange.step)

    async def test_partial_fills_add_up_and_are_listed(self, broker_case: MakeCase) -> None:
        case = await broker_case(settings=ExchangeSettings(liquidity=D(4)))
        order = limit(D(101))
        await case.broker.submit(order)
        await eventually(lambda: case.filled(order) >= 4, "the first part", act=None)
        listed = [o for o in await case.broker.open_orders() if o.intent_id == order.intent_id]
        assert [o.status for o in listed] in ([TicketStatus.PARTIAL], [])
        await eventually(lambda: case.filled(order) == 10, "the whole", act=case.exchange.step)
        await case.saw(order, EventKind.FILLED)

    async def test_what_an_immediate_order_cannot_fill_is_cancelled(self, broker_case: MakeCase) -> None:
        case = await broker_case(settings=ExchangeSettings(liquidity=D(4)))
        order = limit(D(101), tif=TimeInForce.IOC)
        await case.broker.submit(order)
        await case.saw(order, EventKind.CANCELLED)
        assert case.filled(order) == 4

    async def test_crypto_is_bought_in_fractions(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        by_limit = limit(D(60_300), instrument=COIN, quantity=D("0.01234567"), tif=TimeInForce.IOC)
        at_market = intent(COIN, quantity=D("0.01"), tif=TimeInForce.IOC)
        for order in (by_limit, at_market):
            await case.broker.submit(order)
            await case.saw(order, EventKind.FILLED)
        assert case.filled(by_limit) == D("0.01234567")
        assert case.filled(at_market) == pytest.approx(D("0.01"), rel=D("0.002"))

    async def test_a_cancel_that_comes_in_time_is_confirmed(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = limit(D(90))
        await case.broker.submit(order)
        await case.saw(order, EventKind.ACKNOWLEDGED)
        await case.broker.cancel(order.intent_id)
        await case.saw(order, EventKind.CANCELLED)
        assert EventKind.REJECTED not in case.kinds(order)
        assert not [o for o in await case.broker.open_orders() if o.intent_id == order.intent_id]
        done = [o for o in await case.broker.completed_orders() if o.intent_id == order.intent_id]
        assert [(o.status, o.filled) for o in done] == [(TicketStatus.CANCELLED, D(0))]

    async def test_cancelling_what_the_broker_does_not_have_is_an_error(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        with pytest.raises(BrokerError):
            await case.broker.cancel("rt-te-20250926-NEVER-B-1")

    async def test_an_order_beyond_the_cash_is_rejected(self, broker_case: MakeCase) -> None:
        case = await broker_case(cash=D(500))
        order = limit(D(101))
        await case.broker.submit(order)
        event = await case.saw(order, EventKind.REJECTED)
        assert event.code == 201
        assert event.reason
        assert not await case.broker.open_orders()
        assert case.filled(order) == 0

    async def test_a_sale_of_what_is_not_held_is_rejected(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent(STOCK, Side.SELL)
        await case.broker.submit(order)
        assert (await case.saw(order, EventKind.REJECTED)).code == 201
        assert (await case.broker.account()).holding(STOCK) == 0

    async def test_a_price_off_the_tick_never_works(self, broker_case: MakeCase) -> None:
        """Refused by the broker (110), or before it is sent; never at work, and its end is told."""
        case = await broker_case()
        order = limit(D("99.505"))
        try:
            await case.broker.submit(order)
        except OrderRejected:
            pass
        else:
            assert (await case.saw(order, EventKind.REJECTED)).code == 110
        assert not await case.broker.open_orders()

    # Executions

    async def test_executions_are_told_again_with_commissions(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent()
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        fills = [fill for fill in await case.broker.executions() if fill.intent_id == order.intent_id]
        assert [(fill.quantity, fill.side, fill.instrument, fill.commission) for fill in fills] == [
            (D(10), Side.BUY, STOCK, D(1))
        ]
        assert fills[0].at == NOON

    async def test_a_correction_replaces_what_it_corrects(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        order = intent()
        await case.broker.submit(order)
        await case.saw(order, EventKind.FILLED)
        execution = case.exchange.executions()[0]
        case.exchange.correct(execution.exec_id, D("99.90"))
        await eventually(lambda: any(e.fill and e.fill.revision == 2 for e in case.of(order)), "the correction")
        assert case.filled(order) == 10
        fills = [fill for fill in await case.broker.executions() if fill.intent_id == order.intent_id]
        assert [(fill.revision, fill.price) for fill in fills] == [(2, D("99.90"))]

    # Other people's orders

    async def test_foreign_orders_are_listed_but_not_told(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        request = OrderRequest(
            instrument=HELD, side=Side.SELL, order_type=OrderType.LIMIT, quantity=D(5), limit_price=D(90)
        )
        case.exchange.place(FOREIGN_CLIENT, 1, request)
        listed = await case.broker.open_orders()
        assert [(o.intent_id, o.instrument, o.quantity) for o in listed] == [("", HELD, D(5))]
        assert not case.events

    # Connection

    async def test_a_lost_connection_makes_every_answer_unknown(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        await case.drop()
        await eventually(lambda: not case.broker.connected, "the loss is noticed")
        for question in (
            case.broker.account,
            case.broker.open_orders,
            case.broker.completed_orders,
            case.broker.executions,
        ):
            with pytest.raises(BrokerUnavailable):
                await question()
        with pytest.raises(BrokerUnavailable):
            await case.broker.submit(intent())
        with pytest.raises(BrokerUnavailable):
            await case.broker.quotes([STOCK])
        assert not case.exchange.open_orders()
        assert not case.exchange.executions()

    async def test_what_happened_unseen_is_told_after_reconnecting(self, broker_case: MakeCase) -> None:
        case = await broker_case()
        resting, filled = limit(D(90)), limit(D("99.50"), instrument=STOCK)
        for order in (resting, filled):
            await case.broker.submit(order)
            await case.saw(order, EventKind.ACKNOWLEDGED)
        await case.drop()
        await eventually(lambda: not case.broker.connected, "the loss is noticed")
        case.world.market.set_price(STOCK, D(99))
        case.exchange.step()
        await case.broker.connect()
        assert [o.intent_id for o in await case.broker.open_orders()] == [resting.intent_id]
        assert [f.intent_id for f in await case.broker.executions()] == [filled.intent_id]
        assert filled.intent_id in {o.intent_id for o in await case.broker.completed_orders()}
        assert (await case.broker.account()).holding(STOCK) == 10
        await case.broker.cancel(resting.intent_id)
        await case.saw(resting, EventKind.CANCELLED)
