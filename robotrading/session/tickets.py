"""The live view of a session's tickets: every event goes into the ledger first, then wakes whoever waits.

A ledger that cannot be written ends trading: the failure is kept and raised to everybody who waits or submits. What
becomes of another session's orders is that session's to journal: this one knows them from lists alone, which may be
older than what the other has heard. Executions are facts, whoever tells of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import EventKind, OrderEvent, Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.skip import Skip

log = logging.getLogger(__name__)


class TicketBook:
    """Listens to the broker and answers 'what has become of this intent?' without polling.

    `kind` is the session's own; without one every order is.
    """

    def __init__(self, ledger: Ledger, kind: AssetClass | None = None) -> None:
        self._ledger = ledger
        self._kind = kind
        self._tickets: dict[str, Ticket] = {}
        self._waiting: dict[asyncio.Event, None] = {}  # in the order in which they began to wait
        self._foreign: set[str] = set()
        self.failure: LedgerError | None = None

    def watch(self, ticket: Ticket) -> None:
        """Start to follow a ticket."""
        self._tickets[ticket.intent.intent_id] = ticket
        self.wake()

    def __getitem__(self, intent_id: str) -> Ticket:
        return self._tickets[intent_id]

    def __call__(self, event: OrderEvent) -> None:
        """The broker's listener."""
        with suppress(LedgerError):  # `append` has kept it
            self.append(event)

    def append(self, event: OrderEvent) -> Ticket | None:
        """Journal one event; None when its intent is not in this ledger (another program's order reference).

        Of another session's order, only executions are journalled.

        Raises `LedgerError`, and keeps it: after one failure nobody may rely on the journal any more.
        """
        try:
            return self._journalled(event)
        except LedgerError as error:
            self.failure = self.failure or error
            self.wake()
            raise

    def _journalled(self, event: OrderEvent) -> Ticket | None:
        known = self._tickets.get(event.intent_id) or self._ledger.ticket(event.intent_id)
        if known is None:
            self._foreign.add(event.intent_id)
            return None
        if event.kind is not EventKind.FILL and self._kind not in (None, known.intent.kind):
            return known
        ticket = self._ledger.append(event)
        about = {"intent_id": event.intent_id}
        log.info("%s: the order is %s%s", event.kind, ticket.status, _because(event), extra=about)
        self._tickets[event.intent_id] = ticket
        self.wake()
        return ticket

    @property
    def foreign(self) -> tuple[Skip, ...]:
        """Order references that the broker reported and this ledger does not know."""
        return tuple(
            Skip(intent_id, "orders", f"the broker reports an order {intent_id!r} that this ledger did not send")
            for intent_id in sorted(self._foreign)
        )

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done()` holds, at most `seconds`; whether it does. Raises the ledger's failure."""
        pulse = asyncio.Event()
        self._waiting[pulse] = None
        try:
            async with asyncio.timeout(seconds):
                while not self._check(done):
                    await pulse.wait()
                    pulse.clear()
        except TimeoutError:
            return self._check(done)
        finally:
            self._waiting.pop(pulse, None)
        return True

    def _check(self, done: Callable[[], bool]) -> bool:
        if self.failure is not None:
            raise self.failure
        return done()

    def of(self, intent_ids: Iterable[str]) -> tuple[Ticket, ...]:
        """The tickets of these intents, those that exist."""
        return tuple(self._tickets[intent_id] for intent_id in intent_ids if intent_id in self._tickets)

    def everything(self) -> tuple[Ticket, ...]:
        """All tickets heard of in this run."""
        return tuple(self._tickets.values())

    def wake(self) -> None:
        """Have everybody who waits look again."""
        for pulse in self._waiting:
            pulse.set()


def _because(event: OrderEvent) -> str:
    if event.fill is not None:
        return f", {event.fill.quantity} at {event.fill.price}"
    return f": {event.reason}" if event.reason else ""
