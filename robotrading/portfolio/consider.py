"""What one instrument's holding, target and price ask for: a wish, a refusal, or nothing.

Entry points: `Case`, `cases`, `consider`.
Invariants: a sell never exceeds what is owned; a frozen, blocked, unpriced or foreign-currency instrument gives no
wish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Side
from robotrading.domain.planning import Refusal, RefusalRule, TargetWeight
from robotrading.domain.skip import Skip
from robotrading.portfolio.agreement import RULE as DISAGREES
from robotrading.portfolio.bands import band_width, goal_weight
from robotrading.portfolio.inputs import PlanInputs, PlanSettings
from robotrading.portfolio.limits import CLOSED_TODAY
from robotrading.portfolio.sizing import (
    lots_for,
    marketable_price,
    nearest_lots,
    usable_price,
    usable_spread,
    whole_lots,
)
from robotrading.portfolio.wish import Wish
from robotrading.portfolio.wording import money, percent, plain


@dataclass(frozen=True, slots=True)
class Case:
    """One instrument as found. `target` is None when it is owned but no longer wanted, `price` None when unknown."""

    instrument: Instrument
    target: TargetWeight | None
    owned: Decimal
    quote: Quote | Skip | None
    price: Decimal | None

    @property
    def wanted(self) -> Decimal:
        """The target weight; 0 for what has left the targets."""
        return self.target.weight if self.target else Decimal(0)

    def weight(self, quantity: Decimal, budget: Decimal) -> Decimal:
        """A quantity as a fraction of the budget; 0 while the price is unknown."""
        return quantity * self.price / budget if self.price is not None else Decimal(0)


def cases(inputs: PlanInputs) -> tuple[Case, ...]:
    """Every instrument that is wanted or owned, by key.

    Tick and lot come from the target's instrument, else from the quote's, else from the holding's.
    """
    targets = {t.instrument: t for t in inputs.targets.weights}
    found = []
    for instrument in sorted({*targets, *(i for i, q in inputs.owned.items() if q)}, key=lambda i: i.key):
        target, quote = targets.get(instrument), inputs.quotes.get(instrument)
        known = quote if isinstance(quote, Quote) else None
        best = target.instrument if target else known.instrument if known else instrument
        owned = inputs.owned.get(instrument, Decimal(0))
        found.append(Case(best, target, owned, quote, usable_price(known)))
    return tuple(found)


def consider(case: Case, inputs: PlanInputs, settings: PlanSettings) -> Wish | Refusal | None:
    """The trade that brings a holding to its goal, or the sentence why there is none; None when nothing is at stake."""
    barred = _barred(case, inputs)
    if barred:
        return Refusal(case.instrument, *barred)
    if not isinstance(case.quote, Quote) or case.price is None:
        return Refusal(case.instrument, RefusalRule.NO_QUOTE, _no_quote(case.quote))
    wish = _wish(case, case.quote, case.price, inputs, settings)
    if not isinstance(wish, Wish):
        return wish
    forbidden = _no_entry(wish, inputs, settings)
    if forbidden:
        return Refusal(case.instrument, *forbidden)
    objection = wish.objection(wish.most, settings.rules)
    return Refusal(case.instrument, *objection) if objection else wish


def _barred(case: Case, inputs: PlanInputs) -> tuple[RefusalRule, str] | None:
    """What forbids any trade in the instrument, whatever the weights say."""
    if case.target and case.target.frozen:
        return RefusalRule.FROZEN, case.target.reason
    if case.instrument.currency != inputs.currency:
        return RefusalRule.CURRENCY, (
            f"it trades in {case.instrument.currency} and the session's money is {inputs.currency}: "
            f"list it in a session of its currency"
        )
    if case.instrument.key in inputs.blocked:
        return RefusalRule.OPEN_ORDER, inputs.blocked[case.instrument.key]
    if case.owned < 0:
        return RefusalRule.NOT_OWNED, (
            f"the ledger says {plain(case.owned)}, and a plan never trades a short position: settle it by hand"
        )
    return None


def _no_entry(wish: Wish, inputs: PlanInputs, settings: PlanSettings) -> tuple[RefusalRule, str] | None:
    """What forbids a buy, whatever it is worth: the door would not let it pass."""
    if wish.side is Side.SELL:
        return None
    if inputs.day_stopped:
        return RefusalRule.DAY_STOPPED, f"{wish.story}; no entry for the rest of the day: {inputs.day_stopped}"
    if settings.limits.block_reentry and wish.instrument.key in inputs.closed_today:
        return RefusalRule.REENTRY, f"{wish.story}; {CLOSED_TODAY}"
    return None


def _no_quote(quote: Quote | Skip | None) -> str:
    if isinstance(quote, Skip):
        return quote.reason if quote.rule == DISAGREES else f"no price: {quote.reason}"
    return "no price was asked for" if quote is None else f"the quote of {quote.source} has no usable price"


def _wish(
    case: Case, quote: Quote, price: Decimal, inputs: PlanInputs, settings: PlanSettings
) -> Wish | Refusal | None:
    leaving = not case.wanted
    if leaving and not case.owned:
        return None
    now = case.weight(case.owned, inputs.budget)
    goal = Decimal(0) if leaving else goal_weight(now, case.wanted, settings.bands)
    if goal is None:
        return Refusal(case.instrument, RefusalRule.WITHIN_BAND, _within(case, now, settings))
    side = Side.BUY if goal > now else Side.SELL
    lot = case.instrument.lot
    ideal = case.owned / lot if leaving else lots_for(abs(goal - now) * inputs.budget, price, lot)
    nearest = whole_lots(case.owned, lot) if leaving else nearest_lots(ideal)
    if side is Side.SELL:
        nearest = min(nearest, whole_lots(case.owned, lot))
    if not nearest:
        return Refusal(case.instrument, RefusalRule.LOT, _below_a_lot(case, ideal))
    worst = marketable_price(case.instrument, side, price, settings.limit_offset)
    story = _story(case, now, settings)
    wish = Wish(case.instrument, side, ideal, nearest, price, worst, usable_spread(quote), story, leaving)
    return _bounded(wish, case, inputs, settings)


def _bounded(wish: Wish, case: Case, inputs: PlanInputs, settings: PlanSettings) -> Wish | Refusal:
    """The wish within the limits of one order and, for a buy, of one position.

    Reckoned at the arrival price raised by the limit's offset, so that a small rise does not fail it at the door.
    """
    dearest, lot = max(wish.price * (1 + settings.limit_offset), wish.worst), wish.instrument.lot
    limits, most_units = settings.limits, settings.sizing.max_quantity
    bounds = [(whole_lots(limits.max_order_value / dearest, lot), money(limits.max_order_value, inputs.currency))]
    if most_units is not None:
        bounds.append((whole_lots(most_units, lot), f"{plain(most_units)} units"))
    if wish.side is Side.BUY:
        there = case.owned + inputs.elsewhere.get(wish.instrument, Decimal(0))
        room = limits.max_position_share * (inputs.capital or inputs.budget) - there * dearest
        bounds.append((max(0, whole_lots(room / dearest, lot)), f"a position of {percent(limits.max_position_share)}"))
    most, name = min(bounds)
    if most >= wish.most:
        return wish
    if not most:
        return Refusal(wish.instrument, RefusalRule.LIMIT, f"the limit of {name} leaves no room for one lot")
    story = f"{wish.story}, {plain(wish.quantity(most))} of {plain(wish.quantity(wish.most))} by the limit of {name}"
    return replace(wish, most=most, story=story)


def _within(case: Case, now: Decimal, settings: PlanSettings) -> str:
    width = band_width(case.wanted, settings.bands)
    return f"holds {percent(now)}, target {percent(case.wanted)}: within the band of +-{percent(width)}"


def _below_a_lot(case: Case, ideal: Decimal) -> str:
    lot = plain(case.instrument.lot)
    return f"the difference is {ideal:.2f} lots of {lot}: the holding is as near to its target as whole lots allow"


def _story(case: Case, now: Decimal, settings: PlanSettings) -> str:
    if case.target is None:
        return f"holds {percent(now)} and is no longer in the universe"
    width = band_width(case.wanted, settings.bands)
    return f"holds {percent(now)}, target {percent(case.wanted)} +-{percent(width)} ({case.target.reason})"
