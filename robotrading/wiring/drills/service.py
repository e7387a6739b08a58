"""A copy of the service: claims a scheduled occurrence, runs it under a lease, and sees to what a dead copy has left.

Entry point: `Service`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.errors import LeaseLost
from robotrading.wiring.drills.mortal import Fate
from robotrading.wiring.drills.process import Order, conclude_for, live
from robotrading.wiring.drills.story import Life
from robotrading.wiring.drills.world import ACCOUNT, DrillWorld

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 20.0
_ASK_SECONDS = 10.0
_PATIENCE = 1800.0
_NAME = f"account:{ACCOUNT}"


class Service:
    """One copy. `dead` when its machine was lost with a process on it."""

    def __init__(self, world: DrillWorld, name: str) -> None:
        self._world = world
        self._name = name
        self._claims = SqlClaims(world.database)
        self.dead = False

    async def have(self, occurrence: Occurrence, life: Life) -> None:
        """See to an occurrence until it is finished by somebody."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + _PATIENCE
        while not self.dead and loop.time() < patience:
            if self._finished(occurrence):
                return
            lease = self._claims.claim(_NAME, self._name, self._world.clock.now(), LEASE_SECONDS, grace=5.0)
            if lease is not None:
                await self._with_lease(occurrence, life, lease)
            else:
                await asyncio.sleep(_ASK_SECONDS)

    async def _with_lease(self, occurrence: Occurrence, life: Life, lease: Lease) -> None:
        self._world.tell(f"{self._name} has the lease no. {lease.fence}")
        with suppress(LeaseLost):
            claimed = self._claims.claim_occurrence(occurrence, lease, self._world.clock.now())
            if claimed:
                await self._run(occurrence, life, lease)
            elif not self._finished(occurrence):
                self._take_over(occurrence)
        if not self.dead:
            self._claims.release(lease, self._world.clock.now())

    async def _run(self, occurrence: Occurrence, life: Life, lease: Lease) -> None:
        run_id = f"{occurrence.key}-{self._name}"
        self._world.occurrences.setdefault(occurrence.key, []).append(run_id)
        order = Order(run_id, occurrence=occurrence.key, lease=lease, holds=self._holds)
        fates: list[Fate] = []
        child = asyncio.create_task(live(self._world, life, order, fates.append))
        renewing = asyncio.create_task(self._renew(lease, fates))
        run, fate = await child
        renewing.cancel()
        if fate.met and life.kill is not None and life.kill.service and not life.kill.stall:
            self.dead = True
            self._world.tell(f"{self._name} is lost with its process")
            return
        if not run.concluded:
            report = conclude_for(self._world, run)
            self._claims.finish_occurrence(occurrence, run_id, report.outcome, self._world.clock.now())

    async def _renew(self, lease: Lease, fates: list[Fate]) -> None:
        """While the process works. One that cannot be renewed ends the process; a machine asleep renews nothing."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            for fate in fates:
                if fate.asleep_until > asyncio.get_running_loop().time():
                    await asyncio.sleep(fate.asleep_until - asyncio.get_running_loop().time() + 1.0)
            try:
                self._claims.renew(lease, self._world.clock.now(), LEASE_SECONDS)
            except LeaseLost as lost:
                for fate in fates:
                    fate.die(str(lost))
                return

    def _take_over(self, occurrence: Occurrence) -> None:
        """Its holder is gone, or it would have the lease: the report is written for it."""
        for run in self._world.runs:
            if run.occurrence == occurrence.key and not run.concluded:
                report = conclude_for(self._world, run)
                self._claims.finish_occurrence(occurrence, run.run_id, report.outcome, self._world.clock.now())

    def _finished(self, occurrence: Occurrence) -> bool:
        claim = self._claim(occurrence)
        return claim is not None and claim.finished_at is not None

    def _claim(self, occurrence: Occurrence) -> Claim | None:
        since = occurrence.due_at - timedelta(seconds=1)
        return next((c for c in self._claims.occurrences(since) if c.occurrence.key == occurrence.key), None)

    def _holds(self, lease: Lease) -> bool:
        """Whether a lease is valid at this moment."""
        newest = self._claims.holder(lease.name)
        return newest is not None and newest.fence == lease.fence and newest.expires_at > self._world.clock.now()
