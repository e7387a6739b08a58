"""How much the bot may work with. Holdings it did not buy are never counted, whatever the account is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.skip import Skip
from robotrading.session.settings import CapitalSettings


def price_of(instrument: Instrument, quotes: Mapping[Instrument, Quote | Skip]) -> Decimal | None:
    """The quote's best single price, None where there is none."""
    quote = quotes.get(instrument)
    return quote.price if isinstance(quote, Quote) else None


def investable(
    account: Account, owned: Iterable[Position], quotes: Mapping[Instrument, Quote | Skip], currency: str
) -> Decimal:
    """Cash in `currency` plus the market value of what the bot owns in it.

    An owned instrument without a quote counts at its cost. Raises `BrokerError` when the account has no such currency.
    """
    if currency not in account.cash:
        known = ", ".join(sorted(account.cash)) or "none"
        raise BrokerError(
            f"account {account.account_id} holds no cash balance in {currency} (it has: {known}); "
            "set capital.currency to the currency that the instruments trade in, or fund it"
        )
    value = account.cash[currency]
    for position in owned:
        if position.instrument.currency == currency:
            value += position.quantity * (price_of(position.instrument, quotes) or position.avg_cost)
    return value


def capital(settings: CapitalSettings, available: Decimal) -> Decimal:
    """The capital given to the bot: never more than there is, never below zero."""
    wanted = available * settings.share if settings.amount is None else settings.amount
    return max(min(wanted, available), Decimal(0))
