"""Where everything said about orders comes in, and goes out as events.

Entry point: `OrderDesk`. Invariants: listeners are called in the order of the messages, in a later turn of the event
loop (the library swallows what is raised while it decodes); a listener's failure is kept and stops the next order,
since an event that was not booked must not be followed by trading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.contracts import describe, instrument_of
from robotrading.adapters.ibkr.decimals import known
from robotrading.adapters.ibkr.executions import fill_of
from robotrading.adapters.ibkr.orders import is_ours
from robotrading.adapters.ibkr.statuses import TERMINAL
from robotrading.adapters.ibkr.translator import Heard, SeenOrder, SeenStatus, Translator
from robotrading.domain.errors import BrokerUnavailable, RobotradingError
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill, OrderEvent
from robotrading.domain.ports import Clock

EXECUTION_GRACE = 2.0
"""How long after an order's end its executions may take to come by themselves, in seconds."""


class OrderDesk:
    """See the module. `on_doubt` is called when `doubts` has something to be asked."""

    def __init__(self, clock: Clock, client_id: int, on_doubt: Callable[[], None]) -> None:
        self.translator = Translator(client_id)
        self.remembered: dict[str, Instrument] = {}
        self.doubts: set[str] = set()
        self.account = ""
        self.failure: RobotradingError | None = None
        self._clock = clock
        self._on_doubt = on_doubt
        self._listeners: list[Callable[[OrderEvent], None]] = []
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._reserve_ids: Callable[[int], None] = lambda _: None

    def attach(self, reserve_ids: Callable[[int], None]) -> None:
        """Tell of order ids that are in use; the connection must not hand them out again."""
        self._reserve_ids = reserve_ids

    def subscribe(self, listener: Callable[[OrderEvent], None]) -> None:
        self._listeners.append(listener)

    def stop_waiting(self) -> None:
        """Leave no timer behind."""
        for handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def is_ours(self, reference: str) -> bool:
        return is_ours(reference) or reference in self.translator.standings

    def tell(self, heard: Heard) -> None:
        """Hand events on, and have doubts asked."""
        loop = asyncio.get_running_loop()
        for event in heard.events:
            loop.call_soon(self._hand_over, event)
            waits = event.intent_id in self._waiting
            if event.kind in TERMINAL and not waits and self.translator.is_short(event.intent_id):
                self._waiting[event.intent_id] = loop.call_later(EXECUTION_GRACE, self._look_again, event.intent_id)
        if heard.doubts:
            self.doubts.update(heard.doubts)
            self._on_doubt()

    def tell_fills(self, fills: Iterable[Fill]) -> None:
        """Executions learnt by asking, as if they had come by themselves; those told before are not told again."""
        for fill in fills:
            self.tell(self.translator.execution(fill, 0, self._clock.now()))

    def fills_of(self, rows: Iterable[tuple[Any, Any]]) -> tuple[Fill, ...]:
        """Executions of this account, latest revisions; what the bot cannot name is none of its fills.

        Raises `BrokerUnavailable` for one whose numbers are none: what was executed is then not known.
        """
        found = []
        for contract, execution in rows:
            try:
                fill = self._fill(contract, execution)
            except ValueError as error:
                raise BrokerUnavailable(
                    f"execution {execution.execId} of {describe(contract)} cannot be read: {error}; ask again"
                ) from error
            if fill is not None:
                found.append(fill)
        return self.translator.fills.latest(found)

    def heard_open_order(self, contract: Any, order: Any, state: Any) -> None:
        if order.clientId == self.translator.client_id:
            self._reserve_ids(order.orderId)
        if order.account not in ("", self.account):
            return
        instrument = instrument_of(contract, self.remembered)
        key = (order.clientId, order.orderId)
        seen = SeenOrder(key, order.permId, order.orderRef, state.status, instrument)
        self.tell(self.translator.open_order(seen, self._clock.now()))

    def heard_status(self, key: tuple[int, int], broker_id: int, word: str, filled: float) -> None:
        seen = SeenStatus(key, broker_id, word, known(filled) or Decimal(0))
        self.tell(self.translator.order_status(seen, self._clock.now()))

    def heard_execution(self, contract: Any, execution: Any) -> None:
        fill = self._fill(contract, execution)
        if fill is not None:
            self.tell(self.translator.execution(fill, execution.permId, self._clock.now()))

    def heard_commission(self, report: Any) -> None:
        now = self._clock.now()
        self.tell(self.translator.commission(report.execId, report.commission, report.currency, now))

    def heard_message(self, order_id: int, code: int, text: str) -> bool:
        heard = self.translator.message(order_id, code, text, self._clock.now())
        if heard is None:
            return False
        self.tell(heard)
        return True

    def _fill(self, contract: Any, execution: Any) -> Fill | None:
        instrument = instrument_of(contract, self.remembered)
        if instrument is None or execution.acctNumber not in ("", self.account):
            return None
        reference = self.translator.reference_of(execution.orderRef, execution.permId)
        return fill_of(execution, instrument, reference)

    def _look_again(self, intent_id: str) -> None:
        """Executions that a status has named and that have not come are asked for."""
        del self._waiting[intent_id]
        if self.translator.is_short(intent_id):
            self.doubts.add(intent_id)
            self._on_doubt()

    def _hand_over(self, event: OrderEvent) -> None:
        try:
            for listener in tuple(self._listeners):
                listener(event)
        except RobotradingError as error:
            self.failure = self.failure or error
