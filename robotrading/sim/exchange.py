"""The pretend exchange: accounts, orders, and matching against a market.

Synchronous and deterministic: time comes from the clock handed in, nothing happens between two calls, and orders fill
in `step` only, never inside `place`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.exchange_types import (
    AccountSeed,
    AccountValue,
    Commission,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeSettings,
    Execution,
    Holding,
    OrderRequest,
)
from robotrading.sim.market import Market


class Exchange:
    """A matching exchange with the broker's accounts behind it."""

    def __init__(
        self,
        market: Market,
        clock: Clock,
        accounts: Sequence[AccountSeed] = (AccountSeed(),),
        settings: ExchangeSettings | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def market(self) -> Market:
        raise NotImplementedError

    @property
    def account_ids(self) -> tuple[str, ...]:
        raise NotImplementedError

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event, at once and in order; returns what ends the subscription."""
        raise NotImplementedError

    def next_order_id(self, client_id: int) -> int:
        """The smallest order id that this client has not used."""
        raise NotImplementedError

    def place(self, client_id: int, order_id: int, request: OrderRequest) -> ExchangeOrder | None:
        """Accept, refuse or (same id, still open) modify an order; None when no order came to be.

        Everything else is said by events: `OrderMessage` for refusals, `OrderChanged` for acceptance. Fills come
        with a later `step`.
        """
        raise NotImplementedError

    def preview(self, client_id: int, order_id: int, request: OrderRequest) -> tuple[int, str] | None:
        """What `place` would refuse it for (code, text), None when it would be accepted (what-if orders)."""
        raise NotImplementedError

    def cancel(self, client_id: int, order_id: int) -> bool:
        """Cancel now (Cancelled and 202), or say why not (10147 unknown, 10148 done already) and return False."""
        raise NotImplementedError

    def cancel_all(self, client_id: int | None = None) -> None:
        """Cancel every open order, of one client or of all (the global cancel)."""
        raise NotImplementedError

    def step(self) -> int:
        """Match all working orders against the present quotes once; returns the number of executions."""
        raise NotImplementedError

    def expire(self) -> None:
        """End DAY orders of past trading days; `step` does it too when there is a calendar."""
        raise NotImplementedError

    def order(self, perm_id: int) -> ExchangeOrder | None:
        raise NotImplementedError

    def find(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        """The newest order with this client's id."""
        raise NotImplementedError

    def open_orders(self, client_id: int | None = None) -> tuple[ExchangeOrder, ...]:
        """By perm id; of one client, or of all."""
        raise NotImplementedError

    def completed_orders(self) -> tuple[ExchangeOrder, ...]:
        raise NotImplementedError

    def executions(self, since: datetime | None = None) -> tuple[Execution, ...]:
        """Oldest first, corrections beside what they correct."""
        raise NotImplementedError

    def commission(self, exec_id: str) -> Commission | None:
        raise NotImplementedError

    def correct(self, exec_id: str, price: Decimal) -> Execution:
        """Inject a correction of an execution's price: the next revision is booked and told to the listeners."""
        raise NotImplementedError

    def positions(self, account_id: str | None = None) -> tuple[Holding, ...]:
        """Everything held, quantities other than zero only, with the market's price."""
        raise NotImplementedError

    def cash(self, account_id: str) -> dict[str, Decimal]:
        raise NotImplementedError

    def account_values(self, account_id: str) -> tuple[AccountValue, ...]:
        """NetLiquidation, AvailableFunds, BuyingPower, TotalCashValue and others; CashBalance per currency and BASE."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, Any]:
        """The whole state in JSON types."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a snapshot; events are not repeated."""
        raise NotImplementedError
