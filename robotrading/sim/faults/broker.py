"""The in-process broker that follows a plan of misfortunes.

Entry point: `FaultyBroker`. With an empty plan it is a `SimBroker`.
Invariants: everything is decided by the plan, the counts and the clock, so that the same run happens again on virtual
time; silence ends in `BrokerUnavailable` after `patience` seconds, as the real adapter's questions do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from robotrading.domain.book import Account
from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, Intent, OrderEvent
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip
from robotrading.sim.broker import HAIR, SimBroker
from robotrading.sim.broker_words import request_for
from robotrading.sim.faults.kinds import FaultKind, Layer, Trigger
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.plan import Fault
from robotrading.sim.faults.prices import ShownQuotes

PATIENCE = 20.0
"""Seconds that a question waits for its answer; the real adapter's default."""
_LINK = (FaultKind.LINK_DATA_LOST, FaultKind.LINK_DATA_KEPT)
_ENDS = frozenset({EventKind.CANCELLED, EventKind.REJECTED})
_SKIPS = {
    FaultKind.QUOTES_MISSING: ("no_price", "nothing has a price"),
    FaultKind.DATA_FARM_BROKEN: ("data_farm", "the market data farm's connection is broken (code 2103)"),
    FaultKind.DATA_TAKEN: ("competing_session", "another session has the market data (code 10197)"),
}


