"""From intents to confirmed fills: submit through the door, wait on events, cancel what is late, confirm the cancel.

Every wait has a bound. What has no answer within its bound is UNKNOWN in the ledger, never assumed away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from robotrading.domain.errors import BrokerError, BrokerUnavailable, LedgerError, LimitBreached, RobotradingError
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Ticket
from robotrading.domain.ports import Broker, Clock
from robotrading.domain.skip import Skip
from robotrading.execution.lifecycle import awaits_executions
from robotrading.execution.reconcile import settle
from robotrading.session.door import Door
from robotrading.session.reach import Reach, catch_up
from robotrading.session.recovery import gather_evidence
from robotrading.session.settings import ExecutionSettings
from robotrading.session.tickets import TicketBook

_COMMISSION_SECONDS = 3.0
"""Commission reports come after the executions; a report without them is still true, only less complete."""

_EXECUTION_SECONDS = 5.0
"""How long executions may come after the word 'filled'."""

_LOOK_SECONDS = 1.0
"""How often it is looked whether the connection is still there while orders are at work."""

_TRIES = 3
"""How often an order that never left, or an end that was not learnt, is tried over when the connection breaks."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of a batch of intents, and which were stopped at the door."""

    tickets: tuple[Ticket, ...]
    skips: tuple[Skip, ...]


