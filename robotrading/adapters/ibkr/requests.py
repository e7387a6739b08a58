"""Questions on their way, and the answers that belong to them.

Entry point: `Requests`. Invariants: each wait is bounded and ends in rows, `RequestRefused` or `BrokerUnavailable`,
never in an empty answer that stands for silence. Requests without an id (positions, open and completed orders, account
values) share one stream of answers: an answer that comes late is counted as owed, so that it can never pass for the
answer to a later question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from robotrading.adapters.ibkr.codes import is_read_only
from robotrading.domain.errors import BrokerError, BrokerUnavailable

Rows = list[Any]


class RequestRefused(BrokerError):
    """The gateway answered a request with a code instead of rows; `rows` are those that came before it."""

    def __init__(self, code: int, text: str, rows: Rows) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.rows = rows


class ReadOnlyGateway(BrokerUnavailable):
    """The gateway's API is read-only: it will not tell of orders, nor take one, until a person allows it."""


class OutOfStep(BrokerUnavailable):
    """An answer came and was taken for that to an older question, and no other followed: one was lost for good.

    Over this connection no later answer of its kind could be believed either.
    """


class Topic(StrEnum):
    """Requests that carry no id: one at a time each."""

    POSITIONS = "positions"
    OPEN_ORDERS = "open orders"
    COMPLETED_ORDERS = "completed orders"
    ACCOUNT = "account values"
    TIME = "current time"


GRACE = 0.2
"""How long the gateway's own end is waited for when there are rows enough, in seconds."""


@dataclass(slots=True)
class Reply:
    """Rows as they come. `enough` may end it before the gateway does, and is then `early`."""

    done: asyncio.Future[Rows]
    rows: Rows = field(default_factory=list)
    enough: Callable[[Rows], bool] | None = None
    early: bool = False

    def add(self, row: Any) -> None:
        self.rows.append(row)
        if self.enough is not None and self.enough(self.rows):
            self.enough = None
            asyncio.get_running_loop().call_later(GRACE, self._end_early)

    def _end_early(self) -> None:
        self.early = not self.done.done()
        self.end()

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(self.rows)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """When rows are enough, and how the gateway is told to stop."""

    enough: Callable[[Rows], bool]
    cancel: Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class _Stream:
    """One topic: how many answers are owed, who waits for the last of them, and whether he let another one pass."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    owed: int = 0
    reply: Reply | None = None
    let_pass: bool = False


class Requests:
    """All open questions of one connection."""

    def __init__(self) -> None:
        self._numbered: dict[int, Reply] = {}
        self._streams: dict[str, _Stream] = {}

    async def numbered(
        self,
        req_id: int,
        send: Callable[[], Awaitable[None]],
        subject: str,
        seconds: float,
        early_end: EarlyEnd | None = None,
    ) -> Rows:
        """Ask under an id of its own, and wait for its end, or for enough of it."""
        reply = Reply(
            asyncio.get_running_loop().create_future(), enough=None if early_end is None else early_end.enough
        )
        self._numbered[req_id] = reply
        try:
            rows = await _bounded(reply, send, subject, seconds)
            if early_end is not None and reply.early:
                await early_end.cancel(req_id)
            return rows
        finally:
            del self._numbered[req_id]

    async def streamed(self, topic: str, send: Callable[[], Awaitable[None]], seconds: float) -> Rows:
        """Ask on a topic; answers to earlier questions are let pass. The turn is waited for within the bound.

        Raises `OutOfStep` where one was let pass and no other came.
        """
        stream = self._streams.setdefault(topic, _Stream())
        try:
            async with asyncio.timeout(seconds):
                await stream.lock.acquire()
        except TimeoutError as error:
            raise BrokerUnavailable(f"{topic}: earlier questions are unanswered for {seconds:g} s") from error
        try:
            reply = Reply(asyncio.get_running_loop().create_future())
            stream.reply, stream.let_pass = reply, False
            return await _bounded(reply, partial(_owing, stream, send), topic, seconds)
        except BrokerUnavailable as error:
            if stream.let_pass:
                raise OutOfStep(f"{error}, but one that was owed to an earlier question") from error
            raise
        finally:
            stream.reply = None
            stream.lock.release()

    def is_numbered(self, req_id: int) -> bool:
        return req_id in self._numbered

    def add(self, key: int | str, row: Any) -> None:
        """A row for whoever waits for it; nobody may."""
        reply = self._find(key)
        if reply is not None:
            reply.add(row)

    def end(self, key: int | str) -> None:
        """The gateway says that an answer is complete."""
        reply = self._find(key)
        if isinstance(key, str) and (stream := self._streams.get(key)) is not None:
            stream.owed = max(0, stream.owed - 1)
            if stream.owed and reply is not None:
                reply.rows.clear()
                stream.let_pass = True
                return
        if reply is not None:
            reply.end()

    def refuse(self, req_id: int, code: int, text: str) -> None:
        """The gateway answers with a code."""
        reply = self._numbered.get(req_id)
        if reply is not None:
            reply.fail(RequestRefused(code, text, reply.rows))

    def refuse_streams(self, code: int, text: str) -> None:
        """The gateway refuses what was asked without an id; no end of it will come."""
        for stream in self._streams.values():
            if stream.reply is not None:
                stream.owed = max(0, stream.owed - 1)
                kind = ReadOnlyGateway if is_read_only(code, text) else BrokerUnavailable
                stream.reply.fail(kind(f"the gateway refuses to answer: {code}: {text}"))

    def fail_all(self, reason: str) -> None:
        """Nothing will be answered any more, or what was answered could not be read."""
        streams = [stream.reply for stream in self._streams.values() if stream.reply is not None]
        for reply in (*self._numbered.values(), *streams):
            reply.fail(BrokerUnavailable(reason))

    def _find(self, key: int | str) -> Reply | None:
        if isinstance(key, int):
            return self._numbered.get(key)
        stream = self._streams.get(key)
        return None if stream is None else stream.reply


async def _owing(stream: _Stream, send: Callable[[], Awaitable[None]]) -> None:
    """Send; an answer is owed from then on. To what did not leave, none will come that could be waited for."""
    sent = False
    stream.owed += 1
    try:
        await send()
        sent = True
    finally:
        if not sent:
            stream.owed -= 1


async def _bounded(reply: Reply, send: Callable[[], Awaitable[None]], subject: str, seconds: float) -> Rows:
    """Send, wait, and give up `seconds` after it was sent; getting a turn for sending is bounded by the pacer."""
    try:
        await send()
        async with asyncio.timeout(seconds):
            return await reply.done
    except TimeoutError as error:
        raise BrokerUnavailable(f"{subject}: no answer from the gateway within {seconds:g} s") from error
    finally:
        _retrieve(reply.done)


def _retrieve(future: asyncio.Future[Rows]) -> None:
    """An exception that nobody waited for any longer would be reported as lost."""
    if future.done() and not future.cancelled():
        with suppress(BrokerError):
            future.result()
    future.cancel()
