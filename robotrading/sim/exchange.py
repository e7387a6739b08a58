"""The pretend exchange: accounts, orders, and matching against a market.

Synchronous and deterministic: time comes from the clock handed in, nothing happens between two calls, and orders fill
in `step` only, never inside `place`. Matching is in `floor`, what is refused in `rules`, the books in `accounts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from robotrading.domain.instrument import Instrument
from robotrading.domain.ports import Calendar, Clock
from robotrading.sim.accounts import AccountBook, account_rows
from robotrading.sim.exchange_types import (
    AccountSeed,
    AccountValue,
    Commission,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeSettings,
    Execution,
    Holding,
    OrderMessage,
    OrderRequest,
    OrderStatus,
)
from robotrading.sim.floor import Floor
from robotrading.sim.market import Market
from robotrading.sim.records import Records, State, latest_revisions
from robotrading.sim.rules import REJECTED, Refusal, Standing, change_refused, money_refused, wording_refused
from robotrading.sim.supervision import Supervision, Verdict

_REDUCE = 3


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
        if not accounts:
            raise ValueError("accounts: an exchange needs at least one account; leave it out for the usual one")
        self._listeners: list[Callable[[ExchangeEvent], None]] = []
        self._settings = settings or ExchangeSettings()
        self._clock = clock
        self._books = {seed.account_id: AccountBook.opened(seed) for seed in accounts}
        self._floor = Floor(market, clock, self._settings, calendar, self._books, emit=self._emit)
        self.supervision = Supervision(self._floor, self._emit)

    # What is there -------------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        return self._floor.market

    @property
    def settings(self) -> ExchangeSettings:
        return self._settings

    def set_rules(self, settings: ExchangeSettings) -> None:
        """From now on the market matches and refuses by other rules."""
        self._settings = self._floor.settings = settings

    @property
    def account_ids(self) -> tuple[str, ...]:
        return tuple(self._books)

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event, at once and in order; returns what ends the subscription."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def next_order_id(self, client_id: int) -> int:
        """An order id above every one that this client has used."""
        return max(self._records.last_order_id(client_id) + 1, self._settings.first_order_id)

    def order(self, perm_id: int) -> ExchangeOrder | None:
        return self._records.orders.get(perm_id)

    def find(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        """The newest order with this client's id."""
        return self._records.find(client_id, order_id)

    def open_orders(self, client_id: int | None = None) -> tuple[ExchangeOrder, ...]:
        """By perm id; of one client, or of all."""
        return tuple(o for o in self._records.open_orders() if client_id is None or o.client_id == client_id)

    def completed_orders(self) -> tuple[ExchangeOrder, ...]:
        return tuple(order for order in self._records.orders.values() if order.status.done)

    def executions(self, since: datetime | None = None) -> tuple[Execution, ...]:
        """Oldest first, corrections beside what they correct."""
        return tuple(e for e in self._records.executions if since is None or e.at >= since)

    def commission(self, exec_id: str) -> Commission | None:
        return self._records.commissions.get(exec_id)

    def positions(self, account_id: str | None = None) -> tuple[Holding, ...]:
        """Everything held, quantities other than zero only, with the market's price."""
        books = self._books.values() if account_id is None else (self._book(account_id),)
        return tuple(holding for book in books for holding in book.holdings(self._price_of))

    def cash(self, account_id: str) -> dict[str, Decimal]:
        return dict(self._book(account_id).cash)

    def account_values(self, account_id: str) -> tuple[AccountValue, ...]:
        """NetLiquidation, AvailableFunds, BuyingPower, TotalCashValue and others; CashBalance per currency and BASE."""
        book = self._book(account_id)
        yesterday = book.equity(self._previous_price_of) - self._traded_since_yesterday(book)
        return account_rows(book, self._price_of, yesterday, self._settings.leverage)

    # Orders --------------------------------------------------------------------------------------------------------

    def place(self, client_id: int, order_id: int, request: OrderRequest) -> ExchangeOrder | None:
        """Accept, refuse or (same id, still open) modify an order; None when no order came to be.

        Everything else is said by events: `OrderMessage` for refusals, `OrderChanged` for acceptance. Fills come
        with a later `step`.
        """
        request, refusal = self._read(client_id, order_id, request)
        known = self.find(client_id, order_id)
        if refusal is not None:
            perm_id = 0 if known is None or known.status.done else known.perm_id
            self._emit(OrderMessage(client_id, order_id, refusal.code, refusal.text, perm_id, request.order_ref))
            return known if perm_id else None
        if known is not None:
            return self._modified(known, request)
        return self._accepted(self._new_order(client_id, order_id, request))

    def preview(self, client_id: int, order_id: int, request: OrderRequest) -> tuple[int, str] | None:
        """What `place` would refuse it for (code, text), None when it would be accepted (what-if orders)."""
        request, refusal = self._read(client_id, order_id, request)
        if refusal is not None:
            return refusal
        known = self.find(client_id, order_id)
        order = self._draft(client_id, order_id, request) if known is None else _changed(known, request)
        return self._unaffordable(order)

    def cancel(self, client_id: int, order_id: int) -> bool:
        """Cancel now (Cancelled and 202), or say why not (10147 unknown, 10148 done already) and return False."""
        order = self.find(client_id, order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            self._emit(OrderMessage(client_id, order_id, 10147, text))
            return False
        if order.status.done:
            text = f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: {order.status}."
            self._floor.say(order, 10148, text)
            return False
        self._floor.close(order)
        return True

    def cancel_all(self, client_id: int | None = None) -> None:
        """Cancel every open order, of one client or of all (the global cancel)."""
        for seen in self.open_orders(client_id):
            order = self._records.orders[seen.perm_id]
            if not order.status.done:
                self._floor.close(order)

    def step(self) -> int:
        """Match all working orders against the present quotes once; returns the number of executions."""
        return self._floor.step()

    def expire(self) -> None:
        """End DAY orders of past trading days; `step` does it too when there is a calendar."""
        self._floor.expire()

    def correct(self, exec_id: str, price: Decimal) -> Execution:
        """Inject a correction of an execution's price: the next revision is booked and told to the listeners.

        KeyError for an id that was never given.
        """
        return self.supervision.correct(exec_id, price)

    def turn_down(self, client_id: int, order_id: int, request: OrderRequest, refused: Verdict) -> ExchangeOrder:
        """Refuse an order that nothing speaks against: it is known from now on, and never works."""
        account = request.account_id or self.account_ids[0]
        draft = self._draft(client_id, order_id, replace(request, account_id=account))
        return self.supervision.turn_down(draft, refused)

    # Keeping state -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state in JSON types."""
        state: dict[str, Any] = msgspec.to_builtins(self._records.state(self._books.values()))
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a snapshot; events are not repeated. msgspec.ValidationError when it is none."""
        known = msgspec.convert(state, State)
        self._books.clear()
        self._books.update({book.account_id: book for book in known.accounts})
        self._floor.take_over(Records.from_state(known))

    # Inside --------------------------------------------------------------------------------------------------------

    @property
    def _records(self) -> Records:
        return self._floor.records

    def _emit(self, event: ExchangeEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _book(self, account_id: str) -> AccountBook:
        book = self._books.get(account_id)
        if book is None:
            raise KeyError(f"account {account_id!r} is not kept here; known: {', '.join(self._books)}")
        return book

    def _price_of(self, instrument: Instrument) -> Decimal | None:
        quote = self.market.quote(instrument)
        return None if quote is None else quote.price

    def _previous_price_of(self, instrument: Instrument) -> Decimal | None:
        quote = self.market.quote(instrument)
        return None if quote is None else quote.close or quote.price

    def _traded_since_yesterday(self, book: AccountBook) -> Decimal:
        """What today's trades add to the account when it is valued at the previous closes, in base currency."""
        today = self._clock.now().date()
        moved = Decimal(0)
        for execution in latest_revisions(self._records.executions):
            if execution.account_id != book.account_id or execution.at.date() != today:
                continue
            before = self._previous_price_of(execution.instrument) or execution.price
            fee = self._records.commissions.get(execution.exec_id)
            gained = execution.side.sign * execution.quantity * (before - execution.price)
            moved += (gained - (fee.amount if fee else 0)) * (book.rate(execution.instrument.currency) or 1)
        return moved

    def _read(self, client_id: int, order_id: int, request: OrderRequest) -> tuple[OrderRequest, Refusal | None]:
        """The request with the market's own instrument and a settled account, and what speaks against it."""
        asked = request.instrument
        instrument = self.market.lookup(asked.symbol, asked.sec_type, asked.currency)
        if instrument is None:
            return request, Refusal(200, "No security definition has been found for the request")
        request = replace(request, instrument=instrument, account_id=request.account_id or self.account_ids[0])
        if request.account_id not in self._books:
            return request, Refusal(321, f"Error validating request: unknown account {request.account_id}")
        known = self.find(client_id, order_id)
        if known is not None and known.status.done:
            return request, Refusal(103, "Duplicate order id")
        refusal = wording_refused(request, self._settings)
        if refusal is None and known is not None:
            refusal = change_refused(known, request)
        if refusal is None and request.parent_id and self.find(client_id, request.parent_id) is None:
            refusal = Refusal(135, f"Can't find order with ID = {request.parent_id}")
        return request, refusal

    def _draft(self, client_id: int, order_id: int, request: OrderRequest, perm_id: int = 0) -> ExchangeOrder:
        now = self._clock.now()
        return ExchangeOrder(
            client_id=client_id,
            order_id=order_id,
            perm_id=perm_id,
            account_id=request.account_id,
            request=request,
            status=OrderStatus.PENDING_SUBMIT,
            quantity=request.quantity,
            submitted_at=now,
            updated_at=now,
            stop_level=request.stop_price,
        )

    def _new_order(self, client_id: int, order_id: int, request: OrderRequest) -> ExchangeOrder:
        """Children of one parent without a group of their own form one, so that target and stop exclude each other."""
        parent = self.find(client_id, request.parent_id) if request.parent_id else None
        if parent is not None and not request.oca_group:
            request = replace(request, oca_group=f"bracket-{parent.perm_id}", oca_type=_REDUCE)
        return self._draft(client_id, order_id, request, self._records.new_perm_id())

    def _accepted(self, order: ExchangeOrder) -> ExchangeOrder:
        refusal = self._unaffordable(order)
        if refusal is not None:
            return self._floor.refuse(order, *refusal)
        if not order.request.transmit:
            return self._floor.keep(order)
        return self._transmitted(order)

    def _unaffordable(self, order: ExchangeOrder) -> Refusal | None:
        """A child that waits is paid for by its parent's fill; one whose parent failed has nothing to protect."""
        parent = self._floor.parent_of(order)
        if parent is not None and not parent.status.done:
            return None
        if parent is not None and not parent.filled:
            return Refusal(REJECTED, f"Order rejected - reason:Its parent order {parent.order_id} ended unfilled.")
        if self._group_is_done(order):
            return Refusal(REJECTED, f"Order rejected - reason:OCA group {order.request.oca_group} is filled already.")
        book = self._books[order.account_id]
        others = tuple(
            other
            for other in self._records.open_orders()
            if other.account_id == order.account_id
            and other.perm_id != order.perm_id
            and not self._floor.waits_for_parent(other)
        )
        return money_refused(order, Standing(book, others, self._settings, self.market.quote))

    def _group_is_done(self, order: ExchangeOrder) -> bool:
        group = order.request.oca_group
        return bool(group) and any(
            other.status is OrderStatus.FILLED
            for other in self._records.orders.values()
            if (other.account_id, other.request.oca_group) == (order.account_id, group)
        )

    def _transmitted(self, order: ExchangeOrder) -> ExchangeOrder:
        """To the market, with the parent and siblings that were held back for it."""
        family = [
            other
            for other in self._records.open_orders()
            if order.request.parent_id
            and other.status is OrderStatus.PENDING_SUBMIT
            and other.client_id == order.client_id
            and other.perm_id != order.perm_id
            and order.request.parent_id in (other.order_id, other.request.parent_id)
        ]
        for member in (*family, order):
            self._floor.keep(replace(member, status=self._floor.resting_status(member)))
        return self._records.orders[order.perm_id]

    def _modified(self, order: ExchangeOrder, request: OrderRequest) -> ExchangeOrder:
        """New terms for an open order; when the account cannot bear them the old ones stand, and 201 says so."""
        changed = _changed(order, request)
        refusal = self._unaffordable(changed)
        if refusal is not None:
            self._floor.say(order, *refusal)
            return order
        if order.status is OrderStatus.PENDING_SUBMIT and not request.transmit:
            return self._floor.keep(changed)
        return self._transmitted(changed)


def _changed(order: ExchangeOrder, request: OrderRequest) -> ExchangeOrder:
    was = order.request
    request = replace(request, oca_group=request.oca_group or was.oca_group, oca_type=was.oca_type)
    terms = (request.stop_price, request.trail_amount, request.trail_percent, request.order_type)
    same_stop = terms == (was.stop_price, was.trail_amount, was.trail_percent, was.order_type)
    quantity = order.quantity if request.cash_quantity is not None else request.quantity
    if same_stop:
        return replace(order, request=request, quantity=quantity)
    return replace(
        order, request=request, quantity=quantity, stop_level=request.stop_price, seen_price=None, triggered=False
    )
