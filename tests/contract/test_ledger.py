"""The Ledger port's contract, on every engine it is built for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from ledgers import AAPL, DAY, MSFT, NOW, event, fill, intent
from sqlalchemy import select, text

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger, open_ledger
from robotrading.adapters.ledger.tables import signals
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Holding
from robotrading.domain.errors import LedgerError, LimitBreached
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, OrderEvent, Side, TicketStatus
from robotrading.domain.planning import Plan
from robotrading.domain.report import Outcome, SessionReport
from robotrading.domain.signals import Signal, Stance


@pytest.fixture
def ledger(database_url: str) -> Iterator[SqlLedger]:
    opened = open_ledger(database_url)
    yield opened
    opened.close()


def test_an_intent_is_sent_once(ledger: SqlLedger) -> None:
    ledger.record_intent(intent(), NOW)
    with pytest.raises(LedgerError, match="rt-eq-20250926-AAPL-B-1 exists already"):
        ledger.record_intent(intent(), NOW)


def test_an_event_without_its_intent_is_refused_and_leaves_nothing(ledger: SqlLedger) -> None:
    with pytest.raises(LedgerError, match="is not in the ledger"):
        ledger.append(fill(intent(), "10", "100"))
    assert ledger.positions() == []


def test_a_ticket_read_back_is_the_ticket_that_append_returned(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(event(order, EventKind.SENT))
    ledger.append(OrderEvent(order.intent_id, EventKind.ACKNOWLEDGED, NOW, broker_id=77))
    returned = ledger.append(fill(order, "4", "100.1"))
    assert ledger.ticket(order.intent_id) == returned
    assert returned.status is TicketStatus.PARTIAL
    assert returned.broker_id == 77
    assert ledger.open_tickets() == ledger.open_tickets(AAPL) == [returned]
    assert ledger.open_tickets(MSFT) == []


def test_the_same_event_again_changes_nothing(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    for _ in range(3):
        ledger.append(event(order, EventKind.SENT))
        ledger.append(fill(order, "4", "100.1"))
    assert ledger.positions("equities")[0].quantity == 4
    assert len(ledger.events(order.intent_id)) == 2


def test_a_correction_replaces_what_it_corrects_in_the_position_too(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "10", "100"))
    ledger.append(fill(order, "10", "101", revision=2))
    ledger.append(fill(order, "10", "101", revision=2, commission=Decimal(1), commission_currency="USD"))
    [position] = ledger.positions()
    assert (position.quantity, position.avg_cost) == (Decimal(10), Decimal("101.1"))


def test_selling_takes_from_the_owner_and_leaves_no_empty_position(ledger: SqlLedger) -> None:
    buy, sell = intent(), intent(Side.SELL)
    for order, fill_id in ((buy, "b.01"), (sell, "s.01")):
        ledger.record_intent(order, NOW)
        ledger.append(fill(order, "10", "100", fill_id))
    assert ledger.positions() == []


def test_positions_belong_to_their_owner(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "10", "100"))
    assert ledger.positions("bonds") == []
    assert ledger.owned(AAPL) == 10
    assert ledger.owned(MSFT) == 0
    assert [p.owner for p in ledger.positions("equities")] == ["equities"]


def test_attempts_count_intents_of_the_day_by_side(ledger: SqlLedger) -> None:
    ledger.record_intent(intent(), NOW)
    ledger.record_intent(intent(attempt=2), NOW)
    ledger.record_intent(intent(Side.SELL), NOW)
    assert ledger.attempts(AssetClass.EQUITIES, DAY) == {(AAPL.key, "buy"): 2, (AAPL.key, "sell"): 1}
    assert ledger.attempts(AssetClass.BONDS, DAY) == {}


def test_a_run_ends_in_exactly_one_report(ledger: SqlLedger) -> None:
    ledger.start_run("run-1", AssetClass.EQUITIES, DAY, "paper", NOW)
    report = SessionReport("run-1", AssetClass.EQUITIES, "paper", DAY, NOW, NOW, Outcome.DONE, "all is well")
    ledger.finish_run(report)
    with pytest.raises(LedgerError, match="finished once"):
        ledger.finish_run(report)
    assert ledger.last_reports() == [report]


def test_a_run_that_never_reached_its_start_still_gets_its_report(ledger: SqlLedger) -> None:
    report = SessionReport("run-2", AssetClass.BONDS, "paper", DAY, NOW, NOW, Outcome.FAILED, "killed")
    ledger.finish_run(report)
    assert ledger.last_reports() == [report]


def test_the_newest_reports_come_first(ledger: SqlLedger) -> None:
    for number in range(4):
        at = NOW + timedelta(minutes=number)
        ledger.finish_run(SessionReport(f"run-{number}", AssetClass.BONDS, "paper", DAY, at, at, Outcome.DONE, ""))
    assert [report.run_id for report in ledger.last_reports(2)] == ["run-3", "run-2"]


def test_a_plan_is_found_by_an_unambiguous_beginning(ledger: SqlLedger) -> None:
    plan = Plan("abc123", AssetClass.EQUITIES, "DU1", DAY, NOW, "USD", Decimal(1), Decimal(1), (intent(),), ())
    ledger.save_plan(plan)
    ledger.save_plan(plan)
    ledger.save_plan(replace(plan, plan_id="abd999"))
    assert ledger.plan("abc") == plan
    assert ledger.plan("zzz") is None
    with pytest.raises(LedgerError, match="several plans"):
        ledger.plan("ab")


def test_the_day_starts_with_its_first_equity_and_survives_a_restart(database_url: str) -> None:
    url = database_url
    first = open_ledger(url)
    first.save_equity(NOW - timedelta(days=1), "DU1", Decimal(90), "USD")
    first.save_equity(NOW, "DU1", Decimal(100), "USD")
    first.save_equity(NOW, "DU1", Decimal(100), "USD")
    first.save_equity(NOW + timedelta(hours=1), "DU1", Decimal(80), "USD")
    first.close()
    again = open_ledger(url)
    assert again.day_start_equity("DU1", NOW - timedelta(hours=2)) == Decimal(100)
    assert again.day_start_equity("DU2", NOW) is None
    again.close()


def test_nothing_is_halted_at_first(ledger: SqlLedger) -> None:
    assert ledger.halted() == ""


def test_the_first_capital_of_a_day_holds_for_all_its_sessions(ledger: SqlLedger) -> None:
    assert ledger.pin_capital("DU1", DAY, Decimal(100), "USD") == 100
    assert ledger.pin_capital("DU1", DAY, Decimal(70), "USD") == 100
    assert ledger.pin_capital("DU1", DAY + timedelta(days=1), Decimal(70), "USD") == 70


def test_capital_is_pinned_per_currency_and_account(ledger: SqlLedger) -> None:
    assert ledger.pin_capital("DU1", DAY, Decimal(100), "USD") == 100
    assert ledger.pin_capital("DU1", DAY, Decimal(90), "EUR") == 90
    assert ledger.pin_capital("DU2", DAY, Decimal(80), "USD") == 80


def test_tickets_by_id_are_those_that_exist(ledger: SqlLedger) -> None:
    orders = [intent(attempt=number) for number in range(1, 4)]
    for number, order in enumerate(orders):
        ledger.record_intent(order, NOW)
        ledger.append(fill(order, "2", "100", f"{number}.01"))
    found = ledger.tickets([order.intent_id for order in orders] + ["no such intent"])
    assert found == {order.intent_id: ledger.ticket(order.intent_id) for order in orders}
    assert ledger.tickets([]) == {}
    assert ledger.ticket("no such intent") is None


def test_many_tickets_are_read_with_one_question(ledger: SqlLedger) -> None:
    ids = [intent(attempt=number).intent_id for number in range(1, 1302)]
    ledger.record_intent(intent(), NOW)
    assert set(ledger.tickets(ids)) == {intent().intent_id}


def test_executions_stand_in_the_order_of_their_arrival(ledger: SqlLedger) -> None:
    order = intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "1", "100", "zz", at=NOW + timedelta(seconds=9)))
    ledger.append(fill(order, "1", "100", "aa"))
    returned = ledger.append(fill(order, "1", "101", "zz", at=NOW + timedelta(seconds=9), revision=2))
    assert [one.fill_id for one in returned.fills] == ["zz", "aa"]
    assert ledger.ticket(order.intent_id) == returned


def test_tickets_of_a_day_are_of_that_day_and_session_oldest_first(ledger: SqlLedger) -> None:
    late = replace(intent(instrument=Instrument("A", AssetClass.EQUITIES)), intent_id="a")
    bond = replace(intent(instrument=Instrument("B", AssetClass.BONDS), kind=AssetClass.BONDS), intent_id="bond")
    other = replace(intent(), intent_id="other", trading_date=DAY - timedelta(days=1))
    ledger.record_intent(late, NOW + timedelta(seconds=1))
    for order in (bond, other, intent()):
        ledger.record_intent(order, NOW)
    assert [ticket.intent.intent_id for ticket in ledger.tickets_of(DAY)] == ["bond", intent().intent_id, "a"]
    assert [ticket.intent for ticket in ledger.tickets_of(DAY, AssetClass.BONDS)] == [bond]
    assert ledger.tickets_of(DAY, AssetClass.CRYPTO) == []


def test_of_two_sessions_that_trade_one_fund_one_gets_its_order_in_at_a_time(ledger: SqlLedger) -> None:
    """Both doors have looked and found nothing open; the ledger decides."""
    first, second = intent(), replace(intent(kind=AssetClass.BONDS), intent_id="bond")
    ledger.record_intent(first, NOW)
    with pytest.raises(LimitBreached, match=rf"another session's order of it is not settled: {first.intent_id}"):
        ledger.record_intent(second, NOW)
    assert ledger.ticket("bond") is None
    ledger.append(OrderEvent(first.intent_id, EventKind.CANCELLED, NOW))
    ledger.record_intent(second, NOW)
    assert [ticket.intent for ticket in ledger.open_tickets()] == [second]


def test_terminal_tickets_are_not_open_and_unknown_ones_are(ledger: SqlLedger) -> None:
    ends = (EventKind.CANCELLED, EventKind.REJECTED, EventKind.UNKNOWN)
    for number, end in enumerate(ends, 1):
        order = intent(attempt=number)
        ledger.record_intent(order, NOW)
        ledger.append(event(order, EventKind.SENT))
        ledger.append(event(order, end, "because"))
    [doubt] = ledger.open_tickets()
    assert (doubt.status, doubt.reason) == (TicketStatus.UNKNOWN, "because")


def test_positions_stand_in_the_order_of_their_keys_in_any_locale(ledger: SqlLedger) -> None:
    symbols = ["a-B", "AB", "A-C", "Ab", "B", "A.A"]
    for symbol in symbols:
        order = intent(instrument=Instrument(symbol, AssetClass.EQUITIES))
        ledger.record_intent(order, NOW)
        ledger.append(fill(order, "1", "1", symbol))
    assert [held.instrument.symbol for held in ledger.positions()] == sorted(symbols)


def test_a_sold_position_is_closed_that_day_and_a_correction_opens_it_again(ledger: SqlLedger) -> None:
    buy, sell = intent(), intent(Side.SELL)
    for order in (buy, sell):
        ledger.record_intent(order, NOW)
    ledger.append(fill(buy, "10", "100", "b"))
    ledger.append(fill(sell, "10", "100", "s"))
    assert ledger.was_closed(AAPL, DAY)
    assert not ledger.was_closed(AAPL, DAY + timedelta(days=1))
    ledger.append(fill(sell, "9", "100", "s", revision=2))
    assert not ledger.was_closed(AAPL, DAY)
    assert ledger.owned(AAPL) == 1


def test_a_commission_told_later_does_not_open_what_was_closed(ledger: SqlLedger) -> None:
    buy, sell, again = intent(), intent(Side.SELL), intent(attempt=2)
    for order in (buy, sell, again):
        ledger.record_intent(order, NOW)
    ledger.append(fill(buy, "10", "100", "b"))
    ledger.append(fill(sell, "10", "100", "s"))
    ledger.append(fill(again, "10", "100", "a"))
    ledger.append(fill(again, "10", "100", "a", commission=Decimal(1), commission_currency="USD"))
    assert ledger.was_closed(AAPL, DAY)


def test_the_day_of_a_close_is_the_exchange_s(ledger: SqlLedger) -> None:
    evening = NOW.replace(hour=23, minute=30) + timedelta(hours=2)  # 01:30 UTC, 21:30 in New York
    buy, sell = intent(), intent(Side.SELL)
    for order in (buy, sell):
        ledger.record_intent(order, NOW)
    ledger.append(fill(buy, "1", "100", "b"))
    ledger.append(fill(sell, "1", "100", "s", at=evening))
    assert ledger.was_closed(AAPL, date(2025, 9, 26))
    assert not ledger.was_closed(AAPL, date(2025, 9, 27))


def test_a_run_starts_once(ledger: SqlLedger) -> None:
    ledger.start_run("run-1", AssetClass.EQUITIES, DAY, "paper", NOW)
    with pytest.raises(LedgerError, match="run-1 has started already"):
        ledger.start_run("run-1", AssetClass.EQUITIES, DAY, "paper", NOW)


def test_a_plan_s_whole_id_is_never_ambiguous_and_letters_count_as_they_are(ledger: SqlLedger) -> None:
    plan = Plan("ab_c", AssetClass.EQUITIES, "DU1", DAY, NOW, "USD", Decimal(1), Decimal(1), (), ())
    for plan_id in ("ab_c", "ab_cd", "abxc"):
        ledger.save_plan(replace(plan, plan_id=plan_id))
    assert ledger.plan("ab_c") == plan
    assert ledger.plan("ab_cd") == replace(plan, plan_id="ab_cd")
    assert ledger.plan("AB_CD") is None
    assert ledger.plan("%") is None


def test_the_first_halt_s_reason_stands_until_it_is_lifted(ledger: SqlLedger) -> None:
    ledger.halt("daily loss", NOW, "robotrading")
    ledger.halt("second thoughts", NOW, "ann")
    assert ledger.halted() == "daily loss"
    assert ledger.resume(NOW, "ann")
    assert ledger.halted() == ""
    assert not ledger.resume(NOW, "ann")
    ledger.halt("", NOW, "ann")
    assert ledger.halted(), "a halt without a reason is a halt"
    assert [(one.who, one.what, one.before, one.after) for one in ledger.audit_log(3)][1:] == [
        ("ann", "resume", "daily loss", ""),
        ("robotrading", "halt", "", "daily loss"),
    ]


def test_a_halt_by_somebody_with_a_very_long_name_is_a_halt(ledger: SqlLedger) -> None:
    ledger.halt("reason", NOW, "x" * 500)
    assert ledger.halted() == "reason"
    assert ledger.resume(NOW, "y" * 500)


def test_a_halt_in_letters_that_no_engine_keeps_is_a_halt(ledger: SqlLedger) -> None:
    """A terminal of another alphabet, a name with a zero byte: the brake works all the same."""
    ledger.halt("caf\udce9 is\0closed", NOW, "Zo\udceb")
    assert ledger.halted() == "caf? is?closed"
    assert ledger.resume(NOW, "Zo\udceb")
    assert {line.who for line in ledger.audit_log()} == {"Zo?"}


def test_what_cannot_be_read_is_a_ledger_error(database_url: str) -> None:
    with closing(open_database(database_url)) as database:
        ledger, book = SqlLedger(database), SqlPositionBook(database)
        ledger.see_holdings("DU1", [Holding(AAPL, Decimal(1), Decimal(0), NOW)], NOW)
        book.add_closed(AAPL, "equities", DAY, NOW)
        with database.transaction() as connection:
            for table in ("holdings_seen", "closed_positions_today"):
                connection.execute(text(f"UPDATE {table} SET instrument = '{{'"))  # noqa: S608
        for ask in (lambda: ledger.see_holdings("DU1", [], NOW), lambda: book.list_closed(DAY)):
            with pytest.raises(LedgerError, match=r"a stored value cannot be read.*robotrading ledger check"):
                ask()


def test_whoever_is_given_a_connection_writes_to_the_disk_before_it_returns(sqlite_url: str) -> None:
    """`synchronous=FULL` (2) on every connection of the pool, for readers and writers: any of them may write next."""
    with closing(open_database(sqlite_url)) as database, ExitStack() as stack:
        for reading in (False, True, True, True):
            connection = stack.enter_context(database.transaction(reading=reading))
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_day_stopped_stays_so_with_its_first_reason(ledger: SqlLedger) -> None:
    assert ledger.day_stopped("DU1", DAY) == ""
    ledger.stop_day("DU1", DAY, "lost 3 %", NOW)
    ledger.stop_day("DU1", DAY, "lost 4 %", NOW)
    assert ledger.day_stopped("DU1", DAY) == "lost 3 %"
    assert ledger.day_stopped("DU2", DAY) == ledger.day_stopped("DU1", DAY + timedelta(days=1)) == ""


def test_what_the_account_held_is_what_was_seen_last(ledger: SqlLedger) -> None:
    first = [Holding(MSFT, Decimal(7), Decimal(0), NOW), Holding(AAPL, Decimal("1.5"), Decimal(1), NOW)]
    assert ledger.see_holdings("DU1", first, NOW) == []
    later = NOW + timedelta(minutes=1)
    assert ledger.see_holdings("DU1", [], later) == [first[1], first[0]]
    assert ledger.holdings_seen("DU1") == []
    assert ledger.see_holdings("DU1", first, later) == []
    assert [one.instrument for one in ledger.holdings_seen("DU1")] == [AAPL, MSFT]
    assert ledger.see_holdings("DU2", first, later) == []


def test_a_holding_kept_from_an_earlier_look_keeps_its_time(ledger: SqlLedger) -> None:
    """A change that nobody has explained yet is told with the day since which it is there, not with the last run's."""
    kept, later = Holding(AAPL, Decimal(1), Decimal(1), NOW), NOW + timedelta(days=3)
    ledger.see_holdings("DU1", [kept, Holding(MSFT, Decimal(7), Decimal(0), later)], later)
    assert [one.at for one in ledger.holdings_seen("DU1")] == [NOW, later]


