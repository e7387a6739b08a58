"""A person's word, from the command line to the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from robotrading.adapters.ledger.audit import entries
from robotrading.cli.app import app
from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side, TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.resolve import who

D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
ALPHA = Instrument("ALPHA", AssetClass.EQUITIES)
COIN = Instrument("ALPHA", AssetClass.CRYPTO, lot=D("0.0001"))
ORDER = "rt-eq-20250926-ALPHA-B-1"
BUY = Intent(
    ORDER, "run-1", AssetClass.EQUITIES, AT.date(), ALPHA, Side.BUY, D(10), OrderType.LIMIT, D(100), "below target"
)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """An empty ledger where a paper account's commands look for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")
    return book_for(load_config(Orders()), Orders())


def lose(book: Book, executed: int = 0) -> None:
    """An order in doubt."""
    with book.ledger() as ledger:
        ledger.record_intent(BUY, AT)
        ledger.append(OrderEvent(ORDER, EventKind.SENT, AT, protected=D(7)))
        if executed:
            ledger.append(OrderEvent(ORDER, EventKind.FILL, AT, fill=broker_fill(executed)))
        ledger.append(OrderEvent(ORDER, EventKind.UNKNOWN, AT, reason="the broker lists it nowhere"))


def broker_fill(quantity: int, fill_id: str = "0001", price: str = "100") -> Fill:
    return Fill(fill_id, ORDER, ALPHA, Side.BUY, D(quantity), D(price), AT)


def look(book: Book, held: int, *more: Position) -> None:
    """A report whose account holds so many."""
    there = (Position(ALPHA, D(held), D(90)), *more)
    account = Account("DU1", "USD", D(9), D(9), {"USD": D(9)}, there, AT + timedelta(hours=1))
    report = SessionReport("run-1", AssetClass.EQUITIES, "embedded", AT.date(), AT, AT, Outcome.DONE, "Done.")
    with book.ledger() as ledger:
        ledger.finish_run(replace(report, account=account))


def buy(book: Book, quantity: int) -> None:
    """The bot owns some."""
    with book.ledger() as ledger:
        first = replace(BUY, intent_id="rt-0", quantity=D(quantity))
        ledger.record_intent(first, AT)
        fill = replace(broker_fill(quantity, "f0"), intent_id="rt-0")
        ledger.append(OrderEvent("rt-0", EventKind.FILL, AT, fill=fill))


