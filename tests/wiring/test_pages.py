"""Reports become pages: from the stored report, the ledger's equity, cached prices and kept fits, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from report_worlds import ACCOUNT, BAR_DAY, NOW, D, good_day, report, share, weekdays

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.cache.packed import Entry
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.fits import FitFiles
from robotrading.adapters.notify.files import take_message, write_message
from robotrading.adapters.notify.report import message
from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Bars
from robotrading.domain.report import Outcome, Source
from robotrading.session.job import Job, write_report
from robotrading.strategy.hmm import Fit, FitState
from robotrading.wiring.backdrop import backdrop_for
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.mail import deliver
from robotrading.wiring.pages import NoReport, in_a_child, make_pages, page_file, stored_report, text_of
from robotrading.wiring.stored_pages import StoredPages

DAYS = weekdays(300)
FIT = Fit(
    start=(0.5, 0.5), transitions=((0.9, 0.1), (0.05, 0.95)), means=(-0.002, 0.001), volatilities=(0.03, 0.008),
    occupancy=(100.0, 199.0), centre=0.0, scale=0.012, observations=299, log_likelihood=900.0, iterations=9,
    converged=True, starts=3,
)  # fmt: skip


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """An installation of its own."""
    monkeypatch.delenv("ROBOTRADING_STATE_DIR", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(f"state_dir: state\nfeeds:\n  cache:\n    directory: {tmp_path / 'prices'}\n", "utf-8")
    return Orders(file)


@pytest.fixture
def config(orders: Orders) -> Config:
    return load_config(orders)


@pytest.fixture
def book(orders: Orders, config: Config) -> Book:
    """With one run in it, and two values of the account before it."""
    found = book_for(config, orders)
    with found.ledger() as ledger:
        ledger.finish_run(good_day())
        for days, value in ((30, "900000"), (9, "950000"), (-1, "5")):
            ledger.save_equity(NOW - timedelta(days=days), ACCOUNT, D(value), "USD")
    return found


def bars(symbol: str, closes: np.ndarray) -> Bars:
    dates = np.array(DAYS, "datetime64[D]")
    return Bars.from_closes(share(symbol), dates, closes, as_of=NOW, source="yahoo")


def cached(config: Config, *series: Bars) -> None:
    entries = [Entry(one, NOW, NOW, DAYS[0], BAR_DAY) for one in series]
    assert BarCache(config.feeds.cache, FixedClock(NOW)).store(entries) == ()


def test_the_backdrop_is_what_is_at_hand(config: Config, book: Book):
    """Equity up to the run's own account, the benchmark's closes, and prices with the regimes of the run's fit."""
    steady = 100 * 1.001 ** np.arange(300)
    shaken = steady * (1 + 0.05 * (np.arange(300) % 2) * (np.arange(300) > 250))
    cached(config, bars("SPY", steady), bars("AAPL", shaken), bars("BRK-B", steady))
    FitFiles(config.state_dir / "cache" / "fits").save(
        AssetClass.EQUITIES, {share("AAPL").key: FitState(BAR_DAY, "any", FIT)}
    )
    with book.ledger() as ledger:
        found = backdrop_for(config, ledger, good_day())
    assert [point.value for point in found.equity] == [D(900000), D(950000)]
    assert found.benchmark is not None
    assert found.benchmark.change(date(2025, 9, 1), NOW.date()) == pytest.approx(1.001**18 - 1, abs=0.002)
    assert [chart.symbol for chart in found.charts] == ["AAPL", "BRK-B"], "what was traded most, by money"
    apple, berkshire = found.charts
    assert (len(apple.days), apple.days[-1], apple.labels) == (252, BAR_DAY, ("turbulent, falling", "calm, rising"))
    assert (apple.regimes[-1], apple.regimes[150]) == (0, 1)
    assert berkshire.regimes == (), "no fit is kept of it"
    assert found.next_run is not None
    assert found.next_run > NOW


def test_nothing_is_shown_that_the_run_could_not_know(config: Config, book: Book):
    cached(config, bars("SPY", np.linspace(100, 200, 300)), bars("AAPL", np.linspace(100, 200, 300)))
    early = replace(
        good_day(),
        trading_date=DAYS[200],
        sources=(Source("AAPL", "yahoo", DAYS[199]),),
        signals=tuple(replace(signal, as_of=DAYS[199]) for signal in good_day().signals),
    )
    with book.ledger() as ledger:
        found = backdrop_for(config, ledger, early)
    assert found.benchmark is not None
    assert found.benchmark.days[-1] == DAYS[199], "the trading day's own close is not known before it"
    assert found.charts[0].days[-1] == DAYS[199]


