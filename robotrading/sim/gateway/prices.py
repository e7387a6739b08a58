"""Market data lines: snapshots, streams, real-time bars.

Entry points: `SERVES` (handlers by message), `tell_quotes`, `tell_bars`.
Sizes are invented (the market knows none): a round lot of shares, one unit of crypto.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from robotrading.domain.instrument import SecType
from robotrading.domain.market import Quote
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code, Incoming, Outgoing
from robotrading.sim.gateway.contracts import Listing
from robotrading.sim.gateway.requests import MarketDataRequest, read_contract, read_market_data
from robotrading.sim.gateway.session import Handler, Session, TickerFeed
from robotrading.sim.gateway.settings import DataAccess
from robotrading.sim.gateway.wire import Fields

BID, ASK, LAST, HIGH, LOW, CLOSE, OPEN = 1, 2, 4, 6, 7, 9, 14
BID_SIZE, ASK_SIZE, LAST_SIZE, LAST_TIME = 0, 3, 5, 45
DELAYED = {
    BID: 66, ASK: 67, LAST: 68, BID_SIZE: 69, ASK_SIZE: 70, LAST_SIZE: 71, HIGH: 72, LOW: 73, CLOSE: 75, OPEN: 76,
    LAST_TIME: 88,
}  # fmt: skip
_SIZE_OF = {BID: BID_SIZE, ASK: ASK_SIZE, LAST: LAST_SIZE}
_LIVE, _FROZEN = 1, 2
MAX_LINES = 100
DELAY = timedelta(minutes=15)
"""How old delayed data says it is; its prices are those of now."""


def _market_data(session: Session, fields: Fields) -> None:
    request = read_market_data(fields)
    listing = _find(session, request.req_id, request.contract.exchange, session.desk.contracts.find(request.contract))
    if listing is None or not _allowed(session, request.req_id):
        return
    if len(session.subscriptions.tickers) >= MAX_LINES:
        session.error(request.req_id, Code.TICK_LIMIT, "Max number of tickers has been reached")
        return
    delay = session.desk.drill.quote_delay()
    if delay:
        asyncio.get_running_loop().call_later(delay, _open_line, session, request, listing)
    else:
        _open_line(session, request, listing)


def _open_line(session: Session, request: MarketDataRequest, listing: Listing) -> None:
    """Answer a request for a snapshot or a stream."""
    feed = TickerFeed(request.req_id, listing, delayed=session.subscriptions.data_type not in (_LIVE, _FROZEN))
    session.send(answers.market_data_type(request.req_id, session.subscriptions.data_type))
    session.send(answers.tick_parameters(request.req_id, listing))
    _tell_quote(session, feed)
    if request.snapshot:
        session.send(answers.end(Outgoing.TICK_SNAPSHOT_END, request.req_id))
    else:
        session.subscriptions.tickers[request.req_id] = feed


def _find(session: Session, req_id: int, exchange: str, listing: Listing | None) -> Listing | None:
    """The listing, None after an error: unknown, or asked for without an exchange."""
    if listing is None:
        session.error(req_id, Code.NO_SECURITY, "No security definition has been found for the request")
    elif not exchange:
        session.error(req_id, Code.INVALID_REQUEST, "Error validating request.-'bW' : cause - Please enter exchange")
        return None
    return listing


def _allowed(session: Session, req_id: int) -> bool:
    """Whether the account may see this kind of data; errors and the notice for delayed data are sent here."""
    if session.desk.drill.data_taken():
        session.error(req_id, Code.DATA_TAKEN, "No market data during competing live session")
        return False
    access, kind = session.desk.settings.data_access, session.subscriptions.data_type
    if access is DataAccess.NONE:
        session.error(req_id, Code.NOT_SUBSCRIBED, "Requested market data is not subscribed.")
        return False
    if access is DataAccess.DELAYED and kind in (_LIVE, _FROZEN):
        text = "Requested market data is not subscribed. Delayed market data is not enabled."
        session.error(req_id, Code.DELAYED_NOT_ENABLED, text)
        return False
    if access is DataAccess.DELAYED:
        text = "Requested market data is not subscribed. Displaying delayed market data."
        session.error(req_id, Code.DELAYED_SHOWN, text)
    return True


def _tell_quote(session: Session, feed: TickerFeed) -> None:
    """The ticks of a quote that differ from what was sent before."""
    quote = session.desk.drill.quote(session.desk.exchange.market.quote(feed.listing.instrument))
    if quote is None:
        return
    size = _size(feed.listing)
    news = False
    for kind, price in _prices(quote):
        if price is None or feed.sent.get(kind) == price:
            continue
        news = True
        feed.sent[kind] = price
        shown = DELAYED[kind] if feed.delayed else kind
        session.send(answers.tick_price(feed.req_id, shown, price, size if kind in _SIZE_OF else None))
        if kind in _SIZE_OF:
            shown_size = DELAYED[_SIZE_OF[kind]] if feed.delayed else _SIZE_OF[kind]
            session.send(answers.tick_size(feed.req_id, shown_size, size))
    if news:
        kind = DELAYED[LAST_TIME] if feed.delayed else LAST_TIME
        traded_at = (quote.traded_at or quote.at) - (DELAY if feed.delayed else timedelta(0))
        session.send(answers.tick_string(feed.req_id, kind, str(int(traded_at.timestamp()))))


def _prices(quote: Quote) -> tuple[tuple[int, Decimal | None], ...]:
    return (BID, quote.bid), (ASK, quote.ask), (LAST, quote.last), (CLOSE, quote.close)


def _size(listing: Listing) -> Decimal:
    return Decimal(1) if listing.instrument.sec_type is SecType.CRYPTO else Decimal(100)


def tell_quotes(session: Session) -> None:
    """News on every open line, and the day's bar on histories that are kept up to date."""
    for feed in session.subscriptions.tickers.values():
        _tell_quote(session, feed)


