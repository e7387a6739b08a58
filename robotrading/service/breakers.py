"""Which services' breakers are open, as running sessions tell.

Entry point: `Breakers`.
Invariant: a breaker lives in its session's process: when no session runs, none is open, and the next session begins
with closed ones, whatever the one before told last.
"""

from __future__ import annotations

from collections.abc import Mapping


class Breakers:
    """Names stay known, since whoever counts open ones must see them close."""

    def __init__(self) -> None:
        self._open: dict[str, bool] = {}

    def told(self, states: Mapping[str, bool]) -> None:
        """What a session told of its own."""
        self._open.update(states)

    def now(self, *, running: bool) -> dict[str, bool]:
        """By service, true where it is open; `running` says whether any session is."""
        if not running:
            self._open = dict.fromkeys(self._open, False)
        return dict(self._open)
