"""The end of a process: at a chosen call of the ledger or the broker nothing that it would do from then on happens.

Entry points: `Fate`, `Killed`, `mortal` (a port as seen by a process with a fate).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from robotrading.wiring.drills.story import Kill


class Killed(BaseException):
    """The process is gone. Not an `Exception`: nothing in it may catch this."""


class Fate:
    """When and how one process ends or falls asleep; `met` names the point once it has been reached.

    `calls` are the names of all calls it made, for the table of what was covered.
    """

    def __init__(
        self, kill: Kill | None, told: Callable[[str], None], fell_asleep: Callable[[float], None] = lambda _until: None
    ) -> None:
        self.dead = False
        self.death = asyncio.get_running_loop().create_future()
        self.asleep_until = 0.0
        self.met = ""
        self.calls: set[str] = set()
        self._kill = kill
        self._told = told
        self._fell_asleep = fell_asleep
        self._count = 0

    def die(self, why: str) -> None:
        """Whatever the process still does is in vain."""
        if not self.dead:
            self.dead = True
            self._told(f"dies: {why}")
            if not self.death.done():
                self.death.set_result(None)

    def meet(self, port: str, name: str, *, after: bool) -> None:
        """At a call, before or after its effect. Raises `Killed`."""
        if self.dead:
            raise Killed
        if not after:
            self.calls.add(f"{port}.{name}")
        if self._kill is None or self.met or not self._is_now(name, after=after, kill=self._kill):
            return
        self.met = f"{port}.{name} {'after' if after else 'before'}"
        if self._kill.stall:
            self.asleep_until = asyncio.get_running_loop().time() + self._kill.stall
            self._fell_asleep(self.asleep_until)
            self._told(f"falls asleep for {self._kill.stall:g} s: {self.met}")
        else:
            self.die(self.met)
            raise Killed

    def _is_now(self, name: str, *, after: bool, kill: Kill) -> bool:
        if kill.call and name != kill.call:
            return False
        if not after:
            self._count += 1
        return self._count == kill.nth and after is kill.after

    async def sleep(self) -> None:
        """As long as the machine does. Raises `Killed` for what somebody has ended meanwhile."""
        seconds = self.asleep_until - asyncio.get_running_loop().time()
        if seconds > 0:
            await asyncio.sleep(seconds)
        if self.dead:
            raise Killed


def mortal(port: object, name: str, fate: Fate) -> Any:
    """The port as this process sees it."""
    return _Mortal(port, name, fate)


class _Mortal:
    def __init__(self, port: object, name: str, fate: Fate) -> None:
        self._port = port
        self._name = name
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found
        wrapped = self._awaited(name, found) if inspect.iscoroutinefunction(found) else self._called(name, found)
        self.__dict__[name] = wrapped
        return wrapped

    def _awaited(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            self._fate.meet(self._name, name, after=False)
            await self._fate.sleep()
            answer = await work(*given, **named)
            self._fate.meet(self._name, name, after=True)
            await self._fate.sleep()
            return answer

        return call

    def _called(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self._fate.meet(self._name, name, after=False)
            answer = work(*given, **named)
            self._fate.meet(self._name, name, after=True)
            return answer

        return call