class Executor:
    """Works a batch of intents, at most `max_open_orders` at a time.

    A connection that breaks is mended as soon as it is noticed, by `reach`; what happened meanwhile is booked before
    another order leaves.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the ports and the ways between them
        self,
        door: Door,
        broker: Broker,
        book: TicketBook,
        clock: Clock,
        settings: ExecutionSettings,
        reach: Reach | None = None,
    ) -> None:
        self._door = door
        self._broker = broker
        self._book = book
        self._clock = clock
        self._settings = settings
        self._reach = reach
        self._mended = 0
        """How often a connection that was not there was waited for: what had left before may not have arrived."""

    async def execute(self, intents: Sequence[Intent], progress: Callable[[int], None] = lambda _: None) -> Executed:
        """Submit all, in order, and wait for each to end. Broker trouble becomes skips.

        Raises `LedgerError`, and `ConfigError` when the connection comes back to a wrong account.

        When the journal fails, nothing more is sent and nothing is waited for: the next run settles what is open.
        """
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

        looking = asyncio.create_task(self._look_after_connection())
        try:
            with self._door.leash.hearing(self._book.wake):
                async with asyncio.TaskGroup() as group:
                    for intent in intents:
                        group.create_task(one(intent))
        except ExceptionGroup as failures:
            raise _first_of(failures) from failures
        finally:
            await _ended(looking)
        ids = [intent.intent_id for intent in intents]
        await self._book.until(lambda: _commissions_known(self._book.of(ids)), _COMMISSION_SECONDS)
        return Executed(self._book.of(ids), tuple(skips))

    async def _work(self, intent: Intent) -> Skip | None:
        """One intent from the door to its end; a skip when it was stopped or left in doubt."""
        try:
            await self._send(intent)
        except LimitBreached as breach:
            return Skip(intent.instrument.symbol, "door", str(breach), breach.rule)
        except BrokerError as error:
            return Skip(intent.instrument.symbol, "submit", str(error), "broker")
        if not await self._ended(intent):
            await self._give_up(intent)
        ticket = self._book[intent.intent_id]
        if ticket.status.terminal:
            return None
        return Skip(intent.instrument.symbol, "fill", ticket.reason or f"it is still {ticket.status}", "unknown_order")

    async def _send(self, intent: Intent) -> None:
        """Through the door, connected; again where the connection broke before anything was journalled or sent."""
        for _ in range(_TRIES - 1):
            await self._connected()
            try:
                await self._door.submit(intent)
            except BrokerUnavailable:
                if self._broker.connected or self._book.of([intent.intent_id]):
                    raise
            else:
                return
        await self._connected()
        await self._door.submit(intent)

    async def _ended(self, intent: Intent) -> bool:
        """Wait for the end, or for the word 'filled' and then a little for the executions that prove it.

        Who is asked to stop does not wait any longer.
        """
        leash = self._door.leash
        await self._book.until(lambda: self._at_an_end(intent) or bool(leash.ending), self._settings.fill_timeout)
        if awaits_executions(self._book[intent.intent_id]):
            await self._book.until(lambda: self._terminal(intent), _EXECUTION_SECONDS)
        return self._terminal(intent)

    def _terminal(self, intent: Intent) -> bool:
        return self._book[intent.intent_id].status.terminal

    def _at_an_end(self, intent: Intent) -> bool:
        """Ended, or called filled: no cancel is of use any more."""
        return self._terminal(intent) or awaits_executions(self._book[intent.intent_id])

    async def _give_up(self, intent: Intent) -> None:
        """Cancel what is late; look at the broker's lists before giving up on knowing.

        Where the connection breaks meanwhile, the same again over the next one: an answer is worth more than UNKNOWN.
        """
        for tries in range(1, _TRIES + 1):
            try:
                await self._settle(intent)
            except BrokerError as error:
                if tries == _TRIES or self._broker.connected:
                    self._note(intent, EventKind.UNKNOWN, f"its cancel could not be confirmed: {error}")
                    return
            else:
                return

    async def _settle(self, intent: Intent) -> None:
        """An order that the broker calls filled is not cancelled, only looked up. Raises `BrokerUnavailable`."""
        why = "its executions did not come"
        await self._connected()
        if not self._at_an_end(intent):
            why = await self._cancelled(intent)
        if self._terminal(intent):
            return
        evidence = await gather_evidence(self._broker, self._clock)
        for event in settle(self._book[intent.intent_id], evidence):
            self._book.append(event)
        if not self._terminal(intent):
            self._note(intent, EventKind.UNKNOWN, why)

    async def _cancelled(self, intent: Intent) -> str:
        """Ask for a cancel and wait for its confirmation; why there is none. A refused cancel proves nothing.

        A connection that broke meanwhile may have taken the cancel with it: over the next one it is asked again.
        """
        late = f"not filled within {self._settings.fill_timeout:g} s"
        self._note(intent, EventKind.CANCEL_SENT, "the session was asked to stop" if self._door.leash.ending else late)
        seconds = self._settings.cancel_timeout
        for _ in range(_TRIES):
            mended = self._mended
            try:
                await self._broker.cancel(intent.intent_id)
            except BrokerUnavailable:
                raise
            except BrokerError as error:
                return f"its cancel was refused: {error}"
            await self._book.until(partial(self._confirmed_or_mended, intent, mended), seconds)
            if mended == self._mended or self._at_an_end(intent):
                break
        return f"the cancel was not confirmed within {seconds:g} s"

    def _confirmed_or_mended(self, intent: Intent, mended: int) -> bool:
        return self._terminal(intent) or self._mended != mended

    async def _connected(self) -> None:
        """Connected, with everything booked that happened while the connection was lost."""
        if self._reach is None:
            self._reach = Reach(self._broker, self._clock, catch_up=self._catch_up)
        there = self._broker.connected
        await self._reach.connect()
        if not there:
            self._mended += 1
            self._book.wake()

    async def _catch_up(self) -> None:
        await catch_up(self._broker, self._book, self._clock, self._door.kind)

    async def _look_after_connection(self) -> None:
        """Mend the connection while orders wait for their end, until it cannot be; who sends or cancels says why."""
        with suppress(RobotradingError):
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._connected()

    def _note(self, intent: Intent, kind: EventKind, reason: str) -> None:
        self._book.append(OrderEvent(intent.intent_id, kind, self._clock.now(), reason=reason))


async def _ended(task: asyncio.Task[None]) -> None:
    """Stop a task that is not needed any more, and take its outcome."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _first_of(failures: ExceptionGroup[Exception]) -> Exception:
    """The error to tell of: a broken journal before everything else."""
    leaves = [_first_of(one) if isinstance(one, ExceptionGroup) else one for one in failures.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, LedgerError)), leaves[0])


def _commissions_known(tickets: Sequence[Ticket]) -> bool:
    return all(fill.commission is not None for ticket in tickets for fill in ticket.fills)
