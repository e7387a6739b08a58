"""The exchange's memory: orders, executions and commissions, with their indexes, and the whole state as JSON.

Entry points: `Records`, `State`, `latest_revisions`.
Invariants: permanent ids and execution numbers only grow; an execution is never changed, a correction is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from robotrading.sim.accounts import AccountBook
from robotrading.sim.exchange_types import Commission, ExchangeOrder, Execution


def latest_revisions(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Of each execution its newest correction, in the order of the originals."""
    latest: dict[str, Execution] = {}
    for execution in executions:
        known = latest.get(execution.fill_id)
        if known is None or execution.revision > known.revision:
            latest[execution.fill_id] = execution
    return tuple(latest.values())


@dataclass(slots=True)
class State:
    """Everything that outlives a process. `version` is raised when its meaning changes."""

    next_perm_id: int
    next_execution: int
    orders: list[ExchangeOrder] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    commissions: list[Commission] = field(default_factory=list)
    accounts: list[AccountBook] = field(default_factory=list)
    version: int = 1


class Records:
    """Orders by permanent id and by their client's id, executions by order, commissions by execution."""

    def __init__(self, first_perm_id: int) -> None:
        self._next_perm_id = first_perm_id
        self._next_execution = 1
        self.orders: dict[int, ExchangeOrder] = {}
        self.executions: list[Execution] = []
        self.commissions: dict[str, Commission] = {}
        self._open: dict[int, None] = {}
        self._by_key: dict[tuple[int, int], int] = {}
        self._by_order: dict[int, list[Execution]] = {}
        self._last_order_id: dict[int, int] = {}

    def new_perm_id(self) -> int:
        self._next_perm_id += 1
        return self._next_perm_id - 1

    def new_exec_id(self) -> str:
        """Built like the broker's: a session, a number, a leg, a revision."""
        self._next_execution += 1
        return f"0000e0d5.{self._next_execution - 1:08x}.01.01"

    def keep(self, order: ExchangeOrder) -> None:
        """Store an order's present shape."""
        self.orders[order.perm_id] = order
        self._by_key[order.key] = max(order.perm_id, self._by_key.get(order.key, 0))
        self._last_order_id[order.client_id] = max(order.order_id, self._last_order_id.get(order.client_id, 0))
        if order.status.done:
            self._open.pop(order.perm_id, None)
        else:
            self._open[order.perm_id] = None

    def add(self, execution: Execution, commission: Commission) -> None:
        self.executions.append(execution)
        self._by_order.setdefault(execution.perm_id, []).append(execution)
        self.commissions[execution.exec_id] = commission

    def find(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        perm_id = self._by_key.get((client_id, order_id))
        return None if perm_id is None else self.orders[perm_id]

    def open_orders(self) -> Iterator[ExchangeOrder]:
        """A settled list of now, oldest first."""
        return iter([self.orders[perm_id] for perm_id in self._open])

    def fills_of(self, perm_id: int) -> tuple[Execution, ...]:
        """Latest revisions of an order's executions."""
        return latest_revisions(self._by_order.get(perm_id, ()))

    def last_order_id(self, client_id: int) -> int:
        return self._last_order_id.get(client_id, 0)

    def forget_order_ids(self) -> None:
        """Only open orders are found by their client's id any more, and bound the ids to come."""
        still_open = [self.orders[perm_id] for perm_id in self._open]
        self._by_key = {order.key: order.perm_id for order in still_open}
        self._last_order_id = {}
        for order in still_open:
            self._last_order_id[order.client_id] = max(order.order_id, self._last_order_id.get(order.client_id, 0))

    def state(self, accounts: Iterable[AccountBook]) -> State:
        return State(
            next_perm_id=self._next_perm_id,
            next_execution=self._next_execution,
            orders=list(self.orders.values()),
            executions=list(self.executions),
            commissions=list(self.commissions.values()),
            accounts=list(accounts),
        )

    @classmethod
    def from_state(cls, state: State) -> Records:
        records = cls(state.next_perm_id)
        records._next_execution = state.next_execution
        for order in sorted(state.orders, key=lambda order: order.perm_id):
            records.keep(order)
        for commission in state.commissions:
            records.commissions[commission.exec_id] = commission
        for execution in state.executions:
            records.add(execution, records.commissions[execution.exec_id])
        return records
