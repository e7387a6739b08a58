"""The dead man's switch: an address outside is asked while all is well, and raises the alarm when nobody asks.

Entry points: `Heartbeat`, `all_well`.
Invariants: every ask has a bound and runs beside the loop; trouble is one line in the log at each change and never an
exception; the address is a secret and in no text, nor is what the other side says; who answers a byte at a time holds
one thread that nobody else needs, and is not asked again meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import Facts

log = logging.getLogger(__name__)

TIMEOUT = 10.0
_LONGEST = 30.0
_SILENT = f"no answer within {_LONGEST:g} s"
_FAILED = 400


def all_well(facts: Facts, settings: AlertSettings, now: datetime, silent_since: datetime | None = None) -> bool:
    """Whether whoever listens may sleep: no critical word has waited for longer than `mail_waiting`.

    `silent_since` is the desk's: since when a word waits outside of the outbox.
    """
    waits = [since for since in (facts.waiting.oldest_critical, silent_since) if since is not None]
    return all((now - since).total_seconds() <= settings.mail_waiting for since in waits)


@dataclass
class Heartbeat:
    """`run` until cancelled; `well` is asked in the loop before each beat. An empty `url` is nobody to ask."""

    url: str = field(repr=False)
    every: float
    well: Callable[[], bool]
    trouble: str = ""
    _asking: Thread | None = field(default=None, repr=False)

    async def run(self) -> None:
        """A beat, a pause, and so on."""
        while self.url:
            await self.beat()
            await asyncio.sleep(self.every)
        await asyncio.Event().wait()

    async def beat(self) -> None:
        """Ask once, unless something is wrong."""
        if not self.well():
            self._found("it is held back: a critical alert has reached nobody")
            return
        if self._asking is not None and self._asking.is_alive():
            self._found(_SILENT)
            return
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking = Thread(target=_ask, args=(self.url, answer), name="heartbeat", daemon=True)
        self._asking.start()
        try:
            async with asyncio.timeout(_LONGEST):
                said = await answer
            self._asking = None  # it has answered, and ends in a moment
        except TimeoutError:
            said = _SILENT
        self._found(said)

    def _found(self, trouble: str) -> None:
        if trouble != self.trouble:
            if trouble:
                log.warning("heartbeat: %s", trouble)
            else:
                log.info("heartbeat: it is heard again")
        self.trouble = trouble


def _ask(url: str, answer: asyncio.Future[str]) -> None:
    """In a thread: hand over what came of it, unless nobody waits for it any more."""

    def hand_over(said: str) -> None:
        if not answer.done():
            answer.set_result(said)

    said = ask(url)
    with suppress(RuntimeError):  # the loop has ended
        answer.get_loop().call_soon_threadsafe(hand_over, said)


def ask(url: str) -> str:
    """One GET; what went wrong in words of our own, '' where nothing did."""
    if urlsplit(url).scheme not in {"http", "https"}:
        return "the address is none of http or https"
    try:
        with urlopen(Request(url, headers={"User-Agent": "robotrading"}), timeout=TIMEOUT) as answer:  # noqa: S310
            status = int(answer.status)
    except HTTPError as error:
        status = error.code
        error.close()
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"not reached ({type(reason).__name__})"
    return f"answered {status}" if status >= _FAILED else ""
