"""Account values and positions, folded into what we believe about the account.

Entry points: `account_of`, `positions_of`, `require_flat`. Pure. Values come per currency from the account updates: the
account summary would be up to three minutes old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

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
GROSS = "GrossPositionValue"
YESTERDAY = "PreviousDayEquityWithLoanValue"

Values = Mapping[tuple[str, str], str]
"""(tag, currency) -> text."""


def values_of(rows: Rows, account: str) -> dict[tuple[str, str], str]:
    """The values of one account; a later row replaces an earlier one."""
    return {(tag, currency): text for tag, text, currency, owner in rows if owner == account}


def account_of(rows: Rows, positions: tuple[Position, ...], account: str, at: datetime, *, paper: bool) -> Account:
    """The account at one instant. `BrokerUnavailable` when the gateway's values are not complete or not current."""
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
    found = [
        (exact(text), currency) for (tag, currency), text in values.items() if tag == "NetLiquidation" and currency
    ]
    real = [item for item in found if item[1] != BASE]
    if len(real) != 1:
        raise BrokerUnavailable(f"account {account}: {len(real)} values of NetLiquidation came, where one is expected")
    return real[0]


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
            currency: exact(text)
            for (tag, currency), text in values.items()
            if tag == wanted and currency not in ("", BASE)
        }
        if cash:
            return cash
    raise BrokerUnavailable(f"account {account}: no cash balances came (none of {', '.join(CASH_TAGS)})")


def positions_of(
    rows: Rows, account: str, remembered: Mapping[str, Instrument]
) -> tuple[tuple[Position, ...], tuple[Skip, ...]]:
    """Positions of one account in what the bot can name, and a skip for each holding that it cannot."""
    positions: dict[str, Position] = {}
    others: list[Skip] = []
    for owner, contract, quantity, cost in rows:
        if owner != account or not quantity:
            continue
        instrument = instrument_of(contract, remembered)
        if instrument is None:
            reason = f"{exact(quantity)} of {describe(contract)} is held; the bot does not trade this kind"
            others.append(Skip(contract.localSymbol or contract.symbol, "positions", reason, "other_kind"))
            continue
        held = positions.get(instrument.key)
        fresh = Position(instrument, exact(quantity), exact(cost))
        positions[instrument.key] = fresh if held is None else _joined(held, fresh)
    return tuple(positions.values()), tuple(others)


def _joined(one: Position, other: Position) -> Position:
    """Two contracts that are one instrument to us (a coin at two exchanges): quantities add up, costs are weighted."""
    quantity = one.quantity + other.quantity
    spent = one.quantity * one.avg_cost + other.quantity * other.avg_cost
    return Position(one.instrument, quantity, spent / quantity if quantity else Decimal(0))
