"""Scheduled occurrences: each runs at most once, over all copies of the service and all hosts.

Entry points: `run_once`; for a service that keeps its lease, `run_claimed` and `conclude_dead`; `run_id_of`.
Invariants: an occurrence is claimed under the account's valid lease before it runs; what is claimed is never run again
by itself, for orders may have left; each ends in one report: its own, or, where its copy died, the one that the next
holder of the lease writes under the same run id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from robotrading.domain.claims import Claim, Occurrence
from robotrading.session.lease import Held, Post, hold

LOOK_BACK = timedelta(days=120)
"""Longer than a quarter, the rarest schedule."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an occurrence: its report's run, and the outcome in a word."""

    run_id: str
    outcome: str


Work = Callable[[Occurrence, Held], Awaitable[Done]]
"""Runs an occurrence under a lease and tells what came of it; its report is stored then."""

Epitaph = Callable[[Claim], Awaitable[Done]]
"""Finds or writes the one report of an occurrence whose copy died."""


def run_id_of(occurrence: Occurrence) -> str:
    """The run of an occurrence, the same for who runs it and for who finds it dead."""
    return f"{occurrence.due_at:%Y%m%d-%H%M%S}-scheduled-{occurrence.kind}"


async def run_once(
    post: Post, occurrence: Occurrence, work: Work, epitaph: Epitaph, patience: float = 0.0
) -> Done | None:
    """Run it, unless it was claimed before (None), by whomever. What dead copies left is concluded afterwards.

    Raises `AccountBusy` while another copy has the account; nothing is claimed then, and it may be tried again.
    """
    async with hold(post, patience) as held:
        done = await run_claimed(post, held, occurrence, work)
        await conclude_dead(post, held, epitaph)
    return done


async def run_claimed(post: Post, held: Held, occurrence: Occurrence, work: Work) -> Done | None:
    """Claim, run and finish under a lease that is held; None when it was claimed before.

    Raises `LeaseLost` when the lease is gone before it is claimed, and whatever the work raises; the occurrence is then
    one for `conclude_dead`.
    """
    clock, claims = post.clock, post.claims
    if not await asyncio.to_thread(claims.claim_occurrence, occurrence, held.lease, clock.now()):
        return None
    log.info("%s: claimed by %s", occurrence.key, held.lease.holder)
    done = await work(occurrence, held)
    await asyncio.to_thread(claims.finish_occurrence, occurrence, done.run_id, done.outcome, clock.now())
    return done


async def conclude_dead(
    post: Post, held: Held, epitaph: Epitaph, running: Collection[Occurrence] = ()
) -> tuple[Occurrence, ...]:
    """Give every occurrence that was claimed, has no end and is not among ours `running` its one report.

    Who holds the account's lease can say so: nobody else is at work. Call it after a run, whose recovery has settled
    what the dead one left open.
    """
    since = post.clock.now() - LOOK_BACK
    concluded = []
    for claim in await asyncio.to_thread(post.claims.occurrences, since):
        if claim.finished_at is not None or claim.occurrence in running or held.lost.is_set():
            continue
        done = await epitaph(claim)
        await asyncio.to_thread(
            post.claims.finish_occurrence, claim.occurrence, done.run_id, done.outcome, post.clock.now()
        )
        log.warning("%s: %s, who ran it, is dead; outcome %s", claim.occurrence.key, claim.holder, done.outcome)
        concluded.append(claim.occurrence)
    return tuple(concluded)
