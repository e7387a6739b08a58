"""The PositionBook port's contract: the eleven operations, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from ledgers import AAPL, BO, CR, DAY, EQ, MSFT, NOW, D, fill, intent

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.book import Account, Closed, Position
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Side

HELD = Position(AAPL, D(10), D("99.5"), EQ.value, NOW)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def book(database: Database) -> SqlPositionBook:
    return SqlPositionBook(database)


def words(database: Database) -> list[tuple[str, str, str, str]]:
    return [(one.who, one.what, one.before, one.after) for one in SqlLedger(database).audit_log()]


def test_a_position_added_is_there_for_everybody(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    assert book.get(AAPL) == book.get(AAPL, "equities") == HELD
    assert book.is_active(AAPL)
    assert book.is_active(AAPL, "equities")
    assert not book.is_active(AAPL, "bonds")
    assert not book.is_active(MSFT)
    assert book.list() == book.list("equities") == SqlLedger(database).positions() == [HELD]
    assert book.list("bonds") == []
    assert words(database) == [("ann", "add position", "", "10 at 99.5")]


def test_what_is_there_is_not_added_again(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    with pytest.raises(LedgerError, match="equities has 10 AAPL already; change it with update"):
        book.add(replace(HELD, quantity=D(5)), NOW, "ann")
    assert book.list() == [HELD]
    assert len(words(database)) == 1, "nothing was done, nothing is recorded"


def test_what_fell_below_nothing_is_put_right_by_adding(book: SqlPositionBook, database: Database) -> None:
    """A person took the position out, and an execution of the bot's own sale came after all."""
    ledger, sell = SqlLedger(database), intent(Side.SELL)
    ledger.record_intent(sell, NOW)
    ledger.append(fill(sell, "3", "100"))
    assert (book.get(AAPL), ledger.owned(AAPL)) == (None, -3)
    book.add(HELD, NOW, "ann")
    assert book.list() == [HELD]
    assert words(database) == [("ann", "add position", "-3 at 0", "10 at 99.5")]
    assert check(database, NOW) == ()


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_position_is_more_than_nothing(book: SqlPositionBook, quantity: str) -> None:
    with pytest.raises(LedgerError, match="a quantity is above zero"):
        book.add(replace(HELD, quantity=D(quantity)), NOW, "ann")
    book.add(HELD, NOW, "ann")
    with pytest.raises(LedgerError, match="take a position out with remove"):
        book.update(replace(HELD, quantity=D(quantity)), NOW, "ann")
    assert book.list() == [HELD]


def test_update_returns_what_was_there_and_keeps_when_it_was_opened(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    split = Position(AAPL, D(40), D("24.875"), EQ.value, LATER)
    assert book.update(split, LATER, "ben") == HELD
    assert book.get(AAPL) == replace(split, opened_at=NOW)
    assert words(database)[0] == ("ben", "update position", "10 at 99.500000", "40 at 24.875")


def test_what_is_not_there_cannot_be_changed_or_removed(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    for absent in (replace(HELD, owner="bonds"), replace(HELD, instrument=MSFT)):
        with pytest.raises(LedgerError, match="nothing to change"):
            book.update(absent, NOW, "ann")
        with pytest.raises(LedgerError, match="nothing to change"):
            book.remove(absent.instrument, absent.owner, NOW, "ann")
    assert len(words(database)) == 1


def test_a_removed_position_counts_as_closed_on_the_exchange_s_day(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    evening = NOW.replace(hour=23) + timedelta(hours=3)  # the computer's next day, still New York's same evening
    assert book.remove(AAPL, "equities", evening, "ann") == HELD
    assert book.get(AAPL) is None
    assert book.was_closed_today(AAPL, DAY)
    assert not book.was_closed_today(AAPL, DAY + timedelta(days=1))
    assert book.list_closed(DAY) == [Closed(AAPL, "equities", DAY, evening)]
    assert words(database)[0] == ("ann", "remove position", "10 at 99.500000", "")


def test_an_owner_need_not_be_a_session(book: SqlPositionBook) -> None:
    coin = Position(Instrument("BTC-USD", CR), D("0.125"), D(50000), "day trading", NOW)
    book.add(coin, NOW, "ann")
    midnight = NOW.replace(hour=23) + timedelta(hours=3)
    assert book.remove(coin.instrument, "day trading", midnight, "ann") == coin
    assert book.was_closed_today(coin.instrument, DAY + timedelta(days=1)), "crypto's day is of UTC"


def test_over_all_owners_quantities_add_up_and_costs_are_weighted(book: SqlPositionBook) -> None:
    book.add(HELD, LATER, "ann")
    book.add(Position(AAPL, D(30), D("103.5"), BO.value, NOW - timedelta(days=1)), LATER, "ann")
    both = book.get(AAPL)
    assert both == Position(AAPL, D(40), D("102.5"), "bonds+equities", NOW - timedelta(days=1))
    assert [one.owner for one in book.list()] == ["bonds", "equities"]


def test_a_fund_is_one_thing_in_whichever_session_it_is_held(book: SqlPositionBook) -> None:
    book.add(HELD, NOW, "ann")
    assert book.is_active(replace(AAPL, asset_class=BO, tick=D("0.05")))


def test_executions_move_the_same_book(book: SqlPositionBook, database: Database) -> None:
    book.add(HELD, NOW, "ann")
    ledger, order = SqlLedger(database), intent()
    ledger.record_intent(order, NOW)
    ledger.append(fill(order, "10", "100.5"))
    assert book.get(AAPL) == Position(AAPL, D(20), D(100), "equities", NOW)


def test_closed_is_remembered_once_and_forgotten_by_day(book: SqlPositionBook) -> None:
    yesterday = DAY - timedelta(days=1)
    for _ in range(2):
        book.add_closed(MSFT, "equities", yesterday, NOW)
        book.add_closed(MSFT, "equities", DAY, LATER)
        book.add_closed(AAPL, "bonds", DAY, NOW)
    assert book.list_closed(DAY) == [Closed(AAPL, "bonds", DAY, NOW), Closed(MSFT, "equities", DAY, LATER)]
    assert book.clear_closed(DAY) == 1
    assert not book.was_closed_today(MSFT, yesterday)
    assert book.was_closed_today(MSFT, DAY)
    assert book.clear_closed(DAY) == 0


def test_sync_names_what_the_account_lacks_and_changes_nothing(book: SqlPositionBook) -> None:
    book.add(HELD, NOW, "ann")
    book.add(replace(HELD, instrument=MSFT), NOW, "ann")
    held = (Position(AAPL, D(4), D(1)), Position(MSFT, D(500), D(1)))
    account = Account("DU1", "USD", D(1), D(1), {}, held, NOW)
    [said] = book.sync(account, NOW)
    assert said.startswith("AAPL: the ledger owns 10, the account holds only 4")
    assert book.list() == [HELD, replace(HELD, instrument=MSFT)]
