"""What only the exchange's own staff can do: correct executions, hold orders back, refuse and cancel unasked.

Entry point: `Supervision`, reached as `Exchange.supervision`. Every act is told to the listeners like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from robotrading.sim.accounts import ZERO
from robotrading.sim.exchange_types import (
    ExchangeEvent,
    ExchangeOrder,
    Execution,
    OrderMessage,
    OrderStatus,
)
from robotrading.sim.floor import Floor
from robotrading.sim.records import latest_revisions


class Verdict(NamedTuple):
    """Why an order is turned down, and as what it is kept: Inactive or Cancelled."""

    status: OrderStatus
    code: int
    text: str


class Supervision:
    """Acts on one exchange's floor. KeyError for executions and orders that were never there."""

    def __init__(self, floor: Floor, emit: Callable[[ExchangeEvent], None]) -> None:
        self._floor = floor
        self._emit = emit

    def correct(self, exec_id: str, price: Decimal | None = None, quantity: Decimal | None = None) -> Execution:
        """Correct an execution's price, its quantity (0 busts the trade), or both, in the next revision.

        The order keeps its status; its filled quantity is what the executions say. Commissions stay.
        """
        old = self._latest(exec_id)
        new = replace(
            old,
            exec_id=f"{old.fill_id}.{old.revision + 1:02d}",
            price=old.price if price is None else price,
            quantity=old.quantity if quantity is None else quantity,
        )
        records = self._floor.records
        order = records.orders[old.perm_id]
        fills = [new if fill.fill_id == new.fill_id else fill for fill in records.fills_of(order.perm_id)]
        filled = sum((fill.quantity for fill in fills), ZERO)
        value = sum((fill.quantity * fill.price for fill in fills), ZERO)
        average = value / filled if filled else ZERO
        new = replace(new, avg_price=average, cum_quantity=filled)
        self._floor.books[order.account_id].rebook(new, old, self._history(new))
        commission = replace(records.commissions[old.exec_id], exec_id=new.exec_id)
        self._floor.tell(new, replace(order, filled=filled, avg_fill_price=average), commission)
        return new

    def allow(self, perm_id: int, quantity: Decimal | None) -> None:
        """Let an order trade this much from now on and no more (in units); None lifts the bound."""
        if quantity is None:
            self._floor.allowances.pop(perm_id, None)
        else:
            self._floor.allowances[perm_id] = self._floor.records.orders[perm_id].filled + quantity

    def withdraw(self, perm_id: int, why: str) -> None:
        """Cancel an open order (Cancelled and 202) although nobody has asked for it; nothing when it is done."""
        order = self._floor.records.orders[perm_id]
        if not order.status.done:
            self._floor.close(order, why)

    def turn_down(self, draft: ExchangeOrder, refused: Verdict) -> ExchangeOrder:
        """Take an order in and refuse it."""
        order = replace(draft, perm_id=self._floor.records.new_perm_id())
        self._floor.say(order, refused.code, refused.text)
        return self._floor.keep(replace(order, status=refused.status, code=refused.code, reason=refused.text))

    def announce(self, message: OrderMessage) -> None:
        """Say something about an order, whatever is true of it."""
        self._emit(message)

    def forget_order_ids(self) -> None:
        """Hand out order ids from the beginning again, above those of open orders, as after a reset of the gateway."""
        self._floor.records.forget_order_ids()

    def _latest(self, exec_id: str) -> Execution:
        fill_id = exec_id.rpartition(".")[0]
        revisions = [e for e in self._floor.records.executions if e.fill_id == fill_id]
        if not revisions:
            raise KeyError(f"execution {exec_id!r} is not known here")
        return latest_revisions(revisions)[0]

    def _history(self, corrected: Execution) -> Iterable[tuple[Execution, Decimal]]:
        """The account's executions of the instrument with their fees, the corrected one in place of the old."""
        records = self._floor.records
        for execution in latest_revisions(records.executions):
            same = execution.account_id == corrected.account_id
            if same and execution.instrument.key == corrected.instrument.key:
                fee = records.commissions[execution.exec_id].amount
                yield (corrected if execution.fill_id == corrected.fill_id else execution), fee
