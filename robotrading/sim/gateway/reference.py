"""Reference data and small talk: contracts, market rules, the time, and what is answered with nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from robotrading.domain.instrument import SecType
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code, Incoming, Outgoing
from robotrading.sim.gateway.contracts import Listing
from robotrading.sim.gateway.requests import read_contract
from robotrading.sim.gateway.session import Handler, Session
from robotrading.sim.gateway.wire import Fields

_HOURS_AHEAD = 6
_PRE_MARKET = "0400"
_AFTER_MARKET = "2000"


def _details(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id, query = fields.integer(), read_contract(fields)
    listing = session.desk.contracts.find(query)
    if listing is None:
        session.error(req_id, Code.NO_SECURITY, "No security definition has been found for the request")
        return
    session.send(answers.contract_details(session.version, req_id, listing, _hours(session, listing)))
    session.send(answers.end(Outgoing.CONTRACT_DETAILS_END, req_id))


def _zone(session: Session, listing: Listing) -> ZoneInfo:
    """The contract's own time zone; here the gateway's, and UTC for crypto."""
    return ZoneInfo("UTC") if listing.instrument.sec_type is SecType.CRYPTO else session.desk.zone


def _hours(session: Session, listing: Listing) -> answers.Hours:
    """Hours of a week from today; empty when the gateway has no calendar."""
    zone = _zone(session, listing)
    if session.desk.calendar is None:
        return answers.Hours("", "", zone.key)
    today = session.desk.clock.now().astimezone(zone).date()
    days = [_day_hours(session, listing, zone, today + timedelta(days=ahead)) for ahead in range(_HOURS_AHEAD)]
    trading, liquid = (";".join(column) for column in zip(*days, strict=True))
    return answers.Hours(trading, liquid, zone.key)


def _day_hours(session: Session, listing: Listing, zone: ZoneInfo, day: date) -> tuple[str, str]:
    calendar = session.desk.calendar
    hours = calendar.hours(listing.instrument.asset_class, day) if calendar else None
    if hours is None:
        closed = f"{day:%Y%m%d}:CLOSED"
        return closed, closed
    first, last = (moment.astimezone(zone) for moment in hours)
    liquid = f"{_minute(first)}-{_minute(last)}"
    if listing.instrument.sec_type is SecType.CRYPTO:
        return liquid, liquid
    return f"{day:%Y%m%d}:{_PRE_MARKET}-{day:%Y%m%d}:{_AFTER_MARKET}", liquid


def _minute(moment: datetime) -> str:
    return f"{moment:%Y%m%d:%H%M}"


def _market_rule(session: Session, fields: Fields) -> None:
    rule = fields.integer()
    tick = session.desk.contracts.tick_of_rule(rule)
    if tick is None:
        session.error(-1, Code.INVALID_REQUEST, f"Error validating request.-'cz' : cause - Invalid market rule {rule}")
    else:
        session.send(answers.market_rule(rule, tick))


def _matching_symbols(session: Session, fields: Fields) -> None:
    req_id, pattern = fields.integer(), fields.text()
    session.send(answers.symbol_samples(session.version, req_id, session.desk.contracts.matching(pattern)))


def _current_time(session: Session, fields: Fields) -> None:
    del fields
    session.send(answers.current_time(session.desk.clock.now()))


def _family_codes(session: Session, fields: Fields) -> None:
    del fields
    session.send(answers.family_codes(session.desk.exchange.account_ids))


def _user_info(session: Session, fields: Fields) -> None:
    session.send((Outgoing.USER_INFO, fields.integer(), ""))


def _smart_components(session: Session, fields: Fields) -> None:
    session.send((Outgoing.SMART_COMPONENTS, fields.integer(), 0))


def _empty(kind: Outgoing) -> Handler:
    """An answer that lists nothing."""

    def handler(session: Session, fields: Fields) -> None:
        del fields
        session.send((kind, 0))

    return handler


def _ignore(session: Session, fields: Fields) -> None:
    del session, fields


SERVES: dict[int, Handler] = {
    Incoming.REQ_CONTRACT_DETAILS: _details,
    Incoming.REQ_MARKET_RULE: _market_rule,
    Incoming.REQ_MATCHING_SYMBOLS: _matching_symbols,
    Incoming.REQ_CURRENT_TIME: _current_time,
    Incoming.REQ_FAMILY_CODES: _family_codes,
    Incoming.REQ_USER_INFO: _user_info,
    Incoming.REQ_SMART_COMPONENTS: _smart_components,
    Incoming.REQ_MKT_DEPTH_EXCHANGES: _empty(Outgoing.MKT_DEPTH_EXCHANGES),
    Incoming.REQ_NEWS_PROVIDERS: _empty(Outgoing.NEWS_PROVIDERS),
    Incoming.SET_SERVER_LOG_LEVEL: _ignore,
}
