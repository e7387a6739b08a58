"""Quotes as a fault shows them. The exchange goes on trading at the true ones.

Entry point: `ShownQuotes`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from robotrading.domain.market import Quote
from robotrading.sim.faults.kinds import FaultKind
from robotrading.sim.faults.script import Script
from robotrading.sim.market import to_tick

UNAVAILABLE = (FaultKind.QUOTES_MISSING, FaultKind.DATA_FARM_BROKEN, FaultKind.DATA_TAKEN)


class ShownQuotes:
    """Changes quotes while the plan says so.

    A stale one is the first that was asked for since the fault began, handed out as new: its last trade alone has an
    age.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._standing: dict[str, Quote] = {}

    def shown(self, quote: Quote | None) -> Quote | None:
        """The quote as it is shown; None where none is."""
        if quote is None or self._script.in_force(*UNAVAILABLE) is not None:
            return None
        stale = self._script.in_force(FaultKind.QUOTES_STALE)
        if stale is None:
            self._standing.clear()
        else:
            old = self._standing.setdefault(quote.instrument.key, quote)
            quote = replace(old, at=quote.at, traded_at=old.at - timedelta(seconds=float(stale.size)))
        absurd = self._script.in_force(FaultKind.QUOTES_ABSURD)
        return quote if absurd is None else _times(quote, absurd.size)


def _times(quote: Quote, factor: Decimal) -> Quote:
    tick = quote.instrument.tick

    def scaled(price: Decimal | None) -> Decimal | None:
        return None if price is None else max(to_tick(price * factor, tick), tick)

    return replace(
        quote, bid=scaled(quote.bid), ask=scaled(quote.ask), last=scaled(quote.last), close=scaled(quote.close)
    )
