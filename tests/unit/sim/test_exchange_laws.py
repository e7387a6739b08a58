"""Laws over any sequence of orders, prices, cancels and corrections."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import OrderType, Side, TimeInForce
from robotrading.sim.exchange_types import Executed, OrderChanged, OrderStatus
from robotrading.sim.records import latest_revisions
from tests.unit.sim.sim_world import ABC, ACCOUNT, XYZ, World

D = Decimal
START = D(20_000)
HOLDINGS = {ABC: D(30), XYZ: D(60)}

prices = st.integers(60, 140).map(D)
orders = st.fixed_dictionaries(
    {
        "instrument": st.sampled_from([ABC, XYZ]),
        "side": st.sampled_from(Side),
        "quantity": st.integers(1, 40),
        "order_type": st.sampled_from(
            [
                OrderType.MARKET,
                OrderType.LIMIT,
                OrderType.STOP,
                OrderType.STOP_LIMIT,
                OrderType.TRAIL,
                OrderType.MIDPRICE,
                OrderType.MOC,
            ]
        ),
        "limit": prices,
        "stop": prices,
        "tif": st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC]),
        "oca_group": st.sampled_from(["", "", "one", "two"]),
        "oca_type": st.sampled_from([1, 3]),
        "parent": st.booleans(),
        "transmit": st.sampled_from([True, True, True, False]),
    }
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("place"), orders),
        st.tuples(st.just("price"), st.tuples(st.sampled_from([ABC, XYZ]), prices)),
        st.tuples(st.just("step"), st.none()),
        st.tuples(st.just("cancel"), st.integers(1, 12)),
        st.tuples(st.just("change"), st.tuples(st.integers(1, 12), orders)),
        st.tuples(st.just("correct"), st.tuples(st.integers(0, 5), prices)),
    ),
    max_size=30,
)


def terms(wish: dict) -> dict:
    kind = wish["order_type"]
    fields = {key: wish[key] for key in ("order_type", "tif", "oca_group", "oca_type", "transmit")}
    if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        fields["limit_price"] = wish["limit"]
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT):
        fields["stop_price"] = wish["stop"]
    if kind is OrderType.TRAIL:
        fields["trail_amount"] = D(5)
    if kind is OrderType.MOC:
        fields["tif"] = TimeInForce.DAY
    return fields


def play(world: World, moves: list) -> None:
    from tests.unit.sim.sim_world import request

    exchange = world.exchange
    for kind, what in moves:
        match kind, what:
            case "place", wish:
                parent = exchange.next_order_id(1) - 1 if wish["parent"] else 0
                parent = parent if exchange.find(1, parent) else 0
                world.place(wish["instrument"], wish["side"], wish["quantity"], parent_id=parent, **terms(wish))
            case "price", (instrument, price):
                world.price(instrument, price)
            case "step", None:
                exchange.step()
            case "cancel", order_id:
                exchange.cancel(1, order_id)
            case "change", (order_id, wish):
                if exchange.find(1, order_id):
                    asked = request(wish["instrument"], wish["side"], wish["quantity"], **terms(wish))
                    exchange.place(1, order_id, asked)
            case "correct", (which, price) if which < len(exchange.executions()):
                exchange.correct(exchange.executions()[which].exec_id, price)
            case _:
                pass
    exchange.step()


def worlds(moves: list) -> World:
    world = World(cash={"USD": START}, holdings=HOLDINGS, liquidity=D(7), slippage=D("0.001"))
    play(world, moves)
    return world


@settings(max_examples=150)
@given(moves)
def test_cash_and_positions_are_what_the_executions_say(moves: list) -> None:
    """Value is only ever exchanged: the start, plus and minus trades at their latest prices, less commissions."""
    world = worlds(moves)
    cash, held = START, defaultdict(D, HOLDINGS)
    for execution in latest_revisions(world.exchange.executions()):
        commission = world.exchange.commission(execution.exec_id)
        assert commission is not None
        assert commission.amount >= 0
        cash -= execution.side.sign * execution.quantity * execution.price + commission.amount
        held[execution.instrument] += execution.side.sign * execution.quantity
    assert world.exchange.cash(ACCOUNT) == {"USD": cash}
    assert {h.instrument: h.quantity for h in world.exchange.positions()} == {i: q for i, q in held.items() if q}
    assert all(quantity >= 0 for quantity in held.values()), "no short sale came of it"


@settings(max_examples=150)
@given(moves)
def test_no_order_fills_beyond_its_size_or_after_its_end(moves: list) -> None:
    world = worlds(moves)
    ended: set[int] = set()
    seen_filled: dict[int, Decimal] = defaultdict(D)
    for event in world.events:
        match event:
            case Executed(execution) if execution.revision == 1:
                assert execution.perm_id not in ended
                seen_filled[execution.perm_id] += execution.quantity
            case OrderChanged(order):
                assert order.filled <= order.quantity
                assert order.filled == seen_filled[order.perm_id]
                assert (order.status is OrderStatus.FILLED) == (order.filled == order.quantity)
                if order.perm_id in ended:
                    assert order.status.done
                if order.status.done:
                    ended.add(order.perm_id)


@settings(max_examples=100)
@given(moves)
def test_a_fill_in_a_cancelling_group_leaves_no_open_sibling(moves: list) -> None:
    world = worlds(moves)
    exchange = world.exchange
    for done in exchange.completed_orders():
        group = done.request.oca_group
        if done.status is OrderStatus.FILLED and group and done.request.oca_type == 1:
            later = [o for o in exchange.open_orders() if o.request.oca_group == group]
            assert all(o.submitted_at >= done.updated_at and exchange.find(1, o.request.parent_id) for o in later)


@settings(max_examples=60)
@given(moves, moves)
def test_a_snapshot_holds_all_that_matters(before: list, after: list) -> None:
    """What follows is the same whether the exchange was restored in between or not."""
    straight = worlds(before)
    restored = World(cash={"USD": D(1)}, liquidity=D(7), slippage=D("0.001"))
    restored.exchange.restore(straight.exchange.snapshot())
    for instrument in (ABC, XYZ):
        quote = straight.market.quote(instrument)
        assert quote is not None
        assert quote.last is not None
        restored.price(instrument, quote.last)
    for world in (straight, restored):
        play(world, after)
    assert restored.exchange.snapshot() == straight.exchange.snapshot()


@settings(max_examples=60)
@given(moves)
def test_permanent_ids_and_executions_only_grow(moves: list) -> None:
    world = worlds(moves)
    executions = [e.exec_id for e in world.exchange.executions() if e.revision == 1]
    assert executions == sorted(set(executions))
    perms = [e.order.perm_id for e in world.events if isinstance(e, OrderChanged)]
    firsts = list(dict.fromkeys(perms))
    assert firsts == sorted(firsts)


def test_holdings_are_keyed_by_identity() -> None:
    assert Instrument("ABC", ABC.asset_class, exchange="NYSE") in HOLDINGS
