"""How long each question to the ledger takes. Run it with `pytest benchmarks/bench_ledger.py`.

Each on a file with `synchronous=FULL` (what a session uses), and on one whose moment of writing is left to the
operating system (`durable=False`, what a simulation uses): the difference is the disk's, the rest is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.book import Account, Position
from robotrading.domain.claims import Occurrence
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side, intent_id_for

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
EQ = AssetClass.EQUITIES
ITEMS = [Instrument(f"S{number:03}", EQ) for number in range(500)]
FIRST = ITEMS[0]
Benchmark = Callable[..., object]


@pytest.fixture(params=["full", "relaxed"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """500 positions, each bought with one order that has three events."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    filling = open_database(url, durable=False)
    ledger = SqlLedger(filling)
    for item in ITEMS:
        order = an_intent(item, 1)
        ledger.record_intent(order, NOW)
        ledger.append(OrderEvent(order.intent_id, EventKind.SENT, NOW))
        ledger.append(OrderEvent(order.intent_id, EventKind.ACKNOWLEDGED, NOW, broker_id=7))
        ledger.append(a_fill(order))
    filling.close()
    opened = open_database(url, durable=request.param == "full")
    yield opened
    opened.close()


def an_intent(item: Instrument, attempt: int) -> Intent:
    return Intent(
        intent_id_for(EQ, DAY, item, Side.BUY, attempt),
        "bench",
        EQ,
        DAY,
        item,
        Side.BUY,
        Decimal(10),
        OrderType.LIMIT,
        Decimal(100),
        "1.2 % below target",
        Decimal("100.3"),
    )


def a_fill(of: Intent) -> OrderEvent:
    fill = Fill(
        f"{of.intent_id}.01",
        of.intent_id,
        of.instrument,
        of.side,
        Decimal(10),
        Decimal("100.1"),
        NOW,
        1,
        Decimal(1),
        "USD",
    )
    return OrderEvent(of.intent_id, EventKind.FILL, NOW, fill=fill)


def run(benchmark: Benchmark, work: Callable[[int], object]) -> None:
    numbers = count(1000)
    benchmark.pedantic(lambda: work(next(numbers)), rounds=200, warmup_rounds=10)


# The eleven operations of the book of positions


def test_add(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(
        benchmark, lambda n: book.add(Position(Instrument(f"N{n}", EQ), Decimal(1), Decimal(1), "equities"), NOW, "ann")
    )


def test_remove(benchmark: Benchmark, database: Database) -> None:
    book, items = SqlPositionBook(database), iter(ITEMS)
    run(benchmark, lambda _: book.remove(next(items), "equities", NOW, "ann"))


def test_update(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda n: book.update(Position(FIRST, Decimal(n), Decimal(1), "equities"), NOW, "ann"))


def test_is_active(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda _: book.is_active(FIRST))


def test_get(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda _: book.get(FIRST, "equities"))


def test_list_of_20(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    for item in ITEMS[20:]:
        book.remove(item, "equities", NOW, "ann")
    run(benchmark, lambda _: book.list())


def test_list_of_500(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda _: book.list())


def test_was_closed_today(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda _: book.was_closed_today(FIRST, DAY))


def test_list_closed_20(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    for item in ITEMS[:20]:
        book.add_closed(item, "equities", DAY, NOW)
    run(benchmark, lambda _: book.list_closed(DAY))


def test_add_closed(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    run(benchmark, lambda n: book.add_closed(Instrument(f"N{n}", EQ), "equities", DAY, NOW))


def test_clear_closed(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    book.add_closed(FIRST, "equities", DAY, NOW)
    run(benchmark, lambda n: book.clear_closed(DAY + timedelta(days=n)))


def test_sync_of_20(benchmark: Benchmark, database: Database) -> None:
    book = SqlPositionBook(database)
    for item in ITEMS[20:]:
        book.remove(item, "equities", NOW, "ann")
    held = tuple(Position(item, Decimal(10), Decimal(100)) for item in ITEMS[:20])
    account = Account("DU1", "USD", Decimal(1), Decimal(1), {}, held, NOW)
    run(benchmark, lambda _: book.sync(account, NOW))


# What a session asks


def test_record_intent(benchmark: Benchmark, database: Database) -> None:
    ledger = SqlLedger(database)
    run(benchmark, lambda n: ledger.record_intent(an_intent(FIRST, n), NOW))


def test_record_intent_under_a_lease(benchmark: Benchmark, database: Database) -> None:
    lease = SqlClaims(database).claim("account:DU1", "bench", NOW, 60)
    ledger = SqlLedger(database, lease)
    run(benchmark, lambda n: ledger.record_intent(an_intent(FIRST, n), NOW))


def appending(benchmark: Benchmark, database: Database, event: Callable[[Intent], OrderEvent]) -> None:
    ledger = SqlLedger(database)
    orders = [an_intent(Instrument(f"N{n}", EQ), 1) for n in range(300)]
    for order in orders:
        ledger.record_intent(order, NOW)
    waiting = iter(orders)
    run(benchmark, lambda _: ledger.append(event(next(waiting))))


def test_append_sent(benchmark: Benchmark, database: Database) -> None:
    appending(benchmark, database, lambda order: OrderEvent(order.intent_id, EventKind.SENT, NOW))


def test_append_fill(benchmark: Benchmark, database: Database) -> None:
    appending(benchmark, database, a_fill)


def test_append_nothing_new(benchmark: Benchmark, database: Database) -> None:
    ledger, told = SqlLedger(database), a_fill(an_intent(FIRST, 1))
    run(benchmark, lambda _: ledger.append(told))


def test_ticket(benchmark: Benchmark, database: Database) -> None:
    ledger = SqlLedger(database)
    run(benchmark, lambda _: ledger.ticket(an_intent(FIRST, 1).intent_id))


def test_500_tickets(benchmark: Benchmark, database: Database) -> None:
    ledger, ids = SqlLedger(database), [an_intent(item, 1).intent_id for item in ITEMS]
    assert len(ledger.tickets(ids)) == 500
    run(benchmark, lambda _: ledger.tickets(ids))


def test_open_tickets_when_all_have_ended(benchmark: Benchmark, database: Database) -> None:
    ledger = SqlLedger(database)
    run(benchmark, lambda _: ledger.open_tickets())


def test_owned(benchmark: Benchmark, database: Database) -> None:
    ledger = SqlLedger(database)
    run(benchmark, lambda _: ledger.owned(FIRST))


def test_halted(benchmark: Benchmark, database: Database) -> None:
    run(benchmark, lambda _: SqlLedger(database).halted())


def test_claim(benchmark: Benchmark, database: Database) -> None:
    claims = SqlClaims(database)
    run(benchmark, lambda _: claims.claim("account:DU1", "bench", NOW, 60))


def test_claim_occurrence(benchmark: Benchmark, database: Database) -> None:
    claims = SqlClaims(database)
    lease = claims.claim("account:DU1", "bench", NOW, 60)
    due = Occurrence(EQ, DAY, NOW)
    run(benchmark, lambda n: claims.claim_occurrence(replace(due, due_at=NOW + timedelta(minutes=n)), lease, NOW))


def test_check_of_500_orders(benchmark: Benchmark, database: Database) -> None:
    assert benchmark.pedantic(check, (database, NOW), rounds=3) == ()


def test_open_what_is_up_to_date(benchmark: Benchmark, database: Database) -> None:
    url = f"sqlite:///{database.engine.url.database}"
    run(benchmark, lambda _: open_database(url).close())
