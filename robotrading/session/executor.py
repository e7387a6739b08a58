"""From intents to confirmed fills: submit through the door, wait on events, cancel what is late, confirm the cancel.

Every wait has a bound. What has no answer within its bound is UNKNOWN in the ledger, never assumed away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robotrading.domain.errors import BrokerError, LimitBreached
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Ticket
from robotrading.domain.ports import Broker, Clock
from robotrading.domain.skip import Skip
from robotrading.execution.reconcile import settle
from robotrading.session.door import Door
from robotrading.session.recovery import gather_evidence
from robotrading.session.settings import ExecutionSettings
from robotrading.session.tickets import TicketBook

_COMMISSION_SECONDS = 3.0
"""Commission reports come after the executions; a report without them is still true, only less complete."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of a batch of intents, and which were stopped at the door."""

    tickets: tuple[Ticket, ...]
    skips: tuple[Skip, ...]


class Executor:
    """Works a batch of intents, at most `max_open_orders` at a time."""

    def __init__(self, door: Door, broker: Broker, book: TicketBook, clock: Clock, settings: ExecutionSettings) -> None:
        self._door = door
        self._broker = broker
        self._book = book
        self._clock = clock
        self._settings = settings

    async def execute(self, intents: Sequence[Intent], progress: Callable[[int], None] = lambda _: None) -> Executed:
        """Submit all, in order, and wait for each to end. Raises `LedgerError`; broker trouble becomes skips."""
        places = asyncio.Semaphore(self._settings.max_open_orders)
        skips: list[Skip] = []
        finished = 0

        async def one(intent: Intent) -> None:
            nonlocal finished
            async with places:
                skip = await self._work(intent)
            if skip is not None:
                skips.append(skip)
            finished += 1
            progress(finished)

        async with asyncio.TaskGroup() as group:
            for intent in intents:
                group.create_task(one(intent))
        ids = [intent.intent_id for intent in intents]
        await self._book.until(lambda: _commissions_known(self._book.of(ids)), _COMMISSION_SECONDS)
        return Executed(self._book.of(ids), tuple(skips))

    async def _work(self, intent: Intent) -> Skip | None:
        """One intent from the door to its end; a skip when it was stopped or left in doubt."""
        try:
            await self._door.submit(intent)
        except LimitBreached as breach:
            return Skip(intent.instrument.symbol, "door", str(breach), breach.rule)
        except BrokerError as error:
            return Skip(intent.instrument.symbol, "submit", str(error), "broker")
        ends = self._settings.fill_timeout
        if not await self._ended(intent, ends):
            await self._cancel(intent, ends)
        ticket = self._book[intent.intent_id]
        if ticket.status.terminal:
            return None
        return Skip(intent.instrument.symbol, "fill", ticket.reason, "unknown_order")

    async def _ended(self, intent: Intent, seconds: float) -> bool:
        return await self._book.until(lambda: self._book[intent.intent_id].status.terminal, seconds)

    async def _cancel(self, intent: Intent, waited: float) -> None:
        """Ask for a cancel and wait for its confirmation; look at the broker's lists before giving up on knowing."""
        self._note(intent, EventKind.CANCEL_SENT, f"not filled within {waited:g} s")
        try:
            await self._broker.cancel(intent.intent_id)
            if await self._ended(intent, self._settings.cancel_timeout):
                return
            evidence = await gather_evidence(self._broker, self._clock)
        except BrokerError as error:
            self._note(intent, EventKind.UNKNOWN, f"its cancel could not be confirmed: {error}")
            return
        for event in settle(self._book[intent.intent_id], evidence):
            self._book.append(event)
        if not self._book[intent.intent_id].status.terminal:
            seconds = self._settings.cancel_timeout
            self._note(intent, EventKind.UNKNOWN, f"the cancel was not confirmed within {seconds:g} s")

    def _note(self, intent: Intent, kind: EventKind, reason: str) -> None:
        self._book.append(OrderEvent(intent.intent_id, kind, self._clock.now(), reason=reason))


def _commissions_known(tickets: Sequence[Ticket]) -> bool:
    return all(fill.commission is not None for ticket in tickets for fill in ticket.fills)
