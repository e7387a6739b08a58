"""One lease of the account for everything that a service does at a time.

Entry point: `Tenure`.
Invariant: it is claimed for the first who works and given back after the last; once lost, nobody new works under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from robotrading.domain.errors import LeaseLost
from robotrading.session.lease import Held, Post, hold


class Tenure:
    """The account's lease, shared by all that works at a time."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._turn = asyncio.Lock()
        self._users = 0
        self._stack = AsyncExitStack()
        self.held: Held | None = None

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Held]:
        """Held while at least one block runs. Raises `AccountBusy`, `LedgerError`; `LeaseLost` while it is lost."""
        async with self._turn:
            if self.held is None:
                self.held = await self._stack.enter_async_context(hold(self._post))
            elif self.held.lost.is_set():
                raise LeaseLost(f"{self.held.why}; it is claimed anew when everybody under it has ended")
            self._users += 1
            held = self.held
        try:
            yield held
        finally:
            await self._leave()

    async def _leave(self) -> None:
        async with self._turn:
            self._users -= 1
            if not self._users:
                self.held = None
                await self._stack.aclose()
