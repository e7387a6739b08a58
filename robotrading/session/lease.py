"""The right to trade an account: claimed before a command starts its sessions, renewed while it works, given back.

Entry points: `hold`, `Held`, `LeaseTerms`, `AccountBusy`.
Invariants: between the last look at the lease in the journal and the order on the wire lie `SEND_SECONDS` at most (see
`session/door.py`), which is no more than `margin`: an order is on the wire before its lease runs out, and `grace` later
nothing of the old holder can be on its way, as long as the hosts' clocks differ by less than `grace`.
Source: leases with fencing numbers after Kleppmann and others; see docs/adr/0017.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from robotrading.domain.claims import Lease
from robotrading.domain.errors import LeaseLost, LedgerError
from robotrading.domain.ports import Claims, Clock
from robotrading.session.lock import AlreadyRunning

SEND_SECONDS = 10.0
"""The most between the journal and the wire; what takes longer is not sent."""

_SILENT = "the database did not answer"
log = logging.getLogger(__name__)


class AccountBusy(AlreadyRunning):
    """Another copy holds the account's lease; nothing was started."""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Times in seconds. A lease lives for `life` and is renewed every third of it.

    With less than `margin` left no intent is recorded. A newcomer waits for `grace` after the end of a lease that was
    not given back, and looks every `poll`.
    """

    life: float = 60.0
    margin: float = SEND_SECONDS
    grace: float = 20.0
    poll: float = 1.0

    @property
    def beat(self) -> float:
        return self.life / 3


class Held:
    """A lease that somebody keeps alive. `lost` is set, and `why` says so, once it cannot be relied on any more."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = asyncio.Event()
        self.why = ""

    def lose(self, why: str) -> None:
        """Tell everybody who works under this lease to stop."""
        log.error("%s", why)
        self.why = why
        self.lost.set()


@dataclass(frozen=True, slots=True)
class Post:
    """What one contends for: which name, as whom, in which store, on which terms."""

    claims: Claims
    clock: Clock
    name: str
    holder: str
    terms: LeaseTerms = LeaseTerms()


@asynccontextmanager
async def hold(post: Post, patience: float = 0.0) -> AsyncIterator[Held]:
    """Hold the lease while the block runs.

    Raises `AccountBusy` when it cannot be had within `patience` seconds, `LedgerError` when the store does not work.
    """
    held = Held(await _claimed(post, patience))
    beating = asyncio.create_task(_beat(post, held))
    beating.add_done_callback(partial(_silenced, held))
    try:
        yield held
    finally:
        beating.cancel()
        await asyncio.wait({beating})
        await _give_back(post, held)


async def _claimed(post: Post, patience: float) -> Lease:
    clock, terms = post.clock, post.terms
    end = clock.monotonic() + patience
    while True:
        lease = await asyncio.to_thread(post.claims.claim, post.name, post.holder, clock.now(), terms.life, terms.grace)
        if lease is not None:
            log.info("%s: held by %s with number %d", lease.name, lease.holder, lease.fence)
            return lease
        if (left := end - clock.monotonic()) <= 0:
            raise AccountBusy(_busy(post, await asyncio.to_thread(post.claims.holder, post.name), patience))
        await asyncio.sleep(min(terms.poll, left))


def _busy(post: Post, rival: Lease | None, patience: float) -> str:
    waited = f" after {patience:g} s of waiting" if patience else ""
    if rival is None or not rival.holder:
        return f"{post.name}: another copy was quicker{waited}; nothing was started; try again"
    grace = f"{post.terms.grace:g}"
    return (
        f"{post.name} is held by {rival.holder} until {rival.expires_at:%Y-%m-%d %H:%M:%S} UTC, and longer while that "
        f"copy works; nothing was started{waited}. Wait for it to end; if it has died, the account is free {grace} s "
        "after that time"
    )


async def _beat(post: Post, held: Held) -> None:
    """Renew until it cannot be renewed any more; after a failure soon again, for as long as the lease is good."""
    pause = post.terms.beat
    while True:
        await asyncio.sleep(pause)
        pause = post.terms.beat
        try:
            held.lease = await _renewed(post, held.lease)
        except LeaseLost as error:
            held.lose(str(error))
            return
        except (LedgerError, TimeoutError) as error:
            what = str(error) or _SILENT
            log.warning("%s could not be renewed: %s", post.name, what)
            if _left(post, held.lease) <= 0:
                held.lose(f"{post.name}: the right to trade could not be renewed in time: {what}; nothing more is sent")
                return
            pause = min(post.terms.poll, post.terms.beat)


def _silenced(held: Held, beating: asyncio.Task[None]) -> None:
    """A heartbeat that ended by an error nobody foresaw keeps nothing alive: whoever relies on it has to know."""
    if not beating.cancelled() and (error := beating.exception()) is not None:
        held.lose(f"{held.lease.name}: its heartbeat ended with {error!r} and renews it no more; nothing more is sent")


async def _renewed(post: Post, lease: Lease) -> Lease:
    """Not waited for for ever: a database behind a broken network does not answer at all."""
    async with asyncio.timeout(max(min(post.terms.beat, _left(post, lease)), 0)):
        return await asyncio.to_thread(post.claims.renew, lease, post.clock.now(), post.terms.life)


def _left(post: Post, lease: Lease) -> float:
    """Seconds for which intents are still recorded under the lease."""
    return (lease.expires_at - post.clock.now()).total_seconds() - post.terms.margin


async def _give_back(post: Post, held: Held) -> None:
    """Not waited for for ever either: what cannot be given back runs out."""
    try:
        async with asyncio.timeout(post.terms.beat):
            await asyncio.to_thread(post.claims.release, held.lease, post.clock.now())
    except (LedgerError, TimeoutError) as error:
        log.warning("%s could not be given back and runs out by itself: %s", post.name, str(error) or _SILENT)
