"""Encoders of what the gateway sends, except orders (`order_answers`).

Every function returns the fields of one message, laid out for protocol versions 157 to 178. `version` is asked for
where the layout depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from robotrading.domain.orders import Side
from robotrading.sim.exchange_types import AccountValue, Commission, Execution, Holding
from robotrading.sim.gateway.codes import Outgoing
from robotrading.sim.gateway.contracts import Listing
from robotrading.sim.gateway.wire import UNSET_DOUBLE, Field

Message = Sequence[Field]


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """An instant as TWS writes it: date, time and zone, a space between."""
    return f"{at.astimezone(zone):%Y%m%d %H:%M:%S} {zone.key}"


def error(version: int, req_id: int, code: int, text: str) -> Message:
    advanced = ("",) if version >= 166 else ()
    return (Outgoing.ERROR, 2, req_id, int(code), text, *advanced)


def next_valid_id(order_id: int) -> Message:
    return (Outgoing.NEXT_VALID_ID, 1, order_id)


def managed_accounts(accounts: Iterable[str]) -> Message:
    return (Outgoing.MANAGED_ACCOUNTS, 1, ",".join(accounts))


def current_time(at: datetime) -> Message:
    return (Outgoing.CURRENT_TIME, 1, int(at.timestamp()))


def account_value(row: AccountValue) -> Message:
    return (Outgoing.ACCOUNT_VALUE, 2, row.key, row.value, row.currency, row.account_id)


def account_update_multi(req_id: int, row: AccountValue) -> Message:
    return (Outgoing.ACCOUNT_UPDATE_MULTI, 1, req_id, row.account_id, "", row.key, row.value, row.currency)


def account_summary(req_id: int, row: AccountValue) -> Message:
    return (Outgoing.ACCOUNT_SUMMARY, 1, req_id, row.account_id, row.key, row.value, row.currency)


def account_time(at: datetime, zone: ZoneInfo) -> Message:
    return (Outgoing.ACCOUNT_TIME, 1, f"{at.astimezone(zone):%H:%M}")


def end(kind: Outgoing, *fields: Field) -> Message:
    """An end marker with the version most of them carry."""
    return (kind, 1, *fields)


def contract_block(listing: Listing, right: str, exchange: str) -> Message:
    """Eleven fields: id, symbol, kind, expiry, strike, right, multiplier, exchange, currency, local name, class."""
    return (
        listing.con_id,
        listing.symbol,
        listing.sec_type,
        "",
        "0",
        right,
        "",
        exchange,
        listing.currency,
        listing.local_symbol,
        listing.trading_class,
    )


def portfolio_value(holding: Holding, listing: Listing) -> Message:
    """Market value and unrealised profit with the market's price, the average cost where there is none."""
    price = holding.avg_cost if holding.market_price is None else holding.market_price
    value = price * holding.quantity
    return (
        Outgoing.PORTFOLIO_VALUE,
        8,
        *contract_block(listing, "0", listing.primary_exchange),
        holding.quantity,
        price,
        value,
        holding.avg_cost,
        value - holding.avg_cost * holding.quantity,
        holding.realized_pnl,
        holding.account_id,
    )


def position(holding: Holding, listing: Listing) -> Message:
    """Without an exchange, as the real gateway sends it."""
    block = contract_block(listing, "", "")
    return (Outgoing.POSITION, 3, holding.account_id, *block, holding.quantity, holding.avg_cost)


def position_multi(req_id: int, holding: Holding, listing: Listing) -> Message:
    block = contract_block(listing, "", "")
    return (Outgoing.POSITION_MULTI, 1, req_id, holding.account_id, *block, holding.quantity, holding.avg_cost, "")


def exec_details(version: int, req_id: int, execution: Execution, listing: Listing, zone: ZoneInfo) -> Message:
    revised = ("0",) if version >= 178 else ()
    return (
        Outgoing.EXEC_DETAILS,
        req_id,
        execution.order_id,
        *contract_block(listing, "", execution.exchange),
        execution.exec_id,
        stamp(execution.at, zone),
        execution.account_id,
        execution.exchange,
        "BOT" if execution.side is Side.BUY else "SLD",
        execution.quantity,
        execution.price,
        execution.perm_id,
        execution.client_id,
        0,
        execution.cum_quantity,
        execution.avg_price,
        execution.order_ref,
        "",
        "",
        "",
        2,
        *revised,
    )


