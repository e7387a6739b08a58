"""Small values shared by the tests of the broker's translation."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, OrderType, Side, intent_id_for

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
COIN = Instrument("BTC-USD", AssetClass.CRYPTO, exchange="ZEROHASH")
ACCOUNT = "DU1234567"


def intent(instrument: Instrument = AAPL, side: Side = Side.BUY, **terms: object) -> Intent:
    """A market order of ten unless the terms say otherwise."""
    fields: dict[str, object] = {
        "intent_id": intent_id_for(instrument.asset_class, NOW.date(), instrument, side, 1),
        "session_id": "test",
        "kind": instrument.asset_class,
        "trading_date": NOW.date(),
        "instrument": instrument,
        "side": side,
        "quantity": Decimal(10),
        "order_type": OrderType.MARKET,
        "arrival_price": Decimal(100),
        "reason": "test",
    }
    return Intent(**{**fields, **terms})  # type: ignore[arg-type]
