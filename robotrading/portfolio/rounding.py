"""Whole lots for many buys out of one purse.

Entry point: `allocate`. Three steps, each of them deterministic and independent of the order of the wishes:

1. Fair floors. When the cash does not reach, every wish is scaled by the same factor, then rounded down. A floor too
   small to be traded becomes zero.
2. Rounding. Each wish may have one lot more than its floor (or the least step from zero to floor + 1), never past its
   own rounded ideal. Which ones is a knapsack: gain is the fall of the squared distance to the ideal, weight the extra
   cash. Taken greedily by gain per cash, or the single best one if that gains more.
3. Leftovers. What cash is left goes to the wishes furthest (in money) from their ideal, as far as it reaches.

Invariants: the worst-case cost never exceeds the purse; no wish gets more than `most`; step 2 gains at least half of
what the best of all choices of one more lot each would gain (the classic bound of greedy-or-best-single), and exactly
as much when the purse pays for all; step 3 only brings the result nearer to the ideal. In the end no wish can be given
any tradeable number of lots more, which is why planning again after perfect fills finds nothing to buy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from robotrading.portfolio.costs import commission
from robotrading.portfolio.wish import TradeRules, Wish


@dataclass(frozen=True, slots=True)
class _Step:
    """One wish's choice: from its floor to one lot more."""

    place: int
    lots: int
    gain: Decimal
    cost: Decimal


def allocate(wishes: Sequence[Wish], purse: Decimal, rules: TradeRules) -> tuple[int, ...]:
    """Lots for each wish, in the order given; all zero when the purse is empty or overdrawn."""
    if purse <= 0:
        return (0,) * len(wishes)
    raw, lots = fair_floors(wishes, purse, rules)
    left = purse - sum((w.cost(n, rules.costs) for w, n in zip(wishes, lots, strict=True)), Decimal(0))
    for step in _chosen(_steps(wishes, raw, lots, rules), left):
        lots[step.place] = step.lots
        left -= step.cost
    return tuple(_spend(wishes, lots, left, rules))


def fair_floors(wishes: Sequence[Wish], purse: Decimal, rules: TradeRules) -> tuple[list[int], list[int]]:
    """The scaled ideals rounded down, and the same with zero where that is too little to be traded.

    The factor leaves room for the commissions of the unscaled wishes, which are no smaller than those of the scaled.
    """
    value = sum((w.quantity(1) * w.worst * w.ideal for w in wishes), Decimal(0))
    fees = sum((commission(w.instrument.lot * w.ideal, w.worst, rules.costs) for w in wishes), Decimal(0))
    factor = min(Decimal(1), max(Decimal(0), purse - fees) / value) if value else Decimal(1)
    raw = [min(int(w.ideal * factor), w.most) for w in wishes]
    return raw, [n if w.allows(n, rules) else 0 for w, n in zip(wishes, raw, strict=True)]


def _steps(wishes: Sequence[Wish], raw: Sequence[int], lots: Sequence[int], rules: TradeRules) -> list[_Step]:
    found: list[_Step] = []
    for place, wish in enumerate(wishes):
        upper = raw[place] + 1
        gain = wish.gap(lots[place]) - wish.gap(upper)
        if upper <= wish.most and gain > 0 and wish.allows(upper, rules):
            cost = wish.cost(upper, rules.costs) - wish.cost(lots[place], rules.costs)
            found.append(_Step(place, upper, gain, cost))
    found.sort(key=lambda s: (-s.gain / s.cost, wishes[s.place].instrument.key))
    return found


def _chosen(steps: Sequence[_Step], purse: Decimal) -> Sequence[_Step]:
    """Greedy by gain per cash, or the best affordable single step when that alone gains more."""
    taken: list[_Step] = []
    left = purse
    for step in steps:
        if step.cost <= left:
            taken.append(step)
            left -= step.cost
    affordable = [step for step in steps if step.cost <= purse]
    best = max(affordable, key=lambda s: s.gain, default=None)
    if best is not None and best.gain > sum((s.gain for s in taken), Decimal(0)):
        return [best]
    return taken


def _spend(wishes: Sequence[Wish], lots: list[int], left: Decimal, rules: TradeRules) -> list[int]:
    """Step 3, in place."""
    hungry = [i for i, w in enumerate(wishes) if lots[i] < w.most]
    for i in sorted(hungry, key=lambda i: (-wishes[i].gap(lots[i]), wishes[i].instrument.key)):
        wish = wishes[i]
        before = wish.cost(lots[i], rules.costs)
        upper = _reach(wish, lots[i], left + before, rules)
        if upper > lots[i] and wish.allows(upper, rules):
            left -= wish.cost(upper, rules.costs) - before
            lots[i] = upper
    return lots


def _reach(wish: Wish, low: int, purse: Decimal, rules: TradeRules) -> int:
    """The most lots, from `low` (known to be paid for) to `most`, that the purse pays for; costs rise with the lots."""
    if wish.cost(low + 1, rules.costs) > purse:
        return low
    high = wish.most
    while low < high:
        middle = (low + high + 1) // 2
        if wish.cost(middle, rules.costs) <= purse:
            low = middle
        else:
            high = middle - 1
    return low
