"""Laws of the Alpha Vantage feed, over a real server on loopback."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest
from feed_bodies import AT, Row, daily_series, rows_of, weekdays
from hypothesis import given
from hypothesis import strategies as st
from scripted_http import ManualClock, Reply, ScriptedServer

from robotrading.adapters.feeds.alpha_vantage import AlphaVantageFeed, complaint, parse_series
from robotrading.adapters.feeds.settings import AlphaVantageSettings, RetrySettings
from robotrading.adapters.resilience import Policy, ServiceError, SubjectRefused
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis
from robotrading.domain.skip import Skip

KEY = "ABCD1234EFGH5678"
PLANS = "at https://www.alphavantage.co/premium/ to"
PACING = {
    "Information": "Thank you! Please consider spreading out your free API requests more sparingly (1 request per "
    f"second). You may subscribe to any of the premium plans {PLANS} lift the free key rate limit (25 requests per "
    "day), raise the per-second burst limit, and instantly unlock all premium endpoints"
}
DAILY = {"Information": f"Our standard API rate limit is 25 requests per day. Please subscribe {PLANS} remove limits."}
ECHO = {
    "Information": f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
}
NOTE = {"Note": "Our standard API call frequency is 5 calls per minute and 500 calls per day. Please visit premium/"}
INVALID = {"Error Message": "Invalid API call. Please retry or visit the documentation for TIME_SERIES_DAILY."}
BAD_KEY = {"Error Message": "the parameter apikey is invalid or missing. Please claim your free API key."}
DEMO = {"Information": "The **demo** API key is for demo purposes only. Please claim your free API key."}
PREMIUM = {
    "Information": f"Thank you! This is a premium endpoint. You may subscribe {PLANS} unlock all premium endpoints"
}
FULL = {"Information": "The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint."}
OTHER = {"Information": "Something else entirely."}

DAYS = weekdays(date(2026, 1, 5), 30)
GOOD = daily_series(rows_of(DAYS))


def stock(symbol: str) -> Instrument:
    return Instrument(symbol, AssetClass.EQUITIES)


class Served:
    """A feed over a server; bodies by symbol, as text, object or a list of replies used up one by one."""

    def __init__(self, bodies, **settings):
        self.bodies = bodies
        self.clock = ManualClock()
        self.facts = []
        self.server = ScriptedServer(self._answer)
        retry = settings.pop("retry", RetrySettings(attempts=3))
        self.settings = AlphaVantageSettings(api_key=KEY, url=self.server.url + "/query", retry=retry)
        for name, value in settings.items():
            object.__setattr__(self.settings, name, value)
        self.policy = Policy(
            "alpha_vantage", retry, self.clock, per_day=self.settings.per_day, wait=self.clock.wait,
            on_attempt=self.facts.append,
        )  # fmt: skip
        self.feed = AlphaVantageFeed(self.settings, self.policy)

    def _answer(self, request):
        body = self.bodies[request.query["symbol"]]
        if isinstance(body, list):
            body = body.pop(0)
        if isinstance(body, Reply):
            return body
        return Reply(200, body if isinstance(body, str) else json.dumps(body))

    def ask(self, *symbols, first=DAYS[0], last=DAYS[-1], kind=AssetClass.EQUITIES):
        with self.server:
            try:
                found = self.feed.daily([Instrument(symbol, kind) for symbol in symbols], first, last)
            finally:
                self.feed.close()
        return {instrument.symbol: result for instrument, result in found.items()}


def test_the_free_series_is_passed_on_as_traded():
    found = Served({"AAA": GOOD}).ask("AAA")["AAA"]
    assert isinstance(found, Bars)
    assert [day.astype(date) for day in found.dates] == DAYS
    assert found.close.tolist() == [100.0 + place for place in range(30)]
    np.testing.assert_array_equal(found.adj_close, found.close)
    assert (found.split == 1).all()
    assert (found.dividend == 0).all()
    assert (found.source, found.basis, found.as_of) == ("alpha_vantage", PriceBasis.REAL, AT)


def test_the_free_plan_is_asked_for_what_it_allows():
    served = Served({"AAA": GOOD})
    served.ask("AAA")
    assert served.server.requests[0].query == {
        "function": "TIME_SERIES_DAILY",
        "symbol": "AAA",
        "outputsize": "compact",
        "datatype": "json",
        "apikey": KEY,
    }


def test_only_the_days_asked_for_come():
    found = Served({"AAA": GOOD}).ask("AAA", first=DAYS[3], last=DAYS[5])["AAA"]
    assert (found.first_day, found.last_day, len(found)) == (DAYS[3], DAYS[5], 3)


def test_the_end_of_a_series_and_the_whole_of_it_are_one_request():
    """The free plan has 25 a day, and the cache may ask for both; an answer of half an hour ago is an old one."""
    served = Served({"AAA": GOOD, "BBB": GOOD})
    with served.server:
        for first in (DAYS[-3], DAYS[0], DAYS[-1]):
            found = served.feed.daily([stock("AAA"), stock("BBB")], first, DAYS[-1])
            assert {bars.first_day for bars in found.values()} == {first}
        assert len(served.server.requests) == 2
        served.clock.wait(1801)
        again = served.feed.daily([stock("AAA")], DAYS[0], DAYS[-1])[stock("AAA")]
        served.feed.close()
    assert len(served.server.requests) == 3
    assert again.as_of > found[stock("AAA")].as_of


def test_a_refusal_is_not_remembered():
    served = Served({"AAA": [INVALID, GOOD]})
    with served.server:
        answers = [served.feed.daily([stock("AAA")], DAYS[0], DAYS[-1])[stock("AAA")] for _ in range(2)]
        served.feed.close()
    assert [type(answer) for answer in answers] == [Skip, Bars]


def test_days_it_does_not_have_are_a_skip_that_says_which_it_has():
    found = Served({"AAA": GOOD}).ask("AAA", first=date(2020, 1, 1), last=date(2020, 2, 1))["AAA"]
    assert isinstance(found, Skip)
    assert found.rule == "no_data"
    assert "from 2026-01-05 to 2026-02-13" in found.reason


def test_premium_prices_are_brought_to_shares_of_today():
    """A 4:1 split on the 11th day and a 1:2 on the 21st: `close` has no jump, and money is the same on both sides."""
    rows = []
    for place, day in enumerate(DAYS):
        raw = 400.0 if place < 10 else 100.0 if place < 20 else 200.0
        split = {10: (4, 1), 20: (1, 2)}.get(place)
        rows.append(Row(day, raw, 190.0 + place / 10, 8.0 if place == 5 else 0.0, split))
    served = Served({"AAA": daily_series(rows, adjusted=True)}, premium=True)
    found = served.ask("AAA")["AAA"]
    query = served.server.requests[0].query
    assert (query["function"], query["outputsize"]) == ("TIME_SERIES_DAILY_ADJUSTED", "full")
    np.testing.assert_allclose(found.close, 200.0)
    np.testing.assert_allclose(found.open, 200.0)
    assert found.split[10] == 4.0
    assert found.split[20] == 0.5
    assert found.dividend[5] == pytest.approx(4.0), "8 on one old share is 4 on each of the two it became"
    assert found.volume[0] == 2000
    np.testing.assert_allclose(found.adj_close, [row.adj_close for row in rows])


@given(st.dictionaries(st.integers(1, 19), st.sampled_from([(2, 1), (3, 1), (1, 10), (3, 2)]), max_size=4))
def test_any_splits_are_undone(splits):
    """As-traded prices of a share whose split-adjusted price is always 600 come back as 600."""
    days, price, rows = weekdays(date(2025, 1, 1), 20), 600.0, []
    for place in reversed(range(20)):
        rows.append(Row(days[place], price, 1.0, 0.0, splits.get(place)))
        new, old = splits.get(place, (1, 1))
        price = price * new / old
    body = json.loads(daily_series(rows[::-1], adjusted=True))
    bars = parse_series(body, stock("AAA"), AT)
    np.testing.assert_allclose(bars.close, 600.0, rtol=1e-4)


@pytest.mark.parametrize(
    "body, rule, retryable, retry_after",
    [
        (PACING, "pacing", True, 1.1),
        (NOTE, "pacing", True, 15.0),
        (DAILY, "daily_limit", False, None),
        (ECHO, "daily_limit", False, None),
        (BAD_KEY, "bad_key", False, None),
        (DEMO, "bad_key", False, None),
        (PREMIUM, "premium", False, None),
        (FULL, "premium", False, None),
        (OTHER, "message", False, None),
        (INVALID, "unknown_symbol", False, None),
    ],
)
def test_messages_in_place_of_data_are_understood(body, rule, retryable, retry_after):
    error = complaint(body, "AAA", KEY)
    assert (error.rule, error.retryable, error.retry_after) == (rule, retryable, retry_after)
    assert isinstance(error, SubjectRefused) == (body is INVALID)


def test_the_recorded_messages_are_understood(shared):
    expected = {
        "information_1_per_second": "pacing",
        "note_5_per_minute": "pacing",
        "information_25_per_day": "daily_limit",
        "information_detected_key_25_per_day": "daily_limit",
        "error_invalid_call": "unknown_symbol",
    }
    for name, rule in expected.items():
        error = complaint(json.loads((shared / "fixtures/alpha_vantage" / f"{name}.json").read_text()), "AAA")
        assert error.rule == rule, name
        assert "XXXXXXXX" not in str(error)


def test_data_is_no_complaint():
    assert complaint(json.loads(GOOD), "AAA") is None


def test_pacing_waits_a_second_and_asks_again():
    served = Served({"AAA": [PACING, PACING, GOOD]})
    assert isinstance(served.ask("AAA")["AAA"], Bars)
    assert served.clock.waits == [1.1, 1.1]


def test_an_unknown_symbol_is_a_skip_and_the_others_come():
    served = Served({"AAA": GOOD, "NOPE": INVALID, "BBB": GOOD})
    found = served.ask("AAA", "NOPE", "BBB")
    assert isinstance(found["AAA"], Bars)
    assert isinstance(found["BBB"], Bars)
    assert found["NOPE"] == Skip("NOPE", "prices", found["NOPE"].reason, "unknown_symbol")
    assert "does not know NOPE" in found["NOPE"].reason
    assert len(served.server.requests) == 3


@pytest.mark.parametrize("message", [DAILY, ECHO, BAD_KEY, PREMIUM])
def test_what_concerns_all_symbols_ends_the_asking(message):
    """The rest are skips with the same reason, without a request; nothing shows the key."""
    served = Served({"AAA": GOOD, "BBB": message, "CCC": GOOD, "DDD": GOOD})
    found = served.ask("AAA", "BBB", "CCC", "DDD")
    assert isinstance(found["AAA"], Bars)
    assert found["BBB"].rule == found["CCC"].rule == found["DDD"].rule
    assert len(served.server.requests) == 2
    assert KEY not in repr(found) + repr(served.facts) + repr(served.settings)


def test_when_nothing_came_at_all_the_source_is_unavailable():
    served = Served({"AAA": ECHO, "BBB": GOOD})
    with pytest.raises(FeedUnavailable, match="used up for today") as caught:
        served.ask("AAA", "BBB")
    assert not caught.value.retryable
    assert KEY not in str(caught.value)


def test_our_own_daily_limit_spares_the_request():
    served = Served({"AAA": GOOD, "BBB": GOOD}, per_day=1)
    found = served.ask("AAA", "BBB")
    assert isinstance(found["AAA"], Bars)
    assert found["BBB"].rule == "daily_limit"
    assert len(served.server.requests) == 1


def test_a_slow_pace_of_our_own_does_not_use_up_the_session():
    """A plan with thousands of requests a day, and the five a minute of the free one still configured."""
    names = [f"S{n}" for n in range(80)]
    served = Served(dict.fromkeys(names, GOOD), per_day=0, retry=RetrySettings(per_minute=5))
    found = served.ask(*names)
    assert [type(found[name]) for name in names] == [Bars] * 36 + [Skip] * 44
    assert {found[name].rule for name in names[36:]} == {"out_of_time"}
    assert served.clock.elapsed <= 420


def test_without_a_key_nothing_is_sent():
    served = Served({"AAA": GOOD}, api_key="")
    with pytest.raises(FeedUnavailable, match="no Alpha Vantage key; set"):
        served.ask("AAA")
    assert served.server.requests == []


def test_crypto_is_left_out_with_a_reason():
    found = Served({}).ask("BTC-USD", kind=AssetClass.CRYPTO)["BTC-USD"]
    assert found.rule == "unsupported"
    assert "not asked for crypto" in found.reason


@pytest.mark.parametrize("reply", [Reply(200, "<html>maintenance</html>"), Reply(200, "[]"), Reply(503, "x")])
def test_what_is_not_an_answer_is_asked_again(reply):
    served = Served({"AAA": [reply, GOOD]})
    assert isinstance(served.ask("AAA")["AAA"], Bars)


@pytest.mark.parametrize(
    "change, rule",
    [
        (lambda body: body.pop("Time Series (Daily)"), "no_data"),
        (lambda body: body.__setitem__("Time Series (Daily)", {}), "no_data"),
        (lambda body: body["Time Series (Daily)"].__setitem__("yesterday", {"4. close": "1"}), "unreadable"),
        (lambda body: body["Time Series (Daily)"]["2026-01-05"].__setitem__("4. close", "one"), "unreadable"),
        (lambda body: body["Time Series (Daily)"].__setitem__("2026-01-05", None), "unreadable"),
        (lambda body: body["Time Series (Daily)"]["2026-01-05"].__setitem__("4. close", None), "unreadable"),
        (lambda body: body["Time Series (Daily)"]["2026-01-05"].__setitem__("4. close", 10**400), "unreadable"),
    ],
)
def test_a_series_of_another_shape_is_a_skip(change, rule):
    body = json.loads(GOOD)
    change(body)
    found = Served({"AAA": body}).ask("AAA")["AAA"]
    assert isinstance(found, Skip)
    assert found.rule == rule


def test_a_missing_field_is_nan_and_not_a_guess():
    body = json.loads(GOOD)
    del body["Time Series (Daily)"]["2026-01-06"]["4. close"]
    bars = Served({"AAA": body}).ask("AAA")["AAA"]
    assert np.isnan(bars.close[1])
    assert np.isfinite(bars.close[[0, 2]]).all()


def test_nothing_asked_is_nothing_answered():
    served = Served({})
    assert served.ask() == {}
    assert served.feed.name == "alpha_vantage"


def test_the_recorded_series_is_read(shared):
    body = (shared / "fixtures/alpha_vantage/time_series_daily_IBM_compact.json").read_text()
    bars = Served({"IBM": body}).ask("IBM", first=date(2023, 1, 1), last=date(2023, 12, 31))["IBM"]
    assert len(bars) == 100
    assert bars.last_day == date(2023, 11, 10)
    assert bars.close[-1] == 149.02
    assert bars.volume[-1] == 3179541
    assert (np.diff(bars.dates).astype(int) > 0).all()


def test_an_error_that_is_not_about_the_symbol_is_raised_when_it_is_all_there_is():
    served = Served({"AAA": "not json", "BBB": "not json"}, retry=RetrySettings(attempts=1))
    with pytest.raises(ServiceError, match="not a JSON object"):
        served.ask("AAA", "BBB")
