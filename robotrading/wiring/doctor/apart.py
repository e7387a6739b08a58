"""Work that blocks, in a thread that nobody has to wait for: a disk that hangs must not hang the whole command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def apart(function: Callable[[], T]) -> T:
    """What the function returns or raises. Whoever gives up waiting leaves the thread behind; it ends with us."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # so that it cannot be cancelled under the thread

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001  handed to whoever waits
            outcome.set_exception(error)

    Thread(target=run, name="doctor", daemon=True).start()
    return await asyncio.wrap_future(outcome)