def says(*words: str, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, list(words), input=typed)
    if isinstance(result.exception, RobotradingError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def ticket(book: Book):
    with book.ledger() as ledger:
        return ledger.ticket(ORDER)


def audit(book: Book):
    with book.ledger() as ledger, ledger._database.transaction(reading=True) as connection:
        return entries(connection, 20)


def test_without_an_id_what_is_in_doubt_is_listed_with_its_numbers(book):
    assert "nothing to settle" in says("resolve").output
    lose(book)
    look(book, 17)
    shown = says("resolve").output
    for words in (ORDER, "buy 10 ALPHA", "sent 2025-09-26 19:45 UTC", "lists it nowhere", "held 7 when it left", "17"):
        assert words in " ".join(shown.split())
    (found,) = json.loads(says("resolve", "--json").output)
    assert (found["held"], found["ticket"]["intent"]["intent_id"]) == ("17", ORDER)


def test_a_word_fills_the_order_and_the_bot_owns_it(book):
    lose(book)
    shown = says("resolve", ORDER, "--filled", "10@101.5", "--reason", "statement", "--yes").output
    assert f"{ORDER} is filled with 10 of 10 filled" in shown
    with book.ledger() as ledger:
        assert ledger.owned(ALPHA) == 10
        assert ledger.positions()[0].avg_cost == D("101.5")
    (line,) = audit(book)
    assert (line.who, line.what, line.subject) == (who(), "resolve order", ORDER)
    assert "unknown, 0 filled" in line.before
    assert line.after == f"filled 10 at 101.5, says {who()}: statement"


def test_the_brokers_own_execution_takes_the_place_of_the_word_in_the_ledger_too(book):
    lose(book)
    says("resolve", ORDER, "--filled", "10@101.5", "--yes")
    with book.ledger() as ledger:
        for number, part in enumerate((4, 6)):
            ledger.append(OrderEvent(ORDER, EventKind.FILL, AT, fill=broker_fill(part, f"f{number}", "102")))
            assert ledger.owned(ALPHA) == 10
        assert ledger.positions()[0].avg_cost == 102
        assert not ledger.was_closed(ALPHA, AT.date())
        assert ledger.ticket(ORDER).filled == 10


def test_a_sell_that_was_told_and_then_heard_of_is_sold_once(book):
    buy(book, 30)
    sell = replace(BUY, intent_id="rt-sell", side=Side.SELL)
    with book.ledger() as ledger:
        ledger.record_intent(sell, AT)
        ledger.append(OrderEvent("rt-sell", EventKind.SENT, AT))
    says("resolve", "rt-sell", "--filled", "10@100", "--yes")
    with book.ledger() as ledger:
        assert ledger.owned(ALPHA) == 20
        heard = replace(broker_fill(10, "s1"), intent_id="rt-sell", side=Side.SELL)
        ledger.append(OrderEvent("rt-sell", EventKind.FILL, AT, fill=heard))
        assert ledger.owned(ALPHA) == 20
        assert ledger.positions()[0].avg_cost == 100


def test_a_word_of_nothing_frees_the_instrument(book):
    lose(book, executed=4)
    says("resolve", ORDER, "--not-filled", "--yes")
    after = ticket(book)
    assert (after.status, after.filled) == (TicketStatus.CANCELLED, D(4))
    with book.ledger() as ledger:
        assert not ledger.open_tickets()


def test_a_reason_in_letters_that_no_engine_keeps_is_taken(book):
    """From a terminal of another alphabet: bytes that are no UTF-8 come as halves of surrogate pairs."""
    lose(book)
    look(book, 17)
    says("resolve", ORDER, "--not-filled", "--reason", "caf\udce9", "--yes")
    assert ticket(book).reason == f"not filled, says {who()}: caf?"
    assert audit(book)[0].after == ticket(book).reason
    words = ("positions", "set", "ALPHA", "5", "--owner", "equities", "--cost", "1", "--reason", "caf\udce9", "--yes")
    says(*words)
    says("positions", "forget", "ALPHA", "--owner", "equities", "--reason", "caf\udce9", "--yes")
    assert [line.after for line in audit(book) if line.what == "reason"] == ["caf?", "caf?"]


def test_an_id_in_letters_that_no_engine_keeps_is_unknown_and_the_ledger_is_not_blamed(book):
    lose(book)
    look(book, 17)
    for words in (("resolve", "caf\udce9", "--not-filled", "--yes"), ("report", "caf\udce9")):
        with pytest.raises(ConfigError, match=r"there is no .*caf\\udce9"):
            says(*words)


def test_only_a_typed_yes_counts(book):
    lose(book)
    with pytest.raises(RobotradingError, match="not confirmed"):
        says("resolve", ORDER, "--not-filled", typed="y\n")
    with pytest.raises(ConfigError, match="add --yes"):
        says("resolve", ORDER, "--not-filled", typed="")
    assert ticket(book).status is TicketStatus.UNKNOWN
    assert not audit(book)
    says("resolve", ORDER, "--not-filled", typed="yes\n")
    assert ticket(book).status is TicketStatus.CANCELLED


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("resolve", ORDER), "either --filled"),
        (("resolve", ORDER, "--filled", "1@2", "--not-filled"), "either --filled"),
        (("resolve", "--not-filled"), "say which order"),
        (("resolve", "rt-none", "--not-filled", "--yes"), "no order 'rt-none'"),
        (("resolve", ORDER, "--filled", "11@100", "--yes"), "only 10 of 10"),
        (("positions", "set", "ALPHA", "ten", "--owner", "equities", "--reason", "x"), "'ten' is no number"),
        (("positions", "set", "ALPHA", "5", "--owner", "equities", "--reason", " "), "say why"),
        (("positions", "set", "ALPHA", "5", "--owner", "equities", "--reason", "x", "--yes"), "settle it first"),
        (("halt", " "), "say why"),
    ],
)
def test_a_word_that_cannot_be_is_refused_and_nothing_is_recorded(book, words, complaint):
    lose(book)
    look(book, 17)
    with pytest.raises(ConfigError, match=complaint):
        says(*words)
    assert not audit(book)
    assert ticket(book).status is TicketStatus.UNKNOWN


def test_json_gives_the_settled_order(book):
    lose(book)
    assert json.loads(says("resolve", ORDER, "--not-filled", "--yes", "--json").output)["status"] == "cancelled"


def test_while_a_session_runs_the_person_is_warned(book):
    lose(book)
    with book.claims() as claims:
        now = datetime.now(UTC)
        assert claims.claim(book.account, "host:1:abc", now, 60) is not None
    result = says("resolve", ORDER, "--not-filled", "--yes")
    assert "host:1:abc trades this account just now" in result.stderr


# Positions ------------------------------------------------------------------------------------------------------------


