"""What a session process counts of the outside services it asks, for the daemon's metrics."""

from __future__ import annotations

import threading

from robotrading.adapters.resilience import Attempt, Outcome
from robotrading.domain.calls import Tally
from robotrading.session.processes import Counted

_CLOSED = "closed"


class Counts:
    """`heard` is for `Policy(on_attempt=...)`, from any thread; `take` hands over what came since the last time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally = Tally()
        self._breakers: dict[str, bool] = {}
        self._told: dict[str, bool] = {}

    def heard(self, attempt: Attempt) -> None:
        """Count a call that was sent; what was held back tells of the breaker only."""
        with self._lock:
            self._breakers[attempt.service] = attempt.breaker != _CLOSED
            if attempt.outcome is not Outcome.HELD_BACK:
                self._tally.add(attempt.service, _answer(attempt), attempt.seconds)

    def take(self) -> Counted | None:
        """None where there is nothing new."""
        with self._lock:
            calls = self._tally.take()
            if not calls and self._breakers == self._told:
                return None
            self._told = dict(self._breakers)
            return Counted(calls, dict(self._breakers))


def _answer(attempt: Attempt) -> str:
    """Its HTTP status; where there was none, how it ended."""
    if attempt.status is not None:
        return str(attempt.status)
    return "200" if attempt.outcome is Outcome.OK else attempt.outcome.value
