"""Whether the broker is there: one connection of the daemon's own, looked at again and again.

Entry point: `Probe`.
Invariants: every look ends within `Looks.longest`; nobody logs in during a quiet time; trouble is a state with its
reason and never an exception; the connection is kept, and after failures the pauses grow. Nothing is ordered here and
nothing is written: the equity curve in the ledger is the sessions' own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from robotrading.domain.book import Account
from robotrading.domain.errors import BrokerError, ConfigError
from robotrading.domain.ports import Broker, Clock
from robotrading.execution.quiet import QuietTimes
from robotrading.service.facts import BrokerFacts, LinkState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looks:
    """Times in seconds: between looks, between questions after the account, and for the longest look.

    After a failure the pause between looks doubles up to `longest_pause`.
    """

    every: float = 30.0
    account: float = 60.0
    longest: float = 45.0
    longest_pause: float = 120.0
    first: float = 2.0

    def pause(self, failures: int) -> float:
        """Seconds until the next look, after so many failures in a row."""
        return self.every if not failures else min(self.first * 2.0 ** min(failures, 20), self.longest_pause)


class Probe:
    """`facts` is the newest answer, `account` the newest account; `run` until cancelled, then `close`."""

    def __init__(
        self, broker: Broker, clock: Clock, quiet: QuietTimes | None = None, looks: Looks | None = None
    ) -> None:
        self._broker, self._clock = broker, clock
        self._quiet, self._looks = quiet or QuietTimes(), looks or Looks()
        self._asked: float | None = None
        self._failures = 0
        self.facts = BrokerFacts()
        self.account: Account | None = None

    async def run(self) -> None:
        """Look, wait, and so on."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._looks.pause(self._failures))
        finally:
            await self._leave()

    async def look(self) -> None:
        """One look."""
        now = self._clock.now()
        quiet = self._quiet.now(now)
        if quiet is not None:
            await self._leave()
            self._found(LinkState.QUIET, str(quiet))
            return
        try:
            async with asyncio.timeout(self._looks.longest):
                await self._ask()
        except (BrokerError, ConfigError, OSError, TimeoutError) as error:
            self._failures += 1
            said = str(error) or f"the broker did not answer within {self._looks.longest:g} s"
            if said != self.facts.reason:
                log.warning("the broker cannot be reached: %s", said)
            await self._leave()
            self._found(LinkState.DOWN, said)

    async def _ask(self) -> None:
        """Connected, and asked for the account at most every `Looks.account` seconds. Raises `BrokerError`."""
        if not self._broker.connected:
            self._asked = None
            await self._broker.connect()
        then = self._asked
        if then is None or self._clock.monotonic() - then >= self._looks.account:
            self.account = await self._broker.account()
            self._asked = self._clock.monotonic()
        self._failures = 0
        if self.account is not None:
            found = replace(self.facts, account_id=self.account.account_id, paper=self.account.paper)
            self.facts = found
        self._found(LinkState.UP, "", self._clock.now())

    def _found(self, state: LinkState, reason: str, seen_at: datetime | None = None) -> None:
        now = self._clock.now()
        if state is LinkState.UP and self.facts.state is not LinkState.UP:
            log.info("logged in to %s", self.facts.account_id)
        since = self.facts.since if state is self.facts.state else now
        self.facts = replace(self.facts, state=state, reason=reason, since=since, seen_at=seen_at or self.facts.seen_at)

    async def _leave(self) -> None:
        self._asked = None
        try:
            async with asyncio.timeout(5.0):
                await self._broker.disconnect()
        except (BrokerError, OSError, TimeoutError) as error:
            log.info("the connection did not close cleanly: %s", error)
