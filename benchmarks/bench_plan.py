"""How long a plan of 500 symbols takes. Run it with `pytest benchmarks/bench_plan.py`."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.planning import Targets, TargetWeight
from robotrading.portfolio.plan import PlanInputs, PlanSettings, make_plan

NOW = datetime(2025, 9, 26, 19, 30, tzinfo=UTC)
DAY = date(2025, 9, 26)


def world(count: int, *, owned: bool, cash: int) -> PlanInputs:
    """A session of ten million over `count` stocks at equal weight, with holdings that have drifted, or none."""
    rng = random.Random(7)
    items = [Instrument(f"S{n:03}", AssetClass.EQUITIES) for n in range(count)]
    prices = {i: Decimal(rng.randint(500, 50_000)) / 100 for i in items}
    weight = Decimal("0.98") / count
    held = {i: Decimal(int(10_000_000 * weight / prices[i] * rng.randint(50, 150) / 100)) for i in items if owned}
    tick = Decimal("0.01")
    return PlanInputs(
        kind=AssetClass.EQUITIES,
        session_id="bench",
        account_id="DU1",
        trading_date=DAY,
        now=NOW,
        currency="USD",
        budget=Decimal(10_000_000),
        cash=Decimal(cash),
        account_cash=Decimal(cash),
        owned=held,
        targets=Targets(
            AssetClass.EQUITIES,
            tuple(TargetWeight(i, weight, weight, "0.2 % equal weight x 1.00 (neutral)") for i in items),
            Decimal("0.02"),
            DAY,
        ),
        quotes={i: Quote(i, p - tick, p + tick, p, p, NOW, "bench") for i, p in prices.items()},
    )


@pytest.mark.parametrize(
    ("owned", "cash"),
    [(False, 10_000_000), (False, 4_000_000), (True, 300_000)],
    ids=["first_purchase", "short_of_cash", "rebalancing"],
)
def test_plan_of_500_symbols(benchmark: Callable[..., object], owned: bool, cash: int) -> None:
    """Aim: under 0.1 s."""
    plan = benchmark(make_plan, world(500, owned=owned, cash=cash), PlanSettings())
    assert len(plan.intents) > 100
