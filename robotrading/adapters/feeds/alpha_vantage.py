"""Daily bars from Alpha Vantage.

Entry points: `AlphaVantageFeed` (a `Feed`), `complaint` (what a message with status 200 means), `parse_series`.
Prices: TIME_SERIES_DAILY (free, the last 100 days) is as traded: neither dividends nor splits are taken out, and it
does not say when there was one. It is passed on as it is, `adj_close` equal to `close`, no splits known; the input
checks refuse a series with an unadjusted split in it. TIME_SERIES_DAILY_ADJUSTED (`premium`) tells every split and
dividend: prices, dividends and volumes are brought to shares of today with the splits that came later.
Refusals arrive with status 200 in place of the data (documented, and seen so), hence `complaint`. Crypto is left out:
no recorded answer of DIGITAL_CURRENCY_DAILY in its present form was at hand to build on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

import numpy as np

from robotrading.adapters.feeds.answers import all_or_nothing, end_of_asking, out_of_time
from robotrading.adapters.feeds.http import HttpClient, redact
from robotrading.adapters.feeds.settings import AlphaVantageSettings
from robotrading.adapters.resilience import Policy, ServiceError, SubjectRefused
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, Days, Floats, Interval
from robotrading.domain.skip import Skip

NAME = "alpha_vantage"
SERIES = "Time Series (Daily)"
GOOD_FOR = 1800.0
"""Seconds for which an answer stands. Each request brings all days that the plan has, and the cache may want two things
of a series: its end, and where that does not fit, the whole."""
_MESSAGES = ("Error Message", "Note", "Information")
_BAD_KEY = re.compile(r"api ?key (is )?(invalid|missing)|demo\W+api ?key", re.IGNORECASE)
_MEANINGS: tuple[tuple[re.Pattern[str], str, str, float | None], ...] = (
    # The order matters: what a pacing message says of days and of premium plans must not be looked at first.
    (_BAD_KEY, "bad_key", "Alpha Vantage does not accept the key", None),
    (
        re.compile(r"is a premium (endpoint|feature)\b", re.IGNORECASE),
        "premium",
        "not in this Alpha Vantage plan",
        None,
    ),
    (re.compile(r"per second|sparingly", re.IGNORECASE), "pacing", "Alpha Vantage asks for a slower pace", 1.1),
    (re.compile(r"per minute", re.IGNORECASE), "pacing", "Alpha Vantage asks for a slower pace", 15.0),
    (re.compile(r"per day|daily rate", re.IGNORECASE), "daily_limit", "Alpha Vantage is used up for today", None),
)


class AlphaVantageFeed:
    """One request a symbol, one after the other; a refusal that concerns all symbols ends the asking.

    A series that has come is not asked for again within `GOOD_FOR` seconds.
    """

    def __init__(self, settings: AlphaVantageSettings, policy: Policy, http: HttpClient | None = None) -> None:
        self._settings = settings
        self._policy = policy
        self._http = http or HttpClient("Alpha Vantage", policy.clock, secret=settings.api_key)
        self._answered: dict[Instrument, tuple[float, Bars]] = {}

    @property
    def name(self) -> str:
        return NAME

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """As the port says. Without `premium` there are at most 100 days, whatever was asked for."""
        found: dict[Instrument, Bars | ServiceError] = {}
        stop: ServiceError | None = None
        began = self._policy.clock.monotonic()
        for instrument in dict.fromkeys(instruments):
            stop = stop or out_of_time("Alpha Vantage", self._policy.clock.monotonic() - began)
            result = stop or self._one(instrument, first, last)
            found[instrument] = result
            stop = end_of_asking([result])
        return all_or_nothing(found)

    def _one(self, instrument: Instrument, first: date, last: date) -> Bars | ServiceError:
        if instrument.asset_class is AssetClass.CRYPTO:
            return SubjectRefused(f"Alpha Vantage is not asked for crypto ({instrument})", rule="unsupported")
        if not self._settings.api_key:
            return ServiceError(
                "there is no Alpha Vantage key; set feeds.alpha_vantage.api_key or leave this source out",
                rule="no_key",
                retryable=False,
            )
        try:
            return _window(self._series(instrument), first, last)
        except ServiceError as error:
            return error

    def _series(self, instrument: Instrument) -> Bars:
        """All that one request brings, from memory where it has just come. Raises `ServiceError`."""
        clock = self._policy.clock
        at, bars = self._answered.get(instrument, (-math.inf, None))
        if bars is None or clock.monotonic() - at > GOOD_FOR:
            bars = parse_series(self._policy.call(partial(self._fetch, instrument)), instrument, clock.now())
            self._answered[instrument] = clock.monotonic(), bars
        return bars

    def _fetch(self, instrument: Instrument, seconds: float) -> Mapping[str, Any]:
        premium = self._settings.premium
        answer = self._http.get(
            self._settings.url,
            seconds,
            {
                "function": "TIME_SERIES_DAILY_ADJUSTED" if premium else "TIME_SERIES_DAILY",
                "symbol": instrument.symbol,
                "outputsize": "full" if premium else "compact",
                "datatype": "json",
                "apikey": self._settings.api_key,
            },
        )
        body = _as_object(answer.text)
        if (error := complaint(body, instrument.symbol, self._settings.api_key)) is not None:
            raise error
        return body


def complaint(body: Mapping[str, Any], symbol: str, key: str = "") -> ServiceError | None:
    """What Alpha Vantage says instead of data, None when it is data.

    Three traps: the pacing message also mentions the requests per day and the premium endpoints; the daily message
    may echo the key; a premium refusal names the same plans as the other two.
    """
    text = next((str(body[name]) for name in _MESSAGES if name in body), None)
    if text is None:
        return None
    safe = redact(text, key)
    if "Error Message" in body and not _BAD_KEY.search(text):
        return SubjectRefused(f"Alpha Vantage does not know {symbol}: {safe}", rule="unknown_symbol")
    for pattern, rule, meaning, retry_after in _MEANINGS:
        if pattern.search(text):
            return ServiceError(
                f"{meaning}: {safe}", rule=rule, retryable=retry_after is not None, retry_after=retry_after
            )
    return ServiceError(f"Alpha Vantage sent a message in place of data: {safe}", rule="message", retryable=False)


def parse_series(body: Mapping[str, Any], instrument: Instrument, as_of: datetime) -> Bars:
    """All bars of an answer, oldest first. Raises `SubjectRefused` where there are none, or none to read."""
    rows = body.get(SERIES)
    if not isinstance(rows, dict) or not rows:
        raise SubjectRefused(
            f"Alpha Vantage sent no daily series for {instrument}; its answer has: {', '.join(body) or 'nothing'}",
            rule="no_data",
        )
    try:
        return _bars(dict(sorted(rows.items())), instrument, as_of)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise SubjectRefused(f"the daily series of {instrument} cannot be read: {error}", rule="unreadable") from error


def _window(bars: Bars, first: date, last: date) -> Bars:
    """The days asked for. Raises `SubjectRefused` where there are none."""
    chosen = bars.since(first).until(last)
    if not len(chosen):
        raise SubjectRefused(
            f"Alpha Vantage has {bars.instrument} from {bars.first_day} to {bars.last_day}, "
            f"nothing from {first} to {last}",
            rule="no_data",
        )
    return chosen


def _bars(rows: Mapping[str, Mapping[str, str]], instrument: Instrument, as_of: datetime) -> Bars:
    split = _column(rows, "split coefficient", 1.0)
    later = np.append(np.cumprod(split[::-1])[::-1][1:], 1.0)  # new shares that one share of that day has become
    close = _column(rows, "close")
    return Bars(
        instrument=instrument,
        interval=Interval.DAY,
        dates=_days(rows),
        open=_column(rows, "open") / later,
        high=_column(rows, "high") / later,
        low=_column(rows, "low") / later,
        close=close / later,
        adj_close=_adjusted(rows, close),
        volume=_column(rows, "volume") * later,
        dividend=_column(rows, "dividend amount", 0.0) / later,
        split=split,
        as_of=as_of,
        source=NAME,
    )


def _adjusted(rows: Mapping[str, Mapping[str, str]], close: Floats) -> Floats:
    adjusted = _column(rows, "adjusted close")
    return close if np.isnan(adjusted).all() else adjusted


def _days(rows: Mapping[str, object]) -> Days:
    return np.array([date.fromisoformat(day) for day in rows], dtype="datetime64[D]")


def _column(rows: Mapping[str, Mapping[str, str]], name: str, missing: float = np.nan) -> Floats:
    """Fields are called `4. close`, and the number before the name differs between the functions."""
    values = [
        next((float(value) for key, value in fields.items() if key.partition(". ")[2] == name), missing)
        for fields in rows.values()
    ]
    return np.array(values, dtype=np.float64)


def _as_object(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        excerpt = redact(" ".join(text.split())[:120])
        raise ServiceError(f"Alpha Vantage sent something that is not a JSON object: {excerpt}", rule="unreadable")
    return body
