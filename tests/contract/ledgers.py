"""What the ledger's suites share: one instrument, one day, and short ways to intents and events."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side, intent_id_for

D = Decimal
NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
EQ, BO, CR = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
AAPL = Instrument("AAPL", EQ)
MSFT = Instrument("MSFT", EQ)


def intent(
    side: Side = Side.BUY,
    quantity: str = "10",
    attempt: int = 1,
    instrument: Instrument = AAPL,
    kind: AssetClass = EQ,
) -> Intent:
    return Intent(
        intent_id=intent_id_for(kind, DAY, instrument, side, attempt),
        session_id="run-1",
        kind=kind,
        trading_date=DAY,
        instrument=instrument,
        side=side,
        quantity=D(quantity),
        order_type=OrderType.LIMIT,
        arrival_price=D("100.00"),
        limit_price=D("100.30"),
        reason="below target",
    )


def fill(
    of: Intent, quantity: str, price: str, fill_id: str = "0001.a.01", at: datetime = NOW, **more: object
) -> OrderEvent:
    execution = Fill(fill_id, of.intent_id, of.instrument, of.side, D(quantity), D(price), at, **more)
    return OrderEvent(of.intent_id, EventKind.FILL, at, fill=execution)


def event(of: Intent, kind: EventKind, reason: str = "") -> OrderEvent:
    return OrderEvent(of.intent_id, kind, NOW, reason=reason)
