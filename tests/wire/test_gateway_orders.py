"""Orders over the wire: the real client library against the gateway."""

from __future__ import annotations

from decimal import Decimal

import pytest

from robotrading.domain.orders import OrderType, Side
from robotrading.sim.exchange_types import OrderChanged, OrderRequest
from robotrading.sim.gateway.orders import in_wire_order
from robotrading.sim.gateway.settings import GatewayServerSettings
from tests.wire.gateway_world import AAPL, ACCOUNT, INSYNC, errors_of, ibapi, make_exchange, until, world

pytestmark = pytest.mark.wire


async def stock(ib, symbol="AAPL"):
    [contract] = await ib.qualifyContractsAsync(ibapi.Stock(symbol, "SMART", "USD"))
    return contract


def statuses(trade) -> list[str]:
    """The statuses a trade went through, repeats left out."""
    seen = [entry.status for entry in trade.log]
    return [status for at, status in enumerate(seen) if at == 0 or seen[at - 1] != status]


async def filled(trade) -> None:
    await until(
        lambda: trade.orderStatus.status == "Filled" and all(fill.commissionReport.execId for fill in trade.fills)
    )


async def test_a_limit_order_goes_through_the_statuses_of_the_real_gateway():
    async with world() as here:
        ib = await here.client()
        trade = ib.placeOrder(await stock(ib), ibapi.LimitOrder("BUY", 10, 260, orderRef="rt-1"))
        await filled(trade)
        assert statuses(trade) == ["PendingSubmit", "PreSubmitted", "Submitted", "Filled"]
        [fill] = trade.fills
        assert (fill.execution.orderRef, fill.execution.shares, fill.execution.price) == ("rt-1", 10.0, 250.05)
        assert fill.execution.permId == trade.order.permId > 0
        assert fill.execution.acctNumber == ACCOUNT
        assert fill.execution.time == here.clock.now()
        assert fill.commissionReport.commission == 1.0
        assert trade.orderStatus.avgFillPrice == 250.05


@pytest.mark.parametrize(
    "order",
    [
        {"orderType": "MKT"},
        {"orderType": "MIDPRICE", "lmtPrice": 260.0},
        {"orderType": "STP", "auxPrice": 240.0},
        {"orderType": "LMT", "lmtPrice": 260.0, "tif": "GTC", "outsideRth": True},
        {"orderType": "LMT", "lmtPrice": 260.0, "algoStrategy": "Adaptive"},
        {"orderType": "MOC"},
    ],
    ids=lambda order: order["orderType"],
)
async def test_every_served_order_type_fills(order):
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        sent = ibapi.Order(action="BUY", totalQuantity=3, **order)
        if order.get("algoStrategy"):
            sent.algoParams = [ibapi.TagValue("adaptivePriority", "Normal")]
        trade = ib.placeOrder(contract, sent)
        await filled(trade)
        assert trade.filled() == 3.0


async def test_stop_and_trailing_orders_wait_as_presubmitted_and_show_their_levels():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib, "BRK B")
        stop = ib.placeOrder(contract, ibapi.Order(action="SELL", totalQuantity=5, orderType="STP", auxPrice=450))
        limit = ib.placeOrder(
            contract, ibapi.Order(action="SELL", totalQuantity=2, orderType="STP LMT", auxPrice=440, lmtPrice=439)
        )
        trail = ib.placeOrder(
            contract, ibapi.Order(action="SELL", totalQuantity=3, orderType="TRAIL", trailingPercent=5.0)
        )
        await until(lambda: all(one.orderStatus.status == "PreSubmitted" for one in (stop, limit, trail)))
        other = await here.client(2)
        seen = {trade.order.orderType: trade.order for trade in await other.reqAllOpenOrdersAsync()}
        assert seen["STP"].auxPrice == 450
        assert (seen["STP LMT"].auxPrice, seen["STP LMT"].lmtPrice) == (440, 439)
        assert seen["TRAIL"].trailingPercent == 5.0


async def test_partial_fills_arrive_one_by_one_and_add_up():
    async with world(make_exchange(liquidity=Decimal(4))) as here:
        ib = await here.client()
        trade = ib.placeOrder(await stock(ib), ibapi.MarketOrder("BUY", 10))
        await filled(trade)
        assert [fill.execution.shares for fill in trade.fills] == [4.0, 4.0, 2.0]
        assert [fill.execution.cumQty for fill in trade.fills] == [4.0, 8.0, 10.0]
        assert len({fill.execution.execId for fill in trade.fills}) == 3


