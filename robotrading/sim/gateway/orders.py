"""Orders and executions: what clients ask for, and what they are told when something happens.

Entry points: `SERVES` (handlers by message), `in_wire_order`, `tell`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal

from robotrading.domain.orders import Side
from robotrading.sim.exchange_types import (
    Charged,
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    Execution,
    OrderChanged,
    OrderMessage,
    OrderRequest,
    OrderStatus,
)
from robotrading.sim.gateway import answers, order_answers
from robotrading.sim.gateway.codes import Code, Incoming, Outgoing
from robotrading.sim.gateway.order_words import Refusal, to_request
from robotrading.sim.gateway.requests import ExecutionFilter, PlaceOrder, read_executions, read_place_order
from robotrading.sim.gateway.session import Handler, Session
from robotrading.sim.gateway.settings import DropAt
from robotrading.sim.gateway.wire import Fields, MalformedMessage


def _place(session: Session, fields: Fields) -> None:
    order = read_place_order(fields, session.version)
    desk = session.desk
    request = to_request(order, desk.contracts, desk.exchange.account_ids)
    if isinstance(request, Refusal):
        session.error(order.order_id, request.code, request.text)
        return
    if order.what_if:
        _preview(session, order, request)
        return
    if desk.drill.place(session, order.order_id, request):
        desk.wake()
        return
    drop = desk.take_drop()
    if drop in (DropAt.BEFORE_ORDER, DropAt.BEFORE_ACK):
        session.abort()
    if drop is not DropAt.BEFORE_ORDER:
        desk.exchange.place(session.id, order.order_id, request)
    if drop is DropAt.AFTER_ACK:
        desk.deliver()
        session.close()
    desk.wake()


def _preview(session: Session, order: PlaceOrder, request: OrderRequest) -> None:
    """What an order would do to the margin; a refusal is an error on the order's id."""
    exchange = session.desk.exchange
    refusal = exchange.preview(session.id, order.order_id, request)
    if refusal is not None:
        session.error(order.order_id, *refusal)
        return
    quote = exchange.market.quote(request.instrument)
    price = request.limit_price or (quote.price if quote else None) or Decimal(0)
    now = session.desk.clock.now()
    account = request.account_id or exchange.account_ids[0]
    imagined = ExchangeOrder(
        client_id=session.id,
        order_id=order.order_id,
        perm_id=0,
        account_id=account,
        request=request,
        status=OrderStatus.PRE_SUBMITTED,
        quantity=request.quantity,
        submitted_at=now,
        updated_at=now,
    )
    equity = next((row.value for row in exchange.account_values(account) if row.key == "NetLiquidation"), "0")
    value = price * request.quantity * (1 if request.side is Side.BUY else -1)
    listing = session.desk.contracts.listing(request.instrument)
    session.send(order_answers.what_if(session.version, imagined, listing, value, Decimal(equity)))


def _cancel(session: Session, fields: Fields) -> None:
    fields.skip()
    session.desk.exchange.cancel(session.id, fields.integer())
    session.desk.wake()


def _global_cancel(session: Session, fields: Fields) -> None:
    fields.skip()
    session.desk.exchange.cancel_all()
    session.desk.wake()


def _open_orders(session: Session, fields: Fields) -> None:
    fields.skip()
    _list_open(session, session.desk.exchange.open_orders(session.id))


def _all_open_orders(session: Session, fields: Fields) -> None:
    fields.skip()
    _list_open(session, session.desk.exchange.open_orders())


def _list_open(session: Session, orders: Iterable[ExchangeOrder]) -> None:
    for order in orders:
        _tell_order(session, order, order.status)
    session.send(answers.end(Outgoing.OPEN_ORDER_END))


def _tell_order(session: Session, order: ExchangeOrder, status: str) -> None:
    listing = session.desk.contracts.listing(order.request.instrument)
    session.send(order_answers.open_order(session.version, order, listing, status))
    session.send(order_answers.order_status(order, status))


def _auto_open_orders(session: Session, fields: Fields) -> None:
    fields.skip()
    if fields.flag() and session.id != 0:
        text = "Error validating request.-'bG' : cause - Only the default client (i.e 0) can auto bind orders."
        session.error(-1, Code.INVALID_REQUEST, text)


def _completed_orders(session: Session, fields: Fields) -> None:
    fields.flag()  # apiOnly: all orders here came through the API
    midnight = _midnight(session)
    desk = session.desk
    for order in desk.exchange.completed_orders():
        if order.updated_at >= midnight:
            listing = desk.contracts.listing(order.request.instrument)
            version, at = session.version, order.updated_at
            session.send(order_answers.completed_order(version, order, listing, desk.zone, at))
    session.send((Outgoing.COMPLETED_ORDERS_END,))


def _midnight(session: Session) -> datetime:
    """The start of the gateway's day: nothing older is told of."""
    local = session.desk.clock.now().astimezone(session.desk.zone)
    return datetime.combine(local.date(), time(), session.desk.zone)


