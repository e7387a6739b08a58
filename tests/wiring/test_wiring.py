"""The composition root: names become sources, lists outlive their server, one silent class leaves the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.feeds.settings import AlphaVantageSettings
from robotrading.adapters.fits import FitFiles
from robotrading.config.load import load
from robotrading.config.model import Config, GatewayKind
from robotrading.domain.errors import ConfigError, FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip
from robotrading.session.lock import AlreadyRunning
from robotrading.sim.feed import SyntheticFeed
from robotrading.strategy.chain import SignalSettings, signal_for
from robotrading.wiring.books import Orders, book_for, clock_for
from robotrading.wiring.feeds import feed_for, universe_for
from robotrading.wiring.gateway import embedded_gateway
from robotrading.wiring.routing import Routed
from robotrading.wiring.runs import share_pace
from tests.scripted_http import Reply, ScriptedServer
from tests.unit.feeds.test_slickcharts import generated, page

EQ, BO, CR = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
CALENDAR = ExchangeCalendar()


def configured(folder: Path, text: str = "log: {level: info}\n") -> Config:
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml", {"ROBOTRADING_STATE_DIR": str(folder / "state"), "HOME": str(folder)})


def with_sources(config: Config, *names: str) -> Config:
    equities = replace(config.sessions[EQ], sources=names)
    keyed = replace(config.feeds, alpha_vantage=AlphaVantageSettings(api_key="k"))
    return replace(config, sessions={**config.sessions, EQ: equities}, feeds=keyed)


def test_every_known_source_is_built_in_the_order_of_fallback(tmp_path: Path) -> None:
    names = ("files", "yahoo", "alpha_vantage", "ibkr", "synthetic")
    assert feed_for(with_sources(configured(tmp_path), *names), EQ, CALENDAR)._feed.sources == names


def test_an_unknown_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sessions\.equities\.sources.*'tarot'"):
        feed_for(with_sources(configured(tmp_path), "tarot"), EQ, CALENDAR)


def test_the_last_good_list_is_used_when_the_page_is_gone_and_the_report_is_told(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Reply(200, page(generated()))) as server:
        text = (
            "sessions: {equities: {universe: {kind: sp500, top: 5}}}\n"
            f"feeds: {{slickcharts: {{url: '{server.url}', retry: {{attempts: 1}}}}, cache: {{lists_fresh_for: 0}}}}\n"
        )
        config = configured(tmp_path, text)
        first = universe_for(config, EQ)
        server.answer = lambda _: Reply(503, "down")
        again = universe_for(config, EQ)
    assert len(first.instruments) == 5
    assert first.skips == ()
    assert (again.instruments, again.weights) == (first.instruments, first.weights)
    assert len(again.skips) == 1


def test_a_list_that_never_was_is_an_error(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Reply(503, "down")) as server:
        text = (
            "sessions: {equities: {universe: {kind: sp500}}}\n"
            f"feeds: {{slickcharts: {{url: '{server.url}', retry: {{attempts: 1}}}}}}\n"
        )
        with pytest.raises(FeedUnavailable):
            universe_for(configured(tmp_path, text), EQ)


async def test_one_universe_that_cannot_be_had_leaves_the_others_their_market(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Reply(503, "down")) as server:
        text = (
            "sessions:\n  equities: {universe: {kind: sp500}}\n"
            "  crypto: {sources: [synthetic], universe: {kind: list, symbols: [SYNCA-USD]}}\n"
            f"feeds: {{slickcharts: {{url: '{server.url}', retry: {{attempts: 1}}}}}}\n"
        )
        config = configured(tmp_path, text)
        orders = Orders(as_of=date(2025, 9, 26))
        clock = clock_for(orders.day, CALENDAR)
        async with embedded_gateway(config, book_for(config, orders), [EQ, CR], clock, CALENDAR) as port:
            assert port > 0


class Silent:
    """A source as a whole without an answer."""

    name = "silent"

    def daily(self, *_: object) -> dict[Instrument, Bars | Skip]:
        raise FeedUnavailable("nobody is there")


def test_a_class_whose_sources_are_silent_is_skipped_and_the_others_are_served() -> None:
    share, coin = Instrument("SYNAA", EQ), Instrument("SYNCA-USD", CR)
    feed = Routed({EQ: Silent(), CR: SyntheticFeed(CALENDAR, SystemClock())})
    answers = feed.daily([share, coin], date(2025, 1, 1), date(2025, 3, 1))
    assert isinstance(answers[coin], Bars)
    assert answers[share] == Skip("SYNAA", "prices", "nobody is there")


def test_a_rehearsal_on_a_half_day_looks_a_quarter_of_an_hour_before_its_close() -> None:
    assert clock_for(date(2025, 11, 28), CALENDAR).now() == datetime(2025, 11, 28, 17, 45, tzinfo=UTC)
    assert clock_for(date(2025, 9, 27), CALENDAR).now() == datetime(2025, 9, 27, 19, 45, tzinfo=UTC)


def test_a_day_to_come_cannot_be_rehearsed() -> None:
    with pytest.raises(ConfigError, match="has not come; name a past day"):
        clock_for(date(2030, 3, 1), CALENDAR)


def test_each_mode_has_its_own_book(tmp_path: Path) -> None:
    config = configured(tmp_path)
    external = replace(config, broker=replace(config.broker, gateway=GatewayKind.EXTERNAL, account="DU77"))
    roots = {
        book_for(config, Orders()).root.name,
        book_for(config, Orders(as_of=date(2025, 9, 26))).root.name,
        book_for(config, Orders(demo=True)).root.name,
        book_for(external, Orders()).root.name,
    }
    assert roots == {"embedded", "rehearsal", "demo", "paper-DU77"}


def test_a_second_command_on_a_pretend_account_is_told_to_wait(tmp_path: Path) -> None:
    book = book_for(configured(tmp_path), Orders(demo=True))
    with book.alone(), pytest.raises(AlreadyRunning, match="works with the demo account"), book.alone():
        pass


def test_fits_survive_a_restart_and_a_damaged_file_only_costs_time(tmp_path: Path) -> None:
    share = Instrument("SYNAA", EQ)
    bars = SyntheticFeed(CALENDAR, SystemClock()).daily([share], date(2020, 1, 1), date(2025, 9, 1))[share]
    assert isinstance(bars, Bars)
    _, state = signal_for(bars, SignalSettings())
    assert state is not None
    FitFiles(tmp_path / "fits").save(EQ, {share.key: state})
    assert FitFiles(tmp_path / "fits").load(EQ) == {share.key: state}
    assert FitFiles(tmp_path / "fits").load(BO) == {}
    (tmp_path / "fits" / "equities.json").write_bytes(b"{]")
    assert FitFiles(tmp_path / "fits").load(EQ) == {}


def test_fits_that_cannot_be_kept_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    FitFiles(tmp_path / "file").save(EQ, {})


@pytest.mark.parametrize("kinds", [(EQ,), (EQ, BO), (EQ, BO, CR)])
@pytest.mark.parametrize("total", [2, 3, 10, 45])
def test_sessions_side_by_side_share_what_the_gateway_takes(tmp_path: Path, kinds: tuple, total: int) -> None:
    config = configured(tmp_path, "sessions: {equities: {universe: {kind: sp500}}}\n")
    config = replace(config, broker=replace(config.broker, messages_per_second=total))
    paces = share_pace(config, kinds)
    assert min(paces.values()) >= 1
    assert sum(paces.values()) <= max(total, len(kinds))
    assert paces[EQ] == max(paces.values())
    assert share_pace(config, (EQ,)) == {EQ: total}
