"""Requests at the edges of what is served: each ends in an answer or an error on its own id."""

from __future__ import annotations

import errno
import logging
import math
from decimal import Decimal

import pytest

from robotrading.sim.clock import VirtualClock
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateError, StateFile
from tests.wire.gateway_world import ACCOUNT, NOW, SteadyFeed, errors_of, ibapi, make_exchange, until, world

pytestmark = pytest.mark.wire

NO_PRICE = ibapi.Stock("VOID", "SMART", "USD")
UNKNOWN = ibapi.Stock("NOPE", "SMART", "USD")
STOCK = ibapi.Stock("AAPL", "SMART", "USD")
BAG = ibapi.Contract(
    secType="BAG", symbol="AAPL", exchange="SMART", currency="USD", comboLegs=[ibapi.ComboLeg(1, 1, "BUY", "SMART")]
)
HEDGED = ibapi.Stock("AAPL", "SMART", "USD")
HEDGED.deltaNeutralContract = ibapi.DeltaNeutralContract(1, 0.5, 10.0)


@pytest.mark.parametrize(
    "ask, error",
    [
        (lambda client: client.reqMktData(9, UNKNOWN, "", True, False, []), (9, 200)),
        (lambda client: client.reqMktData(9, BAG, "", True, False, []), (9, 200)),
        (lambda client: client.reqMktData(9, ibapi.Stock("AAPL", "", "USD"), "", True, False, []), (9, 321)),
        (lambda client: client.reqRealTimeBars(9, UNKNOWN, 5, "TRADES", True, []), (9, 200)),
        (lambda client: client.reqHeadTimeStamp(9, UNKNOWN, "TRADES", True, 1), (9, 200)),
        (lambda client: client.reqHistoricalData(9, BAG, "", "1 D", "1 day", "TRADES", 1, 1, False, []), (9, 200)),
        (lambda client: client.placeOrder(9, BAG, ibapi.MarketOrder("BUY", 1)), (9, 320)),
        (lambda client: client.reqMarketDataType(7), (-1, 321)),
        (lambda client: client.reqMarketRule(4711), (-1, 321)),
        (lambda client: client.reqAutoOpenOrders(True), (-1, 321)),
        (lambda client: client.reqAccountUpdates(True, "U7"), (-1, 321)),
        (lambda client: client.reqPositionsMulti(9, "U7", ""), (9, 321)),
        (lambda client: client.reqAccountUpdatesMulti(9, "U7", "", False), (9, 321)),
        (lambda client: client.reqPnLSingle(9, "U7", "", 1), (9, 321)),
        (lambda client: client.reqTickByTickData(9, STOCK, "Last", 0, False), (9, 322)),
        (lambda client: client.send(7, 3, "x"), (-1, 320)),
        (lambda client: client.reqExecutions(9, ibapi.ExecutionFilter(time="soon")), (9, 320)),
        (lambda client: client.send("what"), (-1, 320)),
    ],
)
async def test_a_request_that_fails_is_told_by_its_id(ask, error):
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        ask(ib.client)
        await until(lambda: seen)
        assert seen == [error]


async def test_requests_that_need_no_answer_get_none():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        ib.client.setServerLogLevel(2)
        ib.client.cancelTickByTickData(5)
        ib.client.cancelHeadTimeStamp(5)
        ib.client.cancelPnL(5)
        ib.client.cancelPnLSingle(5)
        ib.client.cancelHistoricalData(5)
        ib.client.cancelRealTimeBars(5)
        ib.client.reqAccountUpdates(False, ACCOUNT)
        ib.client.reqAutoOpenOrders(False)
        ib.client.reqManagedAccts()
        ib.client.reqFamilyCodes()
        ib.client.reqIds(1)
        await ib.reqCurrentTimeAsync()
        assert seen == []


async def test_the_rare_blocks_of_an_order_are_read_over():
    """Delta-neutral, scale and hedge fields shift everything behind them; what stands there is still found."""
    async with world() as here:
        ib = await here.client()
        order = ibapi.LimitOrder("BUY", 2, 260, orderRef="odd", cashQty=0)
        order.deltaNeutralOrderType = "LMT"
        order.deltaNeutralConId = 1
        order.scalePriceIncrement = 0.5
        order.hedgeType, order.hedgeParam = "D", "1"
        ib.client.placeOrder(77, HEDGED, order)
        await until(here.exchange.executions)
        [done] = here.exchange.completed_orders()
        assert (done.request.order_ref, done.order_id, done.filled) == ("odd", 77, Decimal(2))


