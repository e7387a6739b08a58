"""The only way for an order to reach the broker.

Whoever wants to trade (pipeline, exit manager, command) is handed a `Door`, never a broker. Before an order leaves: the
account is the configured one, the limits hold, the bot owns what it sells, nothing is open or unknown in the
instrument, and the intent is on the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from robotrading.domain.book import Account
from robotrading.domain.errors import BrokerError, BrokerUnavailable, LeaseLost, LedgerError, LimitBreached
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, Intent, OrderEvent, Side, Ticket
from robotrading.domain.ports import Clock, Ledger
from robotrading.domain.skip import Skip
from robotrading.execution.ownership import open_quantity, quantities
from robotrading.portfolio.costs import commission
from robotrading.portfolio.limits import OrderView, check_order, day_loss
from robotrading.session.lease import SEND_SECONDS
from robotrading.session.leash import Leash
from robotrading.session.tickets import TicketBook
from robotrading.session.world import RunSpec, World


@dataclass(frozen=True, slots=True)
class Sight:
    """What the door judges by: taken from the broker shortly before, and refreshed between sells and buys."""

    account: Account
    quotes: Mapping[Instrument, Quote | Skip]
    capital: Decimal
    budget: Decimal
    day_start_value: Decimal | None


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant on both clocks: the wall clock goes on while the machine sleeps, the monotonic one is never set."""

    wall: datetime
    monotonic: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        return cls(clock.now(), clock.monotonic())

    def age(self, clock: Clock) -> float:
        """Seconds since, by the clock that says more."""
        return max((clock.now() - self.wall).total_seconds(), clock.monotonic() - self.monotonic)


