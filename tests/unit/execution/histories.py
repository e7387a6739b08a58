"""Histories of one order: builders, and Hypothesis strategies for what a broker may tell, in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import (
    BrokerOrder,
    EventKind,
    Fill,
    Intent,
    OrderEvent,
    OrderType,
    Side,
    Ticket,
    TicketStatus,
)
from robotrading.execution.lifecycle import replay
from robotrading.execution.reconcile import Evidence

D = Decimal
NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
MSFT = Instrument("MSFT", AssetClass.EQUITIES)


def intent(quantity: str | int | Decimal = 10, side: Side = Side.BUY, of: Instrument = AAPL, number: int = 1) -> Intent:
    return Intent(
        intent_id=f"rt-eq-20250926-{of.symbol}-{side[0].upper()}-{number}",
        session_id="run-1",
        kind=AssetClass.EQUITIES,
        trading_date=DAY,
        instrument=of,
        side=side,
        quantity=D(quantity),
        order_type=OrderType.LIMIT,
        arrival_price=D(100),
        limit_price=D("100.30"),
        reason="below target",
    )


def event(of: Intent, kind: EventKind, reason: str = "", broker_id: int = 0) -> OrderEvent:
    return OrderEvent(of.intent_id, kind, NOW, reason=reason, broker_id=broker_id)


def fill(
    of: Intent, quantity: str | int | Decimal, fill_id: str = "f1", price: str | Decimal = "100", **more: object
) -> Fill:
    return Fill(fill_id, of.intent_id, of.instrument, of.side, D(quantity), D(price), NOW, **more)  # type: ignore[arg-type]


def executed(of: Intent, quantity: str | int | Decimal, fill_id: str = "f1", **more: object) -> OrderEvent:
    return OrderEvent(of.intent_id, EventKind.FILL, NOW, fill=fill(of, quantity, fill_id, **more))  # type: ignore[arg-type]


def ticket(of: Intent, *events: EventKind | OrderEvent) -> Ticket:
    return replay(of, (one if isinstance(one, OrderEvent) else event(of, one) for one in events))


def listed(of: Intent, status: TicketStatus, filled: str | int = 0, broker_id: int = 77) -> BrokerOrder:
    return BrokerOrder(of.intent_id, broker_id, of.instrument, of.side, of.quantity, D(filled), status)


def evidence(
    open_orders: tuple[BrokerOrder, ...] = (),
    completed: tuple[BrokerOrder, ...] = (),
    executions: tuple[Fill, ...] = (),
) -> Evidence:
    return Evidence(open_orders, completed, executions, NOW + timedelta(minutes=5))


WORDS = (
    EventKind.SENT,
    EventKind.ACKNOWLEDGED,
    EventKind.FILLED,
    EventKind.CANCEL_SENT,
    EventKind.CANCELLED,
    EventKind.REJECTED,
    EventKind.UNKNOWN,
)
QUANTITIES = st.integers(1, 6).map(D)
PRICES = st.sampled_from([D("99.50"), D(100), D("100.25")])


@st.composite
def executions(draw: st.DrawFn, of: Intent, most: Decimal) -> list[Fill]:
    """Executions of at most `most`, each with its commission report, some corrected in price."""
    found: list[Fill] = []
    left = most
    for number in range(draw(st.integers(0, 4))):
        quantity = min(draw(QUANTITIES), left)
        if not quantity:
            break
        left -= quantity
        for revision in range(1, draw(st.integers(1, 3)) + 1):
            bare = fill(of, quantity, f"f{number}", draw(PRICES), revision=revision)
            found.append(bare)
            if draw(st.booleans()):
                commission = D(revision) / 10
                found.append(fill(of, quantity, f"f{number}", bare.price, revision=revision, commission=commission))
    return found


@st.composite
def histories(draw: st.DrawFn, of: Intent, told: list[Fill] | None = None) -> list[OrderEvent]:
    """Words and executions (`told`, or any) of one order in any order, some told twice."""
    fills = draw(executions(of, of.quantity)) if told is None else told
    heard = [OrderEvent(of.intent_id, EventKind.FILL, NOW, fill=one) for one in fills]
    words = [event(of, kind) for kind in draw(st.lists(st.sampled_from(WORDS), max_size=8))]
    once = [*heard, *words]
    again = draw(st.lists(st.sampled_from(once), max_size=4)) if once else []
    return draw(st.permutations([*once, *again]))


@st.composite
def pasts(draw: st.DrawFn, of: Intent) -> tuple[list[OrderEvent], Evidence]:
    """What was heard of an order, and what the broker answers about it now: contradictions in words, not in fills."""
    true = draw(executions(of, of.quantity))
    some = st.lists(st.sampled_from(true), unique_by=id, max_size=len(true)) if true else st.just([])
    statuses = [TicketStatus.FILLED, TicketStatus.CANCELLED, TicketStatus.REJECTED]
    done = st.integers(0, int(of.quantity)).map(str)
    open_orders = (listed(of, TicketStatus.WORKING, draw(done)),) if draw(st.booleans()) else ()
    completed = (listed(of, draw(st.sampled_from(statuses)), draw(done)),) if draw(st.booleans()) else ()
    return draw(histories(of, draw(some))), evidence(open_orders, completed, tuple(draw(some)))