async def test_a_delta_neutral_contract_does_not_disturb_a_market_data_line():
    async with world() as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        contract.deltaNeutralContract = HEDGED.deltaNeutralContract
        ticker = ib.reqMktData(contract)
        await until(lambda: ticker.last == 250.0)


async def test_lines_of_market_data_are_limited():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        ib.client.MaxRequests = 0
        for req_id in range(1000, 1101):
            ib.client.reqMktData(req_id, STOCK, "", False, False, [])
        await until(lambda: (1100, 101) in seen)


async def test_subscriptions_by_id_are_told_of_changes():
    async with world(settings=GatewayServerSettings(summary_interval=0.05, quote_interval=0.01)) as here:
        ib = await here.client()
        heard = []
        ib.wrapper.positionMulti = lambda *row: heard.append(row[4])
        ib.client.reqPositionsMulti(900, "", "")
        profit = ib.reqPnL(ACCOUNT)
        ib.client.reqAccountSummary(901, "All", "$LEDGER:EUR")
        summaries = []
        ib.wrapper.accountSummary = lambda *row: summaries.append(row)
        [contract] = await ib.qualifyContractsAsync(STOCK)
        ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        await until(lambda: 1.0 in heard)
        await until(lambda: len(summaries) > 8)
        assert {row[4] for row in summaries} == {"EUR"}
        assert profit.unrealizedPnL < 950


async def test_an_instrument_without_a_price_has_no_ticks_no_bars_and_no_history():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(NO_PRICE)
        [ticker] = await ib.reqTickersAsync(contract)
        assert math.isnan(ticker.last)
        bars = ib.reqRealTimeBars(contract, 5, "TRADES", False)
        assert not await ib.reqHistoricalDataAsync(contract, "", "5 D", "1 day", "TRADES", useRTH=True)
        assert not await ib.reqHeadTimeStampAsync(contract, "TRADES", useRTH=True, formatDate=1)
        assert [code for _, code in seen] == [162, 162]
        assert len(bars) == 0


async def test_a_disk_that_refuses_does_not_stop_the_market(tmp_path, caplog):
    class Full(StateFile):
        def save(self, state):
            del state
            if self.full:
                raise StateError("state.json: cannot be written (No space left on device)")

        full = True

    # Other tests of the same process may have asked these loggers for less.
    caplog.set_level(logging.WARNING, "robotrading.sim.gateway.server")
    with Full(tmp_path / "state.json") as state:
        async with world(state=state, settings=GatewayServerSettings(state_delay=0.01)) as here:
            ib = await here.client()
            [contract] = await ib.qualifyContractsAsync(STOCK)
            trade = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
            await until(lambda: trade.isDone() and "was not saved" in caplog.text)
            Full.full = False


def test_a_folder_that_vanishes_is_an_error_with_its_name(tmp_path):
    folder = tmp_path / "gone"
    with StateFile(folder / "state.json") as state:
        (folder / "state.json.lock").unlink()
        folder.rmdir()
        with pytest.raises(StateError, match=r"state\.json: cannot be written") as caught:
            state.save({})
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOENT


async def test_a_feed_out_of_order_gives_errors_and_no_harm():
    """Connecting, asking and ordering end in errors; once the feed is back the resting order fills."""
    feed, clock = SteadyFeed(), VirtualClock(NOW)
    settings = GatewayServerSettings(feed_pause=0.02, quote_interval=0.01)
    async with world(make_exchange(clock, feed), settings, clock=clock) as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(STOCK)
        resting = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 1, 200))
        ticker = ib.reqMktData(contract)
        await until(lambda: resting.orderStatus.status == "Submitted" and ticker.last == 250.0)
        seen = errors_of(ib)
        feed.broken = True
        clock.advance(3 * 86_400)
        refused = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        assert not await ib.reqHistoricalDataAsync(contract, "", "5 D", "1 day", "TRADES", useRTH=True)
        await until(lambda: len(seen) == 2)
        assert [code for _, code in seen] == [322, 322]
        assert refused.orderStatus.status == "Cancelled"
        assert ib.isConnected()
        feed.broken = False
        assert await ib.reqHistoricalDataAsync(contract, "", "5 D", "1 day", "TRADES", useRTH=True)
        again = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        await until(lambda: again.orderStatus.status == "Filled")
