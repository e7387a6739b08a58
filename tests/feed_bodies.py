"""Bodies of Yahoo's chart endpoint and of Alpha Vantage's daily series, written from rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

QUERY = "/query2.finance.yahoo.com/v8/finance/chart/"


@dataclass(frozen=True)
class Row:
    day: date
    close: float | None
    adj_close: float | None = None
    dividend: float = 0.0
    split: tuple[int, int] | None = None
    at: time = time(9, 30)


def weekdays(first: date, count: int) -> list[date]:
    days, day = [], first
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day += timedelta(days=1)
    return days


def chart(
    rows: Sequence[Row], *, symbol: str = "AAA", currency: str = "USD", zone: str = "America/New_York", kind="EQUITY"
) -> str:
    """A complete body in the shape of the recorded ones: epochs of the session's open, nulls where a price is None."""
    place = ZoneInfo(zone)
    stamps = [int(datetime.combine(row.day, row.at, place).timestamp()) for row in rows]
    closes = [row.close for row in rows]
    offset = datetime.combine(rows[-1].day, rows[-1].at, place).utcoffset() if rows else timedelta()
    meta = {
        "currency": currency,
        "symbol": symbol,
        "instrumentType": kind,
        "exchangeTimezoneName": zone,
        "gmtoffset": int((offset or timedelta()).total_seconds()),
        "firstTradeDate": 0,
        "regularMarketTime": stamps[-1] if stamps else 0,
        "validRanges": ["1d", "max"],
        "priceHint": 2,
    }
    quote = {
        "open": closes,
        "high": [None if close is None else close * 1.01 for close in closes],
        "low": [None if close is None else close * 0.99 for close in closes],
        "close": closes,
        "volume": [None if close is None else 1000 for close in closes],
    }
    adjusted = [row.close if row.adj_close is None else row.adj_close for row in rows]
    dividends = {str(s): {"amount": r.dividend, "date": s} for s, r in zip(stamps, rows, strict=True) if r.dividend}
    splits = {
        str(s): {"date": s, "numerator": r.split[0], "denominator": r.split[1]}
        for s, r in zip(stamps, rows, strict=True)
        if r.split
    }
    result = {
        "meta": meta,
        "timestamp": stamps,
        "events": {"dividends": dividends, "splits": splits},
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
    }
    return json.dumps({"chart": {"result": [result], "error": None}})


def chart_error(code: str, description: str) -> str:
    return json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}})


def rows_of(days: Sequence[date], start: float = 100.0) -> list[Row]:
    return [Row(day, start + place) for place, day in enumerate(days)]


def daily_series(rows: Sequence[Row], *, adjusted: bool = False) -> str:
    """Alpha Vantage's TIME_SERIES_DAILY or, with `adjusted`, TIME_SERIES_DAILY_ADJUSTED: strings, newest first."""

    def fields(row: Row) -> dict[str, str]:
        basic = {"1. open": row.close, "2. high": row.close, "3. low": row.close, "4. close": row.close}
        if not adjusted:
            return {key: f"{value:.4f}" for key, value in basic.items()} | {"5. volume": "1000"}
        new, old = row.split or (1, 1)
        return {key: f"{value:.4f}" for key, value in basic.items()} | {
            "5. adjusted close": f"{row.adj_close:.6f}",
            "6. volume": "1000",
            "7. dividend amount": f"{row.dividend:.4f}",
            "8. split coefficient": f"{new / old}",
        }

    series = {row.day.isoformat(): fields(row) for row in reversed(rows)}
    return json.dumps({"Meta Data": {"1. Information": "Daily"}, "Time Series (Daily)": series})


AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