def test_what_is_not_there_is_left_out(config: Config, book: Book):
    plain = replace(config, report=replace(config.report, benchmark="", pictures=False))
    with book.ledger() as ledger:
        assert backdrop_for(config, ledger, good_day()).benchmark is None
        found = backdrop_for(plain, ledger, report(Outcome.FAILED), ahead=False)
    assert (found.equity, found.benchmark, found.charts, found.next_run) == ((), None, (), None)


def test_the_pages_of_a_run_are_made_from_what_is_stored(orders: Orders, book: Book):
    make_pages(orders, [good_day().run_id])
    folder = book.run_folder(good_day().run_id)
    assert {one.name for one in folder.iterdir()} == {"report.html", "report.txt", "message.json"}
    made = take_message(folder)
    assert made is not None
    assert [one.name for one in made.attachments] == ["equity.png", "allocation.png"]
    assert take_message(folder) is None, "a mail is taken once"
    assert StoredPages(book).report(good_day().run_id, 1_000_000) == (folder / "report.html").read_bytes()
    assert "+11.37 %" in (folder / "report.txt").read_text("utf-8")


def test_a_run_is_found_by_its_id_a_part_of_it_or_as_the_last(orders: Orders, book: Book):
    with book.ledger() as ledger:
        later = NOW + timedelta(hours=1)
        ledger.finish_run(replace(good_day(), run_id="20250926-204500-equities-1", started_at=later))
    assert stored_report(orders).run_id == "20250926-204500-equities-1"
    assert stored_report(orders, "6fbd77").run_id == good_day().run_id
    assert stored_report(orders, good_day().run_id) == good_day()
    with pytest.raises(NoReport, match="part of 2 run ids"):
        stored_report(orders, "equities")
    with pytest.raises(NoReport, match="no report of a run 'bonds'"):
        stored_report(orders, "bonds")


def test_a_page_that_is_gone_is_made_again(orders: Orders, book: Book):
    assert page_file(orders, good_day()).read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "Account value" in text_of(orders, good_day())


def test_a_child_that_fails_says_why(orders: Orders, config: Config, book: Book):
    told = in_a_child(orders, config, ["no-such-run"])
    assert told.startswith("the pages could not be made: robotrading: run no-such-run has no report in")


def test_a_state_folder_that_cannot_be_written_costs_the_pictures_alone(orders: Orders, config: Config, tmp_path: Path):
    (tmp_path / "state").write_text("in the way")
    assert in_a_child(orders, config, ["any"]).startswith("the pages could not be made: ")


def test_what_the_child_made_is_what_is_sent(config: Config, tmp_path: Path):
    """Without it, page and mail are made here, and a note says why there are no pictures."""
    folder = tmp_path / good_day().run_id

    def draw(runs: object) -> str:
        assert runs == [good_day().run_id]
        assert (folder / "report.json").exists(), "the child reads it"
        write_message(replace(message(good_day()), subject="drawn"), folder)
        return ""

    folders = {good_day().run_id: folder}
    assert deliver(config, [good_day()], folders, FixedClock(NOW), mail=False, draw=draw).notes == ()
    assert not (folder / "message.json").exists()
    failed = deliver(config, [good_day()], folders, FixedClock(NOW), mail=False, draw=lambda _: "it died")
    assert failed.notes == ("report: it died; they are without pictures",)
    assert failed.pages[0].read_text("utf-8").startswith("<!DOCTYPE html>")
    (folder / "message.json").write_text("{half")
    assert take_message(folder) is None


def test_a_report_left_in_the_folder_comes_before_the_ledger(orders: Orders, book: Book):
    """A run that another host has recorded has its folder there; here it is read from the ledger."""
    folder = book.run_folder("run-x")
    folder.mkdir(parents=True)
    write_report(Job("run-x", AssetClass.EQUITIES, str(folder)), replace(good_day(), run_id="run-x"))
    make_pages(orders, ["run-x"])
    assert "Run run-x" in (folder / "report.txt").read_text("utf-8")
