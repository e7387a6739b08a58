"""Historical daily bars, as much of the request's grammar as daily bars need.

Entry points: `SERVES` (handlers by message), `Window`, `parse_window`, `HistoryPacing`.
"""

from __future__ import annotations

import calendar
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from robotrading.domain.instrument import SecType
from robotrading.domain.market import Bars
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code, Incoming, Outgoing
from robotrading.sim.gateway.contracts import Listing
from robotrading.sim.gateway.requests import HistoryRequest, read_contract, read_history
from robotrading.sim.gateway.session import Handler, Session
from robotrading.sim.gateway.wire import Field, Fields, MalformedMessage

_DURATION = re.compile(r"(\d{1,5}) ?([SDWMY])", re.ASCII)
_END = re.compile(r"(\d{8})(?:[ -](\d{2}:\d{2}:\d{2}))?(?: (\S+))?", re.ASCII)
_EPOCH = date(1980, 1, 1)
_KINDS = ("TRADES", "AGGTRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK")
_SERVICE = "Historical Market Data Service error message:"


@dataclass(frozen=True, slots=True)
class Window:
    """The days asked for: `last` included; `count` trading days where the duration was in days, else from `first`."""

    first: date
    last: date
    count: int | None = None


def parse_window(end: str, duration: str, now: datetime, zone: ZoneInfo) -> Window:
    """The span of a request. An empty end is now; seconds are counted as days begun. Raises `MalformedMessage`."""
    match = _DURATION.fullmatch(duration.strip().upper())
    if match is None or not int(match[1]):
        raise MalformedMessage(f"the duration is {duration[:40]!r}; expected a number and one of S D W M Y")
    amount, unit = int(match[1]), match[2]
    last = _end_day(end, now, zone)
    if unit == "S":
        amount, unit = -(-amount // 86_400), "D"
    if unit == "D":
        return Window(max(_EPOCH, last - timedelta(days=2 * amount + 10)), last, amount)
    if unit == "W":
        return Window(max(_EPOCH, last - timedelta(weeks=min(amount, 5_000)) + timedelta(days=1)), last)
    return Window(_months_before(last, amount * (12 if unit == "Y" else 1)) + timedelta(days=1), last)


def _end_day(end: str, now: datetime, zone: ZoneInfo) -> date:
    if not end.strip():
        return now.astimezone(zone).date()
    match = _END.fullmatch(end.strip())
    try:
        return datetime.strptime(match[1], "%Y%m%d").date() if match else _refuse_end(end)  # noqa: DTZ007  a day
    except ValueError as error:
        raise MalformedMessage(f"the end is {end[:40]!r}; expected 'yyyymmdd hh:mm:ss zone' or nothing") from error


def _refuse_end(end: str) -> date:
    raise ValueError(end)


def _months_before(day: date, months: int) -> date:
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if years < _EPOCH.year:
        return _EPOCH
    return date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))


class HistoryPacing:
    """At most 60 requests in ten minutes and no identical one within fifteen seconds; times in seconds."""

    WINDOW = 600.0
    REQUESTS = 60
    SAME = 15.0

    def __init__(self) -> None:
        self._asked: deque[tuple[float, tuple[object, ...]]] = deque()

    def violates(self, now: float, request: tuple[object, ...]) -> bool:
        """Whether this request comes too soon; one that does not is counted."""
        while self._asked and self._asked[0][0] <= now - self.WINDOW:
            self._asked.popleft()
        again = any(known == request and at > now - self.SAME for at, known in self._asked)
        if again or len(self._asked) >= self.REQUESTS:
            return True
        self._asked.append((now, request))
        return False


def _history(session: Session, fields: Fields) -> None:
    request = read_history(fields)
    listing = session.desk.contracts.find(request.contract)
    if listing is None:
        session.error(request.req_id, Code.NO_SECURITY, "No security definition has been found for the request")
        return
    if session.desk.drill.history_broken():
        text = f"{_SERVICE}HMDS server disconnect occurred.  Attempting reconnection..."
        session.error(request.req_id, Code.HISTORY, text)
        return
    refusal = _refusal(session, request, listing)
    if refusal is not None:
        session.error(request.req_id, *refusal)
        return
    window = parse_window(request.end, request.duration, session.desk.clock.now(), _day_zone(session, listing))
    bars = session.desk.exchange.market.bars(listing.instrument, window.first, window.last)
    rows = _rows(bars, request.what, window) if bars is not None else []
    if not rows:
        text = f"{_SERVICE}HMDS query returned no data: {listing.symbol}@{listing.exchange} {request.what.title()}"
        session.error(request.req_id, Code.HISTORY, text)
        return
    _send(session, request, window, rows)
    if request.keep_up_to_date:
        session.subscriptions.history[request.req_id] = listing


def _day_zone(session: Session, listing: Listing) -> ZoneInfo:
    return ZoneInfo("UTC") if listing.instrument.sec_type is SecType.CRYPTO else session.desk.zone


