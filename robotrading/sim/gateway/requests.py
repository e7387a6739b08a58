"""Decoders of the compound messages that clients send, field by field as ib_insync (176) and ib_async (178) write them.

Entry points: `ContractQuery`, `read_contract`, `PlaceOrder`, `read_place_order`, `MarketDataRequest`,
`read_market_data`, `HistoryRequest`, `read_history`, `ExecutionFilter`, `read_executions`.
All raise `MalformedMessage`, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from robotrading.sim.gateway.wire import Fields, MalformedMessage


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """A contract as a client words it; `con_id` 0 and empty strings are unset."""

    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str


def read_contract(fields: Fields) -> ContractQuery:
    """The twelve fields of a contract: id, symbol, kind, expiry, strike, right, multiplier, exchanges, names."""
    con_id, symbol, sec_type = fields.integer(), fields.text(), fields.text()
    fields.skip(4)
    return ContractQuery(
        con_id=con_id,
        symbol=symbol.strip(),
        sec_type=sec_type,
        exchange=fields.text(),
        primary_exchange=fields.text(),
        currency=fields.text(),
        local_symbol=fields.text(),
        trading_class=fields.text(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """The fields of a placeOrder that mean something here. None and '' are unset."""

    order_id: int
    contract: ContractQuery
    action: str
    quantity: Decimal | None
    order_type: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    tif: str
    oca_group: str
    account: str
    order_ref: str
    transmit: bool
    parent_id: int
    outside_rth: bool
    good_after: str
    good_till: str
    oca_type: int
    trail_stop_price: Decimal | None
    trailing_percent: Decimal | None
    algo_strategy: str
    algo_params: tuple[tuple[str, str], ...]
    what_if: bool
    conditions: int
    cash_quantity: Decimal | None


def read_place_order(fields: Fields, version: int) -> PlaceOrder:
    """Message 3. The layout depends on the negotiated version (faProfile went with 177) and on the order itself."""
    order_id, contract = fields.integer(), read_contract(fields)
    if contract.sec_type == "BAG":
        raise MalformedMessage("field 4 is 'BAG'; combinations are not served")
    fields.skip(2)  # secIdType, secId
    terms = _Terms(fields)
    fields.skip(2)  # deprecated sharesAllocation, discretionaryAmt
    good_after, good_till = fields.text(), fields.text()
    fields.skip(4 if version < 177 else 3)  # faGroup, faMethod, faPercentage, (faProfile)
    fields.skip(4)  # modelCode, shortSaleSlot, designatedLocation, exemptCode
    oca_type = fields.integer()
    fields.skip(17)  # rule80A .. volatilityType
    delta_neutral = fields.text()
    fields.skip(1 + (8 if delta_neutral else 0))
    fields.skip(2)  # continuousUpdate, referencePriceType
    trail_stop_price, trailing_percent = fields.number(), fields.number()
    _skip_scale_and_hedge(fields)
    _skip_clearing(fields)
    algo_strategy = fields.text()
    algo_params = fields.pairs() if algo_strategy else ()
    fields.skip()  # algoId
    what_if = fields.flag()
    fields.skip(4)  # orderMiscOptions, solicited, randomizeSize, randomizePrice
    conditions = fields.integer()
    cash_quantity = None if conditions else _cash_quantity(fields)
    return PlaceOrder(
        order_id=order_id,
        contract=contract,
        action=terms.action,
        quantity=terms.quantity,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        aux_price=terms.aux_price,
        tif=terms.tif,
        oca_group=terms.oca_group,
        account=terms.account,
        order_ref=terms.order_ref,
        transmit=terms.transmit,
        parent_id=terms.parent_id,
        outside_rth=terms.outside_rth,
        good_after=good_after,
        good_till=good_till,
        oca_type=oca_type,
        trail_stop_price=trail_stop_price,
        trailing_percent=trailing_percent,
        algo_strategy=algo_strategy,
        algo_params=algo_params,
        what_if=what_if,
        conditions=conditions,
        cash_quantity=cash_quantity,
    )


class _Terms:
    """The block from action to hidden."""

    def __init__(self, fields: Fields) -> None:
        self.action, self.quantity, self.order_type = fields.text(), fields.number(), fields.text()
        self.limit_price, self.aux_price, self.tif = fields.number(), fields.number(), fields.text()
        self.oca_group, self.account = fields.text(), fields.text()
        fields.skip(2)  # openClose, origin
        self.order_ref, self.transmit, self.parent_id = fields.text(), fields.flag(), fields.integer()
        fields.skip(4)  # blockOrder, sweepToFill, displaySize, triggerMethod
        self.outside_rth = fields.flag()
        fields.skip()  # hidden


def _skip_scale_and_hedge(fields: Fields) -> None:
    fields.skip(2)  # scaleInitLevelSize, scaleSubsLevelSize
    increment = fields.number()
    if increment is not None and increment > 0:
        fields.skip(7)
    fields.skip(3)  # scaleTable, activeStartTime, activeStopTime
    if fields.text():  # hedgeType
        fields.skip()


def _skip_clearing(fields: Fields) -> None:
    fields.skip(4)  # optOutSmartRouting, clearingAccount, clearingIntent, notHeld
    if fields.flag():  # delta-neutral contract
        fields.skip(3)


def _cash_quantity(fields: Fields) -> Decimal | None:
    fields.skip(10)  # adjustedOrderType .. softDollarTier
    return fields.number()


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    req_id: int
    contract: ContractQuery
    generic_ticks: str
    snapshot: bool


def read_market_data(fields: Fields) -> MarketDataRequest:
    """Message 1."""
    fields.skip()  # version
    req_id, contract = fields.integer(), read_contract(fields)
    if contract.sec_type == "BAG":
        fields.skip(4 * fields.count())
    if fields.flag():  # delta-neutral contract
        fields.skip(3)
    generic_ticks, snapshot, regulatory = fields.text(), fields.flag(), fields.flag()
    return MarketDataRequest(req_id, contract, generic_ticks, snapshot or regulatory)


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A request for historical bars, texts as the client wrote them."""

    req_id: int
    contract: ContractQuery
    end: str
    bar_size: str
    duration: str
    what: str
    regular_hours: bool
    keep_up_to_date: bool


def read_history(fields: Fields) -> HistoryRequest:
    """Message 20."""
    req_id, contract = fields.integer(), read_contract(fields)
    fields.skip()  # includeExpired
    end, bar_size, duration = fields.text(), fields.text(), fields.text()
    regular_hours, what = fields.flag(), fields.text()
    fields.skip()  # formatDate: daily bars look the same in both
    if contract.sec_type == "BAG":
        fields.skip(4 * fields.count())
    return HistoryRequest(req_id, contract, end, bar_size, duration, what.upper(), regular_hours, fields.flag())


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Empty and 0 let everything pass."""

    req_id: int
    client_id: int
    account: str
    time: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


def read_executions(fields: Fields) -> ExecutionFilter:
    """Message 7."""
    fields.skip()  # version
    return ExecutionFilter(
        fields.integer(),
        fields.integer(),
        fields.text(),
        fields.text(),
        fields.text(),
        fields.text(),
        fields.text(),
        fields.text(),
    )
