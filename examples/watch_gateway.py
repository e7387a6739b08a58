"""Connect to `robotrading gateway` as to IB Gateway, and print cash and positions.

python watch_gateway.py [--host HOST] [--port PORT] [--buy SYMBOL]
"""

from __future__ import annotations

import argparse

try:
    from ib_insync import IB, MarketOrder, Stock
except ImportError:  # its successor has the same names
    from ib_async import IB, MarketOrder, Stock


def main() -> None:
    """Connect, buy ten shares if asked to, print, leave."""
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--host", default="127.0.0.1")
    wanted.add_argument("--port", type=int, default=4002)
    wanted.add_argument("--buy", metavar="SYMBOL", help="buy ten shares first (practice gateways only)")
    said = wanted.parse_args()

    ib = IB()
    ib.connect(said.host, said.port, clientId=77, timeout=10)
    try:
        if said.buy:
            buy(ib, said.buy)
        report(ib)
    finally:
        ib.disconnect()


def buy(ib: IB, symbol: str) -> None:
    """Ten shares at the market, with a bounded wait for the fill."""
    [contract] = ib.qualifyContracts(Stock(symbol, "SMART", "USD"))
    trade = ib.placeOrder(contract, MarketOrder("BUY", 10))
    for _ in range(20):
        if trade.isDone():
            break
        ib.waitOnUpdate(timeout=0.5)
    print(f"{symbol}: {trade.orderStatus.status}, {trade.orderStatus.filled:g} at {trade.orderStatus.avgFillPrice:g}")


def report(ib: IB) -> None:
    """Cash and positions as the gateway tells them."""
    for value in ib.accountSummary():
        if value.tag in ("NetLiquidation", "TotalCashValue"):
            print(f"{value.account}  {value.tag:<15} {float(value.value):>14,.2f} {value.currency}")
    positions = ib.reqPositions()
    for held in positions:
        print(f"{held.account}  {held.contract.symbol:<15} {held.position:>14,g} at {held.avgCost:,.4f}")
    if not positions:
        print("no positions yet")


if __name__ == "__main__":
    main()
