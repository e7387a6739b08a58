"""Daily bars from the gateway's historical data.

Entry point: `IbkrFeed` (the Feed port, synchronous: each call runs its own event loop in its own thread, so that it may
be made from anywhere). The pacing rules of the service are kept, what they would make wait beyond the deadline is a
skip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from robotrading.adapters.ibkr.codes import NO_QUOTE
from robotrading.adapters.ibkr.connection import Connection
from robotrading.adapters.ibkr.contracts import contract_for
from robotrading.adapters.ibkr.history import bars_of, duration_text, shows_of
from robotrading.adapters.ibkr.pacing import HistoryPacer, HistoryRules
from robotrading.adapters.ibkr.requests import RequestRefused, Rows
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import BrokerUnavailable, FeedUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

AT_A_TIME = 8
HISTORY_REFUSED = 162


class IbkrFeed:
    """See the module. Raises `FeedUnavailable` when the gateway as a whole does not answer.

    It connects beside the session's broker and needs a client id of its own in `settings`.
    """

    name = "ibkr"

    def __init__(self, settings: GatewaySettings, clock: Clock, rules: HistoryRules | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._pacer = HistoryPacer(rules or HistoryRules())

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """Bars from `first` to `last`, both included; a skip where there are none."""
        if not instruments:
            return {}
        with ThreadPoolExecutor(1, "ibkr-feed") as pool:
            return pool.submit(asyncio.run, self._fetch(instruments, first, last)).result()

    async def _fetch(self, instruments: Sequence[Instrument], first: date, last: date) -> dict[Instrument, Bars | Skip]:
        connection = Connection(self._settings)
        deadline = asyncio.get_running_loop().time() + self._settings.history_deadline
        places = asyncio.Semaphore(AT_A_TIME)

        async def one(instrument: Instrument) -> Bars | Skip:
            async with places:
                return await self._series(connection, instrument, (first, last), deadline)

        try:
            await connection.open()
            found = await asyncio.gather(*map(one, instruments), return_exceptions=True)
        except BrokerUnavailable as error:
            raise FeedUnavailable(f"ibkr: {error}") from error
        finally:
            await connection.close()
        return _answers(instruments, found)

    async def _series(
        self, connection: Connection, instrument: Instrument, span: tuple[date, date], deadline: float
    ) -> Bars | Skip:
        """All series that one instrument's bars are made of."""
        rows: dict[str, Rows] = {}
        for show in shows_of(instrument):
            answer = await self._request(connection, instrument, (show, self._duration(span[0])), deadline)
            if isinstance(answer, Skip):
                return answer
            rows[show] = answer
        return bars_of(instrument, rows, span, self._clock.now())

    def _duration(self, first: date) -> str:
        return duration_text(first, self._clock.now().date())

    async def _request(
        self, connection: Connection, instrument: Instrument, what: tuple[str, str], deadline: float
    ) -> Rows | Skip:
        show, duration = what
        loop = asyncio.get_running_loop()
        at = self._pacer.earliest(instrument.key, (instrument.key, *what), loop.time())
        if at > deadline:
            return Skip(instrument.symbol, self.name, "the service's pacing would make it wait too long", "pacing")
        self._pacer.book(instrument.key, (instrument.key, *what), at)
        await asyncio.sleep(max(0.0, at - loop.time()))
        contract = contract_for(instrument)

        def ask(client: Any, req_id: int) -> None:
            # The end is always now: adjusted prices are refused with any other.
            client.reqHistoricalData(req_id, contract, "", duration, "1 day", show, True, 1, False, [])  # noqa: FBT003

        try:
            return await connection.ask(f"{show} bars of {instrument}", ask)
        except RequestRefused as error:
            return Skip(instrument.symbol, self.name, f"no bars of {instrument}: {error}", _rule(error))
        except BrokerUnavailable as error:
            if not connection.ready:
                raise
            broken = connection.lines.broken_farms(history=True)
            if broken:
                return Skip(instrument.symbol, self.name, f"{error}; the gateway says: {broken}", "data_farm")
            return Skip(instrument.symbol, self.name, str(error), "timeout")


def _rule(error: RequestRefused) -> str:
    if error.code == HISTORY_REFUSED:
        return "pacing" if "pacing" in error.text.lower() else "no_data"
    return NO_QUOTE.get(error.code, "refused")


def _answers(
    instruments: Sequence[Instrument], found: list[Bars | Skip | BaseException]
) -> dict[Instrument, Bars | Skip]:
    """By instrument; a connection that broke, or silence on everything, is the source's failure as a whole."""
    answers: dict[Instrument, Bars | Skip] = {}
    for instrument, item in zip(instruments, found, strict=True):
        if isinstance(item, BrokerUnavailable):
            raise FeedUnavailable(f"ibkr: {item}") from item
        if isinstance(item, BaseException):
            raise item
        answers[instrument] = item
    if all(isinstance(item, Skip) and item.rule == "timeout" for item in answers.values()):
        raise FeedUnavailable(f"ibkr: none of {len(answers)} requests for bars was answered within the time")
    return answers
