"""Cash, positions, commissions, corrections and the memory of the exchange."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Side, TimeInForce
from robotrading.portfolio.costs import CostSettings
from robotrading.sim.accounts import Lot, order_fee, traded
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, Executed, OrderStatus
from tests.unit.sim.sim_world import ABC, ACCOUNT, COIN, EUR, UNPRICED, XYZ, World

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize(
    ("quantity", "value", "fee"),
    [("10", "1000", "1"), ("1000", "50000", "5"), ("10", "50", "0.5"), ("0", "0", "0")],
)
def test_share_commissions_have_a_minimum_and_a_maximum(quantity: str, value: str, fee: str) -> None:
    assert order_fee(CostSettings(), D(quantity), D(value)) == D(fee)


def test_a_coins_commission_is_a_share_of_its_value() -> None:
    world = World()
    world.placed(COIN, quantity=0, cash_quantity=5000, tif=TimeInForce.IOC)
    world.exchange.step()
    execution = world.exchange.executions()[0]
    commission = world.exchange.commission(execution.exec_id)
    assert commission is not None
    assert commission.amount == pytest.approx(execution.quantity * execution.price * D("0.0018"))


def test_the_minimum_is_charged_once_per_order() -> None:
    world = World(liquidity=D(5))
    world.placed(quantity=10)
    world.exchange.step()
    world.exchange.step()
    fees = [world.exchange.commission(e.exec_id).amount for e in world.exchange.executions()]  # type: ignore[union-attr]
    assert fees == [1, 0]


def test_average_cost_counts_commissions_of_what_was_opened() -> None:
    lot, earned = traded(Lot(ABC), BUY, D(10), D(100), D(1))
    assert (lot.quantity, lot.avg_cost, earned) == (10, D("100.1"), None)
    lot, earned = traded(lot, SELL, D(4), D(110), D(1))
    assert (lot.quantity, lot.avg_cost, earned) == (6, D("100.1"), D("38.6"))
    assert lot.realized == D("38.6")


def test_a_trade_through_zero_closes_and_opens() -> None:
    lot = Lot(ABC, D(10), D(100))
    lot, earned = traded(lot, SELL, D(15), D(110), D(3))
    assert (lot.quantity, earned) == (-5, D(98))
    assert lot.avg_cost == D("109.8")  # proceeds of the short part less its share of the fee
    lot, earned = traded(lot, BUY, D(5), D(100), D(0))
    assert (lot.quantity, lot.avg_cost, earned) == (0, 0, D(49))


def test_account_rows_sum_up_in_base_currency() -> None:
    world = World(cash={"USD": D(1000), "EUR": D(100)}, holdings={ABC: D(2), EUR: D(10)})
    assert world.value("NetLiquidation") == 1000 + 110 + 200 + 220
    assert world.value("TotalCashValue") == 1110
    assert world.value("GrossPositionValue") == 420
    assert world.value("CashBalance", "EUR") == 100
    assert world.value("CashBalance", "BASE") == 1110
    assert world.value("StockMarketValue", "EUR") == 200
    assert world.value("StockMarketValue", "BASE") == 420


def test_what_has_no_price_is_valued_at_cost() -> None:
    world = World()
    seed = AccountSeed("DU2", {"USD": D(10)}, ((UNPRICED, D(3), D(7)),))
    exchange = Exchange(world.market, world.clock, [seed])
    rows = {(row.key, row.currency): row.value for row in exchange.account_values("DU2")}
    assert rows["NetLiquidation", "USD"] == "31.00"
    assert rows["PreviousDayEquityWithLoanValue", "USD"] == "31.00"
    assert exchange.positions()[0].market_price is None


def test_realised_profit_is_reported_with_the_closing_fill() -> None:
    world = World()
    world.placed(quantity=10)
    world.exchange.step()
    world.price(ABC, 110)
    world.placed(side=SELL, quantity=10)
    world.exchange.step()
    opened, closed = (world.exchange.commission(e.exec_id) for e in world.exchange.executions())
    assert opened is not None
    assert closed is not None
    assert (opened.realized_pnl, closed.realized_pnl) == (None, D("97.8"))
    assert world.value("RealizedPnL") == D("97.80")
    assert not world.exchange.positions()


def test_a_correction_is_a_new_revision_and_moves_cash_and_cost() -> None:
    world = World(holdings={ABC: D(5)})
    order = world.placed(quantity=10)
    world.exchange.step()
    cash = world.exchange.cash(ACCOUNT)["USD"]
    first = world.exchange.executions()[0]
    assert first.exec_id.endswith(".01")
    second = world.exchange.correct(first.exec_id, D("99.01"))
    third = world.exchange.correct(first.exec_id, D("98.01"))
    assert [e.exec_id for e in (second, third)] == [first.fill_id + ".02", first.fill_id + ".03"]
    assert world.exchange.cash(ACCOUNT)["USD"] == cash + 20
    assert world.held(ABC) == 15
    assert world.exchange.positions()[0].avg_cost * 15 == pytest.approx(500 + D("980.1") + 1)
    assert world.now(order).avg_fill_price == D("98.01")
    assert world.now(order).filled == 10
    assert isinstance(world.events[-4], Executed)
    with pytest.raises(KeyError, match="not known"):
        world.exchange.correct("0000.0000.01.01", D(1))


def test_executions_are_asked_since_an_instant() -> None:
    world = World()
    world.placed()
    world.exchange.step()
    world.clock.advance(60)
    since = world.clock.now()
    world.placed()
    world.exchange.step()
    assert len(world.exchange.executions()) == 2
    assert len(world.exchange.executions(since)) == 1


def test_a_restored_exchange_goes_on_where_it_stopped() -> None:
    world = World(holdings={XYZ: D(3)}, liquidity=D(4))
    world.placed(limit_price=101, order_ref="rt-1")
    world.placed(limit_price=50)
    world.exchange.step()
    state = json.loads(json.dumps(world.exchange.snapshot()))

    other = World()
    other.exchange.restore(state)
    assert json.loads(json.dumps(other.exchange.snapshot())) == state
    assert other.exchange.cash(ACCOUNT) == world.exchange.cash(ACCOUNT)
    assert other.exchange.open_orders() == world.exchange.open_orders()
    assert other.exchange.next_order_id(1) == 3
    other.exchange.step()
    other.exchange.step()
    assert other.exchange.completed_orders()[0].request.order_ref == "rt-1"
    executions = other.exchange.executions()
    assert len({e.exec_id for e in executions}) == len(executions) > 1
    again = other.placed(quantity=1)
    assert again.perm_id > max(o.perm_id for o in world.exchange.open_orders())


def test_restoring_something_else_says_so() -> None:
    with pytest.raises(ValueError, match="next_perm_id"):
        World().exchange.restore({})


def test_an_account_needs_rates_for_what_it_holds() -> None:
    world = World()
    with pytest.raises(ValueError, match="exchange rate from EUR"):
        Exchange(world.market, world.clock, [AccountSeed("DU3", {"EUR": D(1)})])
    with pytest.raises(ValueError, match="at least one account"):
        Exchange(world.market, world.clock, [])
    with pytest.raises(KeyError, match="'DU3' is not kept here"):
        world.exchange.cash("DU3")


def test_a_fund_of_two_sessions_is_one_position() -> None:
    """The broker knows no asset classes: the same fund asked for as a bond and as a share is one holding."""
    world = World()
    as_bond = Instrument("ABC", AssetClass.BONDS)
    world.placed(ABC, quantity=3)
    world.placed(as_bond, quantity=4)
    world.exchange.step()
    assert [h.quantity for h in world.exchange.positions()] == [7]


def test_an_ended_subscription_hears_nothing() -> None:
    world = World()
    heard: list[object] = []
    end = world.exchange.subscribe(heard.append)
    end()
    end()
    assert world.placed().status is OrderStatus.SUBMITTED
    assert not heard
    assert world.events


def test_the_exchange_knows_its_parts() -> None:
    world = World()
    assert world.exchange.account_ids == (ACCOUNT,)
    assert world.exchange.market is world.market
    assert world.exchange.settings.leverage == 1
    assert world.exchange.commission("nothing") is None
    assert world.exchange.order(1) is None


def test_todays_trades_are_no_gain_or_loss_of_yesterday() -> None:
    """The equity of the previous close does not change by trading today, whatever the trade cost."""
    world = World(holdings={ABC: D(50)})
    before = world.value("PreviousDayEquityWithLoanValue")
    for side in (Side.BUY, Side.SELL):
        world.placed(ABC, side, 20)
        world.exchange.step()
    world.placed(ABC, Side.BUY, 30)
    world.exchange.step()
    assert world.exchange.executions()
    assert world.value("PreviousDayEquityWithLoanValue") == before
    assert world.value("NetLiquidation") != before
