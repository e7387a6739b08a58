"""The ports with eyes on them: what a process was told by the broker, and what was true when it committed itself.

Entry points: `Eyes`, `watched_broker`, `watched_ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from robotrading.domain.book import Account
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Intent, OrderEvent, Ticket
from robotrading.domain.ports import Broker, Ledger
from robotrading.domain.skip import Skip
from robotrading.wiring.drills.facts import Commitment, Sight

D = Decimal


class Eyes:
    """What one process has seen. `judge` makes a commitment of an intent, `look` a sight of an account."""

    def __init__(  # noqa: PLR0913, PLR0917  what it asks and where it writes
        self,
        judge: Callable[[Intent, datetime, Eyes], Commitment],
        look: Callable[[Account], Sight],
        told: Callable[[str], None],
        commitments: list[Commitment],
        equities: list[tuple[datetime, Decimal]],
        hidden: str = "",
    ) -> None:
        self.judge = judge
        self.look = look
        self.told = told
        self.hidden = hidden
        self.sight: Sight | None = None
        self.quotes: dict[Instrument, Quote | Skip] = {}
        self.capital: Decimal | None = None
        self.commitments = commitments
        self.equities = equities

    def shown(self, account: Account) -> Account:
        """The account without what is hidden from this process."""
        if not self.hidden:
            return account
        kept = tuple(p for p in account.positions if self.hidden not in ("*", p.instrument.symbol))
        self.told(f"is shown an account with {len(kept)} of {len(account.positions)} positions")
        return replace(account, positions=kept)


def watched_broker(broker: Broker, eyes: Eyes) -> Broker:
    return cast("Broker", _WatchedBroker(broker, eyes))


class _WatchedBroker:
    def __init__(self, broker: Broker, eyes: Eyes) -> None:
        self._broker = broker
        self._eyes = eyes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def account(self) -> Account:
        answer = self._eyes.shown(await self._broker.account())
        self._eyes.sight = self._eyes.look(answer)
        return answer

    async def quotes(self, instruments: Sequence[Instrument]) -> Mapping[Instrument, Quote | Skip]:
        answer = await self._broker.quotes(instruments)
        self._eyes.quotes.update(answer)
        return answer

    async def cancel(self, intent_id: str) -> None:
        self._eyes.told(f"cancel {intent_id}")
        await self._broker.cancel(intent_id)


def watched_ledger(ledger: Ledger, eyes: Eyes) -> Ledger:
    return cast("Ledger", _WatchedLedger(ledger, eyes))


class _WatchedLedger:
    def __init__(self, ledger: Ledger, eyes: Eyes) -> None:
        self._ledger = ledger
        self._eyes = eyes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def record_intent(self, intent: Intent, at: datetime) -> None:
        commitment = self._eyes.judge(intent, at, self._eyes)
        self._ledger.record_intent(intent, at)  # which may refuse: then there is no commitment
        self._eyes.commitments.append(commitment)
        self._eyes.told(f"intent {intent.intent_id} {intent.quantity} at {intent.limit_price or 'market'}")

    def append(self, event: OrderEvent) -> Ticket:
        ticket = self._ledger.append(event)
        what = f" {event.fill.fill_id}.{event.fill.revision} {event.fill.quantity}" if event.fill else ""
        self._eyes.told(f"ledger: {event.intent_id} {event.kind}{what} -> {ticket.status} {event.reason}".rstrip())
        return ticket

    def save_equity(self, at: datetime, account_id: str, net_liquidation: Decimal, currency: str) -> None:
        self._ledger.save_equity(at, account_id, net_liquidation, currency)
        self._eyes.equities.append((at, net_liquidation))

    def pin_capital(self, *given: Any) -> Decimal:
        self._eyes.capital = self._ledger.pin_capital(*given)
        return self._eyes.capital
