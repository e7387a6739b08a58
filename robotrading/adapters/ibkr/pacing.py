"""Never faster than the gateway allows.

Entry points: `SendPacer` (messages a second), `HistoryPacer` (requests for bars). Times are the event loop's own, so
that a rehearsal's standing clock does not stop the waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SendPacer:
    """At most `per_second` turns in any one second, evenly spread; those who wait are served in order.

    After a pause `burst` turns may come at once. Beyond that they are spaced: a second's worth sent in one go would
    need only a tenth of a second's delay on its way to arrive together with the next second's.
    """

    per_second: int
    burst: int = 5
    _sent: deque[float] = field(default_factory=deque)
    _due: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def turn(self) -> None:
        """Return when a message may leave."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            while (wait := self._wait(loop.time())) > 0:  # noqa: ASYNC110  time is all there is to wait for
                await asyncio.sleep(wait)
            self._book(loop.time())

    def _wait(self, now: float) -> float:
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        full = self._sent[0] + 1.0 - now if len(self._sent) >= self.per_second else 0.0
        return max(full, self._due - now)

    def _book(self, now: float) -> None:
        """The next turn is due one space later; what was saved up in a pause is `burst` turns at most."""
        space = 1.0 / self.per_second
        self._sent.append(now)
        self._due = max(self._due, now - self.burst * space) + space


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """`most` requests in `window` seconds, `burst` for one contract in `burst_window`, a repetition after `repeat`."""

    most: int = 60
    window: float = 600.0
    burst: int = 5
    burst_window: float = 2.0
    repeat: float = 15.0


@dataclass(slots=True)
class HistoryPacer:
    """When a request for bars may be sent; `book` reserves the moment."""

    rules: HistoryRules = field(default_factory=HistoryRules)
    _all: deque[float] = field(default_factory=deque)
    _by_contract: dict[Hashable, deque[float]] = field(default_factory=dict)
    _by_request: dict[Hashable, float] = field(default_factory=dict)

    def earliest(self, contract: Hashable, request: Hashable, now: float) -> float:
        """The first moment, not before `now`, that breaks no rule."""
        rules, times = self.rules, [now]
        if len(self._all) >= rules.most:
            times.append(self._all[-rules.most] + rules.window)
        recent = self._by_contract.get(contract, deque())
        if len(recent) >= rules.burst:
            times.append(recent[-rules.burst] + rules.burst_window)
        if request in self._by_request:
            times.append(self._by_request[request] + rules.repeat)
        return max(times)

    def book(self, contract: Hashable, request: Hashable, at: float) -> None:
        """Count a request that leaves at `at`."""
        self._all.append(at)
        while len(self._all) > self.rules.most:
            self._all.popleft()
        recent = self._by_contract.setdefault(contract, deque(maxlen=self.rules.burst))
        recent.append(at)
        self._by_request[request] = at
