"""The gateway's memory: restarts, locks, damage."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from robotrading.domain.orders import OrderType, Side
from robotrading.sim.exchange_types import OrderRequest
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateError, StateFile
from tests.wire.gateway_world import AAPL, ibapi, make_exchange, until, world

pytestmark = pytest.mark.wire


async def test_positions_orders_and_executions_survive_a_restart(tmp_path):
    path = tmp_path / "deep" / "state.json"
    with StateFile(path) as state:
        async with world(state=state) as here:
            ib = await here.client()
            [contract] = await ib.qualifyContractsAsync(ibapi.Stock("AAPL", "SMART", "USD"))
            trade = ib.placeOrder(contract, ibapi.LimitOrder("BUY", 10, 260, orderRef="a"))
            ib.placeOrder(contract, ibapi.LimitOrder("BUY", 10, 200, orderRef="b"))
            await until(trade.isDone)
            await until(lambda: path.exists() and '"exec_id"' in path.read_text())
    with StateFile(path) as state:
        async with world(state=state) as here:
            ib = await here.client()
            assert {p.contract.symbol: p.position for p in ib.positions()} == {"AAPL": 10.0, "BRK B": 10.0}
            assert [one.order.orderRef for one in ib.openTrades()] == ["b"]
            [fill] = ib.fills()
            assert (fill.execution.orderRef, fill.execution.permId) == ("a", trade.order.permId)


async def test_a_state_of_another_market_is_refused(tmp_path):
    with StateFile(tmp_path / "state.json") as state:
        async with world(state=state, settings=GatewayServerSettings(market_name="one")):
            pass
        with pytest.raises(StateError, match="belongs to the market 'one', not to 'two'"):
            async with world(state=state, settings=GatewayServerSettings(market_name="two")):
                pass


def test_two_gateways_never_share_a_file(tmp_path):
    path = tmp_path / "state.json"
    with StateFile(path), pytest.raises(StateError, match="another gateway uses this state file"):
        StateFile(path)
    StateFile(path).close()


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_a_damaged_file_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "state.json"
    path.write_text(content)
    with StateFile(path) as state, pytest.raises(StateError, match=r"state\.json"):
        state.load()
    assert path.read_text() == content


async def test_a_state_that_is_no_snapshot_is_refused(tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"market": "synthetic", "exchange": {"orders": 5}}))
    with StateFile(path) as state, pytest.raises(StateError, match="not a gateway's state"):
        async with world(state=state):
            pass


def test_a_save_that_fails_leaves_the_old_state_and_no_litter(tmp_path):
    path = tmp_path / "state.json"
    with StateFile(path) as state:
        state.save({"a": 1})
        with pytest.raises(TypeError):
            state.save({"a": object()})
        assert state.load() == {"a": 1}
        assert sorted(file.name for file in tmp_path.iterdir()) == ["state.json", "state.json.lock"]


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="folder cannot be used"):
        StateFile(tmp_path / "file" / "state.json")


def test_a_snapshot_from_the_disk_restores_the_exchange(tmp_path):
    exchange, other = make_exchange(), make_exchange()
    exchange.place(1, 1, OrderRequest(instrument=AAPL, side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(2)))
    exchange.step()
    with StateFile(tmp_path / "state.json") as state:
        assert state.load() is None
        state.save(exchange.snapshot())
        other.restore(state.load() or {})
    assert other.positions() == exchange.positions()
    assert other.executions() == exchange.executions()
