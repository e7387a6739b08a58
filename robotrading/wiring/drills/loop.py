"""An event loop on virtual time without threads: what a session hands to a thread is done at once.

Entry point: `run_alone`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from robotrading.sim.clock import VirtualClock, VirtualLoop

T = TypeVar("T")


class _Alone(VirtualLoop):
    """Threads would run in real time, and win or lose races against the timers by chance."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # noqa: ARG002  the base's form
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  it is handed on to whoever awaits
            done.set_exception(error)
        return done


def run_alone(program: Coroutine[Any, Any, T], clock: VirtualClock, trouble: Callable[[BaseException], None]) -> T:
    """Run a coroutine to its end on virtual time; exceptions that nobody awaits go to `trouble`."""

    def heard(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            trouble(error)

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(heard)
        return await program

    with asyncio.Runner(loop_factory=lambda: _Alone(clock)) as runner:
        return runner.run(watched())
