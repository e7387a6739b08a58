"""Connecting, accounts, positions, contracts and prices over the wire."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from robotrading.sim.calendar import WeekdayCalendar
from robotrading.sim.clock import VirtualClock
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import DataAccess, Faults, GatewayServerSettings
from tests.wire.gateway_world import AAPL, ACCOUNT, BTC, INSYNC, NOW, errors_of, ibapi, make_exchange, until, world

pytestmark = pytest.mark.wire


async def test_a_client_connects_and_knows_accounts_positions_and_values():
    async with world() as here:
        ib = await here.client()
        assert ib.client.serverVersion() == (176 if INSYNC else 178)
        assert ib.managedAccounts() == [ACCOUNT]
        [position] = ib.positions()
        assert (position.contract.symbol, position.position, position.avgCost) == ("BRK B", 10.0, 400.0)
        [row] = ib.portfolio()
        assert (row.marketPrice, row.marketValue, row.unrealizedPNL) == (495.0, 4950.0, 950.0)
        assert row.contract.exchange == ""
        values = {(value.tag, value.currency): value.value for value in ib.accountValues()}
        assert values["NetLiquidation", "USD"] == "110450.00"
        assert values["CashBalance", "EUR"] == "5000.00"
        assert values["CashBalance", "BASE"] == "105500.00"


async def test_the_client_is_told_that_the_data_farms_are_well():
    async with world() as here:
        ib = ibapi.IB()
        here.clients.append(ib)
        seen = errors_of(ib)
        await ib.connectAsync("127.0.0.1", here.port, clientId=1)
        assert seen == [(-1, 2104), (-1, 2106), (-1, 2158)]


async def test_a_client_id_in_use_is_refused_and_its_owner_stays():
    async with world() as here:
        first = await here.client(1)
        second = ibapi.IB()
        seen = errors_of(second)
        with pytest.raises((ConnectionError, TimeoutError)):
            await second.connectAsync("127.0.0.1", here.port, clientId=1, timeout=0.3)
        assert (-1, 326) in seen
        assert await first.reqCurrentTimeAsync() == NOW


async def test_positions_and_values_follow_a_fill_without_being_asked_for():
    async with world() as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("BRK B", "SMART", "USD"))
        ib.placeOrder(contract, ibapi.MarketOrder("SELL", 10))
        await until(lambda: not ib.positions() and not ib.portfolio())
        values = {(value.tag, value.currency): value.value for value in ib.accountValues()}
        assert Decimal(values["CashBalance", "USD"]) > 104_000


async def test_a_cancelled_subscription_is_silent_and_a_request_by_id_is_answered():
    async with world() as here:
        ib = await here.client()
        ib.client.cancelPositions()
        heard = []
        ib.wrapper.positionMulti = lambda *row: heard.append(row)
        ib.wrapper.positionMultiEnd = heard.append
        ib.client.reqPositionsMulti(900, ACCOUNT, "")
        await until(lambda: 900 in heard)
        assert (heard[0][0], heard[0][4]) == (900, 10.0)
        ib.client.cancelPositionsMulti(900)
        ib.client.cancelAccountUpdatesMulti(900)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        trade = ib.placeOrder(contract, ibapi.MarketOrder("BUY", 1))
        await until(lambda: trade.isDone() and len(ib.portfolio()) == 2)
        assert len(ib.positions()) == 1
        assert len(heard) == 2


async def test_the_third_account_summary_is_refused():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        summary = {(row.tag, row.currency): row.value for row in await ib.accountSummaryAsync()}
        assert summary["NetLiquidation", "USD"] == "110450.00"
        assert summary["CashBalance", "EUR"] == "5000.00"
        for req_id in (801, 802):
            ib.client.reqAccountSummary(req_id, "All", "NetLiquidation")
        await until(lambda: seen)
        assert seen == [(802, 322)]
        ib.client.cancelAccountSummary(801)
        ib.client.reqAccountSummary(803, "All", "NetLiquidation")
        await ib.reqCurrentTimeAsync()
        assert seen == [(802, 322)]


async def test_profit_and_loss_are_told():
    async with world() as here:
        ib = await here.client()
        whole = ib.reqPnL(ACCOUNT)
        single = ib.reqPnLSingle(ACCOUNT, "", ib.positions()[0].contract.conId)
        await until(lambda: whole.unrealizedPnL == 950.0 and single.value == 4950.0)
        ib.cancelPnL(ACCOUNT)


async def test_an_unknown_account_is_an_error():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        ib.client.reqPnL(77, "U9", "")
        await until(lambda: seen)
        assert seen == [(77, 321)]


async def test_contract_details_have_what_orders_need():
    clock = VirtualClock(NOW)
    server = GatewayServer(make_exchange(clock), clock, calendar=WeekdayCalendar())
    ib = ibapi.IB()
    await ib.connectAsync("127.0.0.1", await server.start(), clientId=1)
    try:
        [stock] = await ib.reqContractDetailsAsync(ibapi.Stock("BRK B", "SMART", "USD"))
        assert (stock.minTick, stock.priceMagnifier, stock.longName) == (0.01, 1, "Berkshire Hathaway")
        assert (stock.minSize, stock.sizeIncrement, stock.suggestedSizeIncrement) == (0.0001, 0.0001, 100.0)
        assert (stock.contract.primaryExchange, stock.timeZoneId) == ("NYSE", "US/Eastern")
        assert stock.liquidHours.split(";")[:2] == ["20250926:1030-20250926:1700", "20250927:CLOSED"]
        assert stock.tradingHours.split(";")[0] == "20250926:0400-20250926:2000"
        [rule] = await ib.reqMarketRuleAsync(int(stock.marketRuleIds.split(",")[0]))
        assert (rule.lowEdge, rule.increment) == (0.0, 0.01)
        [coin] = await ib.reqContractDetailsAsync(ibapi.Crypto("BTC", "PAXOS", "USD"))
        assert (coin.minTick, coin.minSize, coin.sizeIncrement) == (0.25, 0.0002, 0.0001)
        [rule] = await ib.reqMarketRuleAsync(int(coin.marketRuleIds.split(",")[0]))
        assert rule.increment == 0.25
        [same] = await ib.reqContractDetailsAsync(ibapi.Contract(conId=coin.contract.conId))
        assert same.contract == coin.contract
    finally:
        ib.disconnect()
        await server.stop()


@pytest.mark.parametrize(
    "contract",
    [
        ibapi.Stock("NOPE", "SMART", "USD"),
        ibapi.Stock("AAPL", "LSE", "USD"),
        ibapi.Stock("AAPL", "SMART", "CHF"),
        ibapi.Contract(conId=5),
        ibapi.Contract(secType="STK", currency="USD"),
        ibapi.Future("ES", "202512", "CME"),
    ],
    ids=str,
)
async def test_an_unknown_contract_is_error_200(contract):
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        assert await ib.reqContractDetailsAsync(contract) == []
        assert [code for _, code in seen] == [200]


async def test_a_contract_id_is_a_function_of_the_instrument():
    ids = []
    for instruments in ((AAPL, BTC), (BTC, AAPL)):
        async with world() as here:
            ids.append({one: here.server.contracts.listing(one).con_id for one in instruments})
    assert ids[0] == ids[1]


async def test_a_snapshot_has_both_sides_and_ends():
    async with world() as here:
        ib = await here.client()
        contracts = await ib.qualifyContractsAsync(
            ibapi.Stock("AAPL", "SMART", "USD"), ibapi.Crypto("BTC", "PAXOS", "USD")
        )
        stock, coin = await ib.reqTickersAsync(*contracts)
        assert (stock.bid, stock.ask, stock.last, stock.close) == (249.95, 250.05, 250.0, 250.0)
        assert stock.bidSize == 100.0
        assert stock.marketDataType == 1
        assert coin.bid < 109_000 < coin.ask


async def test_a_stream_tells_what_changes_until_it_is_cancelled():
    async with world(settings=GatewayServerSettings(quote_interval=0.01)) as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        ticker = ib.reqMktData(contract)
        await until(lambda: ticker.bid == 249.95)
        here.exchange.market.set_price(AAPL, Decimal(260))
        await until(lambda: ticker.last == 260.0 and ticker.bid > 255)
        ib.cancelMktData(contract)
        ib.client.cancelMktData(4711)
        await until(lambda: seen)
        assert seen == [(4711, 300)]


@pytest.mark.parametrize("access", [DataAccess.LIVE, DataAccess.DELAYED])
async def test_delayed_data_come_in_their_own_tick_types(access):
    async with world(settings=GatewayServerSettings(data_access=access)) as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        ib.reqMarketDataType(3)
        [ticker] = await ib.reqTickersAsync(contract)
        assert {66, 67, 68, 75} <= {tick.tickType for tick in ticker.ticks}
        assert (ticker.bid, ticker.marketDataType) == (249.95, 3)
        assert [code for _, code in seen] == ([10167] if access is DataAccess.DELAYED else [])


@pytest.mark.parametrize(
    "access, kind, code", [(DataAccess.NONE, 1, 354), (DataAccess.NONE, 3, 354), (DataAccess.DELAYED, 1, 10168)]
)
async def test_data_that_were_not_paid_for_are_refused(access, kind, code):
    async with world(settings=GatewayServerSettings(data_access=access)) as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        ib.reqMarketDataType(kind)
        await asyncio.wait_for(ib.reqTickersAsync(contract), 2)
        assert [number for _, number in seen] == [code]


async def test_real_time_bars_come_at_their_pace():
    async with world(settings=GatewayServerSettings(quote_interval=0.01, bar_interval=0.02)) as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        bars = ib.reqRealTimeBars(contract, 5, "TRADES", False)
        await until(lambda: len(bars) >= 3)
        assert bars[0].close == 250.0
        ib.cancelRealTimeBars(bars)


async def history(ib, contract, *, end="", duration="5 D", size="1 day", what="TRADES"):
    return await ib.reqHistoricalDataAsync(contract, end, duration, size, what, useRTH=True)


async def test_daily_bars_come_as_traded_and_adjusted():
    async with world() as here:
        ib = await here.client()
        stock, coin = await ib.qualifyContractsAsync(
            ibapi.Stock("AAPL", "SMART", "USD"), ibapi.Crypto("BTC", "PAXOS", "USD")
        )
        bars = await history(ib, stock)
        assert [bar.date for bar in bars] == [date(2025, 9, day) for day in (22, 23, 24, 25, 26)]
        assert {bar.close for bar in bars} == {250.0}
        assert {bar.close for bar in await history(ib, stock, what="ADJUSTED_LAST")} == {125.0}
        assert {bar.close for bar in await history(ib, coin, what="AGGTRADES")} == {109_000.0}
        assert [bar.date for bar in await history(ib, stock, end="20250924 23:59:59 US/Eastern", duration="1 D")] == [
            date(2025, 9, 24)
        ]
        assert len(await history(ib, stock, duration="1 W")) == 5
        assert 20 <= len(await history(ib, stock, duration="1 M")) <= 23
        assert len(await history(ib, stock, duration="1 Y")) == 30
        head = await ib.reqHeadTimeStampAsync(stock, "TRADES", useRTH=True, formatDate=1)
        assert head.date() == date(2025, 8, 18)


@pytest.mark.parametrize(
    "change, code",
    [
        ({"size": "1 min"}, 162),
        ({"end": "20200101 00:00:00 UTC"}, 162),
        ({"what": "OPTION_IMPLIED_VOLATILITY"}, 321),
        ({"what": "ADJUSTED_LAST", "end": "20250924 00:00:00 UTC"}, 321),
        ({"duration": "many"}, 320),
        ({"end": "yesterday"}, 320),
        ({"end": "20259999 00:00:00"}, 320),
    ],
    ids=str,
)
async def test_history_that_cannot_be_served_is_an_error(change, code):
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        request = asyncio.ensure_future(history(ib, contract, **change))
        await until(lambda: seen)
        assert [number for _, number in seen] == [code]
        if INSYNC or code != 321:  # ib_async takes 321 for a warning and waits on
            assert len(await asyncio.wait_for(request, 2)) == 0
        request.cancel()


async def test_crypto_history_wants_its_own_kind_of_trades():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        [coin] = await ib.qualifyContractsAsync(ibapi.Crypto("BTC", "PAXOS", "USD"))
        assert len(await history(ib, coin)) == 0
        assert [number for _, number in seen] == [10299]


async def test_the_same_history_twice_breaks_the_pacing_rule():
    async with world(settings=GatewayServerSettings(history_pacing=True)) as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        assert len(await history(ib, contract)) == 5
        assert len(await history(ib, contract)) == 0
        assert [number for _, number in seen] == [162]


async def test_history_can_be_kept_up_to_date():
    async with world(settings=GatewayServerSettings(quote_interval=0.01)) as here:
        ib = await here.client()
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        bars = await ib.reqHistoricalDataAsync(contract, "", "2 D", "1 day", "TRADES", useRTH=True, keepUpToDate=True)
        here.exchange.market.set_price(AAPL, Decimal(255))
        await until(lambda: bars[-1].close == 255.0)
        ib.cancelHistoricalData(bars)


async def test_small_talk_is_answered():
    async with world() as here:
        ib = await here.client()
        assert await ib.reqCurrentTimeAsync() == NOW
        assert not await asyncio.wait_for(ib.reqUserInfoAsync(), 2)
        assert not await asyncio.wait_for(ib.reqSmartComponentsAsync("a"), 2)
        assert await ib.reqMktDepthExchangesAsync() == []
        assert await ib.reqNewsProvidersAsync() == []
        [found] = await ib.reqMatchingSymbolsAsync("apple")
        assert found.contract.symbol == "AAPL"


async def test_what_is_not_served_is_refused_so_that_nobody_waits():
    async with world() as here:
        ib = await here.client()
        seen = errors_of(ib)
        [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
        assert not await asyncio.wait_for(ib.reqFundamentalDataAsync(contract, "ReportSnapshot"), 2)
        assert not await asyncio.wait_for(ib.reqSecDefOptParamsAsync("AAPL", "", "STK", contract.conId), 2)
        assert [code for _, code in seen] == [322, 322]
        ib.client.send(4242, 1)
        await until(lambda: (-1, 505) in seen)
        assert ib.isConnected()


async def test_links_lost_and_restored_are_told_to_everybody():
    async with world() as here:
        clients = [await here.client(1), await here.client(2)]
        heard = [errors_of(ib) for ib in clients]
        for code in (Code.LINK_LOST, Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT):
            here.server.broadcast(code)
        await until(lambda: all(len(one) == 3 for one in heard))
        assert heard[0] == heard[1] == [(-1, 1100), (-1, 1101), (-1, 1102)]


async def test_withheld_positions_are_never_answered():
    async with world() as here:
        here.server.faults = Faults(withhold_positions=True)
        ib = await here.client(patience=0.3)
        assert ib.positions() == []
        here.server.faults = replace(here.server.faults, withhold_positions=False)
        assert len(await ib.reqPositionsAsync()) == 1