def _executions(session: Session, fields: Fields) -> None:
    wanted = read_executions(fields)
    desk = session.desk
    since = max(_midnight(session), _filter_time(session, wanted.time))
    for execution in () if desk.faults.withhold_fills else desk.exchange.executions(since):
        if _passes(session, execution, wanted):
            _tell_execution(session, wanted.req_id, execution)
            report = desk.exchange.commission(execution.exec_id)
            if report is not None:
                session.send(answers.commission_report(report))
    session.send(answers.end(Outgoing.EXEC_DETAILS_END, wanted.req_id))


def _filter_time(session: Session, text: str) -> datetime:
    """`yyyymmdd hh:mm:ss` (or with a dash), optionally with a zone; empty is the beginning of time."""
    if not text:
        return session.desk.clock.now() - timedelta(days=7)
    try:
        moment = datetime.strptime(text[:17].replace("-", " "), "%Y%m%d %H:%M:%S")  # noqa: DTZ007  zone follows
    except ValueError as error:
        raise MalformedMessage(f"the time of the filter is {text[:40]!r}; expected 'yyyymmdd hh:mm:ss'") from error
    return moment.replace(tzinfo=session.desk.zone)


def _passes(session: Session, execution: Execution, wanted: ExecutionFilter) -> bool:
    listing = session.desk.contracts.listing(execution.instrument)
    side = "BUY" if execution.side is Side.BUY else "SELL"
    return (
        wanted.client_id in (0, execution.client_id)
        and wanted.account in ("", execution.account_id)
        and wanted.symbol in ("", listing.symbol)
        and wanted.sec_type in ("", listing.sec_type)
        and wanted.exchange in ("", execution.exchange)
        and wanted.side in ("", side)
    )


def _tell_execution(session: Session, req_id: int, execution: Execution) -> None:
    listing = session.desk.contracts.listing(execution.instrument)
    session.send(answers.exec_details(session.version, req_id, execution, listing, session.desk.zone))


def _ids(session: Session, fields: Fields) -> None:
    del fields
    session.send(answers.next_valid_id(session.desk.exchange.next_order_id(session.id)))


def in_wire_order(events: Iterable[ExchangeEvent], *, status_first: bool) -> list[ExchangeEvent]:
    """One batch as it goes out: executions ahead of the status they cause, or (`status_first`) after it.

    Commissions stay behind their executions in both. Events of different orders may change places, those of one
    order otherwise not.
    """
    batch = list(events)
    executed = {event.execution.perm_id for event in batch if isinstance(event, Executed)}

    def rank(event: ExchangeEvent) -> int:
        if isinstance(event, OrderChanged) and event.order.perm_id in executed and event.order.filled:
            return 0 if status_first else 1
        if isinstance(event, Executed):
            return 1 if status_first else 0
        return 2 if isinstance(event, Charged) else 0

    return sorted(batch, key=rank)


def owner(event: ExchangeEvent) -> int:
    """The client id whose order an event is about; -1 for events about accounts."""
    if isinstance(event, OrderChanged):
        return event.order.client_id
    if isinstance(event, OrderMessage):
        return event.client_id
    return event.execution.client_id if isinstance(event, Executed | Charged) else -1


def tell(session: Session, event: ExchangeEvent) -> None:
    """What the owner of an order hears of an event, unless a fault withholds it."""
    faults = session.desk.faults
    if isinstance(event, OrderMessage):
        session.error(event.order_id, event.code, event.text)
    elif isinstance(event, OrderChanged) and not faults.withhold_acks:
        if not (faults.withhold_fills and event.order.filled):
            _tell_change(session, event.order)
    elif isinstance(event, Executed) and not faults.withhold_fills:
        _tell_execution(session, -1, event.execution)
    elif isinstance(event, Charged) and not faults.withhold_fills:
        session.send(answers.commission_report(event.commission))


def _tell_change(session: Session, order: ExchangeOrder) -> None:
    """The first 'Submitted' comes after a 'PreSubmitted', as with the real gateway."""
    if order.status is OrderStatus.INACTIVE and not session.desk.settings.reject_status:
        return
    if order.status is OrderStatus.SUBMITTED and order.perm_id not in session.seen_working:
        session.seen_working.add(order.perm_id)
        if not order.filled:
            _tell_order(session, order, OrderStatus.PRE_SUBMITTED)
    _tell_order(session, order, order.status)


SERVES: dict[int, Handler] = {
    Incoming.PLACE_ORDER: _place,
    Incoming.CANCEL_ORDER: _cancel,
    Incoming.REQ_GLOBAL_CANCEL: _global_cancel,
    Incoming.REQ_OPEN_ORDERS: _open_orders,
    Incoming.REQ_ALL_OPEN_ORDERS: _all_open_orders,
    Incoming.REQ_AUTO_OPEN_ORDERS: _auto_open_orders,
    Incoming.REQ_COMPLETED_ORDERS: _completed_orders,
    Incoming.REQ_EXECUTIONS: _executions,
    Incoming.REQ_IDS: _ids,
}
