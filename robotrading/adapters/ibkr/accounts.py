"""Account values and positions, folded into what we believe about the account.

Entry points: `account_of`, `positions_of`, `require_flat`. Pure. Values come per currency from the account updates: the
account summary would be up to three minutes old.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.contracts import describe, instrument_of
from robotrading.adapters.ibkr.decimals import exact, known
from robotrading.adapters.ibkr.requests import Rows
from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerUnavailable
from robotrading.domain.instrument import Instrument
from robotrading.domain.skip import Skip

BASE = "BASE"
"""The gateway's own sum over all currencies, which must not be added to them."""
CASH_TAGS = ("TotalCashBalance", "CashBalance")
POWER_TAGS = ("BuyingPower", "AvailableFunds")
NET = "NetLiquidation"
GROSS = "GrossPositionValue"
YESTERDAY = "PreviousDayEquityWithLoanValue"

Values = Mapping[tuple[str, str], str]
"""(tag, currency) -> text."""


def values_of(rows: Rows, account: str) -> dict[tuple[str, str], str]:
    """The values of one account; a later row replaces an earlier one."""
    return {(tag, currency): text for tag, text, currency, owner in rows if owner == account}


def account_of(rows: Rows, positions: tuple[Position, ...], account: str, at: datetime, *, paper: bool) -> Account:
    """The account at one instant. `BrokerUnavailable` when its values are not complete, not current or no numbers."""
    values = values_of(rows, account)
    if values.get(("AccountReady", ""), "true").lower() == "false":
        raise BrokerUnavailable(f"account {account}: the gateway says that its values are not current; try again later")
    net, currency = _net_liquidation(values, account)
    yesterday = known(values.get((YESTERDAY, currency)))
    return Account(
        account_id=account,
        base_currency=currency,
        net_liquidation=net,
        buying_power=_first(values, POWER_TAGS, currency, account),
        cash=_cash(values, account),
        positions=positions,
        at=at,
        day_start_value=yesterday or None,
        paper=paper,
    )


def require_flat(rows: Rows, account: str) -> None:
    """Believe that nothing is held. `BrokerUnavailable` where the account's values count positions all the same.

    Positions and values are answered apart: a gateway that has lost its data answers the first with nothing.
    """
    for (tag, currency), text in values_of(rows, account).items():
        if tag == GROSS and (known(text) or 0) > 0:
            raise BrokerUnavailable(
                f"account {account}: no positions came, but the account's values count {text} {currency} of them; "
                "an empty list is not taken for flat, ask again"
            )


def _net_liquidation(values: Values, account: str) -> tuple[Decimal, str]:
    """The value and the base currency, which is the currency it comes in."""
    found = [(text, currency) for (tag, currency), text in values.items() if tag == NET and currency not in ("", BASE)]
    if len(found) != 1:
        raise BrokerUnavailable(f"account {account}: {len(found)} values of {NET} came, where one is expected")
    text, currency = found[0]
    return _number(text, f"account {account}: {NET} in {currency}"), currency


def _number(value: float | str, subject: str) -> Decimal:
    """Raises `BrokerUnavailable` for what is no number: it is not known, and must not be reckoned with."""
    try:
        return exact(value)
    except ValueError as error:
        raise BrokerUnavailable(f"{subject} is not known ({error}); ask again") from error


def _first(values: Values, tags: Iterable[str], currency: str, account: str) -> Decimal:
    for tag in tags:
        number = known(values.get((tag, currency)))
        if number is not None:
            return number
    raise BrokerUnavailable(f"account {account}: none of {', '.join(tags)} came in {currency}")


def _cash(values: Values, account: str) -> dict[str, Decimal]:
    """Cash per currency by the first tag that has any, the sum over all left out."""
    for wanted in CASH_TAGS:
        cash = {
            currency: _number(text, f"account {account}: {wanted} in {currency}")
            for (tag, currency), text in values.items()
            if tag == wanted and currency not in ("", BASE)
        }
        if cash:
            return cash
    raise BrokerUnavailable(f"account {account}: no cash balances came (none of {', '.join(CASH_TAGS)})")


def positions_of(
    rows: Rows, account: str, remembered: Mapping[str, Instrument]
) -> tuple[tuple[Position, ...], tuple[Skip, ...]]:
    """Positions of one account in what the bot can name, and a skip for each holding that it cannot.

    Of a contract told twice the later row counts: an execution while the list is on its way adds its new quantity to
    it. A cost that is not known is 0. Raises `BrokerUnavailable` for a quantity that is no number.
    """
    positions: dict[str, Position] = {}
    others: list[Skip] = []
    newest = {_contract_key(row[1]): row for row in rows if row[0] == account}
    for _, contract, told, cost in newest.values():
        quantity = _number(told, f"account {account}: the quantity held of {describe(contract)}")
        if not quantity:
            continue
        instrument = instrument_of(contract, remembered)
        if instrument is None:
            reason = f"{quantity} of {describe(contract)} is held; the bot does not trade this kind"
            others.append(Skip(contract.localSymbol or contract.symbol, "positions", reason, "other_kind"))
            continue
        held = positions.get(instrument.key)
        fresh = Position(instrument, quantity, known(cost) or Decimal(0))
        positions[instrument.key] = fresh if held is None else _joined(held, fresh)
    return tuple(positions.values()), tuple(others)


def _contract_key(contract: Any) -> Hashable:
    """The contract's own id; what has none is known by all that is said of it."""
    return contract.conId or repr(contract)


def _joined(one: Position, other: Position) -> Position:
    """Two contracts that are one instrument to us (a coin at two exchanges): quantities add up, costs are weighted."""
    quantity = one.quantity + other.quantity
    spent = one.quantity * one.avg_cost + other.quantity * other.avg_cost
    return Position(one.instrument, quantity, spent / quantity if quantity else Decimal(0))
