"""What a person may ask of the running service over HTTP, and what is done then.

Entry point: `Deeds`, which implements `web.actions.Actions`. Every deed leaves a line in the ledger's audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robotrading.domain.audit import AuditEntry
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Clock, Ledger
from robotrading.service.occasions import CannotRun, Occasions
from robotrading.service.supervisor import Supervisor
from robotrading.service.web.actions import Refused

Desk = Callable[[], tuple[Occasions, Ledger, Supervisor] | None]


class Deeds:
    """`desk` gives who does it, None while the service starts or stops."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    async def run(self, kind: AssetClass, who: str) -> str:
        """Start a session now."""
        occasions, ledger, _ = self._at_work()
        await self._audit(ledger, AuditEntry(self._clock.now(), who, "run", kind.value, "", "asked for"))
        try:
            run_id = await occasions.run_now(kind)
        except CannotRun as error:
            raise Refused(str(error)) from error
        return f"the {kind} session has started as {run_id}"

    async def halt(self, reason: str, who: str) -> str:
        """No order leaves any more."""
        _, ledger, _ = self._at_work()
        try:
            await asyncio.to_thread(ledger.halt, reason, self._clock.now(), who)
            in_force = await asyncio.to_thread(ledger.halted)
        except LedgerError as error:
            raise Refused(str(error)) from error
        return f"trading is halted: {in_force}"

    async def resume(self, who: str) -> str:
        """Orders may leave again."""
        _, ledger, _ = self._at_work()
        try:
            was = await asyncio.to_thread(ledger.resume, self._clock.now(), who)
        except LedgerError as error:
            raise Refused(str(error)) from error
        return "the halt is over" if was else "trading was not halted"

    async def start_program(self, name: str, who: str) -> str:
        """Start a program that was given up or waits."""
        _, ledger, supervisor = self._at_work()
        if name not in {one.name for one in supervisor.standings}:
            known = ", ".join(one.name for one in supervisor.standings) or "there is none"
            raise Refused(f"no program {name!r}: {known}")
        await self._audit(ledger, AuditEntry(self._clock.now(), who, "start", f"program {name}", "", "asked for"))
        if not supervisor.start_again(name):
            raise Refused(f"{name} runs already; nothing was changed")
        return f"{name} is started"

    def _at_work(self) -> tuple[Occasions, Ledger, Supervisor]:
        desk = self._desk()
        if desk is None:
            raise Refused("the service is starting or stopping; try again in a moment")
        return desk

    async def _audit(self, ledger: Ledger, entry: AuditEntry) -> None:
        try:
            await asyncio.to_thread(ledger.audit, entry)
        except LedgerError as error:
            raise Refused(f"it cannot be recorded, so it is not done: {error}") from error
