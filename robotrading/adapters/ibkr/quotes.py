"""Ticks of a snapshot, folded into a quote.

Entry points: `quote_of`, `is_enough`. Pure. Delayed ticks have numbers of their own; -1 and 0 mean that there is no
price.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from robotrading.adapters.ibkr.decimals import known
from robotrading.adapters.ibkr.requests import Rows
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote

FIELDS: Mapping[int, str] = MappingProxyType(
    {1: "bid", 2: "ask", 4: "last", 9: "close", 66: "bid", 67: "ask", 68: "last", 75: "close"}
)
FIRST_DELAYED = 66
ENOUGH = frozenset({"bid", "ask", "last"})
SOURCE = "ibkr"


def prices_of(ticks: Rows) -> dict[str, Decimal]:
    """The newest price of each field, live ones over delayed ones."""
    prices: dict[str, Decimal] = {}
    for delayed_turn in (True, False):
        for kind, price in ticks:
            value = known(price)
            if kind in FIELDS and (kind >= FIRST_DELAYED) is delayed_turn and value is not None and value > 0:
                prices[FIELDS[kind]] = value
    return prices


def is_enough(ticks: Rows) -> bool:
    """Both sides and the last price are there: no need to wait the eleven seconds that a snapshot may take."""
    return prices_of(ticks).keys() >= ENOUGH


def quote_of(instrument: Instrument, ticks: Rows, at: datetime) -> Quote | None:
    """None when nothing has a price."""
    prices = prices_of(ticks)
    if not prices:
        return None
    live = any(kind in FIELDS and kind < FIRST_DELAYED and price > 0 for kind, price in ticks)
    return Quote(
        instrument=instrument,
        bid=prices.get("bid"),
        ask=prices.get("ask"),
        last=prices.get("last"),
        close=prices.get("close"),
        at=at,
        source=SOURCE,
        delayed=not live,
    )
