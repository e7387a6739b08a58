"""What the gateway does by itself: matching, news on subscriptions, saving.

Entry point: `Rounds`. Every task here waits on an event or a bounded pause and ends with `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from robotrading.domain.errors import DataError
from robotrading.sim.gateway import accounts, history, prices
from robotrading.sim.gateway.session import Desk, Session
from robotrading.sim.gateway.state import StateError, StateFile

_LOG = logging.getLogger(__name__)
_SPARING = 10
"""Pause after telling the accounts, as a multiple of the time that took."""


def _tell_prices(session: Session) -> None:
    prices.tell_quotes(session)
    history.tell_updates(session)


class Hall(Desk, Protocol):
    """A desk with its clients."""

    @property
    def sessions(self) -> tuple[Session, ...]: ...


class Rounds:
    """The gateway's background work."""

    def __init__(self, hall: Hall, state: StateFile | None) -> None:
        self._hall = hall
        self._state = state
        self._work = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._failing: set[str] = set()
        self._account_cost = 0.0
        self._account_news: asyncio.TimerHandle | None = None
        self._saving: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def restore(self) -> None:
        """Take over the last snapshot. Raises `StateError` for that of another market."""
        saved = self._state.load() if self._state else None
        if saved is None or self._state is None:
            return
        name = self._hall.settings.market_name
        if saved.get("market") != name:
            raise StateError(f"{self._state.path}: belongs to the market {saved.get('market')!r}, not to {name!r}")
        try:
            self._hall.exchange.restore(saved.get("exchange", {}))
        except msgspec.ValidationError as error:
            text = f"{self._state.path}: not a gateway's state ({error}); move it away to start afresh"
            raise StateError(text) from error

    async def warm(self) -> None:
        """Have the market load its prices before anybody waits for them, beside the loop that serves others."""
        market = self._hall.exchange.market
        with self._without_prices("loading"):
            await asyncio.to_thread(lambda: [market.quote(instrument) for instrument in market.instruments()[:1]])

    def start(self) -> None:
        loops = [self._match(), self._pulse()]
        if self._state is not None:
            loops.append(self._keep(self._state))
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        self.wake()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._account_news is not None:
            self._account_news.cancel()
        if self._saving is not None:
            await asyncio.wait([self._saving])
        if self._state is not None:
            self._state.save(self._snapshot())

    def wake(self) -> None:
        """There may be something to match."""
        self._work.set()

    def changed(self, *, account: bool) -> None:
        """Something happened at the exchange: tell of it and save it, after a short delay each."""
        self._unsaved.set()
        if account and self._account_news is None:
            usual = max(self._hall.settings.account_delay, _SPARING * self._account_cost)
            delay = self._pause("accounts", usual)
            self._account_news = asyncio.get_running_loop().call_later(delay, self._tell_accounts)

    def _tell_accounts(self) -> None:
        """The more it costs to value the accounts, the rarer it is done."""
        loop = asyncio.get_running_loop()
        self._account_news, began = None, loop.time()
        self._tell("accounts", accounts.tell_changes)
        self._account_cost = loop.time() - began
        if "accounts" in self._failing:
            self.changed(account=True)

    @contextlib.contextmanager
    def _without_prices(self, task: str) -> Iterator[None]:
        """Goes on where the market's feed does not answer; the log says so once per task."""
        try:
            yield
        except DataError as error:
            if task not in self._failing:
                _LOG.warning("%s: the market's prices cannot be had: %s", task, error)
            self._failing.add(task)
        else:
            self._failing.discard(task)

    async def _match(self) -> None:
        """Step the exchange after orders came, and again and again while any is open."""
        settings = self._hall.settings
        while True:
            self._work.clear()
            with self._without_prices("matching"):
                self._hall.exchange.step()
            idle = None if not self._hall.exchange.open_orders() else self._pause("matching", settings.step_interval)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), idle)
            await asyncio.sleep(settings.fill_delay)

    async def _pulse(self) -> None:
        """News on market data; bars and account summaries at their own, slower pace."""
        settings = self._hall.settings
        loop = asyncio.get_running_loop()
        next_bars, next_summaries = loop.time() + settings.bar_interval, loop.time() + settings.summary_interval
        while True:
            await asyncio.sleep(self._pause("market data", settings.quote_interval))
            self._tell("market data", _tell_prices)
            if loop.time() >= next_bars:
                next_bars += settings.bar_interval
                self._tell("bars", prices.tell_bars)
            if loop.time() >= next_summaries:
                next_summaries += settings.summary_interval
                self._tell("summaries", accounts.tell_summaries)

    def _tell(self, task: str, news: Callable[[Session], None]) -> None:
        with self._without_prices(task):
            for session in self._hall.sessions:
                news(session)

    def _pause(self, task: str, usual: float) -> float:
        """A task that found no prices does not ask again at once."""
        return max(usual, self._hall.settings.feed_pause) if task in self._failing else usual

    async def _keep(self, state: StateFile) -> None:
        """Save changes in batches, the rarer the dearer. A disk that refuses is reported; the market goes on."""
        loop = asyncio.get_running_loop()
        cost = 0.0
        while True:
            await self._unsaved.wait()
            await asyncio.sleep(max(self._hall.settings.state_delay, _SPARING * cost))
            self._unsaved.clear()
            began = loop.time()
            content = self._snapshot()
            cost = loop.time() - began
            # Shielded: a save that has begun is waited for by `stop`, lest it overtake the last one.
            self._saving = asyncio.ensure_future(asyncio.to_thread(state.save, content))
            try:
                await asyncio.shield(self._saving)
            except StateError:
                _LOG.exception("the gateway's state was not saved")

    def _snapshot(self) -> dict[str, object]:
        return {"market": self._hall.settings.market_name, "exchange": self._hall.exchange.snapshot()}