def _cancel_market_data(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id = fields.integer()
    if session.subscriptions.tickers.pop(req_id, None) is None:
        session.error(req_id, Code.NO_SUBSCRIPTION_WITH_ID, f"Can't find EId with tickerId:{req_id}")


def _data_type(session: Session, fields: Fields) -> None:
    fields.skip()
    kind = fields.integer()
    if kind in (1, 2, 3, 4):
        session.subscriptions.data_type = kind
    else:
        text = f"Error validating request.-'bZ' : cause - Invalid market data type {kind}"
        session.error(-1, Code.INVALID_REQUEST, text)


def _real_time_bars(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id, query = fields.integer(), read_contract(fields)
    listing = _find(session, req_id, query.exchange, session.desk.contracts.find(query))
    if listing is not None and _allowed(session, req_id):
        session.subscriptions.bars[req_id] = listing
        tell_bar(session, req_id)


def tell_bar(session: Session, req_id: int) -> None:
    """One five-second bar made of the present price."""
    listing = session.subscriptions.bars[req_id]
    quote = session.desk.exchange.market.quote(listing.instrument)
    if quote is None or quote.price is None:
        return
    start = session.desk.clock.now() - timedelta(seconds=5)
    price = quote.price
    bar = (int(start.timestamp()), price, price, price, price, _size(listing), price, 1)
    session.send((Outgoing.REAL_TIME_BAR, 3, req_id, *bar))


def tell_bars(session: Session) -> None:
    """The next bar of every subscription."""
    for req_id in session.subscriptions.bars:
        tell_bar(session, req_id)


def _cancel_bars(session: Session, fields: Fields) -> None:
    fields.skip()
    session.subscriptions.bars.pop(fields.integer(), None)


SERVES: dict[int, Handler] = {
    Incoming.REQ_MKT_DATA: _market_data,
    Incoming.CANCEL_MKT_DATA: _cancel_market_data,
    Incoming.REQ_MARKET_DATA_TYPE: _data_type,
    Incoming.REQ_REAL_TIME_BARS: _real_time_bars,
    Incoming.CANCEL_REAL_TIME_BARS: _cancel_bars,
}
