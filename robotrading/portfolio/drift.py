"""What has moved since a plan was shown.

Entry point: `moved`. A plan may be run later by its hash; this says whether it is still about the same world.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Intent
from robotrading.domain.planning import Plan
from robotrading.domain.skip import Skip
from robotrading.portfolio.sizing import usable_price
from robotrading.portfolio.wording import percent, plain


def moved(
    plan: Plan, quotes: Mapping[Instrument, Quote | Skip], owned: Mapping[Instrument, Decimal], tolerance: Decimal
) -> tuple[str, ...]:
    """One sentence per difference past the tolerance (a fraction of the arrival price); empty when the plan stands.

    A price that is not known has moved. Any difference in an owned quantity counts, whether it is traded or not.
    """
    prices = (_price_moved(intent, quotes.get(intent.instrument), tolerance) for intent in plan.intents)
    return tuple(sentence for sentence in (*prices, *_quantities_moved(plan, owned)) if sentence)


def _price_moved(intent: Intent, quote: Quote | Skip | None, tolerance: Decimal) -> str:
    price = usable_price(quote) if isinstance(quote, Quote) else None
    if price is None:
        why = f" ({quote.reason})" if isinstance(quote, Skip) else ""
        return f"{intent.instrument}: planned at {plain(intent.arrival_price)}, and there is no price now{why}"
    change = price / intent.arrival_price - 1
    if abs(change) <= tolerance:
        return ""
    return (
        f"{intent.instrument}: planned at {plain(intent.arrival_price)}, now {plain(price)} "
        f"({percent(change)}, tolerance {percent(tolerance)})"
    )


def _quantities_moved(plan: Plan, owned: Mapping[Instrument, Decimal]) -> list[str]:
    then = {line.instrument: line.owned for line in plan.lines}
    both = sorted({*then, *owned}, key=lambda i: i.key)
    pairs = [(i, then.get(i, Decimal(0)), owned.get(i, Decimal(0))) for i in both]
    return [f"{i}: planned with {plain(a)} owned, now it is {plain(b)}" for i, a, b in pairs if a != b]
