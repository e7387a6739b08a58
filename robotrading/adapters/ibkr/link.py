"""What the gateway has said about its own lines: the one to the broker, and those to the data farms.

Entry point: `Lines`. Good for one connection: a new one begins with everything believed to be well, since the gateway
says at once what is not (2110, 2103, 2105).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robotrading.adapters.ibkr.codes import FARM_CODES, HISTORY_FARM_BROKEN, Link, link_effect


class Lines:
    """See the module. `on_lost` and `on_restored` are called when the line to the broker goes and comes back."""

    def __init__(self, on_lost: Callable[[], None], on_restored: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._farms: dict[str, tuple[int, str]] = {}
        self._changed = asyncio.Event()
        self._over = True
        self.up = False

    def begin(self) -> None:
        """A new connection."""
        self.up, self._over = True, False
        self._farms.clear()

    def end(self) -> None:
        """The connection is gone, and whoever waits for its line waits in vain."""
        self.up, self._over = False, True
        self._changed.set()

    def heard(self, code: int, text: str) -> None:
        """A message about no request and no order; one about something else is let pass."""
        if code in FARM_CODES:
            farm = text.rpartition(":")[2].strip()
            self._farms.pop(farm, None)
            if FARM_CODES[code] is Link.LOST:
                self._farms[farm] = (code, text)
        effect = link_effect(code)
        if effect is None:
            return
        self.up = effect is Link.RESTORED
        self._changed.set()
        if self.up:
            self._on_restored()
        else:
            self._on_lost()

    def broken_farms(self, *, history: bool = False) -> str:
        """The gateway's own words on data farms that are out of order, '' when none is."""
        said = (f"{code} {text}" for code, text in self._farms.values() if (code in HISTORY_FARM_BROKEN) is history)
        return "; ".join(said)

    async def restored(self, seconds: float) -> bool:
        """Wait until the line to the broker is up again, or this connection has ended; whether it is up."""
        try:
            async with asyncio.timeout(seconds):
                while not (self.up or self._over):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.up
