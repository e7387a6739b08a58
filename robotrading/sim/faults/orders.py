"""What befalls single orders: at the exchange, and in what is told of them.

Entry point: `OrderFaults`, which the in-process broker and the gateway share. It belongs to the world, not to the
program under test: an aftermath (a correction, an unasked cancel) comes although the program has died meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import (
    Charged,
    ExchangeEvent,
    ExchangeOrder,
    Execution,
    OrderMessage,
    OrderRequest,
    OrderStatus,
)
from robotrading.sim.faults.agenda import Agenda
from robotrading.sim.faults.kinds import FaultKind
from robotrading.sim.faults.plan import Fault
from robotrading.sim.faults.script import Script
from robotrading.sim.market import to_tick
from robotrading.sim.matching import whole_lots
from robotrading.sim.supervision import Verdict

E = TypeVar("E")

NEVER_ARRIVES = frozenset({FaultKind.DROP_BEFORE_ORDER, FaultKind.ORDER_LOST})
_REJECTED = 201
_OFF_TICK = 110
_REFUSALS = {
    FaultKind.REJECTED_INACTIVE: Verdict(
        OrderStatus.INACTIVE, _REJECTED, "Order rejected - reason:The plan of this drill refuses it."
    ),
    FaultKind.REJECTED_CANCELLED: Verdict(
        OrderStatus.CANCELLED, _REJECTED, "Order rejected - reason:The plan of this drill refuses it."
    ),
}
_OFF_TICK_TEXT = "The price does not conform to the minimum price variation for this contract."


@dataclass(slots=True)
class _Stricken:
    """An order with faults on it. `held` are statuses that wait for a fill."""

    faults: dict[FaultKind, Fault]
    held: list[object] = field(default_factory=list)
    filled: bool = False
    corrected: bool = False

    def size(self, kind: FaultKind) -> Decimal:
        return self.faults[kind].size


class OrderFaults:
    """Plays the kinds that befall one order. `wake` has the exchange match; nothing here is called from within it."""

    def __init__(self, exchange: Exchange, script: Script, wake: Callable[[], object] | None = None) -> None:
        self.exchange = exchange
        self.script = script
        self.agenda = Agenda(script)
        self._wake = wake or exchange.step
        self._by_key: dict[Hashable, _Stricken] = {}
        self._by_perm_id: dict[int, _Stricken] = {}
        exchange.subscribe(self._watch)

    def place(self, faults: Iterable[Fault], client_id: int, order_id: int, request: OrderRequest) -> None:
        """Place an order with the faults that befall it. Told of under its reference and its client's id."""
        kinds = {fault.kind: fault for fault in faults}
        stricken = _Stricken(kinds)
        for key in (request.order_ref, (client_id, order_id)):
            self._by_key[key] = stricken
        if kinds.keys() & NEVER_ARRIVES:
            return
        if FaultKind.OFF_TICK in kinds:
            message = OrderMessage(client_id, order_id, _OFF_TICK, _OFF_TICK_TEXT, 0, request.order_ref)
            self.exchange.supervision.announce(message)
            return
        for kind, verdict in _REFUSALS.items():
            if kind in kinds:
                self.exchange.turn_down(client_id, order_id, request, verdict)
                return
        order = self.exchange.place(client_id, order_id, request)
        if order is not None:
            self._by_perm_id[order.perm_id] = stricken
            self._after_acceptance(order, stricken)

    def told(self, key: Hashable, event: E, *, fill: bool, end: bool) -> list[E]:
        """What is told of one order (by reference or client's ids) when `event` happens to it, in order.

        `fill` says that the event is an execution or its commission, `end` that it is a cancel or a rejection.
        """
        stricken = self._by_key.get(key)
        if stricken is None:
            return [event]
        if FaultKind.NO_CALLBACK in stricken.faults:
            return []
        if FaultKind.PARTIAL_THEN_SILENCE in stricken.faults and stricken.filled:
            return []
        told = [event]
        if FaultKind.FILLS_FIRST in stricken.faults and not stricken.filled:
            told = _fills_first(stricken, event, fill=fill, end=end)
        stricken.filled = stricken.filled or fill
        again = int(stricken.size(FaultKind.DUPLICATES)) if FaultKind.DUPLICATES in stricken.faults else 1
        return [one for one in told for _ in range(again)]

    def _after_acceptance(self, order: ExchangeOrder, stricken: _Stricken) -> None:
        perm_id, supervision = order.perm_id, self.exchange.supervision
        unasked = stricken.faults.get(FaultKind.CANCELLED_UNASKED)
        if unasked is not None:
            self.agenda.add(unasked.seconds or 0.0, lambda: supervision.withdraw(perm_id, "the exchange cancelled it"))
        partial = stricken.faults.get(FaultKind.PARTIAL_THEN_SILENCE)
        if partial is not None:
            supervision.allow(perm_id, whole_lots(order.request.instrument, order.quantity * partial.size))
            if partial.seconds is not None:
                self.agenda.add(partial.seconds, lambda: self._trade_on(perm_id))

    def _trade_on(self, perm_id: int) -> None:
        self.exchange.supervision.allow(perm_id, None)
        self._wake()

    def _watch(self, event: ExchangeEvent) -> None:
        """From the exchange, in the middle of its work: the first execution of an order may be corrected later."""
        if not isinstance(event, Charged):
            return
        stricken = self._by_perm_id.get(event.execution.perm_id)
        if stricken is None or stricken.corrected:
            return
        stricken.corrected = True
        for kind, correct in ((FaultKind.PRICE_CORRECTED, self._price), (FaultKind.QUANTITY_BUSTED, self._quantity)):
            fault = stricken.faults.get(kind)
            if fault is not None:
                self.agenda.add(fault.seconds or 0.0, lambda f=fault, c=correct: c(event.execution, f.size))  # type: ignore[misc]

    def _price(self, execution: Execution, factor: Decimal) -> None:
        tick = execution.instrument.tick
        price = max(to_tick(execution.price * factor, tick), tick)
        self.exchange.supervision.correct(execution.exec_id, price if price != execution.price else price + tick)

    def _quantity(self, execution: Execution, share: Decimal) -> None:
        quantity = whole_lots(execution.instrument, execution.quantity * share)
        self.exchange.supervision.correct(execution.exec_id, quantity=quantity)


def _fills_first(stricken: _Stricken, event: E, *, fill: bool, end: bool) -> list[E]:
    """Statuses wait until an execution has been told; an order that ends without one lets them go."""
    held: list[E] = stricken.held  # type: ignore[assignment]
    if not fill and not end:
        held.append(event)
        return []
    told = [event, *held] if fill else [*held, event]
    held.clear()
    return told
