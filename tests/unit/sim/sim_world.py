"""A small pretend world for the tests of the exchange: two shares, a coin, and a euro share, prices set by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.orders import OrderType, Side
from robotrading.domain.ports import Calendar
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import (
    AccountSeed,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeSettings,
    OrderMessage,
    OrderRequest,
)
from robotrading.sim.market import FeedMarket

D = Decimal

NOON = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)
ABC = Instrument("ABC", AssetClass.EQUITIES)
XYZ = Instrument("XYZ", AssetClass.EQUITIES)
EUR = Instrument("EURO", AssetClass.EQUITIES, currency="EUR")
COIN = Instrument("COIN-USD", AssetClass.CRYPTO, lot=D("0.0001"))
UNPRICED = Instrument("NONE", AssetClass.EQUITIES)
UNKNOWN = Instrument("NOSUCH", AssetClass.EQUITIES)
PRICES = {ABC: D(100), XYZ: D(50), EUR: D(20), COIN: D(1000)}
ACCOUNT = "DU1"
RATES = {"EUR": D("1.1")}


class NoFeed:
    name = "set by the test"

    def daily(self, _asked: Sequence[Instrument], _first: date, _last: date) -> Mapping[Instrument, Bars | Skip]:
        return {}


class World:
    """An exchange that writes down everything it tells."""

    def __init__(
        self,
        cash: dict[str, D] | None = None,
        holdings: Mapping[Instrument, D] | None = None,
        calendar: Calendar | None = None,
        at: datetime = NOON,
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock(at)
        self.market = FeedMarket(NoFeed(), self.clock, [*PRICES, UNPRICED])
        for instrument, price in PRICES.items():
            self.price(instrument, price)
        owned = tuple((instrument, quantity, PRICES[instrument]) for instrument, quantity in (holdings or {}).items())
        seed = AccountSeed(ACCOUNT, cash or {"USD": D(100_000)}, owned, exchange_rates=RATES)
        self.exchange = Exchange(self.market, self.clock, [seed], ExchangeSettings(**settings), calendar)
        self.events: list[ExchangeEvent] = []
        self.exchange.subscribe(self.events.append)

    def price(self, instrument: Instrument, last: D | int | str) -> None:
        """A quote one cent (a coin: 1) to each side of the last price."""
        half = D(1) if instrument is COIN else D("0.01")
        self.market.set_price(instrument, D(last), D(last) - half, D(last) + half)

    def place(
        self, instrument: Instrument = ABC, side: Side = Side.BUY, quantity: D | int | str = 10, **terms: Any
    ) -> ExchangeOrder | None:
        return self.exchange.place(1, self.exchange.next_order_id(1), request(instrument, side, quantity, **terms))

    def placed(self, *asked: Any, **terms: Any) -> ExchangeOrder:
        order = self.place(*asked, **terms)
        assert order is not None, self.codes()
        return order

    def now(self, order: ExchangeOrder) -> ExchangeOrder:
        known = self.exchange.order(order.perm_id)
        assert known is not None
        return known

    def codes(self) -> list[int]:
        return [event.code for event in self.events if isinstance(event, OrderMessage)]

    def held(self, instrument: Instrument) -> D:
        lots = {h.instrument: h.quantity for h in self.exchange.positions(ACCOUNT)}
        return lots.get(instrument, D(0))

    def value(self, key: str, currency: str = "USD") -> D:
        rows = {(row.key, row.currency): row.value for row in self.exchange.account_values(ACCOUNT)}
        return D(rows[key, currency])


def request(instrument: Instrument, side: Side, quantity: D | int | str, **terms: Any) -> OrderRequest:
    """A limit order where a limit price is given, a market order otherwise, or what `order_type` says."""
    terms.setdefault("order_type", OrderType.LIMIT if "limit_price" in terms else OrderType.MARKET)
    for name in ("limit_price", "stop_price", "trail_amount", "trail_percent", "cash_quantity"):
        if name in terms:
            terms[name] = D(terms[name])
    return OrderRequest(instrument=instrument, side=side, quantity=D(quantity), **terms)
