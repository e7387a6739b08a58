"""One feed out of several: each asset class is asked of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Feed
from robotrading.domain.skip import Skip


class Routed:
    """Implements the Feed port. A class whose sources are all silent is skipped; the others are served."""

    name = "routed"

    def __init__(self, feeds: Mapping[AssetClass, Feed]) -> None:
        self._feeds = feeds

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        answers: dict[Instrument, Bars | Skip] = {}
        for kind, feed in self._feeds.items():
            wanted = [instrument for instrument in instruments if instrument.asset_class is kind]
            if wanted:
                answers |= _ask(feed, wanted, first, last)
        return answers


def _ask(feed: Feed, wanted: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
    try:
        return feed.daily(wanted, first, last)
    except FeedUnavailable as error:
        return {instrument: Skip(instrument.symbol, "prices", str(error)) for instrument in wanted}
