"""What `status` and `positions` say of the account is of its newest look, and never younger than that look can know."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.ledger.store import open_ledger
from robotrading.domain.book import Account, Holding, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.state import State, last_look, state_of

D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
EQ, CR = AssetClass.EQUITIES, AssetClass.CRYPTO
SHARE, COIN = Instrument("SHARE", EQ), Instrument("COIN-USD", CR, lot=D("0.01"))


@pytest.fixture
def ledger(tmp_path: Path):
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def buy(ledger, instrument: Instrument, quantity: int, at: datetime) -> None:
    """An order of the bot that was filled."""
    kind, name = instrument.asset_class, f"rt-{instrument.symbol}-{at:%H%M%S}"
    ledger.record_intent(
        Intent(name, "run", kind, at.date(), instrument, Side.BUY, D(quantity), OrderType.LIMIT, D(100), "why not"), at
    )
    ledger.append(OrderEvent(name, EventKind.SENT, at))
    fill = Fill(name, name, instrument, Side.BUY, D(quantity), D(100), at)
    ledger.append(OrderEvent(name, EventKind.FILL, at, fill=fill))
    ledger.append(OrderEvent(name, EventKind.FILLED, at))


def account(at: datetime, **held: int) -> Account:
    known = {"share": SHARE, "coin": COIN}
    there = tuple(Position(known[name], D(quantity), D(100)) for name, quantity in held.items())
    return Account("DU1", "USD", D(9), D(9), {"USD": D(9)}, there, at)


def report(ledger, kind: AssetClass, started: datetime, seen: Account | None) -> None:
    run_id = f"{started:%H%M%S}-{kind}"
    ledger.start_run(run_id, kind, DAY, "paper", started)
    ended = seen.at if seen else started
    ledger.finish_run(SessionReport(run_id, kind, "paper", DAY, started, ended, Outcome.DONE, "Done.", account=seen))


def state(ledger) -> State:
    return state_of(ledger, "paper", "here")


def one_share(ledger) -> None:
    """The bot has one share for a long time, and the account was seen with it."""
    buy(ledger, SHARE, 1, AT - timedelta(hours=2))
    ledger.see_holdings("DU1", (Holding(SHARE, D(1), D(1), AT - timedelta(hours=1)),), AT - timedelta(hours=1))


def test_a_session_that_ended_first_has_not_seen_what_the_others_bought(ledger):
    """They ran side by side; the newest in the list is the one that began last, not the one that looked last."""
    one_share(ledger)
    buy(ledger, COIN, 65, AT + timedelta(minutes=9))
    report(ledger, CR, AT, account(AT + timedelta(minutes=10), share=1, coin=65))
    report(ledger, EQ, AT + timedelta(seconds=1), account(AT + timedelta(minutes=1), share=1))
    assert state(ledger).blocked == {}
    assert last_look(ledger.last_reports()) == account(AT + timedelta(minutes=10), share=1, coin=65)


def test_what_a_session_buys_just_now_is_not_gone(ledger):
    """It is at work, or died: nothing has looked at the account since."""
    one_share(ledger)
    report(ledger, EQ, AT, account(AT, share=1))
    later = AT + timedelta(days=3)
    ledger.start_run("later", CR, later.date(), "paper", later)
    buy(ledger, COIN, 65, later)
    assert state(ledger).blocked == {}


def test_on_a_clock_that_stands_still_the_looks_are_all_of_one_moment(ledger):
    """A rehearsal and the demo: which look came last cannot be told."""
    one_share(ledger)
    buy(ledger, COIN, 65, AT)
    report(ledger, EQ, AT, account(AT, share=1))
    assert state(ledger).blocked == {}


def test_what_is_really_gone_is_told(ledger):
    one_share(ledger)
    report(ledger, EQ, AT, account(AT, coin=5))
    assert list(state(ledger).blocked) == ["SHARE"]
    assert "1 are gone" in state(ledger).blocked["SHARE"]


def test_runs_that_never_saw_the_account_have_no_look(ledger):
    report(ledger, EQ, AT, None)
    assert last_look(ledger.last_reports()) is None
    assert state(ledger).blocked == {}
