"""The week's figures from a real ledger, and their letter in a real outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from report_worlds import ACCOUNT, account, fill, intent, line, plan, report, share

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.packed import Entry
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.notify.report import report_text
from robotrading.adapters.notify.weekly import message, summary_text
from robotrading.config.model import Config
from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Bars
from robotrading.domain.messages import DeliveryState, LetterKind
from robotrading.domain.orders import EventKind, OrderEvent, Side, Ticket
from robotrading.domain.ports import Ledger
from robotrading.domain.report import Outcome
from robotrading.portfolio.flows import Flows
from robotrading.service.weekly import letter_id
from robotrading.wiring.backdrop import backdrop_for
from robotrading.wiring.books import Orders, book_for, load_config
from robotrading.wiring.post import opened_outbox
from robotrading.wiring.stored_pages import StoredPages, summaries_of
from robotrading.wiring.summary import page_of, post_summary, summary_of
from robotrading.wiring.weekly import week_of

D = Decimal
SATURDAY = date(2025, 9, 27)
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2025, 9, number) for number in (19, 22, 23, 24))
AAA, BBB = share("AAA"), share("BBB")


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """An installation of its own, with two people to tell."""
    for name in ("ROBOTRADING_STATE_DIR", "RECIPIENT_EMAIL", "GMAIL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GMAIL_APP_PASSWORD", "secret-word")
    monkeypatch.setenv("MPLCONFIGDIR", mpl.get_cachedir())  # its list of fonts takes seconds to make
    file = tmp_path / "config.yaml"
    file.write_text(
        f"state_dir: state\nmail:\n  username: bot@example.com\n  recipients: [ann@example.com, ben@example.com]\n"
        f"feeds:\n  cache:\n    directory: {tmp_path / 'prices'}\n",
        "utf-8",
    )
    return Orders(file)


@pytest.fixture
def config(orders: Orders) -> Config:
    return load_config(orders)


def at(day: date, minute: int = 45) -> datetime:
    return datetime(day.year, day.month, day.day, 19, minute, tzinfo=UTC)


def look(day: date, value: str, cash: str, *held: Position) -> Account:
    return replace(
        account(), net_liquidation=D(value), cash={"USD": D(cash)}, positions=held, at=at(day, 46), base_currency="USD"
    )


def owned(symbol: str, quantity: str, cost: str) -> Position:
    return Position(share(symbol), D(quantity), D(cost), "equities")


def ran(
    ledger: Ledger, seen: Account, prices: dict[str, str], tickets: tuple[Ticket, ...] = (), **more: object
) -> None:
    """One session's run: its orders, its look, its report, and the account's value."""
    day = seen.at.date()
    for ticket in tickets:
        ledger.record_intent(ticket.intent, at(day))
        for one in ticket.fills:
            ledger.append(OrderEvent(ticket.intent.intent_id, EventKind.FILL, one.at, one))
    lines = [line(name, "0", "0", "0", price=price) for name, price in prices.items()]
    made = report(
        Outcome.DONE, run_id=f"run-{day}", trading_date=day, started_at=at(day), finished_at=at(day, 47), account=seen,
        owned=seen.positions, plan=plan((), (), lines), tickets=tickets, **more,
    )  # fmt: skip
    ledger.finish_run(made)
    ledger.save_equity(at(day, 47), ACCOUNT, seen.net_liquidation, "USD")


def order(day: date, side: Side, quantity: str, price: str, paid: str, *, symbol: str = "AAA") -> Ticket:
    made = intent(symbol, side, quantity, price, intent_id=f"{symbol}-{day}-{side}", trading_date=day)
    return Ticket(made, fills=(replace(fill(made, D(quantity), D(paid)), at=at(day)),))


@pytest.fixture
def week(orders: Orders, config: Config) -> Orders:
    """A run on Friday, then Monday (sold), Tuesday (bought), Wednesday (money was paid in before)."""
    with book_for(config, orders).ledger() as ledger:
        start = (owned("AAA", "100", "90.00"), owned("BBB", "10", "50.00"))
        ran(ledger, look(FRIDAY, "100000", "89500.00", *start), {"AAA": "100.00", "BBB": "50.00"})
        sold = order(MONDAY, Side.SELL, "100", "101.00", "100.99")
        ran(ledger, look(MONDAY, "100100", "99598.00", start[1]), {"AAA": "101.00", "BBB": "50.20"}, (sold,))
        bought = order(TUESDAY, Side.BUY, "10", "51.00", "51.10", symbol="BBB")
        now = owned("BBB", "20", "50.60")
        ran(ledger, look(TUESDAY, "100110", "99086.00", now), {"BBB": "51.00"}, (bought,))
        ran(ledger, look(WEDNESDAY, "120070", "119086.00", now), {"BBB": "49.00"})
    return orders


def test_the_figures_are_those_of_the_ledger(week: Orders, config: Config):
    found = week_of(config, week, SATURDAY)
    done = found.week.performance
    assert (done.start, done.end, done.paid_in, done.gain) == (D(100000), D(120070), D(20000), D(70))
    assert done.total == pytest.approx(1.001 * (100110 / 100100) * (100070 / 100110) - 1)
    assert [flow.amount for flow in found.flows.found] == [D(20000)]
    assert found.flows.unclear == ()
    assert [(one.kind, one.total, one.outcomes) for one in found.runs] == [(AssetClass.EQUITIES, 3, {Outcome.DONE: 3})]
    assert found.week.costs.commission == {"USD": D("2.00")}
    assert found.week.costs.slippage == {"USD": D("2.00")}
    assert found.week.turnover == pytest.approx((10099 + 511) / float(done.average))
    assert (found.worth, found.account_id, found.currency) == (D(120070), ACCOUNT, "USD")


def test_a_plan_is_no_run_of_the_week(week: Orders, config: Config):
    with book_for(config, week).ledger() as ledger:
        made = report(Outcome.FAILED, run_id="a-plan", started_at=at(WEDNESDAY, 50), trade=False)
        ledger.finish_run(made)
    assert [one.outcomes for one in week_of(config, week, SATURDAY).runs] == [{Outcome.DONE: 3}]


def test_a_loss_beside_a_payment_is_told_by_the_prices_of_the_plans(orders: Orders, config: Config):
    """1,500 came in while the shares fell by 1,000: the value alone, 500 more, would say that nothing did."""
    with book_for(config, orders).ledger() as ledger:
        held = owned("AAA", "500", "90.00")
        ran(ledger, look(MONDAY, "100000", "50000.00", held), {"AAA": "100.00"})
        ran(ledger, look(TUESDAY, "100500", "51500.00", held), {"AAA": "98.00"})
    found = week_of(config, orders, SATURDAY)
    assert [flow.amount for flow in found.flows.found] == [D(1500)]
    assert (found.week.performance.gain, found.week.performance.total) == (D(-1000), pytest.approx(-0.01))


def test_a_payment_is_found_among_runs_every_quarter_of_an_hour(orders: Orders, config: Config):
    """Runs that follow each other closely are not all one look: money would never be seen to come."""
    with book_for(config, orders).ledger() as ledger:
        for number in range(12):
            seen = look(MONDAY, *(("100000", "90000") if number < 6 else ("120000", "110000")))
            begin = at(MONDAY) + timedelta(minutes=15 * number)
            seen = replace(seen, at=begin + timedelta(minutes=1))
            ledger.finish_run(report(Outcome.DONE, run_id=f"run-{number}", trading_date=MONDAY, started_at=begin,
                                     finished_at=begin + timedelta(minutes=2), account=seen))  # fmt: skip
            ledger.save_equity(seen.at, ACCOUNT, seen.net_liquidation, "USD")
    [flow] = week_of(config, orders, SATURDAY).flows.found
    assert flow.amount == 20000
    assert flow.until - flow.since <= timedelta(minutes=45)


def test_what_was_closed_is_reckoned_from_what_it_had_cost_before_the_week(week: Orders, config: Config):
    found = week_of(config, week, SATURDAY)
    assert [(trip.instrument, trip.gain) for trip in found.week.trips] == [(AAA, D("10099.00") - 1 - 9000)]
    assert found.week.hit_rate == 1.0


def test_positions_are_told_with_what_they_brought(week: Orders, config: Config):
    found = week_of(config, week, SATURDAY)
    assert [(one.instrument, one.gain) for one in found.gains] == [
        (AAA, D(10099) - 1 - 10000),
        (BBB, D(20 * 49) - 500 - 511 - 1),
    ]
    assert found.unpriced == 0


def test_the_benchmark_stands_beside_from_the_cache(week: Orders, config: Config):
    days = [FRIDAY - timedelta(days=7), FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    bars = Bars.from_closes(
        share("SPY"),
        np.array(days, "datetime64[D]"),
        np.array([1, 100.0, 101, 102, 103]),
        as_of=at(SATURDAY),
        source="yahoo",
    )
    entry = Entry(bars, at(SATURDAY), at(SATURDAY), days[0], WEDNESDAY)
    assert BarCache(config.feeds.cache, FixedClock(at(SATURDAY))).store([entry]) == ()
    assert week_of(config, week, SATURDAY).week.benchmark == pytest.approx(0.03)


def test_a_week_is_told_of_what_was_known_then(week: Orders, config: Config):
    """Nothing that came later is in it, and a week before the first run is empty."""
    found = week_of(config, week, TUESDAY)
    assert (found.worth, found.week.performance.paid_in) == (D(100110), D(0))
    before = week_of(config, week, FRIDAY - timedelta(days=1))
    assert before.empty
    assert before.worth is None
    assert "Week without a run" in message(before).subject


def test_a_ledger_without_a_run_makes_a_letter_too(orders: Orders):
    assert "WEEK WITHOUT A RUN" in summary_text(summary_of(orders))


def test_two_copies_post_one_letter_to_everybody(week: Orders, config: Config):
    first, second = post_summary(week, SATURDAY), post_summary(week, SATURDAY)
    assert (first.new, second.new, first.letter_id) == (True, False, letter_id(SATURDAY))
    with opened_outbox(book_for(config, week)) as outbox:
        ways = outbox.deliveries()
        letter = outbox.letter(letter_id(SATURDAY))
    assert [(one.address.recipient, one.state) for one in ways] == [
        ("ann@example.com", DeliveryState.WAITING), ("ben@example.com", DeliveryState.WAITING),
    ]  # fmt: skip
    assert letter.kind is LetterKind.SUMMARY
    assert [one.name for one in letter.message.attachments] == ["week.png", "quarter.png"]
    assert "secret-word" not in letter.message.text


def test_posting_leaves_the_page_for_the_service_to_show(week: Orders, config: Config):
    post_summary(week, SATURDAY)
    book = book_for(config, week)
    page = summaries_of(book) / f"{SATURDAY}.html"
    assert StoredPages(book).summary(str(SATURDAY), 1_000_000) == page.read_bytes()
    assert page.read_text("utf-8").count("data:image/png;base64,") == 2


def test_a_page_that_cannot_be_kept_costs_nobody_the_letter(week: Orders, config: Config, caplog):
    summaries_of(book_for(config, week)).write_text("in the way")
    assert post_summary(week, SATURDAY).new
    assert "the week's page is not kept" in caplog.text


def test_without_mail_the_letter_is_kept_for_nobody_and_not_made_again(week: Orders, config: Config, monkeypatch):
    monkeypatch.delenv("GMAIL_APP_PASSWORD")
    assert post_summary(week, SATURDAY).addresses == ()
    assert not post_summary(week, SATURDAY).new
    with opened_outbox(book_for(config, week)) as outbox:
        assert outbox.deliveries() == []


def test_the_page_is_one_file_with_its_pictures(week: Orders):
    page = page_of(week, summary_of(week, SATURDAY))
    assert page.name == "2025-09-27.html"
    assert page.read_text("utf-8").count("data:image/png;base64,") == 2
    assert list(page.parent.iterdir()) == [page]


def test_pictures_that_are_not_wanted_are_not_drawn(week: Orders):
    with week.file.open("a", encoding="utf-8") as file:
        file.write("report:\n  pictures: false\n")
    assert "data:image" not in page_of(week, summary_of(week, SATURDAY)).read_text("utf-8")


def test_a_report_leaves_the_same_payments_aside_as_the_week(week: Orders, config: Config):
    """Up to its own look, and of its own account only."""
    with book_for(config, week).ledger() as ledger:
        runs = {day: ledger.report(f"run-{day}") for day in (FRIDAY, MONDAY, TUESDAY, WEDNESDAY)}
        found = {day: backdrop_for(config, ledger, run).flows for day, run in runs.items() if run}
        stranger = replace(runs[WEDNESDAY], account=replace(runs[WEDNESDAY].account, account_id="DU1111111"))
        assert backdrop_for(config, ledger, stranger).flows == Flows()
        assert backdrop_for(config, ledger, replace(stranger, account=None)).flows == Flows()
        text = " ".join(report_text(runs[WEDNESDAY], backdrop_for(config, ledger, runs[WEDNESDAY])).split())
    assert found[WEDNESDAY] == week_of(config, week, SATURDAY).flows
    assert [flows.found for flows in found.values()][:3] == [(), (), ()]
    assert (found[FRIDAY].known, found[MONDAY].since) == (False, at(FRIDAY, 46))
    assert "+70.00 USD, without 20,000.00 USD paid in, since 2025-09-19" in text


def test_of_runs_side_by_side_the_last_look_counts(week: Orders, config: Config):
    """A run that did not reach the account has none."""
    with book_for(config, week).ledger() as ledger:
        last = ledger.report(f"run-{WEDNESDAY}")
        assert last is not None
        beside = replace(last, run_id="beside", kind=AssetClass.BONDS, started_at=at(TUESDAY, 50), account=None)
        ledger.finish_run(replace(beside, finished_at=at(TUESDAY, 58)))
        paid = replace(look(TUESDAY, "110110", "109086.00", owned("BBB", "20", "50.60")), at=at(TUESDAY, 52))
        crypto = replace(beside, run_id="crypto", kind=AssetClass.CRYPTO, started_at=at(TUESDAY, 51), account=paid)
        ledger.finish_run(replace(crypto, finished_at=at(TUESDAY, 53)))
        flows = backdrop_for(config, ledger, last).flows
    assert [(flow.until, flow.amount) for flow in flows.found] == [
        (at(TUESDAY, 52), D(10000)), (at(WEDNESDAY, 46), D(10000)),
    ]  # fmt: skip
