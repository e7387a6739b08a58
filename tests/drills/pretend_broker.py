"""The gateway of the drills: a process of its own that outlives the sessions, told what to do line by line.

Entry points: `PretendBroker` (the drill's end), `main` (the process). Each line in is a JSON object with `do`, each line
out its answer. The account, its orders and executions are in one state file, so that a gateway that was killed comes
back with them; `forget` lets its order ids begin anew, as a gateway's do after its settings were lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings
from robotrading.sim.feed import SyntheticFeed
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.settings import GatewayServerSettings
from robotrading.sim.gateway.state import StateFile
from robotrading.sim.market import FeedMarket
from robotrading.wiring.books import rehearsal_moment
from robotrading.wiring.gateway import EMBEDDED_ACCOUNT

SYMBOLS = ("SYNAA", "SYNAI", "SYNAM", "SYNAF", "SYNAG", "SYNAQ")
INSTRUMENTS = tuple(Instrument(symbol, AssetClass.EQUITIES) for symbol in SYMBOLS)
PERSON = {"SYNAA": Decimal(37), "SYNAF": Decimal(11)}
"""Shares of the person's own, in a symbol that the bot sells and in one that it buys."""
_HERE = Path(__file__).parents[2]
_PATIENCE = 10.0
NOTHING = -1


class PretendBroker:
    """A gateway process. Every question is answered within `_PATIENCE` seconds or raises."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.pretend_broker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_HERE,
            text=True,
        )
        self.port = 0

    def open(self, state: Path, day: date, liquidity: int, *, forget: bool = False) -> None:
        """Serve the account in `state` on a day; at most `liquidity` units trade in a step, 0 for no bound."""
        answer = self._ask(do="open", state=str(state), day=day.isoformat(), liquidity=liquidity, forget=forget)
        self.port = answer["port"]

    def rules(self, liquidity: int) -> None:
        """From now on this much trades in a step: 0 for no bound, `NOTHING` for nothing at all."""
        self._ask(do="rules", liquidity=liquidity)

    def quiet(self) -> None:
        """Return when no order is open and all that happened is in the state file."""
        self._until(lambda answer: not answer["open"] and answer["saved"], "orders are still at work")

    def saved(self) -> None:
        """Return when all that happened is in the state file."""
        self._until(lambda answer: answer["saved"], "the state file stays behind")

    def snapshot(self) -> dict[str, Any]:
        """Everything that the exchange knows."""
        found: dict[str, Any] = self._ask(do="snapshot")["exchange"]
        return found

    def close(self) -> None:
        """Stop serving the account; the process lives on."""
        self._ask(do="close")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(_PATIENCE)
        self._hang_up()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        if self.alive:
            self.kill()

    def _hang_up(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _until(self, holds: Any, trouble: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not holds(self._ask(do="look")):
            if time.monotonic() > end:
                raise TimeoutError(f"the drills' gateway: {trouble}")
            time.sleep(0.02)

    def _ask(self, **words: Any) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the gateway's process has no pipes")
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"trouble": "it is gone"}')
        if "trouble" in answer:
            raise RuntimeError(f"the drills' gateway, asked to {words['do']}: {answer['trouble']}")
        return answer


class _Counter:
    """The process's side: at most one account is served at a time."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._server: GatewayServer | None = None
        self._state: StateFile | None = None

    async def open(self, state: str, day: str, liquidity: int, forget: bool) -> dict[str, Any]:
        calendar = ExchangeCalendar()
        clock = FixedClock(rehearsal_moment(date.fromisoformat(day), calendar))
        market = FeedMarket(SyntheticFeed(calendar, clock), clock, INSTRUMENTS, calendar=calendar, history_days=40)
        holdings = tuple((one, PERSON[one.symbol], Decimal(20)) for one in INSTRUMENTS if one.symbol in PERSON)
        seed = AccountSeed(EMBEDDED_ACCOUNT, {"USD": Decimal(1_000_000)}, holdings)
        exchange = Exchange(market, clock, [seed], _rules(liquidity), calendar)
        self._state = self._held.enter_context(StateFile(Path(state)))
        settings = GatewayServerSettings(market_name="drill", state_delay=0.0)
        self._server = GatewayServer(exchange, clock, settings, calendar=calendar, state=self._state)
        port = await self._server.start()
        self._state.save({"market": settings.market_name, "exchange": exchange.snapshot()})
        if forget:
            exchange.supervision.forget_order_ids()
        return {"port": port}

    async def rules(self, liquidity: int) -> dict[str, Any]:
        self._open.exchange.set_rules(_rules(liquidity))
        return {}

    async def look(self) -> dict[str, Any]:
        exchange = self._open.exchange
        kept = (self._state.load() if self._state is not None else None) or {}
        now = json.loads(json.dumps(exchange.snapshot()))
        return {"open": len(exchange.open_orders()), "saved": kept.get("exchange") == now}

    async def snapshot(self) -> dict[str, Any]:
        return {"exchange": self._open.exchange.snapshot()}

    async def close(self) -> dict[str, Any]:
        await self._open.stop()
        self._held.close()
        self._server = None
        return {}

    @property
    def _open(self) -> GatewayServer:
        if self._server is None:
            raise RuntimeError("no account is open")
        return self._server


def _rules(liquidity: int) -> ExchangeSettings:
    return replace(ExchangeSettings(), liquidity=Decimal(max(liquidity, 0)) if liquidity else None)


async def main() -> None:
    """Answer until the pipe is closed."""
    counter, reader = _Counter(), asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        words = json.loads(line)
        try:
            answer = await getattr(counter, words.pop("do"))(**words)
        except Exception as error:  # noqa: BLE001  whatever it is, the drill is told
            answer = {"trouble": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