class Door:
    """Checks, journals, then submits."""

    def __init__(self, spec: RunSpec, world: World, book: TicketBook) -> None:
        self._spec = spec
        self._broker = world.broker
        self._ledger = world.ledger
        self._clock = world.clock
        self._calendar = world.calendar
        self._quiet = world.quiet
        self._leash = world.leash
        self._book = book
        self._one_at_a_time = asyncio.Lock()
        self._sight: Sight | None = None
        self._spent: dict[str, Decimal] = {}
        self._held: set[str] = set()
        self._owned_then: dict[str, Decimal] = {}
        self._turnover = Decimal(0)

    @property
    def kind(self) -> AssetClass:
        """Whose orders pass here."""
        return self._spec.kind

    @property
    def leash(self) -> Leash:
        """What must hold for orders to leave."""
        return self._leash

    def look(self, sight: Sight) -> None:
        """Judge by this from now on; what was spent before is in its cash, what was traded today in the ledger."""
        judge_day(self._spec, self._ledger, sight, self._clock.now())
        self._sight = sight
        self._spent = {}
        ours = quantities(self._ledger.positions())
        self._held = {position.instrument.key for position in self._ledger.positions(self.kind)}
        self._owned_then = {instrument.key: quantity for instrument, quantity in ours.items()}
        self._turnover = turnover(self._ledger.tickets_of(self._spec.trading_date, self._spec.kind))

    async def submit(self, intent: Intent) -> Ticket:
        """Journal and send, one order at a time.

        Orders that wait for the broker's pace are not in the journal yet: whatever ends this process leaves one order
        in doubt at most.

        Raises `LimitBreached`, `BrokerUnavailable` or `OrderRejected` when nothing was sent, `LedgerError` when the
        journal cannot be trusted any more.
        """
        async with self._one_at_a_time:
            return await self._submit(intent)

    async def _submit(self, intent: Intent) -> Ticket:
        if self._book.failure is not None:
            raise LedgerError(f"the journal failed earlier in this run: {self._book.failure}; no order leaves")
        self._leash.check()
        if self._leash.ending:
            raise LimitBreached("stopping", self._leash.ending)
        if not self._broker.connected:
            raise BrokerUnavailable(f"not connected to the broker: {intent.side} {intent.instrument} was not sent")
        now = self._clock.now()
        check_order(intent, self._view(intent, now), self._spec.settings.limits)
        began = Moment.of(self._clock)
        self._ledger.record_intent(intent, now)
        self._book.watch(Ticket(intent))
        self._reserve(intent)
        self._book.append(OrderEvent(intent.intent_id, EventKind.SENT, now, protected=self._protected(intent)))
        try:
            await self._send(intent, began)
        except (BrokerError, LeaseLost) as error:
            self._note(intent, EventKind.REJECTED, str(error))
            raise
        return self._book[intent.intent_id]

    async def _send(self, intent: Intent, journalled: Moment) -> None:
        """To the broker within `SEND_SECONDS` of the journal's look at the lease, or not at all.

        What waits here for a slow disk, or at the broker for its turn, must not leave when somebody else may have the
        account. Of an order whose turn did not come the executor asks the broker.
        """
        self._leash.check()
        left = SEND_SECONDS - journalled.age(self._clock)
        late = f"{intent.intent_id} could not be handed over within {SEND_SECONDS:g} s of its entry in the journal"
        if left <= 0:
            raise BrokerUnavailable(f"{late}: the ledger is slow; it was not sent")
        try:
            async with asyncio.timeout(left) as bound:
                await self._broker.submit(intent)
        except TimeoutError:
            if not bound.expired():
                raise
            self._note(intent, EventKind.UNKNOWN, f"{late}: its turn did not come")

    def _reserve(self, intent: Intent) -> None:
        self._turnover += intent.value
        if intent.side is Side.BUY:
            currency = intent.instrument.currency
            self._spent[currency] = self._spent.get(currency, Decimal(0)) + intent.value
            self._held.add(intent.instrument.key)

    def _protected(self, intent: Intent) -> Decimal | None:
        """What the account held beyond the bot's own at the last look, when both were read together."""
        if self._sight is None:
            return None
        held = self._sight.account.holding(intent.instrument)
        return held - self._owned_then.get(intent.instrument.key, Decimal(0))

    def _note(self, intent: Intent, kind: EventKind, reason: str = "") -> None:
        self._book.append(OrderEvent(intent.intent_id, kind, self._clock.now(), reason=reason))

    def _view(self, intent: Intent, now: datetime) -> OrderView:
        if self._sight is None:
            raise LimitBreached("no_sight", "the account was not looked at yet; nothing is sent blindly")
        sight, instrument = self._sight, intent.instrument
        quote = sight.quotes.get(instrument)
        open_here = self._ledger.open_tickets(instrument)
        return OrderView(
            account=sight.account,
            # An empty id means 'the only account of a paper login', which the adapter has made sure of.
            expected_account_id=self._spec.account_id or sight.account.account_id,
            expected_paper=self._spec.paper,
            quote=quote if isinstance(quote, Quote) else None,
            now=now,
            market_open=self._calendar.is_open(intent.kind, now),
            halted=self._ledger.halted(),
            capital=sight.capital,
            budget=sight.budget,
            currency=self._spec.capital.currency,
            owned=self._owned(intent),
            positions_count=len(self._held),
            turnover_today=self._turnover,
            cash_available=self._cash(sight.account, instrument.currency),
            open_sell_quantity=open_quantity(open_here, instrument, Side.SELL),
            open_buy_quantity=open_quantity(open_here, instrument, Side.BUY),
            day_start_value=sight.day_start_value,
            commission=commission(intent.quantity, intent.arrival_price, self._spec.settings.costs),
            open_ticket=open_here[0].intent.intent_id if open_here else "",
            quiet=str(self._quiet.for_orders(now) or ""),
            day_stopped=self._ledger.day_stopped(sight.account.account_id, self._spec.trading_date),
            closed_today=self._ledger.was_closed(instrument, self._spec.trading_date),
        )

    def _owned(self, intent: Intent) -> Decimal:
        """For a buy what all sessions own, which the limits are about; for a sell what this one owns and may sell."""
        if intent.side is Side.BUY:
            return self._ledger.owned(intent.instrument)
        mine = (p for p in self._ledger.positions(intent.kind) if p.instrument == intent.instrument)
        return sum((position.quantity for position in mine), Decimal(0))

    def _cash(self, account: Account, currency: str) -> Decimal | None:
        """Cash less what was spent since the account was looked at; None when the account has no such currency."""
        cash = account.cash.get(currency)
        return None if cash is None else cash - self._spent.get(currency, Decimal(0))


def judge_day(spec: RunSpec, ledger: Ledger, sight: Sight, at: datetime) -> None:
    """Remember that a day has lost more than allowed: it stays so over restarts, and when the equity recovers."""
    lost = day_loss(sight.account.net_liquidation, sight.day_start_value, spec.settings.limits)
    if lost:
        reason = f"{lost} (at {at:%Y-%m-%d %H:%M} UTC)"
        ledger.stop_day(sight.account.account_id, spec.trading_date, reason, at)


def turnover(tickets: Iterable[Ticket]) -> Decimal:
    """Value of a day's buys and sells: executed, or still working."""
    return sum((_traded(ticket) for ticket in tickets), Decimal(0))


def _traded(ticket: Ticket) -> Decimal:
    """Value executed or still working."""
    done = sum((fill.quantity * fill.price for fill in ticket.fills), Decimal(0))
    if ticket.status.terminal:
        return done
    return done + (ticket.intent.quantity - ticket.filled) * ticket.intent.arrival_price
