"""The plan: what would be ordered, what would not, and why.

Entry points: `make_plan`, `resize_buys`, `plan_id_for`, with `PlanInputs` and `PlanSettings`.
Invariants (each has a property test):
- sells stand before buys, and a sell never exceeds what is owned;
- if everything fills at its limit and every commission is due, buys do not take the cash below zero, nor do they touch
  the part of the buffer that commissions and limits have not used;
- limits hold after any subset of the fills;
- the order of the inputs does not matter, and the same world gives the same `plan_id` everywhere;
- after a plan has filled as reckoned, planning again trades nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Intent, Side, intent_id_for
from robotrading.domain.planning import Line, Plan, Refusal, RefusalRule
from robotrading.portfolio.consider import Case, cases, consider
from robotrading.portfolio.costs import commission
from robotrading.portfolio.inputs import PlanInputs, PlanSettings
from robotrading.portfolio.rounding import allocate
from robotrading.portfolio.sizing import carries_limit, marketable_price
from robotrading.portfolio.wish import Wish
from robotrading.portfolio.wording import money, plain

__all__ = ["PlanInputs", "PlanSettings", "make_plan", "plan_id_for", "resize_buys"]

_WEIGHT_STEP = Decimal("1e-6")


def make_plan(inputs: PlanInputs, settings: PlanSettings) -> Plan:
    """Turn targets into orders with the cash there is.

    Buys are paid from the free cash and from what the sells bring at their limits, less commissions. Raises nothing of
    its own: what cannot be traded is a `Refusal`.
    """
    book = cases(inputs)
    answers = [consider(case, inputs, settings) for case in book]
    refusals = [a for a in answers if isinstance(a, Refusal)]
    wishes = [a for a in answers if isinstance(a, Wish)]
    sells = [w for w in wishes if w.side is Side.SELL]
    buys, turned_away = _admitted([w for w in wishes if w.side is Side.BUY], inputs, settings)
    lots = allocate(buys, _purse(sells, buys, inputs, settings), settings.rules)
    sold = [_intent(w, w.most, inputs, settings) for w in sells]
    bought = [_intent(w, n, inputs, settings) for w, n in zip(buys, lots, strict=True) if n]
    broke = [_no_cash(w, inputs) for w, n in zip(buys, lots, strict=True) if not n]
    intents = (*_largest_first(sold), *_largest_first(bought))
    refused = tuple(sorted([*refusals, *turned_away, *broke], key=lambda r: r.instrument.key))
    return Plan(
        plan_id=plan_id_for(inputs.kind, inputs.account_id, inputs.trading_date, intents, refused),
        kind=inputs.kind,
        account_id=inputs.account_id,
        trading_date=inputs.trading_date,
        created_at=inputs.now,
        currency=inputs.currency,
        budget=inputs.budget,
        cash=inputs.cash,
        intents=intents,
        refusals=refused,
        lines=_lines(book, intents, inputs),
    )


def plan_id_for(
    kind: AssetClass, account_id: str, trading_date: date, intents: Sequence[Intent], refusals: Sequence[Refusal]
) -> str:
    """Sixteen hex digits of SHA-256 over the decisions in canonical JSON.

    Times, session ids, attempts and sentences are left out: they may differ where the decision is the same.
    """
    orders = [
        [i.instrument.key, i.side, plain(i.quantity), i.order_type, _price(i.limit_price), _price(i.arrival_price)]
        for i in intents
    ]
    left = sorted([r.rule, r.instrument.key] for r in refusals)
    content = [kind, account_id, trading_date.isoformat(), orders, left]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def resize_buys(
    intents: Sequence[Intent], cash: Decimal, settings: PlanSettings
) -> tuple[tuple[Intent, ...], tuple[Refusal, ...]]:
    """The buys among `intents`, cut to the cash that really came in.

    `cash` is what may be spent, commissions included: the caller has taken off what has to stay. All are cut alike, in
    whole lots, never raised; ids are kept, since nothing of them was sent. Sells are left out of the answer.
    """
    buys = [i for i in intents if i.side is Side.BUY]
    wishes = [_as_wish(i, settings) for i in buys]
    resized: list[Intent] = []
    refused: list[Refusal] = []
    for intent, wish, lots in zip(buys, wishes, allocate(wishes, cash, settings.rules), strict=True):
        if lots == wish.most:
            resized.append(intent)
        elif lots:
            cut = f"cut from {plain(intent.quantity)} to {plain(wish.quantity(lots))}: less cash came in than planned"
            resized.append(replace(intent, quantity=wish.quantity(lots), reason=f"{intent.reason}; {cut}"))
        else:
            reason = f"a buy of {plain(intent.quantity)} was planned and the cash left, {cash:.2f}, does not reach"
            refused.append(Refusal(intent.instrument, RefusalRule.NO_CASH, reason))
    return tuple(resized), tuple(refused)


def _as_wish(intent: Intent, settings: PlanSettings) -> Wish:
    """A planned buy as a wish again; without a limit price it is reckoned at the configured offset."""
    lots = intent.quantity / intent.instrument.lot
    item, price = intent.instrument, intent.arrival_price
    worst = intent.limit_price or marketable_price(item, intent.side, price, settings.limit_offset)
    return Wish(item, intent.side, lots, int(lots), price, worst, Decimal(0), intent.reason)


def _admitted(
    buys: Sequence[Wish], inputs: PlanInputs, settings: PlanSettings
) -> tuple[tuple[Wish, ...], tuple[Refusal, ...]]:
    """The buys that the number of positions allows, the largest new ones first.

    Positions that are about to be sold still count: their sells may not fill.
    """
    free = settings.limits.max_positions - sum(1 for quantity in inputs.owned.values() if quantity)
    owned = {instrument for instrument, quantity in inputs.owned.items() if quantity}
    new = sorted((w for w in buys if w.instrument not in owned), key=lambda w: (-w.value(w.most), w.instrument.key))
    surplus = {w.instrument for w in new[max(free, 0) :]}
    reason = f"the limit of {settings.limits.max_positions} positions is reached"
    turned_away = tuple(Refusal(i, RefusalRule.LIMIT, reason) for i in surplus)
    return tuple(w for w in buys if w.instrument not in surplus), turned_away


def _purse(sells: Sequence[Wish], buys: Sequence[Wish], inputs: PlanInputs, settings: PlanSettings) -> Decimal:
    """What buys may cost in the worst case: cash and proceeds less the buffer, and no more than the turnover left.

    The buffer first pays for the wishes' commissions and the way to their limits; only the rest of it is set aside.
    """
    proceeds = sum((w.proceeds(w.most, settings.costs) for w in sells), Decimal(0))
    friction = sum((_friction(w, settings) for w in (*sells, *buys)), Decimal(0))
    aside = max(Decimal(0), settings.cash_buffer * inputs.budget - friction)
    traded = inputs.turnover_today + sum((w.value(w.most) for w in sells), Decimal(0))
    turnover_left = settings.limits.max_turnover_share * inputs.budget - traded
    return min(min(inputs.cash, inputs.account_cash) + proceeds - aside, turnover_left)


def _friction(wish: Wish, settings: PlanSettings) -> Decimal:
    """Commission and the way from arrival price to worst price, for the whole wish."""
    quantity = wish.instrument.lot * (wish.ideal if wish.side is Side.BUY else wish.most)
    return quantity * abs(wish.worst - wish.price) + commission(quantity, wish.worst, settings.costs)


def _intent(wish: Wish, lots: int, inputs: PlanInputs, settings: PlanSettings) -> Intent:
    attempt = inputs.attempts.get((wish.instrument.key, wish.side), 0) + 1
    quantity, reason = wish.quantity(lots), wish.story
    if lots < wish.most:
        reason += f"; {plain(quantity)} instead of {plain(wish.quantity(wish.most))}: the cash does not reach further"
    return Intent(
        intent_id=intent_id_for(inputs.kind, inputs.trading_date, wish.instrument, wish.side, attempt),
        session_id=inputs.session_id,
        kind=inputs.kind,
        trading_date=inputs.trading_date,
        instrument=wish.instrument,
        side=wish.side,
        quantity=quantity,
        order_type=settings.order_type,
        arrival_price=wish.price,
        reason=reason,
        limit_price=wish.worst if carries_limit(settings.order_type) else None,
    )


def _no_cash(wish: Wish, inputs: PlanInputs) -> Refusal:
    value = money(wish.value(wish.most), inputs.currency)
    reason = (
        f"{wish.story}; {plain(wish.quantity(wish.most))} for {value} wanted, and neither cash nor turnover is left"
    )
    return Refusal(wish.instrument, RefusalRule.NO_CASH, reason)


def _largest_first(intents: Sequence[Intent]) -> list[Intent]:
    return sorted(intents, key=lambda i: (-i.value, i.instrument.key))


def _lines(book: Sequence[Case], intents: Sequence[Intent], inputs: PlanInputs) -> tuple[Line, ...]:
    change: Mapping[str, Decimal] = {i.instrument.key: i.side.sign * i.quantity for i in intents}
    lines = []
    for case in book:
        after = case.owned + change.get(case.instrument.key, Decimal(0))
        now, then = (case.weight(q, inputs.budget).quantize(_WEIGHT_STEP) for q in (case.owned, after))
        target = (now if case.target.frozen else case.wanted) if case.target else Decimal(0)
        lines.append(Line(case.instrument, case.price, case.owned, now, target, then))
    return tuple(lines)


def _price(price: Decimal | None) -> str | None:
    return None if price is None else plain(price)
