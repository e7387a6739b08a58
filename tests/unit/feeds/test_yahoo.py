"""Laws of the Yahoo feed: the real yfinance and curl over a real server on loopback."""

from __future__ import annotations

import json
from datetime import date, time

import numpy as np
import pytest
from feed_bodies import QUERY, Row, chart, chart_error, rows_of, weekdays
from scripted_http import ManualClock, Reply, Request, ScriptedServer

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.feeds.settings import RetrySettings, YahooSettings
from robotrading.adapters.feeds.yahoo import YahooFeed
from robotrading.adapters.resilience import Outcome, Policy, ServiceError
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip

DAYS = weekdays(date(2026, 1, 5), 20)
CRUMB = "/v1/test/getcrumb"
DELISTED = Reply(404, chart_error("Not Found", "No data found, symbol may be delisted"))


@pytest.fixture(scope="session")
def state(tmp_path_factory):
    """One directory for all tests: yfinance keeps one open database per process."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def _no_crumb_from_another_test():
    from yfinance.data import SingletonMeta

    SingletonMeta._instances.clear()


class Yahoo:
    """A feed over a server; replies by symbol, a list of them is used up one by one and its last one stays."""

    def __init__(self, state, charts, *, side=None, clock=None, retry=None, **settings):
        self.charts = charts
        self.side = side or (lambda _: Reply(200, "crumb"))
        self.server = ScriptedServer(self._answer)
        self.clock = clock or ManualClock()
        self.facts = []
        retry = retry or RetrySettings(attempts=3)
        self.policy = Policy(
            "yahoo", retry, self.clock, wait=getattr(self.clock, "wait", lambda _: None), on_attempt=self.facts.append
        )
        self.feed = YahooFeed(YahooSettings(url=self.server.url, retry=retry, **settings), self.policy, state)

    def _answer(self, request: Request) -> Reply:
        if not request.path.startswith(QUERY):
            return self.side(request)
        reply = self.charts[request.path.removeprefix(QUERY)]
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        return reply if isinstance(reply, Reply) else Reply(200, reply)

    def ask(self, *symbols, first=DAYS[0], last=DAYS[-1], kind=AssetClass.EQUITIES, currency="USD"):
        asked = [Instrument(symbol, kind, currency=currency) for symbol in symbols]
        with self.server:
            try:
                found = self.feed.daily(asked, first, last)
            finally:
                self.feed.close()
        return {instrument.symbol: result for instrument, result in found.items()}

    def charts_asked(self) -> list[str]:
        return [r.path.removeprefix(QUERY) for r in self.server.requests if r.path.startswith(QUERY)]


def series(symbol="AAA", **options) -> str:
    return chart(rows_of(DAYS), symbol=symbol, **options)


def test_several_symbols_arrive_with_what_is_known_about_them(state):
    yahoo = Yahoo(state, {"AAA": series(), "BRK-B": series("BRK-B")})
    found = yahoo.ask("AAA", "BRK-B", "AAA")
    assert set(found) == {"AAA", "BRK-B"}
    bars = found["AAA"]
    assert [day.astype(date) for day in bars.dates] == DAYS
    np.testing.assert_allclose(bars.close, 100.0 + np.arange(20))
    np.testing.assert_allclose(bars.high, bars.close * 1.01)
    assert (bars.volume == 1000).all()
    assert (bars.source, bars.as_of, yahoo.feed.name) == ("yahoo", yahoo.clock.now(), "yahoo")
    assert sorted(yahoo.charts_asked()) == ["AAA", "BRK-B"], "one request a symbol, and none for its time zone"
    assert all(fact.outcome is Outcome.OK for fact in yahoo.facts)


def test_yahoo_is_asked_as_a_browser_would(state):
    yahoo = Yahoo(state, {"AAA": series()})
    yahoo.ask("AAA")
    assert "Mozilla/5.0" in yahoo.server.requests[-1].headers["User-Agent"]


def test_money_and_returns_are_kept_apart(state):
    """`close` stays as it was paid (split-adjusted), `adj_close` is taken as it is; events stand on their days."""
    rows = [
        Row(DAYS[0], 100.0, 97.0),
        Row(DAYS[1], 101.0, 98.0, dividend=1.5),
        Row(DAYS[2], 102.0, 102.0, split=(3, 1)),
        Row(DAYS[3], 103.0, 103.0, split=(1, 10)),
    ]
    bars = Yahoo(state, {"AAA": chart(rows)}).ask("AAA")["AAA"]
    assert bars.close.tolist() == [100, 101, 102, 103]
    assert bars.adj_close.tolist() == [97, 98, 102, 103]
    assert bars.dividend.tolist() == [0, 1.5, 0, 0]
    assert bars.split.tolist() == [1, 1, 3, 0.1]


@pytest.mark.parametrize(
    "zone, at",
    [
        ("America/New_York", time(9, 30)),
        ("Asia/Tokyo", time(9, 0)),
        ("Pacific/Auckland", time(10, 0)),
        ("America/New_York", time(20, 30)),
        ("UTC", time(0, 0)),
    ],
)
def test_the_day_is_the_exchanges_own(state, zone, at):
    """In Tokyo and Auckland the session opens on the day before in UTC; a late New York stamp is on the day after."""
    rows = [Row(day, 10.0, at=at) for day in DAYS]
    bars = Yahoo(state, {"AAA": chart(rows, zone=zone)}).ask("AAA")["AAA"]
    assert [day.astype(date) for day in bars.dates] == DAYS


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu", "America/New_York", "Asia/Tokyo"])
def test_the_period_asked_of_yahoo_holds_the_days_wanted_in_every_zone(state, zone):
    """The server cuts to the period it is given, as Yahoo does: the first and the last day still come."""

    def cut(request: Request) -> Reply:
        if not request.path.startswith(QUERY):
            return Reply(200, "crumb")
        whole = json.loads(chart(rows_of(DAYS), zone=zone))["chart"]["result"][0]["timestamp"]
        low, high = int(request.query["period1"]), int(request.query["period2"])
        kept = [row for row, stamp in zip(rows_of(DAYS), whole, strict=True) if low <= stamp < high]
        return Reply(200, chart(kept, zone=zone))

    yahoo = Yahoo(state, {})
    yahoo.server.answer = cut
    bars = yahoo.ask("AAA", first=DAYS[3], last=DAYS[9])["AAA"]
    assert (bars.first_day, bars.last_day, len(bars)) == (DAYS[3], DAYS[9], 7)


def test_a_price_of_zero_is_passed_on_for_the_checks_to_refuse(state):
    body = json.loads(chart([*rows_of(DAYS[:3]), Row(DAYS[3], 0.0), Row(DAYS[4], 7.0)]))
    body["chart"]["result"][0]["indicators"]["quote"][0]["volume"][3] = 0
    bars = Yahoo(state, {"AAA": json.dumps(body)}).ask("AAA")["AAA"]
    assert bars.close.tolist() == [100, 101, 102, 0, 7]


def test_only_the_days_asked_for_come(state):
    bars = Yahoo(state, {"AAA": series()}).ask("AAA", first=DAYS[4], last=DAYS[6])["AAA"]
    assert (bars.first_day, bars.last_day, len(bars)) == (DAYS[4], DAYS[6], 3)


def test_rows_without_any_price_are_dropped_and_single_holes_stay(state):
    body = json.loads(chart([*rows_of(DAYS[:5]), Row(DAYS[5], None), Row(DAYS[6], 7.0)]))
    body["chart"]["result"][0]["indicators"]["quote"][0]["close"][2] = None
    bars = Yahoo(state, {"AAA": json.dumps(body)}).ask("AAA")["AAA"]
    assert [day.astype(date) for day in bars.dates] == [*DAYS[:5], DAYS[6]]
    assert np.isnan(bars.close).tolist() == [False, False, True, False, False, False]
    assert np.isfinite(bars.open).all()


@pytest.mark.parametrize("closes", [(None, 96.0), (96.0, None), (95.0, 96.0)])
def test_of_a_last_day_that_comes_twice_the_complete_row_stays(state, closes):
    rows = [*rows_of(DAYS[:3]), Row(DAYS[3], closes[0]), Row(DAYS[3], closes[1], at=time(16, 0))]
    bars = Yahoo(state, {"AAA": chart(rows)}).ask("AAA")["AAA"]
    assert bars.last_day == DAYS[3]
    assert len(bars) == 4
    assert bars.close[-1] == 96.0


def test_unknown_symbols_are_skips_and_the_others_come(state):
    yahoo = Yahoo(state, {"AAA": series(), "NOPE": DELISTED, "BBB": series()})
    found = yahoo.ask("AAA", "NOPE", "BBB")
    assert isinstance(found["AAA"], Bars)
    assert isinstance(found["BBB"], Bars)
    assert found["NOPE"].rule == "unknown_symbol"
    assert "HTTP 404: Not Found: No data found" in found["NOPE"].reason
    assert yahoo.charts_asked().count("NOPE") == 1, "what is unknown stays so"
    assert yahoo.policy.state == "closed"


def test_twenty_unknown_symbols_are_twenty_skips(state):
    """An answer, even a no, is a sign of life: nothing opens, nothing is raised."""
    names = [f"N{n}" for n in range(20)]
    yahoo = Yahoo(state, dict.fromkeys(names, DELISTED))
    assert {skip.rule for skip in yahoo.ask(*names).values()} == {"unknown_symbol"}
    assert yahoo.policy.state == "closed"


def empty_window() -> str:
    body = json.loads(series())
    result = body["chart"]["result"][0]
    del result["timestamp"]
    result["indicators"] = {"quote": [{}]}
    return json.dumps(body)


def odd(column: str, value: object) -> str:
    """A chart with a value in it that no price or volume can be."""
    body = json.loads(series())
    body["chart"]["result"][0]["indicators"]["quote"][0][column][3] = value
    return json.dumps(body)


@pytest.mark.parametrize(
    "reply, rule, says",
    [
        (
            Reply(400, chart_error("Bad Request", "Data doesn't exist for startDate = 1")),
            "no_data",
            "Data doesn't exist",
        ),
        (Reply(422, chart_error("Unprocessable", "1d data not available")), "no_data", "not available"),
        (Reply(200, chart_error("Not Found", "nothing")), "no_data", "Not Found: nothing"),
        (Reply(200, empty_window()), "no_data", "no price data found"),
        (Reply(200, chart([Row(day, None) for day in DAYS])), "no_data", "no prices of AAA from 2026-01-05"),
        (Reply(200, chart(rows_of(weekdays(date(2025, 1, 1), 5)))), "no_data", "no prices of AAA"),
        (Reply(200, json.dumps({"chart": {"result": [{"meta": {}}], "error": None}})), "unreadable", "cannot be read"),
        (Reply(200, json.dumps({"chart": None})), "no_data", "no price data"),
        (Reply(200, odd("close", {"raw": 1})), "unreadable", "cannot be read: TypeError"),
        (Reply(200, odd("volume", 10**25)), "unreadable", "cannot be read: OverflowError"),
        (Reply(200, series(currency="JPY")), "currency", "in JPY, the universe says USD"),
    ],
)
def test_what_concerns_one_symbol_is_its_skip(state, reply, rule, says):
    found = Yahoo(state, {"AAA": reply, "BBB": series()}).ask("AAA", "BBB")
    assert isinstance(found["BBB"], Bars)
    skip = found["AAA"]
    assert isinstance(skip, Skip)
    assert (skip.subject, skip.step, skip.rule) == ("AAA", "prices", rule)
    assert says in skip.reason
    assert "delisted" not in skip.reason or rule == "no_data"


def test_the_currency_check_can_be_left_out(state):
    found = Yahoo(state, {"AAA": series(currency="JPY")}, currency_check=False).ask("AAA")
    assert isinstance(found["AAA"], Bars)


@pytest.mark.parametrize(
    "bad",
    [
        Reply(500, "oops"),
        Reply(502, "<html>Bad Gateway</html>"),
        Reply(503, "", {"Retry-After": "1"}),
        Reply(429, "Edge: Too Many Requests"),
        Reply(200, "<html>surprise</html>"),
        Reply(200, '{"chart": {"result": [', declared=5000),
        Reply(200, '{"chart": {"resu'),
    ],
)
def test_a_passing_trouble_is_asked_again(state, bad):
    """Past days are asked for, whose answers yfinance remembers: the broken one must not come back from memory."""
    yahoo = Yahoo(state, {"AAA": [bad, series()]})
    assert isinstance(yahoo.ask("AAA")["AAA"], Bars)
    assert [fact.outcome for fact in yahoo.facts] == [Outcome.FAILED, Outcome.OK]
    assert len(yahoo.charts_asked()) == 2


@pytest.mark.parametrize(
    "bad, rule, says",
    [
        (Reply(500, "oops"), "server_error", "HTTP 500"),
        (Reply(429, "Edge: Too Many Requests"), "rate_limited", "Edge: Too Many Requests"),
        (Reply(200, "no json"), "unreadable", "not a JSON object"),
        (Reply(200, "half", declared=5000), "connection", "broke off"),
        (Reply(200, '{"x": "Will be right back"}'), "server_error", "DOWN"),
        (Reply(200, b"x" * 17_000_000), "connection", "broke off"),
    ],
)
def test_a_lasting_trouble_makes_the_source_unavailable_and_never_delists(state, bad, rule, says):
    yahoo = Yahoo(state, {"AAA": bad, "BBB": bad}, retry=RetrySettings(attempts=2))
    with pytest.raises(FeedUnavailable, match=says) as caught:
        yahoo.ask("AAA", "BBB")
    assert caught.value.retryable
    assert caught.value.rule == rule
    assert "delisted" not in str(caught.value)


def test_retry_after_reaches_the_caller_and_ends_the_asking(state):
    yahoo = Yahoo(state, {"AAA": Reply(429, "Edge: Too Many Requests", {"Retry-After": "900"})}, workers=1)
    with pytest.raises(FeedUnavailable, match="HTTP 429") as caught:
        yahoo.ask("AAA")
    assert caught.value.retry_after == 900
    assert len(yahoo.charts_asked()) == 1


def test_a_refused_crumb_is_tried_with_the_other_cookie_and_then_reported(state):
    refusal = Reply(401, '{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}')
    healed = Yahoo(state, {"AAA": [refusal, series()]})
    assert isinstance(healed.ask("AAA")["AAA"], Bars)
    lasting = Yahoo(state, {"AAA": refusal, "BBB": refusal}, workers=1)
    with pytest.raises(FeedUnavailable, match="HTTP 401, access refused") as caught:
        lasting.ask("AAA", "BBB")
    assert not caught.value.retryable
    assert caught.value.rule == "unauthorized"


@pytest.mark.parametrize("side", [Reply(429, "Too Many Requests"), Reply(500, "x"), Reply(200, "<html></html>")])
def test_charts_come_without_cookie_and_crumb(state, side):
    yahoo = Yahoo(state, {"AAA": series()}, side=lambda _: side)
    assert isinstance(yahoo.ask("AAA")["AAA"], Bars)


def test_hanging_cookie_hosts_cost_one_short_wait_and_not_one_per_symbol(state):
    """One asking of one second for all; eight would take eight. A busy machine has room between the two."""
    retry = RetrySettings(timeout=4.0, attempts=2)
    names = [f"S{n}" for n in range(8)]
    yahoo = Yahoo(
        state, dict.fromkeys(names, series()), side=lambda _: Reply(hang=True), clock=SystemClock(), retry=retry
    )
    before = SystemClock().monotonic()
    found = yahoo.ask(*names)
    assert all(isinstance(bars, Bars) for bars in found.values())
    assert SystemClock().monotonic() - before < 7.0
    sides = [r for r in yahoo.server.requests if not r.path.startswith(QUERY)]
    assert len(sides) == 1


def test_cookie_hosts_are_asked_again_in_the_next_round(state):
    retry = RetrySettings(timeout=1.2, attempts=2)
    side = Reply(hang=True)
    yahoo = Yahoo(state, {"AAA": series()}, side=lambda _: side, clock=SystemClock(), retry=retry)
    asked = [Instrument("AAA", AssetClass.EQUITIES)]
    with yahoo.server:
        yahoo.feed.daily(asked, DAYS[0], DAYS[-1])
        side = Reply(200, "crumb")
        yahoo.feed.daily(asked, DAYS[0], DAYS[-1])
        yahoo.feed.close()
    assert yahoo.server.requests[-1].query["crumb"] == "crumb"


def test_a_hanging_chart_ends_in_time(state):
    retry = RetrySettings(timeout=1.5, attempts=1)
    yahoo = Yahoo(state, {"AAA": Reply(hang=True), "BBB": series()}, clock=SystemClock(), retry=retry)
    found = yahoo.ask("AAA", "BBB")
    assert found["AAA"].rule == "timeout"
    assert isinstance(found["BBB"], Bars)


def test_a_vanished_host_is_a_connection_failure(state):
    yahoo = Yahoo(state, {}, retry=RetrySettings(attempts=2))
    yahoo.server._server.server_close()
    with pytest.raises(FeedUnavailable, match="could not be reached") as caught:
        yahoo.feed.daily([Instrument("AAA", AssetClass.EQUITIES)], DAYS[0], DAYS[-1])
    yahoo.feed.close()
    assert caught.value.rule == "connection"


def test_an_open_breaker_stops_the_asking_after_its_batch(state):
    names = [f"S{n}" for n in range(30)]
    charts = dict.fromkeys(names, Reply(500, "x")) | {"S0": series()}
    yahoo = Yahoo(state, charts, workers=1, batch=10, retry=RetrySettings(attempts=1))
    found = yahoo.ask(*names)
    assert isinstance(found["S0"], Bars)
    assert len(yahoo.charts_asked()) == 6, "one good answer and the five failures that open the breaker"
    assert found["S29"].rule == "held_back"
    assert "too many failures in a row" in found["S29"].reason
    assert set(found) == set(names)


def test_workers_bound_what_is_under_way(state):
    import threading

    under_way, most, lock, released = 0, 0, threading.Lock(), threading.Event()

    class Counting(Yahoo):
        def _answer(self, request):
            nonlocal under_way, most
            if not request.path.startswith(QUERY):
                return super()._answer(request)
            with lock:
                under_way += 1
                most = max(most, under_way)
            released.wait(0.03)
            with lock:
                under_way -= 1
            return super()._answer(request)

    names = [f"S{n}" for n in range(12)]
    Counting(state, dict.fromkeys(names, series()), workers=3).ask(*names)
    assert 2 <= most <= 3


def test_who_answers_slowly_does_not_use_up_the_session(state):
    """Fifteen seconds a symbol, five hundred symbols and four at a time would be half an hour."""

    class Slow(Yahoo):
        def _answer(self, request):
            if request.path.startswith(QUERY):
                self.clock.wait(15)
            return super()._answer(request)

    names = [f"S{n}" for n in range(60)]
    yahoo = Slow(state, dict.fromkeys(names, series()), workers=1, batch=45)
    found = yahoo.ask(*names)
    assert len(yahoo.charts_asked()) == 27
    assert [type(found[name]) for name in names] == [Bars] * 27 + [Skip] * 33
    assert {found[name].rule for name in names[27:]} == {"out_of_time"}
    assert "Yahoo answers so slowly that 400 s were over" in found["S59"].reason


def test_each_round_has_its_own_time(state):
    yahoo = Yahoo(state, {"AAA": series()})
    with yahoo.server:
        for _ in range(2):
            found = yahoo.feed.daily([Instrument("AAA", AssetClass.EQUITIES)], DAYS[0], DAYS[-1])
            assert all(isinstance(bars, Bars) for bars in found.values())
            yahoo.clock.wait(700)
        yahoo.feed.close()


def test_nothing_asked_sends_nothing(state):
    yahoo = Yahoo(state, {})
    assert yahoo.ask() == {}
    assert yahoo.server.requests == []


def test_yfinance_keeps_its_files_with_us(state):
    Yahoo(state, {"AAA": series()}).ask("AAA")
    from yfinance import cache

    assert cache._CookieDBManager.get_location().startswith(str(state))
    assert cache._TzDBManager.get_location().startswith(str(state))


def test_sessions_share_no_file_of_cookies(tmp_path):
    """The one that yfinance keeps is a database: a second process may lock it, a power cut tear it, and no chart comes."""
    from yfinance import cache

    cache._CookieCacheManager._Cookie_cache = None  # as in a new process
    torn = tmp_path / "yfinance" / "cookies.db"
    torn.parent.mkdir()
    torn.write_bytes(b"SQLite format 3\x00" + b"torn" * 2000)
    before = torn.read_bytes()
    assert isinstance(Yahoo(tmp_path, {"AAA": series()}).ask("AAA")["AAA"], Bars)
    assert torn.read_bytes() == before
    assert [file.name for file in torn.parent.iterdir()] == ["cookies.db"]


@pytest.mark.parametrize("url", ["https://query2.finance.yahoo.com/v8/finance/chart/AAA", "https://fc.yahoo.com"])
def test_a_time_of_less_than_a_millisecond_is_a_bound_too(url):
    """The library below counts whole milliseconds, and none of them would be a wait without end."""
    from curl_cffi.requests.exceptions import Timeout

    from robotrading.adapters.feeds.yahoo_session import YahooSession

    real = SystemClock()
    with ScriptedServer(lambda _: Reply(hang=True)) as server, YahooSession(ManualClock(), server.url) as session:
        began = real.monotonic()
        with session.within(0.0005), pytest.raises((ServiceError, Timeout), match=r"did not answer|time"):
            session.get(url)
        assert real.monotonic() - began < 5


def recorded(shared, name: str) -> str:
    return (shared / "fixtures" / "yahoo" / name).read_text()


@pytest.mark.parametrize(
    "file, symbol, currency, days",
    [
        ("chart_AAPL_2020-08-31_2020-11-07.json", "AAPL", "USD", (date(2020, 8, 31), date(2020, 11, 6))),
        ("chart_MSFT_1y_dividends.json", "MSFT", "USD", (date(2021, 2, 1), date(2022, 1, 28))),
        ("chart_NVDA_1y_split.json", "NVDA", "USD", (date(2021, 2, 1), date(2022, 1, 28))),
        ("chart_NVDA_5d.json", "NVDA", "USD", (date(2024, 1, 16), date(2024, 1, 22))),
        ("chart_QQQ_ETF.json", "QQQ", "USD", (date(2020, 1, 2), date(2020, 1, 2))),
        ("chart_BTC-USD.json", "BTC-USD", "USD", (date(2020, 1, 1), date(2020, 1, 3))),
        ("chart_EURUSD_X.json", "EURUSD=X", "USD", (date(2020, 1, 1), date(2020, 1, 3))),
        ("chart_WSU.DE.json", "WSU.DE", "EUR", (None, None)),
        ("chart_WSKT.JK.json", "WSKT.JK", "IDR", (date(2020, 1, 2), date(2020, 1, 2))),
        ("chart_GC_F.json", "GC=F", "USD", (None, None)),
        ("chart_0P0000XTS7_fund.json", "0P0000XTS7", "USD", (date(2024, 9, 12), date(2024, 9, 13))),
        ("chart_6309.T_split_and_dividend_same_day.json", "6309.T", "JPY", (date(2025, 4, 21), date(2025, 5, 19))),
        ("chart_2344.TW_null_and_duplicate_day.json", "2344.TW", "TWD", (None, date(2026, 3, 26))),
    ],
)
def test_recorded_charts_are_read(state, shared, *, file, symbol, currency, days):
    first, last = days
    yahoo = Yahoo(state, {symbol: recorded(shared, file)})
    bars = yahoo.ask(symbol, first=date(2000, 1, 1), last=date(2026, 12, 31), currency=currency)[symbol]
    assert isinstance(bars, Bars), bars
    assert (np.diff(bars.dates).astype(int) > 0).all()
    assert np.isfinite(bars.close).all()
    assert first is None or bars.first_day == first
    assert last is None or bars.last_day == last


def test_recorded_events_stand_on_their_days(state, shared):
    def ask(file, symbol, currency="USD"):
        yahoo = Yahoo(state, {symbol: recorded(shared, file)})
        return yahoo.ask(symbol, first=date(2000, 1, 1), last=date(2026, 12, 31), currency=currency)[symbol]

    msft = ask("chart_MSFT_1y_dividends.json", "MSFT")
    assert (msft.dividend > 0).sum() == 4
    assert (msft.adj_close < msft.close).any()
    nvda = ask("chart_NVDA_1y_split.json", "NVDA")
    assert nvda.split[nvda.dates == np.datetime64("2021-07-20")].tolist() == [4.0]
    tomoe = ask("chart_6309.T_split_and_dividend_same_day.json", "6309.T", "JPY")
    row = tomoe.dates == np.datetime64("2025-04-28")
    assert (tomoe.split[row][0], tomoe.dividend[row][0]) == (3.0, 73.0)
    winbond = ask("chart_2344.TW_null_and_duplicate_day.json", "2344.TW", "TWD")
    assert winbond.close[-1] == 96.0


@pytest.mark.parametrize(
    "status, file, rule",
    [
        (404, "errors/not_found_404.json", "unknown_symbol"),
        (400, "errors/bad_request_400.json", "no_data"),
        (200, "chart_AAPL_weekend_no_timestamp.json", "no_data"),
        (429, "errors/too_many_requests_429.txt", "rate_limited"),
        (401, "errors/unauthorized_401.json", "unauthorized"),
    ],
)
def test_recorded_refusals_are_told_apart(state, shared, status, file, rule):
    charts = {"AAA": series(), "BAD": Reply(status, recorded(shared, file))}
    found = Yahoo(state, charts, retry=RetrySettings(attempts=1)).ask("AAA", "BAD")
    assert isinstance(found["AAA"], Bars)
    assert found["BAD"].rule == rule
