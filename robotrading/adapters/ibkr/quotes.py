"""Ticks of a snapshot, folded into a quote.

Entry points: `quote_of`, `is_enough`. Pure. Delayed ticks have numbers of their own; -1 and 0 mean that there is no
price. The time of the last trade comes as a text, unasked, in whole seconds since 1970 (TWS API release notes 9.2);
snapshots need not have it, and without it only the answer has an age.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from robotrading.adapters.ibkr.decimals import known
from robotrading.adapters.ibkr.requests import Rows
from robotrading.domain.instrument import Instrument, SecType
from robotrading.domain.market import Quote

FIELDS: Mapping[int, str] = MappingProxyType(
    {1: "bid", 2: "ask", 4: "last", 9: "close", 66: "bid", 67: "ask", 68: "last", 75: "close"}
)
FIRST_DELAYED = 66
LAST_TIMESTAMP, DELAYED_LAST_TIMESTAMP = 45, 88
TIMES = frozenset({LAST_TIMESTAMP, DELAYED_LAST_TIMESTAMP})
_LATEST = 2**33
"""Seconds since 1970 that are no time any more: milliseconds, or nonsense."""
ENOUGH = frozenset({"bid", "ask", "last"})
SOURCE = "ibkr"


def prices_of(ticks: Rows) -> dict[str, Decimal]:
    """The newest price of each field, live ones over delayed ones."""
    prices: dict[str, Decimal] = {}
    for delayed_turn in (True, False):
        for kind, price in ticks:
            if kind not in FIELDS or (kind >= FIRST_DELAYED) is not delayed_turn:
                continue
            value = known(price)
            if value is not None and value > 0:
                prices[FIELDS[kind]] = value
    return prices


def traded_at(ticks: Rows, *, delayed: bool) -> datetime | None:
    """When the instrument last traded; None where no such tick came, or one that is no time."""
    wanted = DELAYED_LAST_TIMESTAMP if delayed else LAST_TIMESTAMP
    times = [int(text) for kind, text in ticks if kind == wanted and text.isascii() and text.isdigit()]
    return datetime.fromtimestamp(times[-1], UTC) if times and 0 < times[-1] < _LATEST else None


def is_enough(instrument: Instrument, ticks: Rows, *, times: bool = True) -> bool:
    """Both sides and the last price are there: no need to wait the eleven seconds that a snapshot may take.

    Of a share its time belongs to it, unless the gateway sends no `times`; other kinds may never have one.
    """
    timed = not times or instrument.sec_type is not SecType.STOCK or any(kind in TIMES for kind, _ in ticks)
    return timed and prices_of(ticks).keys() >= ENOUGH


class Times:
    """Whether this gateway tells when shares were traded: taken for granted until so many whole quotes had no time.

    Without it every quote would be waited for to the end of its snapshot.
    """

    PATIENCE = 20

    def __init__(self) -> None:
        self._seen, self._missing = False, 0

    @property
    def expected(self) -> bool:
        return self._seen or self._missing < self.PATIENCE

    def note(self, quote: Quote | None) -> None:
        """What came of one share's quote."""
        if quote is not None and quote.instrument.sec_type is SecType.STOCK and quote.last is not None:
            self._seen = self._seen or quote.traded_at is not None
            self._missing += quote.traded_at is None


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
        traded_at=traded_at(ticks, delayed=not live),
    )
