"""Accounts and positions: what a client asks, and what it is told when they change.

Entry points: `SERVES` (handlers by message), `tell_changes`, `tell_summaries`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from robotrading.sim.exchange_types import AccountValue, Holding
from robotrading.sim.gateway import answers
from robotrading.sim.gateway.codes import Code, Incoming, Outgoing
from robotrading.sim.gateway.session import Handler, Session
from robotrading.sim.gateway.wire import Fields

MAX_SUMMARIES = 2
_LEDGER = "$LEDGER"


def _managed(session: Session, fields: Fields) -> None:
    fields.skip()
    session.send(answers.managed_accounts(session.login.accounts or session.desk.exchange.account_ids))


def _updates(session: Session, fields: Fields) -> None:
    fields.skip()
    subscribe, account = fields.flag(), fields.text()
    if not subscribe:
        session.subscriptions.account_updates = ""
        return
    chosen = _account(session, -1, account)
    if chosen:
        session.subscriptions.account_updates = chosen
        session.subscriptions.told_values.clear()
        session.subscriptions.told_portfolio.clear()
        _tell_account(session, chosen)


def _account(session: Session, req_id: int, wanted: str) -> str:
    """The account meant, the first one where none is named; '' after an error."""
    accounts = session.desk.exchange.account_ids
    name = wanted or accounts[0]
    if name not in accounts:
        text = f"Error validating request:-'bP' : cause - Invalid account code {name!r}."
        session.error(req_id, Code.INVALID_REQUEST, text)
        return ""
    return name


def _tell_account(session: Session, account: str) -> None:
    """Account values and portfolio rows that differ from what was told before, then the time and the end marker."""
    told = session.subscriptions
    for row in session.desk.exchange.account_values(account):
        key = (row.account_id, row.key, row.currency)
        if told.told_values.get(key) != row.value:
            told.told_values[key] = row.value
            session.send(answers.account_value(row))
    for holding in _with_gone(session, account, session.desk.exchange.positions(account)):
        listing = session.desk.contracts.listing(holding.instrument)
        state = (holding.quantity, holding.avg_cost, holding.market_price, holding.realized_pnl)
        if told.told_portfolio.get((account, listing.con_id)) != state:
            told.told_portfolio[account, listing.con_id] = state
            session.send(answers.portfolio_value(holding, listing))
    session.send(answers.account_time(session.desk.clock.now(), session.desk.zone))
    session.send(answers.end(Outgoing.ACCOUNT_DOWNLOAD_END, account))


def _with_gone(session: Session, account: str, held: Iterable[Holding]) -> list[Holding]:
    """The holdings, and a zero for each that was told of and is held no more."""
    rows = list(held)
    contracts = session.desk.contracts
    present = {contracts.listing(row.instrument).con_id for row in rows}
    told = session.subscriptions
    gone = {con_id for name, con_id in [*told.told_portfolio, *told.told_positions] if name == account} - present
    for con_id in sorted(gone):
        listing = contracts.by_id(con_id)
        if listing is not None:
            rows.append(
                Holding(account_id=account, instrument=listing.instrument, quantity=Decimal(0), avg_cost=Decimal(0))
            )
    return rows


def _positions(session: Session, fields: Fields) -> None:
    fields.skip()
    if session.desk.faults.withhold_positions:
        return
    session.subscriptions.positions = True
    session.subscriptions.told_positions.clear()
    for holding in session.desk.drill.holdings(session.desk.exchange.positions()):
        _tell_position(session, holding)
    session.send(answers.end(Outgoing.POSITION_END))


def _tell_position(session: Session, holding: Holding) -> None:
    """Send a position unless the client has heard just that; a zero only where it knew of more."""
    listing = session.desk.contracts.listing(holding.instrument)
    told = session.subscriptions.told_positions
    key, state = (holding.account_id, listing.con_id), (holding.quantity, holding.avg_cost)
    if told.get(key) == state or (not holding.quantity and key not in told):
        return
    if holding.quantity:
        told[key] = state
    else:
        del told[key]
    session.send(answers.position(holding, listing))


def _cancel_positions(session: Session, fields: Fields) -> None:
    fields.skip()
    session.subscriptions.positions = False
    session.subscriptions.told_positions.clear()


def _positions_multi(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id, wanted = fields.integer(), fields.text()
    account = _account(session, req_id, wanted)
    if not account or session.desk.faults.withhold_positions:
        return
    session.subscriptions.positions_multi[req_id] = account
    for holding in session.desk.drill.holdings(session.desk.exchange.positions(account)):
        session.send(answers.position_multi(req_id, holding, session.desk.contracts.listing(holding.instrument)))
    session.send(answers.end(Outgoing.POSITION_MULTI_END, req_id))


def _updates_multi(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id, wanted = fields.integer(), fields.text()
    account = _account(session, req_id, wanted)
    if not account:
        return
    session.subscriptions.updates_multi[req_id] = account
    for row in session.desk.exchange.account_values(account):
        session.send(answers.account_update_multi(req_id, row))
    session.send(answers.end(Outgoing.ACCOUNT_UPDATE_MULTI_END, req_id))


def _summary(session: Session, fields: Fields) -> None:
    fields.skip()
    req_id = fields.integer()
    fields.skip()  # group: all accounts are in every group
    tags = frozenset(tag.strip() for tag in fields.text().split(",") if tag.strip())
    summaries = session.subscriptions.summaries
    if req_id not in summaries and len(summaries) >= MAX_SUMMARIES:
        text = "Error processing request.-'bR' : cause - Maximum number of account summary requests exceeded"
        session.error(req_id, Code.NOT_PROCESSED, text)
        return
    summaries[req_id] = tags
    tell_summary(session, req_id)
    session.send(answers.end(Outgoing.ACCOUNT_SUMMARY_END, req_id))


def tell_summaries(session: Session) -> None:
    """All summary subscriptions of a client."""
    for req_id in session.subscriptions.summaries:
        tell_summary(session, req_id)


def tell_summary(session: Session, req_id: int) -> None:
    """The rows of one summary subscription."""
    tags = session.subscriptions.summaries[req_id]
    for account in session.desk.exchange.account_ids:
        for row in session.desk.exchange.account_values(account):
            if _in_summary(row, tags):
                session.send(answers.account_summary(req_id, row))


def _in_summary(row: AccountValue, tags: frozenset[str]) -> bool:
    """A tag asks for its own row; `$LEDGER` (optionally with a currency, or ALL) for the rows per currency."""
    if row.key in tags:
        return True
    wanted = {tag.partition(":")[2] or "BASE" for tag in tags if tag.startswith(_LEDGER)}
    return bool(row.currency) and (row.currency in wanted or "ALL" in wanted)


def _pnl(session: Session, fields: Fields) -> None:
    req_id, wanted = fields.integer(), fields.text()
    account = _account(session, req_id, wanted)
    if account:
        session.subscriptions.pnl[req_id] = (account, 0)
        _tell_pnl(session, req_id)


def _pnl_single(session: Session, fields: Fields) -> None:
    req_id, wanted = fields.integer(), fields.text()
    fields.skip()
    con_id = fields.integer()
    account = _account(session, req_id, wanted)
    if account:
        session.subscriptions.pnl[req_id] = (account, con_id)
        _tell_pnl(session, req_id)


def _tell_pnl(session: Session, req_id: int) -> None:
    """Unrealised and realised profit, in the currency of the holdings; the day's profit is taken as unrealised."""
    account, con_id = session.subscriptions.pnl[req_id]
    contracts = session.desk.contracts
    held = [
        row
        for row in session.desk.exchange.positions(account)
        if not con_id or contracts.listing(row.instrument).con_id == con_id
    ]
    value = sum((_price(row) * row.quantity for row in held), Decimal(0))
    open_profit = value - sum((row.avg_cost * row.quantity for row in held), Decimal(0))
    realized = sum((row.realized_pnl for row in held), Decimal(0))
    if con_id:
        quantity = sum((row.quantity for row in held), Decimal(0))
        session.send((Outgoing.PNL_SINGLE, req_id, quantity, open_profit, open_profit, realized, value))
    else:
        session.send((Outgoing.PNL, req_id, open_profit, open_profit, realized))


