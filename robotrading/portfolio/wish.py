"""One trade that the weights ask for, before the cash is counted.

Entry points: `TradeRules`, `Wish`. A wish answers two questions for any number of lots: what would it cost in the worst
case, and what speaks against it.
Invariant: an objection to some lots is an objection to fewer, because every minimum is one from below and the cost as a
share of the value only falls with the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Side
from robotrading.domain.planning import RefusalRule
from robotrading.portfolio.costs import CostSettings, commission, trading_cost, worth_trading
from robotrading.portfolio.sizing import SizingSettings
from robotrading.portfolio.wording import money, percent, plain


@dataclass(frozen=True, slots=True)
class TradeRules:
    """What decides whether a trade is worth making."""

    costs: CostSettings
    sizing: SizingSettings


@dataclass(frozen=True, slots=True)
class Wish:
    """`ideal` lots wanted (positive, not rounded), at most `most` whole ones.

    `price` is the arrival price, `worst` the price at which everything is reckoned to fill (the limit, or where one
    would be), `spread` ask less bid. `leaving` marks the closing of a position that is no longer wanted at all.
    """

    instrument: Instrument
    side: Side
    ideal: Decimal
    most: int
    price: Decimal
    worst: Decimal
    spread: Decimal
    story: str
    leaving: bool = False

    def quantity(self, lots: int) -> Decimal:
        """Units in so many lots."""
        return lots * self.instrument.lot

    def value(self, lots: int) -> Decimal:
        """Worth at the dearer of arrival and worst price: what turnover and order limits count."""
        return self.quantity(lots) * max(self.price, self.worst)

    def cost(self, lots: int, costs: CostSettings) -> Decimal:
        """Cash that a buy takes at the worst price, commission included; 0 for no lots. Never falls with the lots."""
        quantity = self.quantity(lots)
        return quantity * self.worst + commission(quantity, self.worst, costs)

    def proceeds(self, lots: int, costs: CostSettings) -> Decimal:
        """Cash that a sell brings at the worst price, commission taken off."""
        quantity = self.quantity(lots)
        return quantity * self.worst - commission(quantity, self.worst, costs)

    def gap(self, lots: int) -> Decimal:
        """Squared distance to the ideal, in squared money."""
        return ((self.ideal - lots) * self.instrument.lot * self.price) ** 2

    def allows(self, lots: int, rules: TradeRules) -> bool:
        """Whether nothing speaks against so many lots."""
        return lots > 0 and self.objection(lots, rules) is None

    def objection(self, lots: int, rules: TradeRules) -> tuple[RefusalRule, str] | None:
        """The first rule against so many lots, with its sentence.

        A position that is no longer wanted may go however small it is, as long as it brings more than it costs: or
        dust would stay for ever.
        """
        quantity = self.quantity(lots)
        if quantity < self.instrument.min_quantity:
            return RefusalRule.LOT, (
                f"{plain(quantity)} is below the smallest order of {plain(self.instrument.min_quantity)}"
            )
        return self._not_leaving(quantity, rules.costs) if self.leaving else self._not_worth(quantity, rules)

    def _not_worth(self, quantity: Decimal, rules: TradeRules) -> tuple[RefusalRule, str] | None:
        value, currency = quantity * self.price, self.instrument.currency
        if value < rules.sizing.min_trade_value:
            least = money(rules.sizing.min_trade_value, currency)
            return RefusalRule.TOO_SMALL, f"a trade of {money(value, currency)} is below the minimum of {least}"
        if not worth_trading(quantity, self.price, self.spread, rules.costs):
            share = trading_cost(quantity, self.price, self.spread, rules.costs) / value
            return RefusalRule.COSTS, (
                f"commission and half the spread would take {percent(share)} of {money(value, currency)}, "
                f"more than {percent(rules.costs.max_cost_share)}"
            )
        return None

    def _not_leaving(self, quantity: Decimal, costs: CostSettings) -> tuple[RefusalRule, str] | None:
        cost = trading_cost(quantity, self.price, self.spread, costs)
        value = quantity * self.price
        if cost < value:
            return None
        currency = self.instrument.currency
        return RefusalRule.COSTS, f"selling {money(value, currency)} would cost {money(cost, currency)}"
