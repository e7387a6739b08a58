"""A week's figures put in order for a reader: the week in one line, the figures beside each other, then their reasons.

Entry points: `view`, `subject`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from robotrading.adapters.notify.report.shapes import Cell, Column, Number, Picture, Row, Section, Tone, View
from robotrading.adapters.notify.report.words import (
    NONE,
    clean,
    count,
    hide_accounts,
    ledger_options,
    mask,
    money,
    number,
    percent,
    points,
    purse,
    signed_money,
    signed_percent,
    spoken,
)
from robotrading.adapters.notify.weekly.figures import Span, WeekFigures
from robotrading.domain.report import Outcome
from robotrading.execution.trips import PositionGain, Trip
from robotrading.portfolio.flows import Unclear
from robotrading.portfolio.performance import Drawdown, Performance

_SHOWN_GAINS = 5
"""Positions told from each end."""
_NEW_YORK = ZoneInfo("America/New_York")


def view(week: WeekFigures, pictures: Sequence[Picture] = ()) -> View:
    """The summary; every text in it is one printable line."""
    sections = (_figures(week), _gains(week), _closed(week), _payments(week), _sessions(week))
    made = View(
        title=_title(week),
        subtitle=f"Seven days to {week.day:%A} {week.day}, {week.mode}",
        tone=_tone(week.week.performance),
        verdict=_verdict(week),
        alerts=_alerts(week),
        facts=_facts(week),
        sections=tuple(section for section in sections if section.rows),
        footer=(
            f"Days are New York's; the three months begin on {week.quarter.performance.first}.",
            "How each figure is reckoned: docs/summary.md.",
        ),
        numbers=_numbers(week),
        pictures=tuple(pictures),
    )
    known = {week.account_id} - {""}
    return made.mapped(lambda text: hide_accounts(clean(text), known))


def subject(week: WeekFigures) -> str:
    """The week in one line without anything that could be a second header."""
    told = _title(week)[:80] if week.empty else f"{_title(week)[:80]}, {_said_runs(week)}"
    return clean(f"[robotrading] {told} ({week.mode[:20]}, week to {week.day})")


def _title(week: WeekFigures) -> str:
    if week.empty:
        return "Week without a run"
    done = week.week.performance
    if done.total is None or done.gain is None:
        return "Week of unknown return"
    return f"Week {_signed(done.total)}, {signed_money(done.gain, week.currency)}"


def _said_runs(week: WeekFigures) -> str:
    return count(sum(one.total for one in week.runs), "run")


def _tone(performance: Performance) -> Tone:
    if not performance.gain or performance.total is None:
        return Tone.PLAIN
    return Tone.GOOD if performance.total > 0 else Tone.BAD


def _verdict(week: WeekFigures) -> str:
    if week.empty:
        return (
            "No session ran in these seven days. If that was not meant, look at `robotrading health` and "
            "`robotrading schedule`."
        )
    orders = week.week.costs
    traded = f"{count(orders.orders, 'order')}, {_part(orders.filled, orders.orders, 'filled')}"
    failed = sum(one.outcomes.get(Outcome.FAILED, 0) for one in week.runs)
    total = sum(one.total for one in week.runs)
    trouble = f", {_part(failed, total, 'failed')}" if failed else ""
    return f"{_said_runs(week)}{trouble}; {traded if orders.orders else 'no order'}. {_beside(week)}".rstrip()


def _part(some: int, whole: int, done: str) -> str:
    """`all filled`, `none filled` or `3 of them filled`; of one only whether."""
    if whole == 1:
        return done if some else f"not {done}"
    return f"all {done}" if some == whole else f"{some:,} of them {done}" if some else f"none {done}"


def _beside(week: WeekFigures) -> str:
    """The week against the benchmark, in a sentence."""
    ours, theirs = week.week.performance.total, week.week.benchmark
    if ours is None or theirs is None:
        return ""
    return f"{week.benchmark_name} did {_signed(theirs)} over the same days, {_points_apart(ours - theirs)}."


def _points_apart(apart: float) -> str:
    if abs(apart) < 0.00005:
        return "the same"
    return f"{abs(apart) * 100:.2f} points {'less' if apart > 0 else 'more'}"


def _alerts(week: WeekFigures) -> tuple[str, ...]:
    failed = [one for one in week.runs if one.outcomes.get(Outcome.FAILED)]
    found = [f"{count(one.outcomes[Outcome.FAILED], 'run')} of the {one.kind} session failed." for one in failed]
    if amount := week.statuses.get("unknown", 0):
        found.append(
            f"{count(amount, 'order')} of unknown fate; see `robotrading resolve{ledger_options(week.mode, week.day)}`."
        )
    return tuple(found)


def _numbers(week: WeekFigures) -> tuple[Number, ...]:
    if week.worth is None:
        return ()
    kind = "paper" if week.paper else "real money"
    seen = f", {_day(week.worth_at)}" if week.worth_at else ""
    worth = Number("Account value", money(week.worth, week.currency), note=f"{mask(week.account_id)}, {kind}{seen}")
    fallen = week.quarter.performance.drawdown
    return (
        worth,
        _return("This week", week.week, week),
        _return("3 months", week.quarter, week),
        Number("Deepest loss", _loss(fallen), _loss_tone(fallen), _when(fallen)),
    )


def _return(label: str, span: Span, week: WeekFigures) -> Number:
    done = span.performance
    if done.total is None or done.gain is None:
        return Number(label, NONE, note="not known")
    notes = [signed_money(done.gain, week.currency), *([_named(week, span)] if week.benchmark_name else [])]
    return Number(label, _signed(done.total), _tone(done), ", ".join(notes))


def _named(week: WeekFigures, span: Span) -> str:
    beside = "not known" if span.benchmark is None else _signed(span.benchmark)
    return f"{week.benchmark_name} {beside}"


def _loss(fallen: Drawdown | None) -> str:
    return NONE if fallen is None else _signed(fallen.depth)


def _loss_tone(fallen: Drawdown | None) -> Tone:
    return Tone.BAD if fallen is not None and fallen.depth < 0 else Tone.PLAIN


def _when(fallen: Drawdown | None) -> str:
    if fallen is None or not fallen.depth:
        return "in 3 months"
    return f"in 3 months: {fallen.peak} to {fallen.trough}"


def _signed(fraction: float) -> str:
    return signed_percent(Decimal(repr(fraction)))


def _facts(week: WeekFigures) -> tuple[tuple[str, str], ...]:
    orders = week.week.costs
    found = [("Orders", ", ".join(f"{amount:,} {status}" for status, amount in week.statuses.items()) or "none")]
    found += [("Traded", f"{_moved('bought', orders.bought)}, {_moved('sold', orders.sold)}")] if orders.filled else []
    if week.gains:
        best, worst = week.gains[0], week.gains[-1]
        found.append(("Best position", _position(best, week.currency)))
        found += [("Worst position", _position(worst, week.currency))] if worst is not best else []
    return (*found, ("Paid in or out", _paid(week)), ("Bear in mind", _caveat(week)))


def _moved(word: str, amounts: Mapping[str, Decimal]) -> str:
    return f"{word} for {purse(amounts)}" if amounts else f"{word} nothing"


def _position(one: PositionGain, currency: str) -> str:
    change = f", {_signed(one.change)}" if one.change is not None else ""
    return f"{one.instrument.symbol}: {signed_money(one.gain, currency)}{change}"


def _paid(week: WeekFigures) -> str:
    paid, flows = week.week.performance.paid_in, week.flows
    if not flows.known:
        return "not known: that takes the reports of two runs"
    if week.week.performance.gain is None:
        return "not known: the account was not looked at twice"
    if paid:
        return f"{signed_money(paid, week.currency)}, which is no part of the returns"
    return "nothing, as far as cash and orders tell"


def _caveat(week: WeekFigures) -> str:
    """What the figures leave out or cannot know, always said."""
    said = []
    if week.flows.known and week.flows.since is not None:
        said.append(
            f"Payments are inferred from cash that no order explains, from {_day(week.flows.since)} on; one below"
            " 1 % of the account counts as gain or loss."
        )
    elif week.worth is not None:
        said.append("Money paid in or out counts as gain or loss.")
    if unclear := _unclear(week):
        said.append(f"{count(len(unclear), 'change')} of cash could not be explained, see below.")
    if week.week.performance.total is not None:
        said.append(f"Ratios of {count(len(week.week.performance.returns), 'daily return')} say little.")
    if week.benchmark is not None and week.currency not in {"", "USD"}:
        said.append(f"{week.benchmark_name} is in its own currency, not in {week.currency}.")
    if week.benchmark_name and week.benchmark is None:
        said.append(f"{week.benchmark_name} is left out: its prices are not in the cache.")
    return " ".join(said) or "There is no history yet."


def _figures(week: WeekFigures) -> Section:
    """Both stretches side by side."""
    spans = (week.week, week.quarter)
    rows = [_row("Return, time-weighted", [_percent(span.performance.total) for span in spans])]
    if week.benchmark_name:
        rows.append(_row(f"{week.benchmark_name}, with dividends", [_percent(span.benchmark) for span in spans]))
    rows += [
        _row("Gain", [_signed_or_none(span.performance.gain) for span in spans]),
        _row("Paid in or out", [_paid_in(span) for span in spans]),
        _row("Volatility, a year", [percent(span.performance.volatility) for span in spans]),
        _row("Sharpe ratio, a year", [_ratio(span.performance.sharpe) for span in spans]),
        _row("Deepest loss from a peak", [_loss(span.performance.drawdown) for span in spans]),
        _row("Turnover", [percent(span.turnover) for span in spans]),
        _row("Commissions", [_commission(span) for span in spans]),
        _row("Slippage", [_slippage(span) for span in spans]),
        _row("Positions closed", [f"{len(span.trips):,}" for span in spans]),
        _row("Of these with a gain", [percent(span.hit_rate, 0) for span in spans]),
    ]
    known = week.worth is not None or any(span.costs.orders for span in spans)
    money_in = f" Money in {week.currency} where no other currency is named." if week.currency else ""
    return Section(
        "Performance",
        (Column("Figure"), Column("This week", right=True), Column("3 months", right=True)),
        tuple(rows) if known else (),
        f"Daily values, 252 trading days a year, risk-free rate 0; slippage is against the price at the decision, + is"
        f" worse; {NONE} is not known.{money_in}",
        name="performance",
    )


def _row(label: str, values: Sequence[str]) -> Row:
    return Row((Cell(label), *map(Cell, values)))


def _percent(fraction: float | None) -> str:
    return NONE if fraction is None else _signed(fraction)


def _signed_or_none(value: Decimal | None) -> str:
    return NONE if value is None else signed_money(value)


def _paid_in(span: Span) -> str:
    return NONE if span.performance.gain is None else signed_money(span.performance.paid_in)


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _commission(span: Span) -> str:
    untold = ", not all told" if span.costs.untold else ""
    return f"{purse(span.costs.commission)}{untold}"


def _slippage(span: Span) -> str:
    paid, base = span.costs.slippage, span.costs.arrival
    parts = [f"{money(cost, name)}, {points(cost, base[name])}" for name, cost in sorted(paid.items())]
    return "; ".join(parts) or NONE


def _gains(week: WeekFigures) -> Section:
    """The ends of the list: what brought most and what cost most."""
    few = len(week.gains) <= 2 * _SHOWN_GAINS
    shown = week.gains if few else (*week.gains[:_SHOWN_GAINS], *week.gains[-_SHOWN_GAINS:])
    rest = len(week.gains) - len(shown)
    left = f" {count(rest, 'position')} in between {'is' if rest == 1 else 'are'} not shown." if rest else ""
    unknown = f" Of {count(week.unpriced, 'instrument')} it is not known." if week.unpriced else ""
    return Section(
        "What positions brought this week",
        (Column("Instrument"), Column("Gain", right=True), Column("Change", right=True)),
        tuple(
            Row(
                (
                    Cell(one.instrument.symbol),
                    Cell(signed_money(one.gain, week.currency), _gain_tone(one.gain)),
                    Cell(_percent(one.change)),
                ),
                rank=float(abs(one.gain)),
            )
            for one in shown
        ),
        "Change of value from the last run before the week to its last one, with what was bought and sold, after"
        f" commissions.{left}{unknown}",
        name="gains",
    )


def _gain_tone(gain: Decimal | None) -> Tone:
    if not gain:
        return Tone.DIM if gain is None else Tone.PLAIN
    return Tone.GOOD if gain > 0 else Tone.BAD


def _closed(week: WeekFigures) -> Section:
    return Section(
        "Positions closed this week",
        (Column("Instrument"), Column("Session"), Column("Closed", right=True), Column("Gain", right=True)),
        tuple(_trip(trip) for trip in week.week.trips),
        "By average cost, after commissions.",
        name="closed",
    )


def _trip(trip: Trip) -> Row:
    gain = "not known" if trip.gain is None else signed_money(trip.gain, trip.instrument.currency)
    return Row(
        (
            Cell(trip.instrument.symbol),
            Cell(trip.kind),
            Cell(str(_day(trip.closed_at))),
            Cell(gain, _gain_tone(trip.gain)),
        ),
        rank=float(abs(trip.gain)) if trip.gain is not None else 0.0,
    )


def _payments(week: WeekFigures) -> Section:
    """What was inferred, and what could not be."""
    rows = [
        Row((Cell(str(_day(flow.until))), Cell("paid in" if flow.amount > 0 else "paid out"),
             Cell(signed_money(flow.amount, week.currency))))
        for flow in week.flows.found
        if _day(flow.until) >= week.quarter.performance.first
    ]  # fmt: skip
    rows += [_not_taken(one) for one in _unclear(week)]
    return Section(
        "Payments of the last three months",
        (Column("Seen on"), Column("What"), Column("Amount", right=True)),
        tuple(rows),
        "Cash that came or went without an order of the bot's.",
        name="payments",
    )


def _unclear(week: WeekFigures) -> list[Unclear]:
    """Of the three months; looks a little before them tell what their first value is."""
    return [one for one in week.flows.unclear if _day(one.until) >= week.quarter.performance.first]


def _not_taken(one: Unclear) -> Row:
    cells = (Cell(str(_day(one.until))), Cell("unclear", Tone.WARN), Cell(signed_money(one.amount, one.currency)))
    return Row(cells, (f"Not taken for a payment: {one.why}. If it was one, it counts as gain or loss here.",))


def _day(at: datetime) -> date:
    """New York's."""
    return at.astimezone(_NEW_YORK).date()


def _sessions(week: WeekFigures) -> Section:
    return Section(
        "Sessions",
        (Column("Session"), Column("Runs", right=True), Column("How they ended"), Column("Last", right=True)),
        tuple(
            Row(
                (
                    Cell(one.kind),
                    Cell(number(Decimal(one.total))),
                    Cell(", ".join(f"{amount:,} {spoken(outcome)}" for outcome, amount in one.outcomes.items())),
                    Cell(f"{one.last:%Y-%m-%d %H:%M} UTC"),
                )
            )
            for one in week.runs
        ),
        name="sessions",
    )