def test_positions_are_listed_with_what_is_the_persons_own(book):
    assert "owns nothing" in says("positions").output
    buy(book, 10)
    assert "Never seen" in says("positions").output
    look(book, 17)
    line = next(line for line in says("positions").output.splitlines() if "ALPHA" in line)
    assert line.split() == ["ALPHA", "equities", "10", "100.00", "USD", "7"]
    assert json.loads(says("positions", "--json").output)[0]["protected"] == "7"


SET = ("positions", "set", "ALPHA")
BY = ("--owner", "equities", "--reason", "2:1 split", "--yes")


def test_after_a_split_the_cost_of_all_stays(book):
    buy(book, 10)
    assert "10 at 100.0000 before, 20 at 50.0000 from now on" in says(*SET, "20", *BY).output
    assert [line.what for line in audit(book)] == ["update position", "reason"]
    assert audit(book)[1].after == "2:1 split"


def test_what_a_person_explained_is_not_noticed_again(book):
    buy(book, 10)
    look(book, 20)
    with book.ledger() as ledger:
        ledger.see_holdings("DU1", [Holding(ALPHA, D(10), D(10), AT)], AT)
    blocked = says("status").output
    assert "2:1 split" in " ".join(blocked.split())
    says(*SET, "20", *BY)
    assert "2:1 split" not in says("status").output
    with book.ledger() as ledger:
        (seen,) = ledger.holdings_seen("DU1")
        assert (seen.quantity, seen.owned) == (D(20), D(20))


def test_holdings_are_handed_over_with_a_cost(book):
    look(book, 17)
    with pytest.raises(ConfigError, match="give its cost"):
        says(*SET, "7", *BY)
    says(*SET, "7", "--cost", "42", *BY)
    with book.ledger() as ledger:
        (position,) = ledger.positions()
        assert (position.quantity, position.avg_cost, position.owner) == (D(7), D(42), "equities")


def test_what_is_forgotten_is_not_the_bots_any_more(book):
    buy(book, 10)
    says("positions", "forget", "ALPHA", *BY)
    with book.ledger() as ledger:
        assert ledger.owned(ALPHA) == 0
    look(book, 10)
    with pytest.raises(ConfigError, match="nothing to forget"):
        says("positions", "forget", "ALPHA", *BY)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((*SET, "inf", *BY), "numbers of zero or more"),
        ((*SET, "nan", *BY), "numbers of zero or more"),
        ((*SET, "1", "--cost", "-1", *BY), "numbers of zero or more"),
        (("positions", "set", "NONE", "1", *BY), "neither in the ledger nor in the account"),
    ],
)
def test_a_position_that_cannot_be_is_refused(book, words, complaint):
    buy(book, 10)
    with pytest.raises(ConfigError, match=complaint):
        says(*words)
    assert not audit(book)


def test_a_coin_and_a_share_of_one_name_are_told_apart_by_their_session(book):
    look(book, 17, Position(COIN, D(1), D(1)))
    says(*SET, "0.5", "--cost", "1", "--owner", "crypto", "--reason", "mine before", "--yes")
    with book.ledger() as ledger:
        assert ledger.positions()[0].instrument == COIN


def test_a_symbol_in_two_currencies_is_not_guessed(book):
    look(book, 17, Position(replace(ALPHA, currency="EUR"), D(1), D(1)))
    with pytest.raises(ConfigError, match="several instruments"):
        says(*SET, "1", "--cost", "1", *BY)


# The brake ------------------------------------------------------------------------------------------------------------


def test_a_halt_holds_until_it_is_ended(book):
    assert "not halted" in says("resume").output
    assert "Trading is halted: moving house" in says("halt", "moving house").output
    assert "moving house" in says("halt", "another reason").output
    with book.ledger() as ledger:
        assert ledger.halted() == "moving house"
    assert "HALTED: moving house" in says("status").output
    assert "its reason was: moving house" in says("resume").output
    with book.ledger() as ledger:
        assert ledger.halted() == ""


def test_the_status_tells_of_a_stopped_day_and_of_what_is_blocked(book):
    lose(book)
    look(book, 17)
    with book.ledger() as ledger:
        ledger.stop_day("DU1", AT.date(), "the day has lost 6 %", AT)
    shown = " ".join(says("status").output.split())
    assert "STOPPED: no entry on 2025-09-26: the day has lost 6 %" in shown
    assert f"ALPHA {ORDER} is unknown" in shown


def test_an_execution_of_all_of_it_never_closes_the_position_in_between(book):
    lose(book)
    says("resolve", ORDER, "--filled", "10@101.5", "--yes")
    with book.ledger() as ledger:
        ledger.append(OrderEvent(ORDER, EventKind.FILL, AT, fill=broker_fill(10, "f1", "102")))
        assert (ledger.owned(ALPHA), ledger.positions()[0].avg_cost) == (10, 102)
        assert not ledger.was_closed(ALPHA, AT.date())
