"""A session process that kills itself, with SIGKILL, at a named step: `mortal_session POINT NUMBER COMMAND...`.

It is the product's own command in the product's own wiring. Only what lies between the pipeline and its ports is
watched, and nothing in the product knows of it. `NUMBER` says which of the point's deaths this process is to die,
`COMMAND` is what `robotrading` would have been told, the session's job first among its arguments.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from robotrading.__main__ import main as program
from robotrading.adapters.ibkr.library import Client
from robotrading.adapters.ibkr.pacing import SendPacer
from robotrading.adapters.ledger import orders as ledger_orders
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Side
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport
from robotrading.session import pipeline
from robotrading.session.world import RunSpec, World
from robotrading.wiring import job as wiring
from tests.drills.points import Death, Place, When, point

Facts = dict[str, str]
_submitting: ContextVar[str] = ContextVar("submitting", default="")


class Reaper:
    """Knows the death to die and leaves a note of it in the run's folder."""

    def __init__(self, death: Death, folder: Path, *, with_parent: bool = False) -> None:
        self.death = death
        self._with_parent = with_parent
        self._note = folder / "died"
        self._seen = 0

    def comes(self, place: Place, call: str, facts: Facts) -> bool:
        """Whether this call is the one; counts those that fit."""
        wanted = self.death
        if (wanted.place, wanted.call) != (place, call):
            return False
        if any(need and facts.get(what) != need for what, need in self._needs().items()):
            return False
        self._seen += 1
        return self._seen == wanted.nth

    def _needs(self) -> Facts:
        fill = self.death.fill
        return {"side": self.death.side, "event": self.death.event, **({fill: "yes"} if fill else {})}

    def strike(self, when: When) -> None:
        """End the process here, if this is the moment."""
        if self.death.when is when:
            self._note.write_text(str(self.death), encoding="utf-8")
            if self._with_parent:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A port whose calls the reaper sees."""

    def __init__(self, port: Any, place: Place, reaper: Reaper, facts: Callable[[str, tuple[Any, ...]], Facts]) -> None:
        self._port, self._place, self._reaper, self._facts = port, place, reaper, facts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if inspect.iscoroutinefunction(found):
            return self._awaited(name, found)
        return self._called(name, found) if callable(found) else found

    def _awaited(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any) -> Any:
            facts = self._facts(name, args)
            struck = self._reaper.comes(self._place, name, facts)
            if struck:
                self._reaper.strike(When.BEFORE)
            token = _submitting.set(facts["side"] if name == "submit" else "")
            try:
                answer = await work(*args)
            finally:
                _submitting.reset(token)
            if struck:
                self._reaper.strike(When.AFTER)
            return answer

        return call

    def _called(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            struck = self._reaper.comes(self._place, name, self._facts(name, args))
            if struck:
                self._reaper.strike(When.BEFORE)
            answer = work(*args, **named)
            if struck:
                self._reaper.strike(When.AFTER)
            return answer

        return call


def facts_for(ledger: Ledger) -> Callable[[str, tuple[Any, ...]], Facts]:
    """What the filters of a `Death` look at, from a call's arguments."""

    def facts(_name: str, args: tuple[Any, ...]) -> Facts:
        first = args[0] if args else None
        if isinstance(first, Intent):
            return {"side": _letter(first.side)}
        if isinstance(first, OrderEvent):
            return {"side": side_of(first.intent_id), "event": first.kind, **_of_fill(ledger, first)}
        return {"side": side_of(first) if isinstance(first, str) else ""}

    return facts


def _of_fill(ledger: Ledger, event: OrderEvent) -> Facts:
    if event.kind is not EventKind.FILL or event.fill is None:
        return {}
    ticket = ledger.ticket(event.intent_id)
    if ticket is None:
        return {}
    known = {fill.fill_id: fill for fill in ticket.fills}
    new = event.fill.fill_id not in known
    ends = new and ticket.filled + event.fill.quantity >= ticket.intent.quantity
    paid = event.fill.commission is not None and not new
    told = {"first": new and not known, "last": ends, "commission": paid}
    return {name: "yes" for name, holds in told.items() if holds}


def side_of(intent_id: str) -> str:
    """`B` or `S`, out of an order reference; '' where it is none."""
    parts = intent_id.split("-")
    return parts[-2] if len(parts) > 3 and parts[0] == "rt" else ""


def _letter(side: Side) -> str:
    return side[0].upper()


def watch_wire(reaper: Reaper) -> None:
    """See the bytes of orders and cancels, and the pacer's turns before orders."""
    pacer_type: Any = SendPacer
    place_order, cancel_order, turn = Client.placeOrder, Client.cancelOrder, pacer_type.turn
    sides: dict[int, str] = {}

    def sent(client: Any, call: str, side: str, send: Callable[[], Any]) -> None:
        if not reaper.comes(Place.WIRE, call, {"side": side}):
            send()
            return
        reaper.strike(When.BEFORE)
        if reaper.death.when is When.HALFWAY:

            def half(message: bytes) -> None:
                client.conn.transport.write(message[: len(message) // 2])
                reaper.strike(When.HALFWAY)

            client.conn.sendMsg = half
        send()
        reaper.strike(When.AFTER)

    def place(client: Any, order_id: int, contract: Any, order: Any) -> None:
        sides[order_id] = order.action[0]
        sent(client, "placeOrder", order.action[0], lambda: place_order(client, order_id, contract, order))

    def cancel(client: Any, order_id: int, *more: Any) -> None:
        sent(client, "cancelOrder", sides.get(order_id, ""), lambda: cancel_order(client, order_id, *more))

    async def wait(pacer: SendPacer) -> None:
        if _submitting.get() and reaper.comes(Place.WIRE, "turn", {"side": _submitting.get()}):
            reaper.strike(When.BEFORE)
        await turn(pacer)

    Client.placeOrder, Client.cancelOrder = place, cancel
    pacer_type.turn = wait


def watch_disk(reaper: Reaper) -> None:
    """See the moment in a fill's transaction at which its event is written and its position is not."""
    module: Any = ledger_orders
    book_fill = module.book_fill

    def book(connection: Any, kind: str, fill: Any, *more: Any) -> None:
        if reaper.comes(Place.DISK, "book_fill", {"side": _letter(fill.side)}):
            reaper.strike(When.BEFORE)
        book_fill(connection, kind, fill, *more)

    module.book_fill = book


def watch_ports(reaper: Reaper) -> None:
    """See every call that the pipeline makes to its ledger and its broker."""
    module: Any = wiring
    if module.run_session is not pipeline.run_session:
        raise AssertionError("the wiring runs another session than the pipeline's; look for its new place")

    async def run_watched(spec: RunSpec, world: World) -> SessionReport:
        facts = facts_for(world.ledger)
        ledger: Any = Watched(world.ledger, Place.LEDGER, reaper, facts)
        broker: Any = Watched(world.broker, Place.BROKER, reaper, facts)
        return await pipeline.run_session(spec, replace(world, ledger=ledger, broker=broker))

    module.run_session = run_watched


def main(name: str, number: str, *command: str) -> None:
    """The command, mortal."""
    job = Path(command[1])
    drilled = point(name)
    reaper = Reaper(drilled.deaths[int(number)], job.parent, with_parent=drilled.command_dies)
    watch_ports(reaper)
    watch_wire(reaper)
    watch_disk(reaper)
    sys.argv = ["robotrading", *command]
    program()


if __name__ == "__main__":
    main(*sys.argv[1:])