def test_signals_of_a_run_are_replaced_as_a_whole(ledger: SqlLedger) -> None:
    said = Signal(AAPL, next(iter(Stance)), 0.5, "hmm", DAY)

    def kept() -> list[str]:
        with ledger._database.transaction(reading=True) as connection:
            return sorted(
                connection.execute(select(signals.c.instrument_key).where(signals.c.run_id == "run-1")).scalars()
            )

    ledger.save_signals("run-2", [said])
    ledger.save_signals("run-1", [said])
    ledger.save_signals("run-1", [said, replace(said, instrument=MSFT)])
    assert kept() == [AAPL.key, MSFT.key]
    ledger.save_signals("run-1", [])
    assert kept() == []


def test_the_audit_log_keeps_every_line_newest_first(ledger: SqlLedger) -> None:
    lines = [AuditEntry(NOW, "ann", f"change {number}", "limits", "1", "2") for number in range(3)]
    for line in lines:
        ledger.audit(line)
    assert ledger.audit_log() == lines[::-1]
    assert ledger.audit_log(1) == lines[2:]


def test_what_a_broker_may_write_comes_back_as_it_was(ledger: SqlLedger) -> None:
    order = replace(intent(), reason="Größe 'zu' \"klein\"; -- DROP TABLE \U0001f4a5 %s :x ?")
    ledger.record_intent(order, NOW)
    said = OrderEvent(order.intent_id, EventKind.REJECTED, NOW, broker_id=2**40, reason=order.reason, code=201)
    returned = ledger.append(said)
    assert ledger.ticket(order.intent_id) == returned
    assert (returned.intent, returned.reason, returned.broker_id) == (order, order.reason, 2**40)
    assert ledger.events(order.intent_id) == [said]