async def test_a_cancel_is_confirmed_and_a_second_one_is_refused():
    async with world() as here:
        ib = await here.client()
        errors = errors_of(ib)
        trade = ib.placeOrder(await stock(ib), ibapi.LimitOrder("BUY", 10, 200))
        await until(lambda: trade.orderStatus.status == "Submitted")
        ib.cancelOrder(trade.order)
        await until(lambda: trade.orderStatus.status == "Cancelled" and errors)
        ib.client.cancelOrder(trade.order.orderId)
        ib.client.cancelOrder(4711)
        await until(lambda: len(errors) == 3)
        assert errors == [(trade.order.orderId, 202), (trade.order.orderId, 10148), (4711, 10147)]


async def test_a_modified_order_keeps_its_identity():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        order = ibapi.LimitOrder("BUY", 10, 200, orderRef="m")
        trade = ib.placeOrder(contract, order)
        await until(lambda: trade.orderStatus.status == "Submitted")
        perm_id = trade.order.permId
        order.lmtPrice = 260
        assert ib.placeOrder(contract, order) is trade
        await filled(trade)
        assert trade.order.permId == perm_id
        assert len(here.exchange.completed_orders()) == 1


async def test_a_margin_refusal_is_an_error_201_followed_by_inactive():
    async with world() as here:
        ib = await here.client()
        errors = errors_of(ib)
        trade = ib.placeOrder(await stock(ib), ibapi.LimitOrder("BUY", 100_000, 250))
        await until(lambda: trade.orderStatus.status == "Inactive")
        assert errors == [(trade.order.orderId, 201)]
        assert statuses(trade)[-2:] == ["Cancelled", "Inactive"]
        assert trade.isDone() is not INSYNC


async def test_without_the_following_status_the_error_is_all_that_is_heard():
    async with world(settings=GatewayServerSettings(reject_status=False)) as here:
        ib = await here.client()
        trade = ib.placeOrder(await stock(ib), ibapi.LimitOrder("BUY", 100_000, 250))
        await until(lambda: trade.orderStatus.status == "Cancelled")
        assert trade.log[-1].errorCode == 201


@pytest.mark.parametrize(
    "change, code",
    [
        ({"contract": {"exchange": ""}}, 321),
        ({"contract": {"symbol": "NOPE", "conId": 0}}, 200),
        ({"order": {"orderType": "PEG MID"}}, 387),
        ({"order": {"tif": "FOK"}}, 321),
        ({"order": {"goodAfterTime": "20250926 19:00:00 UTC"}}, 321),
        ({"order": {"account": "U1"}}, 321),
        ({"order": {"action": "HOLD"}}, 321),
        ({"order": {"algoStrategy": "Vwap", "algoParams": []}}, 439),
        ({"order": {"totalQuantity": 0.5}}, 10243),
        ({"order": {"totalQuantity": 0}}, 434),
        ({"order": {"lmtPrice": 250.001}}, 110),
    ],
    ids=str,
)
async def test_what_cannot_be_served_is_refused_with_the_brokers_code(change, code):
    async with world() as here:
        ib = await here.client()
        errors = errors_of(ib)
        contract, order = await stock(ib), ibapi.LimitOrder("BUY", 1, 250)
        for name, value in change.get("contract", {}).items():
            setattr(contract, name, value)
        for name, value in change.get("order", {}).items():
            setattr(order, name, value)
        trade = ib.placeOrder(contract, order)
        await until(lambda: errors)
        assert errors == [(trade.order.orderId, code)]
        assert not here.exchange.open_orders()


async def test_a_bracket_is_held_until_its_last_child_and_its_target_ends_its_stop():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        bracket = ib.bracketOrder("BUY", 10, limitPrice=251, takeProfitPrice=249, stopLossPrice=200)
        trades = [ib.placeOrder(contract, order) for order in bracket]
        await until(lambda: [one.orderStatus.status for one in trades] == ["Filled", "Filled", "Cancelled"])


async def test_crypto_is_bought_for_an_amount_of_cash():
    async with world() as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(ibapi.Crypto("BTC", "PAXOS", "USD"))
        order = ibapi.Order(action="BUY", orderType="MKT", totalQuantity=0, cashQty=1000, tif="IOC")
        trade = ib.placeOrder(contract, order)
        await filled(trade)
        assert 0 < trade.filled() * trade.orderStatus.avgFillPrice <= 1000
        limit = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 0.0123, 120_000, tif="Minutes"))
        await filled(limit)
        assert limit.filled() == 0.0123


async def test_a_what_if_order_tells_the_margin_and_leaves_no_order():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        state = await ib.whatIfOrderAsync(contract, ibapi.LimitOrder("BUY", 10, 250))
        assert float(state.initMarginChange) == 2500.0
        assert not await ib.whatIfOrderAsync(contract, ibapi.LimitOrder("BUY", 1_000_000, 250))
        assert not here.exchange.open_orders()
        assert not here.exchange.completed_orders()


