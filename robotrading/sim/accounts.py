"""The broker's books: cash per currency, positions with average costs, and what they are worth.

Entry points: `Lot`, `traded` (a lot after a trade), `AccountBook`, `order_fee`.
Invariants: cash changes by executions, commissions and corrections only, exactly; an average cost includes the
commissions of what was opened; holdings are keyed by `Instrument.key`, because a broker does not know sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Side
from robotrading.portfolio.costs import CostSettings, commission_on
from robotrading.sim.exchange_types import AccountSeed, AccountValue, Execution, Holding

ZERO = Decimal(0)
CENT = Decimal("0.01")
PriceOf = Callable[[Instrument], Decimal | None]


@dataclass(frozen=True, slots=True)
class Lot:
    """Signed quantity, average cost per unit with commissions, and what closing parts of it has earned."""

    instrument: Instrument
    quantity: Decimal = ZERO
    avg_cost: Decimal = ZERO
    realized: Decimal = ZERO


def traded(lot: Lot, side: Side, quantity: Decimal, price: Decimal, fee: Decimal) -> tuple[Lot, Decimal | None]:
    """The lot after a trade, and the profit realised by it (None where nothing was closed).

    A trade through zero closes what was held and opens the rest; its fee is shared by quantity.
    """
    signed = quantity * side.sign
    closing = min(quantity, abs(lot.quantity)) if lot.quantity * signed < 0 else ZERO
    opening = quantity - closing
    fee_of_opening = fee * opening / quantity
    earned: Decimal | None = None
    held, avg, realized = lot.quantity, lot.avg_cost, lot.realized
    if closing:
        earned = -side.sign * closing * (price - avg) - (fee - fee_of_opening)
        realized += earned
        held += closing * side.sign
    if opening:
        basis = held * avg + opening * side.sign * price + fee_of_opening
        held += opening * side.sign
        avg = basis / held
    return Lot(lot.instrument, held, avg if held else ZERO, realized), earned


def order_fee(costs: CostSettings, quantity: Decimal, value: Decimal) -> Decimal:
    """Commission of an order so far: per unit and by value, at least the minimum, at most its share of the value."""
    return commission_on(quantity, value, costs).quantize(Decimal("0.000001")) if quantity else ZERO


@dataclass(slots=True)
class AccountBook:
    """One account. `seed` is how it was opened; cash and lots are what has become of it."""

    seed: AccountSeed
    cash: dict[str, Decimal] = field(default_factory=dict)
    lots: dict[str, Lot] = field(default_factory=dict)

    @classmethod
    def opened(cls, seed: AccountSeed) -> AccountBook:
        """ValueError where a currency has no exchange rate into the base currency."""
        book = cls(seed, dict(seed.cash))
        for instrument, quantity, cost in seed.holdings:
            book.lots[instrument.key] = Lot(instrument, quantity, cost)
        for currency in {*seed.cash, *(lot.instrument.currency for lot in book.lots.values())}:
            if book.rate(currency) is None:
                raise ValueError(
                    f"account {seed.account_id}: no exchange rate from {currency} to its base currency "
                    f"{seed.base_currency}; name one in exchange_rates"
                )
        return book

    @property
    def account_id(self) -> str:
        return self.seed.account_id

    def rate(self, currency: str) -> Decimal | None:
        """Units of base currency for one of `currency`, None where unknown."""
        return Decimal(1) if currency == self.seed.base_currency else self.seed.exchange_rates.get(currency)

    def held(self, instrument: Instrument) -> Decimal:
        lot = self.lots.get(instrument.key)
        return ZERO if lot is None else lot.quantity

    def book(self, execution: Execution, fee: Decimal) -> Decimal | None:
        """Take an execution in; returns the realised profit, None where nothing was closed."""
        currency = execution.instrument.currency
        value = execution.quantity * execution.price * execution.side.sign
        self.cash[currency] = self.cash.get(currency, ZERO) - value - fee
        lot = self.lots.get(execution.instrument.key, Lot(execution.instrument))
        after, earned = traded(lot, execution.side, execution.quantity, execution.price, fee)
        self.lots[execution.instrument.key] = after
        return earned

    def rebook(self, corrected: Execution, old: Execution, history: Iterable[tuple[Execution, Decimal]]) -> None:
        """Take a correction in: cash by the difference, the lot told again from its beginning.

        `history`: this account's executions of the instrument in order, latest revisions, each with its fee.
        """
        instrument = corrected.instrument
        change = (corrected.quantity * corrected.price - old.quantity * old.price) * corrected.side.sign
        self.cash[instrument.currency] -= change
        lot = AccountBook.opened(self.seed).lots.get(instrument.key, Lot(instrument))
        for execution, fee in history:
            if not execution.quantity:
                continue  # busted: it never moved the lot; its fee stays in the cash
            lot, _ = traded(lot, execution.side, execution.quantity, execution.price, fee)
        self.lots[instrument.key] = lot

    def holdings(self, price_of: PriceOf) -> tuple[Holding, ...]:
        """Quantities other than zero only, in the order they were first held."""
        return tuple(
            Holding(
                account_id=self.account_id,
                instrument=lot.instrument,
                quantity=lot.quantity,
                avg_cost=lot.avg_cost,
                realized_pnl=lot.realized,
                market_price=price_of(lot.instrument),
            )
            for lot in self.lots.values()
            if lot.quantity
        )

    def cash_in_base(self) -> Decimal:
        return sum((amount * self._known_rate(currency) for currency, amount in self.cash.items()), ZERO)

    def positions_value(self, price_of: PriceOf, *, gross: bool = False) -> Decimal:
        """In base currency, at market prices (at cost where there is none); `gross` adds up absolute values."""
        total = ZERO
        for lot in self.lots.values():
            if not lot.quantity:
                continue
            price = price_of(lot.instrument)
            value = (
                lot.quantity * (lot.avg_cost if price is None else price) * self._known_rate(lot.instrument.currency)
            )
            total += abs(value) if gross else value
        return total

    def equity(self, price_of: PriceOf) -> Decimal:
        """Net liquidation value in base currency."""
        return self.cash_in_base() + self.positions_value(price_of)

    def _known_rate(self, currency: str) -> Decimal:
        rate = self.rate(currency)
        assert rate is not None, f"{self.account_id}: {currency} was let in without an exchange rate"  # noqa: S101
        return rate


def account_rows(
    book: AccountBook, price_of: PriceOf, yesterday: Decimal, leverage: Decimal
) -> tuple[AccountValue, ...]:
    """The account's table as a broker shows it: totals in base currency, cash per currency with its `BASE` sum.

    `yesterday` is the equity at the previous close, in base currency.
    """
    base = book.seed.base_currency
    equity = book.equity(price_of)
    available = leverage * equity - book.positions_value(price_of, gross=True)
    cash = book.cash_in_base()
    totals = {
        "NetLiquidation": equity,
        "EquityWithLoanValue": equity,
        "PreviousDayEquityWithLoanValue": yesterday,
        "TotalCashValue": cash,
        "AvailableFunds": min(available, equity) if leverage > 1 else cash,
        "ExcessLiquidity": min(available, equity) if leverage > 1 else cash,
        "BuyingPower": available if leverage > 1 else cash,
        "GrossPositionValue": book.positions_value(price_of, gross=True),
        "RealizedPnL": _realized(book),
    }
    rows = [AccountValue(account_id=book.account_id, key="AccountType", value="INDIVIDUAL", currency="")]
    rows += [_row(book, key, value, base) for key, value in totals.items()]
    rows += _cash_rows(book, price_of)
    return tuple(rows)


def _cash_rows(book: AccountBook, price_of: PriceOf) -> list[AccountValue]:
    rows = []
    for currency, amount in sorted(book.cash.items()):
        rate = book.rate(currency) or ZERO
        stocks = sum(
            (
                holding.quantity * (holding.market_price or holding.avg_cost)
                for holding in book.holdings(price_of)
                if holding.instrument.currency == currency
            ),
            ZERO,
        )
        rows += [
            _row(book, "CashBalance", amount, currency),
            _row(book, "TotalCashBalance", amount, currency),
            _row(book, "StockMarketValue", stocks, currency),
            AccountValue(account_id=book.account_id, key="ExchangeRate", value=f"{rate:f}", currency=currency),
        ]
    cash = book.cash_in_base()
    rows += [
        _row(book, "CashBalance", cash, "BASE"),
        _row(book, "TotalCashBalance", cash, "BASE"),
        _row(book, "StockMarketValue", book.positions_value(price_of), "BASE"),
        AccountValue(account_id=book.account_id, key="ExchangeRate", value="1.00", currency="BASE"),
    ]
    return rows


def _row(book: AccountBook, key: str, value: Decimal, currency: str) -> AccountValue:
    return AccountValue(account_id=book.account_id, key=key, value=f"{value.quantize(CENT):f}", currency=currency)


def _realized(book: AccountBook) -> Decimal:
    rates: Mapping[str, Decimal] = book.seed.exchange_rates
    return sum(
        (lot.realized * rates.get(lot.instrument.currency, Decimal(1)) for lot in book.lots.values()),
        ZERO,
    )
