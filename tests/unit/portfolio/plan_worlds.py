"""Small worlds for the laws of planning: builders, Hypothesis strategies, and a broker that always fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Intent, OrderType, Side
from robotrading.domain.planning import Targets, TargetWeight
from robotrading.portfolio.bands import BandSettings, TradeTo
from robotrading.portfolio.costs import CostSettings, commission
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.plan import PlanInputs, PlanSettings
from robotrading.portfolio.sizing import SizingSettings

D = Decimal
DAY = date(2025, 9, 26)
NOW = datetime(2025, 9, 26, 19, 30, tzinfo=UTC)
KIND = AssetClass.EQUITIES
LOOSE = LimitSettings(max_order_value=D(10**12), max_position_share=D(1000), max_turnover_share=D(1000))
FREE = CostSettings(per_unit=D(0), minimum=D(0), maximum_share=D(1), max_cost_share=D(1))


def stock(symbol: str = "AAA", *, lot: str = "1", min_quantity: str = "0", currency: str = "USD") -> Instrument:
    return Instrument(symbol, KIND, currency=currency, lot=D(lot), min_quantity=D(min_quantity))


def quote(item: Instrument, price: Decimal | str, spread: Decimal | str = "0") -> Quote:
    mid, half = D(price), D(spread) / 2
    return Quote(item, mid - half, mid + half, mid, mid, NOW, "test")


def targets(weights: dict[Instrument, str | Decimal], frozen: Iterable[Instrument] = ()) -> Targets:
    still = set(frozen)
    lines = tuple(TargetWeight(i, D(w), D(w), "because", i in still) for i, w in weights.items())
    return Targets(KIND, lines, 1 - sum((line.weight for line in lines), D(0)), DAY)


def inputs(
    weights: dict[Instrument, str | Decimal],
    prices: dict[Instrument, str | Decimal],
    owned: dict[Instrument, str | Decimal] | None = None,
    *,
    budget: str | Decimal = "100000",
    cash: str | Decimal | None = None,
    **others: object,
) -> PlanInputs:
    """A session with `budget`; its cash, when not given, is what the holdings leave of it."""
    held = {i: D(q) for i, q in (owned or {}).items()}
    free = D(budget) - sum((q * D(prices[i]) for i, q in held.items() if i in prices), D(0))
    money = free if cash is None else D(cash)
    quotes = {i: quote(i, p) for i, p in prices.items()}
    base = PlanInputs(
        KIND, "s1", "DU1", DAY, NOW, "USD", D(budget), money, money, held, targets(weights), quotes
    )  # fmt: skip
    return replace(base, **others)


def settings(**others: object) -> PlanSettings:
    base = PlanSettings(bands=BandSettings(), costs=FREE, sizing=SizingSettings(D(0)), limits=LOOSE, limit_offset=D(0))
    return replace(base, **others)


def reckoned(intent: Intent, plan_settings: PlanSettings) -> Decimal:
    """The worst price that the plan reckons an intent to fill at."""
    if intent.limit_price is not None:
        return intent.limit_price
    from robotrading.portfolio.sizing import marketable_price

    return marketable_price(intent.instrument, intent.side, intent.arrival_price, plan_settings.limit_offset)


def filled(world: PlanInputs, intents: Iterable[Intent], rules: PlanSettings, *, at_worst: bool = True) -> PlanInputs:
    """The world after these intents have filled whole, at the worst price or at the arrival price."""
    owned, cash, account, attempts = dict(world.owned), world.cash, world.account_cash, dict(world.attempts)
    turnover = world.turnover_today
    for intent in intents:
        price = reckoned(intent, rules) if at_worst else intent.arrival_price
        fee = commission(intent.quantity, price, rules.costs)
        change = -intent.side.sign * intent.quantity * price - fee
        cash, account = cash + change, account + change
        owned[intent.instrument] = owned.get(intent.instrument, D(0)) + intent.side.sign * intent.quantity
        turnover += intent.value
        key = (intent.instrument.key, intent.side)
        attempts[key] = attempts.get(key, 0) + 1
    return replace(world, owned=owned, cash=cash, account_cash=account, attempts=attempts, turnover_today=turnover)


def _decimal(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


costs = st.builds(
    CostSettings,
    per_unit=st.sampled_from([D(0), D("0.005"), D("0.05")]),
    minimum=st.sampled_from([D(0), D(1), D(7)]),
    maximum_share=st.sampled_from([D("0.01"), D(1)]),
    share=st.sampled_from([D(0), D("0.0018")]),
    max_cost_share=st.sampled_from([D("0.005"), D("0.02"), D(1)]),
)

rules = st.builds(
    PlanSettings,
    bands=st.builds(
        BandSettings,
        absolute=st.sampled_from([D(0), D("0.001"), D("0.01"), D("0.05")]),
        relative=st.sampled_from([D(0), D("0.05"), D("0.2")]),
        trade_to=st.sampled_from(TradeTo),
    ),
    costs=costs,
    sizing=st.builds(SizingSettings, min_trade_value=st.sampled_from([D(0), D(10), D(100), D(1000)])),
    limits=st.just(LOOSE),
    cash_buffer=st.sampled_from([D(0), D("0.02"), D("0.1")]),
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    limit_offset=st.sampled_from([D(0), D("0.003"), D("0.01")]),
)


@st.composite
def worlds(draw: st.DrawFn, most: int = 5) -> PlanInputs:
    """Up to `most` instruments with any lots, prices and holdings; some have left the targets, some are frozen."""
    count = draw(st.integers(1, most))
    lots = st.sampled_from(["1", "1", "0.01", "0.0001", "10"])
    minima = st.sampled_from(["0", "0", "0.05", "20"])
    items = [stock(f"S{n}", lot=draw(lots), min_quantity=draw(minima)) for n in range(count)]
    budget = draw(_decimal("500", "500000", 2))
    parts = [draw(st.integers(0, 20)) for _ in items]
    weights = {i: D(p) / max(sum(parts), 20) for i, p in zip(items, parts, strict=True) if draw(st.integers(0, 9))}
    prices = {i: draw(_decimal("0.50", "900", 2)) for i in items}
    held = {i: draw(st.integers(0, 30)) * budget / 100 / prices[i] for i in items if draw(st.booleans())}
    owned = {i: (q // i.lot) * i.lot + draw(st.sampled_from([D(0), i.lot / 2, i.lot * 3 / 4])) for i, q in held.items()}
    free = budget - sum((q * prices[i] for i, q in owned.items()), D(0))
    cash = draw(st.sampled_from([free, free / 2, free + 1000, D(0)]))
    account = draw(st.sampled_from([cash, cash + 5000, cash / 3]))
    frozen = [i for i in items if not draw(st.integers(0, 7))]
    spreads = {i: prices[i] * draw(st.sampled_from([D(0), D("0.001"), D("0.02")])) for i in items}
    quotes = {i: quote(i, prices[i], spreads[i]) for i in items if draw(st.integers(0, 9))}
    return PlanInputs(
        KIND, "s1", "DU1", DAY, NOW, "USD", budget, cash, account, owned, targets(weights, frozen), quotes
    )


def sells(intents: Iterable[Intent]) -> list[Intent]:
    return [i for i in intents if i.side is Side.SELL]


def buys(intents: Iterable[Intent]) -> list[Intent]:
    return [i for i in intents if i.side is Side.BUY]
