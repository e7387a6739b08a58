"""What the page says of money: its curve, the allocation against targets, positions owned and protected.

Money of different currencies is never added. Positions are ordered by what they cost, since no price is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from robotrading.adapters.notify.report import words
from robotrading.domain.book import Holding, Position
from robotrading.domain.instrument import AssetClass
from robotrading.service.facts import BookFacts, SessionFacts, WeightPair
from robotrading.service.web.curve import HEIGHT, WIDTH, Curve, curve
from robotrading.service.web.tables import Table, table
from robotrading.service.web.words import exchange_time, from_now
from robotrading.session.schedule import zone_of


@dataclass(frozen=True, slots=True)
class Money:
    """The account's value; every text is '' where nothing is known."""

    value: str = ""
    as_of: str = ""
    day: str = ""
    day_tone: str = "calm"
    curve: Curve | None = None
    lowest: str = ""
    highest: str = ""
    first_day: str = ""
    last_day: str = ""
    fallen: str = ""
    said: str = ""
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Bar:
    """An instrument's weight against its target; lengths on a bar of 100."""

    symbol: str
    now: str
    target: str
    length: float
    mark: float
    said: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """A session's weights, the largest first."""

    name: str
    invested: str
    aimed: str
    when: str
    bars: Table[Bar]


def money(book: BookFacts, now: datetime) -> Money:
    """Value, change of the exchange's day and curve."""
    if not book.equity:
        return Money()
    last, drawn = book.equity[-1], curve(book.equity)
    day, tone = _day(book, now)
    shown = Money(
        value=words.money(last.value, book.currency),
        as_of=f"{exchange_time(last.at, AssetClass.EQUITIES)}, {from_now(last.at, now)}",
        day=day,
        day_tone=tone,
    )
    return shown if drawn is None else _with_curve(shown, drawn)


def _with_curve(shown: Money, drawn: Curve) -> Money:
    lowest, highest = f"{drawn.lowest:,.0f}", f"{drawn.highest:,.0f}"
    first, last = (f"{at.day} {at:%b %Y}" for at in (drawn.first_at, drawn.last_at))
    fallen = words.percent(drawn.deepest)
    return replace(
        shown,
        curve=drawn,
        lowest=lowest,
        highest=highest,
        first_day=first,
        last_day=last,
        fallen=fallen,
        said=f"Net liquidation from {first} to {last}, between {lowest} and {highest}; largest drawdown {fallen}",
    )


def _day(book: BookFacts, now: datetime) -> tuple[str, str]:
    """The change since the last value before today in New York, or since today's first where there is none."""
    zone = zone_of(AssetClass.EQUITIES)
    today = now.astimezone(zone).date()
    before = [point for point in book.equity if point.at.astimezone(zone).date() < today]
    base, last = (before[-1] if before else book.equity[0]), book.equity[-1]
    if last is base or base.value <= 0:
        return "", "calm"
    change = last.value - base.value
    text = f"{change:+,.2f} {book.currency} ({change / base.value * 100:+.2f} %)"
    return text, "good" if change > 0 else "bad" if change < 0 else "calm"


def allocations(sessions: tuple[SessionFacts, ...]) -> tuple[Allocation, ...]:
    """Of every session whose last run had targets; the longest bar of each is its largest weight."""
    known = [(one, one.last) for one in sessions if one.last and one.last.weights]
    made = []
    for one, last in known:
        full = max(max(pair.now, pair.target) for pair in last.weights) or 1.0
        ordered = sorted(last.weights, key=lambda pair: (-max(pair.now, pair.target), pair.symbol))
        made.append(
            Allocation(
                name=one.kind.value.capitalize(),
                invested=words.percent(sum(pair.now for pair in ordered)),
                aimed=words.percent(sum(pair.target for pair in ordered)),
                when=exchange_time(last.finished_at, one.kind),
                bars=table(ordered, partial(_bar, full=full), shown=8),
            )
        )
    return tuple(made)


def _bar(pair: WeightPair, full: float) -> Bar:
    now, target = words.percent(pair.now), words.percent(pair.target)
    length, mark = (round(100 * min(max(part / full, 0.0), 1.0), 1) for part in (pair.now, pair.target))
    return Bar(words.clean(pair.symbol), now, target, length, mark, f"{now} held, target {target}")


def positions(book: BookFacts) -> Table[tuple[str, ...]]:
    """The bot's own: symbol, session, quantity, cost each, cost, since; the dearest first."""
    costs = [(one.quantity * one.avg_cost, one) for one in book.owned]
    return table(sorted(costs, key=_dearest), _position)


def _dearest(priced: tuple[Decimal, Position]) -> tuple[float, str]:
    cost, one = priced
    return -abs(float(cost)) if cost.is_finite() else 0.0, one.instrument.symbol


def _position(priced: tuple[Decimal, Position]) -> tuple[str, ...]:
    cost, one = priced
    return (
        words.clean(one.instrument.symbol),
        words.clean(words.spoken(one.owner)),
        words.number(one.quantity),
        words.price(one.avg_cost, 4),
        words.money(cost, one.instrument.currency),
        f"{one.opened_at.day} {one.opened_at:%b %Y}" if one.opened_at else words.NONE,
    )


def holdings(book: BookFacts, now: datetime) -> Table[tuple[str, ...]]:
    """What the bot leaves alone: symbol, protected, held in all, the bot's, seen."""
    own = sorted((one for one in book.held if one.protected > 0), key=lambda one: one.instrument.symbol)
    return table(own, partial(_holding, now=now))


def _holding(one: Holding, now: datetime) -> tuple[str, ...]:
    return (
        words.clean(one.instrument.symbol),
        words.number(one.protected),
        words.number(one.quantity),
        words.number(one.owned),
        from_now(one.at, now),
    )


def shortage(book: BookFacts) -> list[Holding]:
    """Instruments of which the account holds less than the ledger says the bot owns."""
    return [one for one in book.held if one.protected < 0]
