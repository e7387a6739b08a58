"""What the gateway knows of instruments: their contract rules and their quotes.

Entry point: `MarketAsker`. Invariants: every instrument asked is answered, by its rules or quote, or by a skip that
names the reason: unknown, not subscribed, another session has the data, a data farm is broken, silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from robotrading.adapters.ibkr.callbacks import market_rule_topic
from robotrading.adapters.ibkr.codes import NO_QUOTE
from robotrading.adapters.ibkr.connection import Connection
from robotrading.adapters.ibkr.contracts import contract_for, market_rule_id, only_match, refined
from robotrading.adapters.ibkr.quotes import Times, is_enough, quote_of
from robotrading.adapters.ibkr.requests import EarlyEnd, RequestRefused, Rows
from robotrading.adapters.ibkr.rules import RuleBook
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

T = TypeVar("T")

DETAILS_AT_A_TIME = 45


class MarketAsker:
    """See the module. `require` raises `BrokerUnavailable` where the connection cannot be relied on any more."""

    def __init__(
        self,
        connection: Connection,
        settings: GatewaySettings,
        clock: Clock,
        rules: RuleBook,
        require: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._clock = clock
        self._rules = rules
        self._require_connection = require
        self._times = Times()

    async def refine(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Instrument | Skip]:
        """The instruments with the broker's own tick, lot and minimum size; those asked lately are remembered."""
        remembered = {i: known for i in instruments if (known := self._rules.fresh(i)) is not None}
        asked = [i for i in instruments if i not in remembered]
        answer: dict[Instrument, Instrument | Skip] = {**remembered, **await self._ask_rules(asked)}
        return {instrument: answer[instrument] for instrument in instruments}

    async def _ask_rules(self, instruments: Sequence[Instrument]) -> dict[Instrument, Instrument | Skip]:
        found = await _in_batches(self._contract, instruments, DETAILS_AT_A_TIME)
        details = dict(zip(instruments, found, strict=True))
        rules = {market_rule_id(one, contract_for(i).exchange) for i, one in _known(details)}
        increments = {rule: await self._market_rule(rule) for rule in rules if rule is not None}
        answer: dict[Instrument, Instrument | Skip] = {i: one for i, one in details.items() if isinstance(one, Skip)}
        learnt: dict[Instrument, int] = {}
        for instrument, one in _known(details):
            rule = market_rule_id(one, contract_for(instrument).exchange)
            better = refined(instrument, one, () if rule is None else increments.get(rule, ()))
            answer[instrument] = better
            learnt[better] = one.contract.conId
        self._rules.learn(learnt)
        return answer

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        """Quotes in the order asked. Raises `BrokerUnavailable` when all are met by silence without a known reason."""
        found = await _in_batches(self._quote, instruments, self._settings.market_data_lines)
        silent = [item for item in found if isinstance(item, Skip) and item.rule == "timeout"]
        if silent and len(silent) == len(found):
            raise BrokerUnavailable(f"quotes: none of {len(found)} was answered within the time")
        return dict(zip(instruments, found, strict=True))

    async def _contract(self, instrument: Instrument) -> Any | Skip:
        contract = contract_for(instrument)
        try:
            rows = await self._connection.ask(
                f"contract details of {instrument}",
                lambda client, req_id: client.reqContractDetails(req_id, contract),
            )
        except RequestRefused as error:
            rule = NO_QUOTE.get(error.code, "refused")
            return Skip(instrument.symbol, "refine", f"the broker knows no {instrument.key}: {error}", rule)
        return only_match(instrument, rows)

    async def _market_rule(self, rule: int) -> Rows:
        return await self._connection.ask_topic(market_rule_topic(rule), lambda client: client.reqMarketRule(rule))

    async def _quote(self, instrument: Instrument) -> Quote | Skip:
        contract, connection = contract_for(instrument), self._connection
        early_end = EarlyEnd(
            partial(is_enough, instrument, times=self._times.expected),
            lambda req_id: connection.send(lambda client: client.cancelMktData(req_id)),
        )
        why, rule = "nothing has a price", "no_price"
        try:
            ticks = await connection.ask(
                f"quote of {instrument}",
                lambda client, req_id: client.reqMktData(req_id, contract, "", True, False, []),  # noqa: FBT003
                early_end,
            )
        except RequestRefused as error:
            ticks, why, rule = error.rows, str(error), NO_QUOTE.get(error.code, "refused")
        except BrokerUnavailable as error:
            self._require_connection()
            ticks, why, rule = [], str(error), "timeout"
        quote, broken = quote_of(instrument, ticks, self._clock.now()), connection.lines.broken_farms()
        self._times.note(quote)
        if broken and rule in ("timeout", "no_price"):
            why, rule = f"{why}; the gateway says: {broken}", "data_farm"
        return quote or Skip(instrument.symbol, "quotes", f"no quote for {instrument}: {why}", rule)


def _known(details: Mapping[Instrument, Any]) -> list[tuple[Instrument, Any]]:
    return [(instrument, found) for instrument, found in details.items() if not isinstance(found, Skip)]


async def _in_batches(
    ask: Callable[[Instrument], Awaitable[T]], instruments: Sequence[Instrument], size: int
) -> list[T]:
    """All answers in order, `size` questions at a time; the first error is raised when its batch is through."""
    answers: list[T] = []
    for start in range(0, len(instruments), size):
        batch = await asyncio.gather(*map(ask, instruments[start : start + size]), return_exceptions=True)
        for item in batch:
            if isinstance(item, BaseException):
                raise item
            answers.append(item)
    return answers