class FaultyBroker(SimBroker):
    """One program's connection to the world of `mishaps`. Make a new one for each process, on the same `mishaps`.

    `clock` is the world's own, which never leaps.
    """

    def __init__(  # noqa: PLR0913  those of SimBroker, and two
        self,
        mishaps: OrderFaults,
        clock: Clock,
        account_id: str = "",
        client_id: int = 101,
        *,
        patience: float = PATIENCE,
        auto_step: bool = True,
    ) -> None:
        super().__init__(mishaps.exchange, clock, account_id, client_id, auto_step=auto_step)
        self.script = mishaps.script
        self.patience = patience
        self._mishaps = mishaps
        self._quotes = ShownQuotes(mishaps.script)

    # Connection ----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._connected and self.script.in_force(*_LINK) is None

    async def connect(self) -> None:
        """A lost link is waited for. BrokerUnavailable when refused or silent, ConfigError for another's account."""
        if self.connected:
            return
        befallen = self._occurs(Trigger.CONNECT)
        await asyncio.sleep(0)
        for fault in befallen:
            raise self._refusal(fault)
        await self._silent_while("the handshake", FaultKind.FROZEN)
        await self._silent_while("the gateway's own link to the broker is lost (code 1100)", *_LINK)
        await self._positions_come()
        await super().connect()
        self._mishaps.agenda.arm()
        for seconds in self.script.alarms((FaultKind.DROP, FaultKind.ID_ROLLBACK)):
            asyncio.get_running_loop().call_later(seconds + HAIR, self._look)

    def _refusal(self, fault: Fault) -> BrokerUnavailable | ConfigError:
        match fault.kind:
            case FaultKind.CLIENT_ID_IN_USE:
                return BrokerUnavailable(f"client id {self.client_id} is in use (code 326); end what has it")
            case FaultKind.WRONG_ACCOUNT:
                return ConfigError(
                    f"account {self.account_id} is not one of this login's: correct the account's id in the "
                    "configuration, or log in to the other account"
                )
            case _:
                return BrokerUnavailable("no gateway there: connection refused")

    # Questions -----------------------------------------------------------------------------------------------------

    async def account(self) -> Account:
        """Positions that are empty although holdings have a value are not believed, as in the real adapter."""
        account = await super().account()
        await self._positions_come()
        self._require_connection()
        if account.positions and self.script.in_force(FaultKind.POSITIONS_EMPTY) is not None:
            raise BrokerUnavailable(
                f"account {self.account_id}: no positions came, but the account's values count some; not believed"
            )
        return account

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        answer = await super().quotes(instruments)
        slow = self.script.in_force(FaultKind.QUOTES_SLOW)
        if slow is not None and instruments:
            await asyncio.sleep(min(float(slow.size), self.patience))
            self._require_connection()
            if float(slow.size) >= self.patience:
                raise BrokerUnavailable(f"quotes: none of {len(instruments)} was answered within {self.patience:g} s")
        return answer

    def _quote(self, instrument: Instrument) -> Quote | Skip:
        true = super()._quote(instrument)
        if isinstance(true, Skip):
            return true
        shown = self._quotes.shown(true)
        if shown is not None:
            return shown
        why = self.script.in_force(*_SKIPS)
        rule, text = _SKIPS[FaultKind.QUOTES_MISSING if why is None else why.kind]
        return Skip(instrument.symbol, "quotes", f"no quote for {instrument}: {text}", rule)

    # Orders --------------------------------------------------------------------------------------------------------

    async def submit(self, intent: Intent) -> None:
        """As at a socket: it returns although nobody may ever read the order."""
        await asyncio.sleep(0)
        self._require_connection()
        befallen = self._occurs(Trigger.SUBMIT)
        self._require_connection()
        self.words.instruments[intent.instrument.key] = intent.instrument
        kinds = {fault.kind for fault in befallen}
        self._hand_over(intent, befallen)
        if kinds & {FaultKind.DROP_BEFORE_ORDER, FaultKind.DROP_BEFORE_ACK}:
            asyncio.get_running_loop().call_soon(self.lose_connection)

    def _hand_over(self, intent: Intent, befallen: Sequence[Fault]) -> None:
        """A frozen gateway reads what waits in its socket when it thaws, whether or not the sender is still there."""
        frozen = self.script.in_force(FaultKind.FROZEN)
        if frozen is None:
            asyncio.get_running_loop().call_soon(self._place_with, intent, befallen)
            return
        seconds = self.script.ends_in(frozen)
        if seconds is not None:
            self._mishaps.agenda.add(seconds, lambda: self._place_with(intent, befallen))

    def _place_with(self, intent: Intent, befallen: Sequence[Fault]) -> None:
        order_id = self.exchange.next_order_id(self.client_id)
        self._mishaps.place(befallen, self.client_id, order_id, request_for(intent, self.account_id))
        if self.auto_step:
            asyncio.get_running_loop().call_soon(self.exchange.step)

    # Inside --------------------------------------------------------------------------------------------------------

    async def _answering(self) -> None:
        self._occurs(Trigger.QUESTION)
        await super()._answering()
        await self._silent_while("the question", FaultKind.FROZEN)
        self._require_connection()

    async def _positions_come(self) -> None:
        await self._silent_while("positions", FaultKind.POSITIONS_HUNG)

    async def _silent_while(self, what: str, *kinds: FaultKind) -> None:
        """Wait for the end of a silence, as long as patience lasts."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        while (fault := self.script.in_force(*kinds)) is not None:
            seconds, left = self.script.ends_in(fault), end - loop.time()
            if seconds is None or seconds > left:
                await asyncio.sleep(left)
                raise BrokerUnavailable(f"{what}: no answer from the gateway within {self.patience:g} s")
            await asyncio.sleep(seconds + HAIR)

    def _occurs(self, trigger: Trigger) -> tuple[Fault, ...]:
        befallen = self.script.occurs(trigger, Layer.BROKER)
        self._look()
        return befallen

    def _look(self) -> None:
        """Do what is due by itself: drops, restarts, and the world's agenda."""
        for fault in self.script.due(FaultKind.DROP, FaultKind.ID_ROLLBACK):
            self.lose_connection()
            if fault.kind is FaultKind.ID_ROLLBACK:
                self.exchange.supervision.forget_order_ids()
        self._mishaps.agenda.catch_up()

    def _tell(self, event: OrderEvent) -> None:
        fill, end = event.kind is EventKind.FILL, event.kind in _ENDS
        for told in self._mishaps.told(event.intent_id, event, fill=fill, end=end):
            self._tell_when_heard(told)

    def _tell_when_heard(self, event: OrderEvent) -> None:
        """At once, or at the end of a freeze or of a lost link that keeps its data; never where it loses them."""
        wait = 0.0
        if self.script.in_force(FaultKind.LINK_DATA_LOST) is not None:
            return
        for kind in (FaultKind.FROZEN, FaultKind.LINK_DATA_KEPT):
            fault = self.script.in_force(kind)
            seconds = 0.0 if fault is None else self.script.ends_in(fault)
            if seconds is None:
                return
            wait = max(wait, seconds)
        self._deliver_later(event, wait)

    def _deliver(self, event: OrderEvent, connection: int) -> None:
        if self._connected and connection == self._connections:
            self._occurs(Trigger.EVENT)
        super()._deliver(event, connection)