def _price(holding: Holding) -> Decimal:
    return holding.avg_cost if holding.market_price is None else holding.market_price


def tell_changes(session: Session) -> None:
    """Everything this client has subscribed to about accounts, as far as it is news."""
    told = session.subscriptions
    exchange, contracts = session.desk.exchange, session.desk.contracts
    withheld = session.desk.faults.withhold_positions
    if told.positions and not withheld:
        for account in exchange.account_ids:
            for holding in _with_gone(session, account, exchange.positions(account)):
                _tell_position(session, holding)
    for req_id, account in told.positions_multi.items():
        for holding in () if withheld else exchange.positions(account):
            session.send(answers.position_multi(req_id, holding, contracts.listing(holding.instrument)))
    if told.account_updates:
        _tell_account(session, told.account_updates)
    for req_id, account in told.updates_multi.items():
        for row in exchange.account_values(account):
            session.send(answers.account_update_multi(req_id, row))
    for req_id in told.pnl:
        _tell_pnl(session, req_id)


def _forget(kind: Callable[[Session], dict[int, str]] | Callable[[Session], dict[int, frozenset[str]]]) -> Handler:
    """A handler that ends a subscription by its request id."""

    def handler(session: Session, fields: Fields) -> None:
        fields.skip()
        kind(session).pop(fields.integer(), None)

    return handler


def _cancel_pnl(session: Session, fields: Fields) -> None:
    session.subscriptions.pnl.pop(fields.integer(), None)


SERVES: dict[int, Handler] = {
    Incoming.REQ_MANAGED_ACCTS: _managed,
    Incoming.REQ_ACCOUNT_UPDATES: _updates,
    Incoming.REQ_POSITIONS: _positions,
    Incoming.CANCEL_POSITIONS: _cancel_positions,
    Incoming.REQ_POSITIONS_MULTI: _positions_multi,
    Incoming.CANCEL_POSITIONS_MULTI: _forget(lambda session: session.subscriptions.positions_multi),
    Incoming.REQ_ACCOUNT_UPDATES_MULTI: _updates_multi,
    Incoming.CANCEL_ACCOUNT_UPDATES_MULTI: _forget(lambda session: session.subscriptions.updates_multi),
    Incoming.REQ_ACCOUNT_SUMMARY: _summary,
    Incoming.CANCEL_ACCOUNT_SUMMARY: _forget(lambda session: session.subscriptions.summaries),
    Incoming.REQ_PNL: _pnl,
    Incoming.CANCEL_PNL: _cancel_pnl,
    Incoming.REQ_PNL_SINGLE: _pnl_single,
    Incoming.CANCEL_PNL_SINGLE: _cancel_pnl,
}