async def test_a_reconnected_client_finds_its_open_and_completed_orders_and_executions():
    async with world() as here:
        ib = await here.client()
        contract = await stock(ib)
        done = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 10, 260, orderRef="done"))
        resting = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 10, 200, orderRef="rests"))
        gone = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 10, 201, orderRef="gone"))
        await filled(done)
        await until(lambda: gone.orderStatus.status == "Submitted")
        ib.cancelOrder(gone.order)
        await until(lambda: gone.orderStatus.status == "Cancelled")
        last_id = gone.order.orderId
        ib.disconnect()

        again = await here.client()
        [open_trade] = again.openTrades()
        assert (open_trade.order.orderRef, open_trade.order.orderId) == ("rests", resting.order.orderId)
        completed = {trade.order.orderRef: trade for trade in again.trades() if trade.isDone()}
        assert completed["done"].orderStatus.status == "Filled"
        assert completed["done"].order.filledQuantity == 10
        assert completed["gone"].orderStatus.status == "Cancelled"
        [fill] = again.fills()
        assert (fill.execution.orderRef, fill.commissionReport.commission) == ("done", 1.0)
        assert again.client.getReqId() > last_id


async def test_other_clients_orders_are_seen_through_all_open_orders_only():
    async with world() as here:
        first, second = await here.client(1), await here.client(2)
        trade = first.placeOrder(await stock(first), ibapi.LimitOrder("BUY", 10, 200))
        await until(lambda: trade.orderStatus.status == "Submitted")
        assert await second.reqOpenOrdersAsync() == []
        [seen] = await second.reqAllOpenOrdersAsync()
        assert (seen.order.permId, seen.order.clientId) == (trade.order.permId, 1)
        second.reqGlobalCancel()
        await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_executions_are_filtered_and_older_days_are_not_told():
    async with world() as here:
        ib = await here.client()
        bought = ib.placeOrder(await stock(ib), ibapi.MarketOrder("BUY", 1))
        sold = ib.placeOrder(await stock(ib, "BRK B"), ibapi.MarketOrder("SELL", 1))
        await filled(bought)
        await filled(sold)
        request = ib.reqExecutionsAsync
        assert len(await request()) == 2
        assert [f.contract.symbol for f in await request(ibapi.ExecutionFilter(symbol="AAPL"))] == ["AAPL"]
        assert [f.execution.side for f in await request(ibapi.ExecutionFilter(side="SELL"))] == ["SLD"]
        assert await request(ibapi.ExecutionFilter(clientId=7)) == []
        assert await request(ibapi.ExecutionFilter(time="20250926 23:00:00")) == []
        here.clock.advance(86_400)
        assert await request() == []
        other = await here.client(2)
        assert [trade for trade in other.trades() if trade.isDone()] == []


async def test_a_correction_is_told_beside_what_it_corrects():
    async with world() as here:
        ib = await here.client()
        trade = ib.placeOrder(await stock(ib), ibapi.MarketOrder("BUY", 2))
        await filled(trade)
        here.exchange.correct(trade.fills[0].execution.execId, Decimal(249))
        await until(lambda: len(trade.fills) == 2)
        first, second = (fill.execution for fill in trade.fills)
        assert first.execId.rpartition(".")[0] == second.execId.rpartition(".")[0]
        assert (second.price, second.execId.rpartition(".")[2]) == (249.0, "02")


async def test_filled_may_be_told_before_the_executions():
    async with world(settings=GatewayServerSettings(status_before_executions=True)) as here:
        ib = await here.client()
        trade = ib.placeOrder(await stock(ib), ibapi.MarketOrder("BUY", 2))
        fills_at_filled = []
        trade.filledEvent += lambda one: fills_at_filled.append(len(one.fills))
        await filled(trade)
        assert fills_at_filled == [0]


async def test_manual_orders_belong_to_client_zero():
    async with world() as here:
        manual = OrderRequest(
            instrument=AAPL, side=Side.BUY, order_type=OrderType.LIMIT, quantity=Decimal(1), limit_price=Decimal(200)
        )
        here.exchange.place(0, -1, manual)
        nought, other = await here.client(0), await here.client(5)
        assert [trade.order.orderId for trade in nought.openTrades()] == [-1]
        assert other.openTrades() == []


def test_executions_move_only_relative_to_the_status_they_cause():
    exchange = make_exchange()
    events = []
    exchange.subscribe(events.append)
    request = OrderRequest(instrument=AAPL, side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(1))
    exchange.place(9, 1, request)
    exchange.step()
    assert _kinds(in_wire_order(events, status_first=False)) == ["Submitted", "Executed", "Filled", "Charged"]
    assert _kinds(in_wire_order(events, status_first=True)) == ["Submitted", "Filled", "Executed", "Charged"]


def _kinds(events) -> list[str]:
    """Statuses by their name, other events by their type; account news left out."""
    names = [event.order.status if isinstance(event, OrderChanged) else type(event).__name__ for event in events]
    return [str(name) for name in names if name != "AccountChanged"]
