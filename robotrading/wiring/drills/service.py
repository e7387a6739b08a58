"""Copies of the service that contend for the account and for a scheduled occurrence, as the product's own do.

Entry points: `Copy` (contends under a name), `under_lease` (what a command does), `have` (one scheduled occurrence).
A copy can be lost with its machine: nothing of it is heard any more, its lease is not given back. And its machine can
fall asleep: its lease is not renewed meanwhile, and what it does at its awakening it does in good faith.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.errors import LedgerError
from robotrading.session.bereaved import conclude_claim
from robotrading.session.lease import AccountBusy, Held, Post, hold
from robotrading.session.leash import Leash
from robotrading.session.occurrence import Done, run_id_of, run_once
from robotrading.wiring.drills.mortal import Fate, Killed
from robotrading.wiring.drills.process import MODE, Order, conclude_for, live
from robotrading.wiring.drills.story import Life
from robotrading.wiring.drills.world import ACCOUNT, DrillWorld

_PATIENCE = 900.0
_AWAKENING = 0.5
"""Seconds after a machine's awakening in which a session may act before its command has pulled the leash."""


class Copy:
    """One copy of the program on a machine of its own. Make it in the loop it works in."""

    def __init__(self, world: DrillWorld, name: str) -> None:
        self.world = world
        self.name = name
        self.fate = Fate(None, lambda text: world.tell(f"{name} {text}"))
        self.asleep_until = 0.0
        self.post = Post(_Claims(world, self), world.clock, f"account:{ACCOUNT}", name)

    @property
    def sleeps(self) -> float:
        """For how many seconds its machine still sleeps."""
        return max(self.asleep_until - asyncio.get_running_loop().time(), 0.0)

    def holds(self, lease: Lease) -> bool:
        """Whether nobody has taken the lease since."""
        newest = SqlClaims(self.world.database).holder(lease.name)
        return newest is not None and newest.fence == lease.fence


class _Claims:
    """The claims as a copy sees them: out of reach while its machine sleeps, and for ever when it is lost."""

    def __init__(self, world: DrillWorld, copy: Copy) -> None:
        self._claims = SqlClaims(world.database)
        self._copy = copy

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._claims, name)

        def call(*given: Any) -> Any:
            if self._copy.fate.dead:
                raise Killed
            if self._copy.sleeps:
                raise LedgerError(f"{name}: the machine sleeps")
            return found(*given)

        return call


async def under_lease(copy: Copy, work: Callable[[Held], Awaitable[None]]) -> bool:
    """What a command does that trades: the account first. False where another copy has it for too long."""
    try:
        async with hold(copy.post, _PATIENCE) as held:
            await work(held)
    except AccountBusy as busy:
        copy.world.tell(f"{copy.name}: {busy}")
        return False
    return True


async def have(copy: Copy, occurrence: Occurrence, life: Life) -> None:
    """Run an occurrence unless another copy has it, and see to what dead copies have left."""

    async def work(_: Occurrence, held: Held) -> Done:
        return await _run(copy, occurrence, life, held)

    async def epitaph(claim: Claim) -> Done:
        return _epitaph(copy.world, claim)

    with suppress(Killed, AccountBusy):
        await run_once(copy.post, occurrence, work, epitaph, _PATIENCE)


async def _run(copy: Copy, occurrence: Occurrence, life: Life, held: Held) -> Done:
    run_id = run_id_of(occurrence)
    copy.world.occurrences.setdefault(occurrence.key, []).append(f"{run_id} by {copy.name}")
    order = Order(run_id, occurrence=occurrence.key, lease=held.lease, holds=copy.holds)
    fate = await child(copy, life, order, held)
    if fate.met and life.kill is not None and life.kill.service and not life.kill.stall:
        copy.fate.die("its machine is lost with the session")
        raise Killed
    report = conclude_for(copy.world, order.run_id)
    return Done(run_id, report.outcome)


async def child(copy: Copy, life: Life, order: Order, held: Held | None) -> Fate:
    """A session process on the leash of its command, until its end."""
    leash = Leash()

    def fell_asleep(until: float) -> None:
        copy.asleep_until = until

    pulling = asyncio.create_task(_pull(copy, held, leash)) if held is not None else None
    try:
        fate = await live(copy.world, life, order, leash, fell_asleep)
        if copy.sleeps:  # what a bound has ended in its sleep is seen by nobody before the awakening
            await asyncio.sleep(copy.sleeps + _AWAKENING)
        return fate
    finally:
        if pulling is not None:
            pulling.cancel()


async def _pull(copy: Copy, held: Held, leash: Leash) -> None:
    await held.lost.wait()
    if copy.sleeps:
        await asyncio.sleep(copy.sleeps + _AWAKENING)
    leash.snap()


def _epitaph(world: DrillWorld, claim: Claim) -> Done:
    report = conclude_claim(claim, world.ledger, MODE, world.clock.now())
    for run in world.runs:
        run.concluded = run.concluded or run.run_id == report.run_id
    world.tell(f"{report.run_id} is concluded by another copy: {report.outcome}")
    return Done(report.run_id, report.outcome)
