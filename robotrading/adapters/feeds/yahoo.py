"""Daily bars from Yahoo Finance, through yfinance.

Entry point: `YahooFeed` (a `Feed`).
Yahoo serves one symbol a request, and `yfinance.download` is a loop over them that hides each one's error, puts all
calendars into one table and waits without a bound. Hence its part for one symbol is asked here, a batch at a time, by
a bounded number of threads, each request through the policy.
Prices: `close` is split-adjusted and not dividend-adjusted, `adj_close` is both. The trading day is the date in the
exchange's time zone. Rows without any price are dropped; a single missing price stays NaN, for the checks to judge.
yfinance writes 0 where Yahoo has no volume, and so does this feed.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from robotrading.adapters.feeds.answers import all_or_nothing, end_of_asking, out_of_time
from robotrading.adapters.feeds.http import describe_status
from robotrading.adapters.feeds.settings import YahooSettings
from robotrading.adapters.resilience import Policy, ServiceError, SubjectRefused
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars, Floats, Interval
from robotrading.domain.skip import Skip

if TYPE_CHECKING:
    import pandas as pd

    from robotrading.adapters.feeds.yahoo_session import YahooSession

NAME = "yahoo"
PRICES = ["Open", "High", "Low", "Close", "Adj Close"]
_STUMBLES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What yfinance lets through, and numpy after it, when a chart is not of the shape they expect."""