def commission_report(report: Commission) -> Message:
    pnl = UNSET_DOUBLE if report.realized_pnl is None else report.realized_pnl
    return (Outgoing.COMMISSION_REPORT, 1, report.exec_id, report.amount, report.currency, pnl, UNSET_DOUBLE, "")


def tick_price(req_id: int, kind: int, price: Decimal, size: Decimal | None) -> Message:
    return (Outgoing.TICK_PRICE, 6, req_id, kind, price, size, 0)


def tick_size(req_id: int, kind: int, size: Decimal) -> Message:
    return (Outgoing.TICK_SIZE, 6, req_id, kind, size)


def tick_string(req_id: int, kind: int, value: str) -> Message:
    return (Outgoing.TICK_STRING, 6, req_id, kind, value)


def market_data_type(req_id: int, kind: int) -> Message:
    return (Outgoing.MARKET_DATA_TYPE, 1, req_id, kind)


def tick_parameters(req_id: int, listing: Listing) -> Message:
    return (Outgoing.TICK_REQ_PARAMS, req_id, listing.instrument.tick, "9c0001", 3)


def market_rule(rule: int, tick: Decimal) -> Message:
    """One price step from zero up."""
    return (Outgoing.MARKET_RULE, rule, 1, 0, tick)


def family_codes(accounts: Sequence[str]) -> Message:
    return (Outgoing.FAMILY_CODES, len(accounts), *(field for account in accounts for field in (account, "")))


def symbol_samples(version: int, req_id: int, listings: Sequence[Listing]) -> Message:
    fields: list[Field] = [Outgoing.SYMBOL_SAMPLES, req_id, len(listings)]
    for listing in listings:
        venue = listing.primary_exchange or listing.exchange
        fields += [listing.con_id, listing.symbol, listing.sec_type, venue, listing.currency, 0]
        if version >= 176:
            fields += [listing.instrument.name or listing.symbol, ""]
    return fields


@dataclass(frozen=True, slots=True)
class Hours:
    """Trading and liquid hours as TWS lists them, in the time zone named."""

    trading: str
    liquid: str
    zone: str


def contract_details(version: int, req_id: int, listing: Listing, hours: Hours) -> Message:
    """The long name is escaped to ASCII, as clients expect."""
    instrument = listing.instrument
    stock = listing.sec_type == "STK"
    order_types = "ACTIVETIM,ADJUST,ALGO,DAY,GTC,IOC,LMT,MIDPX,MKT,MOC,LOC,OCA,STP,STPLMT,TRAIL,WHATIF"
    rules = ",".join([str(listing.market_rule)] * len(listing.valid_exchanges))
    return (
        Outgoing.CONTRACT_DETAILS,
        *((8,) if version < 164 else ()),
        req_id,
        listing.symbol,
        listing.sec_type,
        "",
        "0",
        "",
        listing.exchange,
        listing.currency,
        listing.local_symbol,
        listing.trading_class,
        listing.trading_class,
        listing.con_id,
        instrument.tick,
        *((100,) if version < 164 else ()),
        "",
        order_types if stock else "ALGO,DAY,IOC,LMT,MKT,WHATIF",
        ",".join(listing.valid_exchanges),
        1,
        0,
        (instrument.name or instrument.symbol).encode("unicode_escape").decode(),
        listing.primary_exchange,
        "",
        "",
        "",
        "",
        hours.zone,
        hours.trading,
        hours.liquid,
        "",
        0,
        0,
        1,
        "",
        "",
        rules,
        "",
        "COMMON" if stock else "",
        *((listing.suggested_increment,) if version == 163 else ()),
        *((listing.min_size, listing.size_increment, listing.suggested_increment) if version >= 164 else ()),
    )