def _refusal(session: Session, request: HistoryRequest, listing: Listing) -> tuple[int, str] | None:
    """The first rule that the request breaks."""
    crypto = listing.instrument.sec_type is SecType.CRYPTO
    if request.what not in _KINDS:
        return Code.INVALID_REQUEST, f"Error validating request.-'bO' : cause - {request.what!r} is not served"
    if crypto and request.what in ("TRADES", "ADJUSTED_LAST"):
        return Code.WRONG_WHAT_TO_SHOW, "Expected what to show is AGGTRADES, please use that instead of TRADES."
    if request.what == "ADJUSTED_LAST" and request.end.strip():
        return (
            Code.INVALID_REQUEST,
            "Error validating request.-'bO' : cause - End date not supported with adjusted last",
        )
    if request.bar_size not in ("1 day", "1D", "1 days"):
        return Code.HISTORY, f"{_SERVICE}bar size {request.bar_size!r} is not served, only '1 day'"
    key = (listing.con_id, request.end, request.duration, request.what)
    if session.desk.settings.history_pacing and session.desk.history_too_soon(key):
        return Code.HISTORY, f"{_SERVICE}Historical data request pacing violation"
    return None


def _rows(bars: Bars, what: str, window: Window) -> list[tuple[Field, ...]]:
    """Date, open, high, low, close, volume, average, count; days without a close are left out."""
    ratio = bars.adj_close / bars.close if what == "ADJUSTED_LAST" else np.ones(len(bars))
    traded = what in ("TRADES", "AGGTRADES", "ADJUSTED_LAST")
    rows: list[tuple[Field, ...]] = []
    for index in np.flatnonzero(np.isfinite(bars.close) & np.isfinite(ratio)):
        day = bars.dates[index].astype(date)
        prices = [_price(column[index], bars.close[index], ratio[index]) for column in _columns(bars)]
        volume = bars.volume[index] if traded and np.isfinite(bars.volume[index]) else -1
        average = round((prices[1] + prices[2] + prices[3]) / 3, 6)
        rows.append((f"{day:%Y%m%d}", *prices, round(float(volume), 4), average, 1 if traded else -1))
    return rows if window.count is None else rows[-window.count :]


def _columns(bars: Bars) -> tuple[np.ndarray, ...]:
    return bars.open, bars.high, bars.low, bars.close


def _price(value: float, close: float, ratio: float) -> float:
    """A price of the bar, the close where it is missing."""
    return round(float((value if np.isfinite(value) else close) * ratio), 8)


def _send(session: Session, request: HistoryRequest, window: Window, rows: list[tuple[Field, ...]]) -> None:
    zone = session.desk.zone
    start = datetime.combine(window.first, datetime.min.time(), zone)
    end = datetime.combine(window.last, datetime.min.time(), zone)
    flat = (field for row in rows for field in row)
    header = (Outgoing.HISTORICAL_DATA, request.req_id, answers.stamp(start, zone), answers.stamp(end, zone), len(rows))
    session.send((*header, *flat))


def tell_updates(session: Session) -> None:
    """Today's bar of the histories that are kept up to date, made of the present price."""
    for req_id, listing in session.subscriptions.history.items():
        quote = session.desk.exchange.market.quote(listing.instrument)
        if quote is not None and quote.price is not None:
            day = session.desk.clock.now().astimezone(_day_zone(session, listing)).date()
            price = quote.price
            bar = (1, f"{day:%Y%m%d}", price, price, price, price, price, 0)
            session.send((Outgoing.HISTORICAL_DATA_UPDATE, req_id, *bar))


def _cancel(session: Session, fields: Fields) -> None:
    fields.skip()
    session.subscriptions.history.pop(fields.integer(), None)


def _head_timestamp(session: Session, fields: Fields) -> None:
    req_id, query = fields.integer(), read_contract(fields)
    listing = session.desk.contracts.find(query)
    if listing is None:
        session.error(req_id, Code.NO_SECURITY, "No security definition has been found for the request")
        return
    bars = session.desk.exchange.market.bars(listing.instrument, _EPOCH, session.desk.clock.now().date())
    if bars is None or not len(bars):
        session.error(req_id, Code.HISTORY, f"{_SERVICE}No head time stamp for {listing.symbol}")
        return
    first = datetime.combine(bars.first_day, datetime.min.time(), UTC)
    session.send((Outgoing.HEAD_TIMESTAMP, req_id, f"{first:%Y%m%d  %H:%M:%S}"))


def _ignore(session: Session, fields: Fields) -> None:
    del session, fields


SERVES: dict[int, Handler] = {
    Incoming.REQ_HISTORICAL_DATA: _history,
    Incoming.CANCEL_HISTORICAL_DATA: _cancel,
    Incoming.REQ_HEAD_TIMESTAMP: _head_timestamp,
    Incoming.CANCEL_HEAD_TIMESTAMP: _ignore,
}