class YahooFeed:
    """Asks for many symbols at once. `state` is a directory of ours for whatever yfinance writes.

    yfinance has one connection per process: two feeds with different settings must not be asked at the same time.
    """

    def __init__(self, settings: YahooSettings, policy: Policy, state: Path) -> None:
        self._settings = settings
        self._policy = policy
        self._state = state
        self._session: YahooSession | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return NAME

    def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def daily(self, instruments: Sequence[Instrument], first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        """As the port says. A refusal that concerns all symbols ends the asking after its batch."""
        asked = list(dict.fromkeys(instruments))
        found: dict[Instrument, Bars | ServiceError] = {}
        stop: ServiceError | None = None
        with self._lock:
            session = self._ready() if asked else None
            for start in range(0, len(asked), self._settings.batch):
                batch = asked[start : start + self._settings.batch]
                if stop is None and session is not None:
                    found.update(zip(batch, self._batch(session, batch, first, last), strict=True))
                    stop = end_of_asking(found[instrument] for instrument in batch)
                elif stop is not None:
                    found.update(dict.fromkeys(batch, stop))
        return all_or_nothing(found)

    def _ready(self) -> YahooSession:
        """Set yfinance up for us: own directory, real errors, our connection, nothing remembered of failed answers."""
        from yfinance import cache  # noqa: PLC0415  heavy
        from yfinance.config import YfConfig  # noqa: PLC0415
        from yfinance.data import YfData  # noqa: PLC0415

        from robotrading.adapters.feeds.yahoo_session import YahooSession  # noqa: PLC0415

        if self._session is None:
            cache.set_cache_location(str(self._state / "yfinance"))
            # Its file of cookies is a database that every thread opens and all sessions share: one that is locked, torn
            # or gone would end the asking. A session gets a cookie of its own with one request more.
            cache._CookieCacheManager._Cookie_cache = cache._CookieCacheDummy()  # noqa: SLF001  there is no other switch
            self._session = YahooSession(self._policy.clock, self._settings.url)
        # yfinance switches the display of its own deprecations on when it is imported; they are not for our reader.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="^yfinance")
        YfConfig.debug.hide_exceptions = False
        YfData(session=self._session)
        self._session.begin()
        return self._session

    def _batch(
        self, session: YahooSession, batch: Sequence[Instrument], first: date, last: date
    ) -> list[Bars | ServiceError]:
        with ThreadPoolExecutor(self._settings.workers, thread_name_prefix="yahoo") as pool:
            return list(pool.map(lambda instrument: self._one(session, instrument, first, last), batch))

    def _one(self, session: YahooSession, instrument: Instrument, first: date, last: date) -> Bars | ServiceError:
        if (late := out_of_time("Yahoo", session.seconds)) is not None:
            return late
        try:
            frame, currency = self._policy.call(partial(_history, session, instrument, first, last))
            if self._settings.currency_check and currency not in (None, instrument.currency):
                return SubjectRefused(
                    f"Yahoo quotes {instrument} in {currency}, the universe says {instrument.currency}", rule="currency"
                )
            return self._bars(frame, instrument, first, last)
        except ServiceError as error:
            return error

    def _bars(self, frame: pd.DataFrame, instrument: Instrument, first: date, last: date) -> Bars:
        try:
            chosen = self._read(frame[frame[PRICES].notna().any(axis=1)], instrument).since(first).until(last)
        except _STUMBLES as error:
            raise SubjectRefused(_unreadable(instrument, error), rule="unreadable") from error
        if not len(chosen):
            raise SubjectRefused(f"Yahoo has no prices of {instrument} from {first} to {last}", rule="no_data")
        return chosen

    def _read(self, frame: pd.DataFrame, instrument: Instrument) -> Bars:
        split = _column(frame, "Stock Splits")
        return Bars(
            instrument=instrument,
            interval=Interval.DAY,
            dates=cast("pd.DatetimeIndex", frame.index).tz_localize(None).to_numpy().astype("datetime64[D]"),
            open=_column(frame, "Open"),
            high=_column(frame, "High"),
            low=_column(frame, "Low"),
            close=_column(frame, "Close"),
            adj_close=_column(frame, "Adj Close"),
            volume=_column(frame, "Volume"),
            dividend=_column(frame, "Dividends"),
            split=np.where(split == 0.0, 1.0, split),
            as_of=self._policy.clock.now(),
            source=NAME,
        )


def _history(
    session: YahooSession, instrument: Instrument, first: date, last: date, seconds: float
) -> tuple[pd.DataFrame, str | None]:
    """One symbol's table, indexed by midnight at the exchange, and its currency. Raises `ServiceError`.

    The zone is asked for nowhere: a day more on either side, in UTC, holds the days wanted in every zone.
    """
    from yfinance.data import YfData  # noqa: PLC0415  heavy
    from yfinance.exceptions import YFDataException, YFException, YFRateLimitError  # noqa: PLC0415
    from yfinance.scrapers.history import PriceHistory  # noqa: PLC0415

    YfData.cache_get.cache_clear()  # it keeps answers of past days for ever, broken ones as well
    prices = PriceHistory(YfData(), instrument.symbol, "UTC", session=session)
    try:
        with session.within(seconds):
            frame: pd.DataFrame = prices.history(
                start=first - timedelta(days=1),
                end=last + timedelta(days=2),
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
                timeout=seconds,
            )
        currency = prices.get_history_metadata().get("currency")
    except YFRateLimitError as error:
        raise ServiceError("Yahoo answered HTTP 429, too many requests", rule="rate_limited", status=429) from error
    except YFDataException as error:
        raise ServiceError(f"Yahoo is down: {error}", rule="server_error") from error
    except YFException as error:
        raise _reason(session.status, instrument, str(error)) from error
    except _STUMBLES as error:
        raise _reason(session.status, instrument, _unreadable(instrument, error), "unreadable") from error
    return frame, currency


def _unreadable(instrument: Instrument, error: Exception) -> str:
    return f"Yahoo's chart of {instrument} cannot be read: {type(error).__name__}: {error}"


def _reason(status: int | None, instrument: Instrument, text: str, rule: str = "no_data") -> ServiceError:
    """A refusal of access as such, everything else as the symbol's own."""
    if status in (401, 403) and (failure := describe_status("Yahoo", status)) is not None:
        return failure
    return SubjectRefused(f"Yahoo has nothing for {instrument}: {text}", rule=rule, status=status)


def _column(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(dtype=np.float64)
