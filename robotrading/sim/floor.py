"""The trading floor: which orders are at work, what they trade, and what follows from a trade.

Entry point: `Floor`. It owns the records and the accounts' books; `Exchange` is its public face.
Invariants: an order's filled quantity never exceeds its quantity; nothing fills after Cancelled, Inactive or Filled; a
fill ends or reduces the order's OCA siblings before another order is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.domain.market import Quote
from robotrading.domain.orders import Side, TimeInForce
from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.accounts import ZERO, AccountBook, order_fee
from robotrading.sim.exchange_types import (
    AccountChanged,
    Charged,
    Commission,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeSettings,
    Executed,
    Execution,
    OrderChanged,
    OrderMessage,
    OrderStatus,
)
from robotrading.sim.market import Market
from robotrading.sim.matching import ON_CLOSE, STOPS, armed, trade_price, trade_quantity, whole_lots
from robotrading.sim.records import Records
from robotrading.sim.rules import may_short

CANCELLED = 202
CANCELLED_TEXT = "Order Canceled - reason:"
_LOOK_AHEAD_DAYS = 14


class Floor:
    """Orders at work on one market."""

    def __init__(  # noqa: PLR0913  the parts of a world
        self,
        market: Market,
        clock: Clock,
        settings: ExchangeSettings,
        calendar: Calendar | None,
        books: dict[str, AccountBook],
        *,
        emit: Callable[[ExchangeEvent], None],
    ) -> None:
        self.market = market
        self.clock = clock
        self.settings = settings
        self.calendar = calendar
        self.books = books
        self.records = Records(settings.first_perm_id)
        self._emit = emit
        self._due: dict[int, datetime | None] = {}
        self.allowances: dict[int, Decimal] = {}
        """By perm id: how far an order may fill at most, where that is bounded."""

    def take_over(self, records: Records) -> None:
        self.records = records
        self._due.clear()
        self.allowances.clear()

    # What an order waits for ---------------------------------------------------------------------------------------

    def parent_of(self, order: ExchangeOrder) -> ExchangeOrder | None:
        parent_id = order.request.parent_id
        return self.records.find(order.client_id, parent_id) if parent_id else None

    def waits_for_parent(self, order: ExchangeOrder) -> bool:
        parent = self.parent_of(order)
        return parent is not None and not parent.status.done

    def is_open(self, order: ExchangeOrder) -> bool:
        """Whether its market trades now; an order on close trades from the close of its day on."""
        if self.calendar is None:
            return True
        now = self.clock.now()
        if order.request.order_type in ON_CLOSE:
            due = self.due(order)
            return due is not None and now >= due
        return self.calendar.is_open(order.request.instrument.asset_class, now)

    def due(self, order: ExchangeOrder) -> datetime | None:
        """The first close after the order came in; None without a calendar or when there is none for two weeks."""
        if order.perm_id not in self._due:
            self._due[order.perm_id] = self._next_close(order)
        return self._due[order.perm_id]

    def _next_close(self, order: ExchangeOrder) -> datetime | None:
        if self.calendar is None:
            return None
        kind = order.request.instrument.asset_class
        day = self.calendar.trading_day(kind, order.submitted_at)
        for ahead in range(_LOOK_AHEAD_DAYS):
            hours = self.calendar.hours(kind, day + timedelta(days=ahead))
            if hours is not None and hours[1] > order.submitted_at:
                return hours[1]
        return None

    def resting_status(self, order: ExchangeOrder) -> OrderStatus:
        """How an order that does not trade at this moment is shown."""
        kind = order.request.order_type
        asleep = (kind in STOPS and not order.triggered) or kind in ON_CLOSE
        if asleep or self.waits_for_parent(order) or not self.is_open(order):
            return OrderStatus.PRE_SUBMITTED
        return OrderStatus.SUBMITTED

    # Keeping, telling, closing -------------------------------------------------------------------------------------

    def keep(self, order: ExchangeOrder) -> ExchangeOrder:
        """Store and tell."""
        order = replace(order, updated_at=self.clock.now())
        self.records.keep(order)
        self._emit(OrderChanged(order))
        return order

    def say(self, order: ExchangeOrder, code: int, text: str) -> None:
        self._emit(
            OrderMessage(order.client_id, order.order_id, code, text, order.perm_id, order.request.order_ref),
        )

    def close(self, order: ExchangeOrder, why: str = "") -> ExchangeOrder:
        """Cancel what is left, and settle what hangs on it."""
        text = f"{CANCELLED_TEXT}{why}"
        order = self.keep(replace(order, status=OrderStatus.CANCELLED, code=CANCELLED, reason=text))
        self.say(order, CANCELLED, text)
        self._settle_children(order)
        return order

    def refuse(self, order: ExchangeOrder, code: int, text: str) -> ExchangeOrder:
        """An order that exists and is turned down."""
        self.say(order, code, text)
        order = self.keep(replace(order, status=OrderStatus.INACTIVE, code=code, reason=text))
        self._settle_children(order)
        return order

    def _settle_children(self, parent: ExchangeOrder) -> None:
        """Children of a parent that ended: for as much as it filled, and none when it filled nothing."""
        for child in self.records.open_orders():
            if child.client_id != parent.client_id or child.request.parent_id != parent.order_id:
                continue
            if not parent.filled:
                self.close(child, "its parent order ended")
            elif child.quantity > parent.filled:
                self.keep(replace(child, quantity=parent.filled))

    def expire(self) -> None:
        """End DAY orders whose close (without a calendar: whose UTC date) has passed."""
        now = self.clock.now()
        for order in self.records.open_orders():
            if order.request.tif is not TimeInForce.DAY or order.request.order_type in ON_CLOSE:
                continue
            due = self.due(order)
            past = now >= due if due is not None else now.date() > order.submitted_at.date()
            if past and not self.records.orders[order.perm_id].status.done:
                self.close(order, "the trading day of this DAY order is over")

    # Trading -------------------------------------------------------------------------------------------------------

    def step(self) -> int:
        """Look at every working order once, oldest first; returns the number of executions."""
        if self.calendar is not None:
            self.expire()
        before = len(self.records.executions)
        left: dict[str, Decimal] = {}
        for seen in self._at_work():
            order = self.records.orders[seen.perm_id]
            if not order.status.done:
                self._look_at(order, left)
        return len(self.records.executions) - before

    def _at_work(self) -> list[ExchangeOrder]:
        return [
            order
            for order in self.records.open_orders()
            if order.status is not OrderStatus.PENDING_SUBMIT and not self.waits_for_parent(order)
        ]

    def _look_at(self, order: ExchangeOrder, left: dict[str, Decimal]) -> None:
        quote = self.market.quote(order.request.instrument) if self.is_open(order) else None
        if quote is not None:
            order = self._awake(order, quote)
            order = self._traded(order, quote, left)
        at_once = order.request.tif is TimeInForce.IOC
        on_close = order.request.order_type in ON_CLOSE and self.is_open(order)
        if (at_once or on_close) and not order.status.done:
            self.close(
                order, "what could not be filled at once" if at_once else "what could not be filled on the close"
            )

    def _awake(self, order: ExchangeOrder, quote: Quote) -> ExchangeOrder:
        """Trailing level moved on, stop triggered, status shown as it is now."""
        moved = armed(order, quote)
        if moved.request.cash_quantity is not None and not moved.quantity:
            moved = self._sized(moved, quote)
        status = self.resting_status(moved)
        if status is not moved.status or moved.triggered is not order.triggered:
            return self.keep(replace(moved, status=status))
        if moved is not order:
            self.records.keep(moved)
        return moved

    def _sized(self, order: ExchangeOrder, quote: Quote) -> ExchangeOrder:
        """The quantity that a cash amount buys, once there is a price."""
        price = trade_price(order, quote, self.settings.slippage)
        if price is None:
            return order
        quantity = whole_lots(order.request.instrument, (order.request.cash_quantity or ZERO) / price)
        return replace(order, quantity=quantity)

    def _traded(self, order: ExchangeOrder, quote: Quote, left: dict[str, Decimal]) -> ExchangeOrder:
        price = trade_price(order, quote, self.settings.slippage)
        if price is None:
            return order
        instrument = order.request.instrument
        quantity = trade_quantity(instrument, order.remaining, left.get(instrument.key, self.settings.liquidity))
        if order.request.side is Side.SELL and not may_short(order.request, self.settings):
            held = max(self.books[order.account_id].held(instrument), ZERO)
            if not held and quantity:
                return self.close(order, "nothing is held any more and short sale is not allowed")
            quantity = min(quantity, held)
        if order.perm_id in self.allowances:
            quantity = min(quantity, self.allowances[order.perm_id] - order.filled)
        if quantity <= 0:
            return order
        if self.settings.liquidity is not None:
            left[instrument.key] = left.get(instrument.key, self.settings.liquidity) - quantity
        return self.fill(order, quantity, price)

    def fill(self, order: ExchangeOrder, quantity: Decimal, price: Decimal) -> ExchangeOrder:
        """Book one execution: told in the broker's usual order, fill, status, commission, account."""
        fills = self.records.fills_of(order.perm_id)
        filled = order.filled + quantity
        value = sum((fill.quantity * fill.price for fill in fills), ZERO) + quantity * price
        after = replace(
            order,
            filled=filled,
            avg_fill_price=value / filled,
            last_fill_price=price,
            status=OrderStatus.FILLED if filled == order.quantity else OrderStatus.SUBMITTED,
        )
        execution = self._execution(after, quantity, price)
        costs = self.settings.commissions[order.request.instrument.asset_class]
        charged = sum((self.records.commissions[fill.exec_id].amount for fill in fills), ZERO)
        self.book(execution, after, max(order_fee(costs, filled, value) - charged, ZERO))
        self._settle_siblings(after, quantity)
        return after

    def book(self, execution: Execution, order: ExchangeOrder, fee: Decimal) -> None:
        earned = self.books[order.account_id].book(execution, fee)
        commission = Commission(
            exec_id=execution.exec_id, amount=fee, currency=execution.instrument.currency, realized_pnl=earned
        )
        self.tell(execution, order, commission)

    def tell(self, execution: Execution, order: ExchangeOrder, commission: Commission) -> None:
        self.records.add(execution, commission)
        self.records.keep(replace(order, updated_at=self.clock.now()))
        self._emit(Executed(execution))
        self._emit(OrderChanged(self.records.orders[order.perm_id]))
        self._emit(Charged(execution, commission))
        self._emit(AccountChanged(order.account_id))

    def _execution(self, order: ExchangeOrder, quantity: Decimal, price: Decimal) -> Execution:
        request = order.request
        return Execution(
            exec_id=self.records.new_exec_id(),
            perm_id=order.perm_id,
            client_id=order.client_id,
            order_id=order.order_id,
            account_id=order.account_id,
            order_ref=request.order_ref,
            instrument=request.instrument,
            side=request.side,
            quantity=quantity,
            price=price,
            at=self.clock.now(),
            cum_quantity=order.filled,
            avg_price=order.avg_fill_price,
            exchange=request.instrument.exchange,
        )

    def _settle_siblings(self, order: ExchangeOrder, quantity: Decimal) -> None:
        """Type 1 ends the other members of the group; types 2 and 3 take the filled quantity off them."""
        group = order.request.oca_group
        if not group:
            return
        for other in self.records.open_orders():
            if other.perm_id == order.perm_id or (other.account_id, other.request.oca_group) != (
                order.account_id,
                group,
            ):
                continue
            rest = other.quantity - quantity
            if order.request.oca_type == 1 or rest <= other.filled:
                self.close(other, "another order of its group was filled")
            else:
                self.keep(replace(other, quantity=rest))
