"""The eight promises, as pure functions over what was written down of a story.

Entry points: `breaches` (what must hold at any time), `left_open` (after a quiet time: what may still be in doubt),
`at_the_end` (after a person has spoken, too), `LAWS`.
Each law answers with sentences, none when it is kept. docs/reliability.md has them in plain words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal

from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.execution.lifecycle import by_person
from robotrading.sim.exchange_types import Execution
from robotrading.wiring.drills.facts import Commitment, Facts, Strike
from robotrading.wiring.drills.market import SHARES

D = Decimal
_HAIR = D("1.001")
"""Bounds are judged by prices of a moment before or after those that the program judged by."""
_MAX_QUOTE_AGE = 900.0
_MAX_GAP, _MAX_GAP_OF_PLANS = D("0.4"), D("0.42")
"""A shown plan's price was held against the source when it was made, and may have moved by a hundredth since."""
_ENDED = frozenset(status.value for status in TicketStatus if status.terminal)


@dataclass(frozen=True, slots=True)
class Breach:
    """The number of the promise (0: the program was surprised), and what happened."""

    law: int
    sentence: str

    def __str__(self) -> str:
        return f"invariant {self.law}: {self.sentence}"


Law = Callable[[Facts], Iterator[str]]


def nothing_unexpected(facts: Facts) -> Iterator[str]:
    """No error that nobody has foreseen, neither in a step nor beside them."""
    yield from facts.surprises
    for run in facts.runs:
        for step in run.report.steps if run.report else ():
            if "unexpected " in step.error:
                yield f"{run.run_id}, step {step.name}: {step.error}"


def intent_before_order(facts: Facts) -> Iterator[str]:
    """1. No order at the exchange without an intent on the disk, and one order per intent."""
    seen: set[str] = set()
    for placed in facts.placements:
        if not placed.journalled or placed.reference not in facts.tickets:
            yield f"{placed.reference} reached the exchange without an intent on the disk"
        elif placed.journalled in _ENDED and placed.at.date() == facts.tickets[placed.reference].intent.trading_date:
            yield f"{placed.reference} reached the exchange when the ledger had called it {placed.journalled}"
        if placed.reference in seen:
            yield f"{placed.reference} reached the exchange twice"
        seen.add(placed.reference)


def executions_booked_once(facts: Facts) -> Iterator[str]:
    """2. What the ledger has is true, and a session that has recovered knows all that the broker tells of its day."""
    latest = _latest(facts)
    for ticket in facts.tickets.values():
        for fill in ticket.fills:
            if by_person(fill):
                continue
            true = latest.get(fill.fill_id)
            if true is None or true.order_ref != fill.intent_id:
                yield f"{ticket.intent.intent_id} has an execution {fill.fill_id} that never was"
            elif fill.revision == true.revision and (fill.quantity, fill.price) != (true.quantity, true.price):
                yield f"{fill.fill_id} is {fill.quantity} at {fill.price} in the ledger, not as at the exchange"
        if ticket.filled > _ever_filled(ticket, facts):
            yield f"{ticket.intent.intent_id} has {ticket.filled} in the ledger, more than was ever executed"
    yield from _positions_follow(facts)
    yield from _known_after_recovery(facts)


def _ever_filled(ticket: Ticket, facts: Facts) -> Decimal:
    """What was executed of an order, before any correction took something away."""
    mine = [s.execution for s in facts.strikes if s.execution.order_ref == ticket.intent.intent_id]
    most: dict[str, Decimal] = {}
    for one in mine:
        most[one.fill_id] = max(one.quantity, most.get(one.fill_id, one.quantity))
    return sum(most.values(), D(0))


def _positions_follow(facts: Facts) -> Iterator[str]:
    booked: dict[tuple[str, Instrument], Decimal] = {}
    for ticket in facts.tickets.values():
        key = (ticket.intent.kind, ticket.intent.instrument)
        moved = sum((fill.quantity * fill.side.sign for fill in ticket.fills), D(0))
        booked[key] = booked.get(key, D(0)) + moved
    for instrument, owned in facts.owned.items():
        # What a session has sold too much, since a purchase was busted afterwards, is not shown as a position.
        due = sum((max(q, D(0)) for (_, item), q in booked.items() if item == instrument), D(0))
        if owned != due:
            yield f"the ledger owns {owned} {instrument}, its executions add up to {due}"


def _known_after_recovery(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        if not run.recovered:
            continue
        midnight = datetime.combine(run.began_at.date(), time(0), UTC)
        for strike in facts.strikes:
            told = strike.ours and strike.seconds < run.began and strike.execution.at >= midnight
            if told and _is_kind(strike, run.kind[:2]) and not _has(facts, strike.execution):
                yield f"{run.run_id} has recovered and does not know {strike.execution.exec_id} of {_ref(strike)}"


def never_sold_more_than_owned(facts: Facts) -> Iterator[str]:
    """3. At no point of the exchange's executions was more sold than bought for the bot; what is the person's stays."""
    latest: dict[str, Execution] = {}
    for strike in facts.strikes:
        one = strike.execution
        if not strike.ours:
            continue
        new = one.fill_id not in latest
        latest[one.fill_id] = one
        mine = [e for e in latest.values() if e.instrument == one.instrument]
        net = sum((e.quantity * e.side.sign for e in mine), D(0))
        if new and one.side is Side.SELL and net < -_busted(facts, one):
            yield f"{_ref(strike)} sold {-net} {one.instrument} more than the bot had"
    for instrument, held in facts.held.items():
        ours = sum((e.quantity * e.side.sign for e in latest.values() if e.instrument == instrument), D(0))
        if held - ours != facts.person[instrument]:
            yield f"the person's {instrument} were {facts.person[instrument]}, now {held - ours}"
    for sent in facts.commitments:
        if sent.intent.side is Side.SELL and sent.intent.quantity > sent.owned_ledger:
            yield f"{_id(sent)} sells {sent.intent.quantity}, its session owns {sent.owned_ledger}"


def _busted(facts: Facts, sale: Execution) -> Decimal:
    """What later corrections took away of buys: a sale that is on its way cannot know."""
    first: dict[str, Decimal] = {}
    lost = D(0)
    for strike in facts.strikes:
        one = strike.execution
        if strike.ours and one.instrument == sale.instrument and one.side is Side.BUY:
            lost += max(first.get(one.fill_id, one.quantity) - one.quantity, D(0))
            first[one.fill_id] = one.quantity
    return lost


def limits_hold(facts: Facts) -> Iterator[str]:
    """4. No order value, position or day's turnover beyond its bound; no order while halted, no entry after a loss."""
    setting = facts.setting
    for one in facts.commitments:
        intent = one.intent
        price = min(intent.limit_price or intent.arrival_price, intent.arrival_price)
        value = intent.quantity * price
        if one.halted:
            yield f"{_id(one)} was sent while trading was halted: {one.halted}"
        if value > setting.max_order_value:
            yield f"{_id(one)} is worth {value}, the bound is {setting.max_order_value}"
        if intent.side is Side.SELL:
            continue
        if one.day_stopped:
            yield f"{_id(one)} was sent although the day was stopped: {one.day_stopped}"
        yield from _entry(one, value, price, facts)


def _entry(one: Commitment, value: Decimal, price: Decimal, facts: Facts) -> Iterator[str]:
    setting, capital = facts.setting, one.capital
    if capital is None:
        yield f"{_id(one)} was sent without a capital for the day"
        return
    share = setting.max_position_share * capital * _HAIR
    after = (one.owned + one.pending_buys + one.intent.quantity) * price
    if after > share:
        yield f"{_id(one)} makes a position of {after:.2f}, the bound is {share:.2f}"
    turnover = setting.max_turnover_share * capital * SHARES[one.intent.kind] * _HAIR
    if one.turnover + value > turnover:
        yield f"{_id(one)} makes a turnover of {one.turnover + value:.2f}, the bound is {turnover:.2f}"
    known = [v for v in (one.first_equity, one.sight.day_start if one.sight else None) if v is not None and v > 0]
    if one.sight is not None and known and setting.max_daily_loss_share < 1:
        loss = 1 - one.sight.equity / max(known)
        if loss >= setting.max_daily_loss_share:
            yield f"{_id(one)} was sent after a loss of {loss:.4f} of the day's first equity"


def nothing_on_doubt(facts: Facts) -> Iterator[str]:
    """5. No new order where an earlier one is not settled, or where prices are refused, missing, old or absurd."""
    for one in facts.commitments:
        if one.open_tickets:
            yield f"{_id(one)} was sent while {', '.join(one.open_tickets)} was not settled"
        if one.working:
            yield f"{_id(one)} was sent while {', '.join(one.working)} worked at the exchange"
        if one.quote_age is None or one.quote_age > _MAX_QUOTE_AGE:
            yield f"{_id(one)} was sent on a quote that is {one.quote_age} s old"
        if one.quote_gap is None or one.quote_gap > (_MAX_GAP_OF_PLANS if one.by_plan else _MAX_GAP):
            yield f"{_id(one)} was sent on a price that is {one.quote_gap} away from the last close"
        if one.way != "well" and not one.by_plan:
            yield f"{_id(one)} was sent although the source of its prices is {one.way}"


def occurrences_once(facts: Facts) -> Iterator[str]:
    """6. A scheduled run happens once, and who has lost the lease sends nothing."""
    for key, runs in facts.occurrences.items():
        if len(runs) > 1:
            yield f"{key} was run {len(runs)} times: {', '.join(runs)}"
    for one in facts.commitments:
        if not one.lease_valid:
            yield f"{_id(one)} was sent by {one.run_id}, whose lease was not valid"


def one_report_each(facts: Facts) -> Iterator[str]:
    """7. Each run that has ended has its one stored report."""
    for run in facts.runs:
        if run.concluded and not facts.reports.get(run.run_id):
            yield f"{run.run_id} has no stored report"
    for run_id in facts.reports.keys() - {run.run_id for run in facts.runs}:
        yield f"there is a run {run_id} that nobody has started"


def positions_are_never_flat(facts: Facts) -> Iterator[str]:
    """8. No order without an answer about the account, of another account, or on positions that hide what is owned."""
    for one in facts.commitments:
        if one.sight is None:
            yield f"{_id(one)} was sent although the account was never seen"
        elif one.intent.instrument.key in one.sight.hidden:
            yield f"{_id(one)} was sent on positions that hid what the bot owns"


LAWS: tuple[tuple[int, Law], ...] = (
    (0, nothing_unexpected),
    (1, intent_before_order),
    (2, executions_booked_once),
    (3, never_sold_more_than_owned),
    (4, limits_hold),
    (5, nothing_on_doubt),
    (6, occurrences_once),
    (7, one_report_each),
    (8, positions_are_never_flat),
)


def breaches(facts: Facts) -> list[Breach]:
    """What must hold at any time, and does not."""
    return [Breach(number, sentence) for number, law in LAWS for sentence in law(facts)]


# After a quiet time --------------------------------------------------------------------------------------------------


def left_open(facts: Facts) -> list[Breach]:
    """After some quiet days nothing is open but what only a person can settle, and nothing has ended untruly."""
    return [Breach(2, sentence) for ticket in facts.tickets.values() for sentence in _left(ticket, facts)]


def _left(ticket: Ticket, facts: Facts) -> Iterator[str]:
    intent_id = ticket.intent.intent_id
    mine = [one for one in _latest(facts).values() if one.order_ref == intent_id and one.quantity]
    missing = [one for one in mine if not _has_any(ticket, one)]
    lost = sum((one.quantity for one in missing), D(0)) - sum((f.quantity for f in ticket.fills if by_person(f)), D(0))
    if ticket.status.terminal and lost > 0:
        yield f"{intent_id} is {ticket.status}, and {lost} executed units of it were never booked"
    if not ticket.status.terminal and not missing and not _person_only(ticket, facts):
        yield f"{intent_id} is still {ticket.status} although the exchange's word would settle it: {ticket.reason}"
    if intent_id in facts.open_references:
        yield f"{intent_id} still works at the exchange"


def _person_only(ticket: Ticket, facts: Facts) -> bool:
    """Whether no list will ever name the order, or the exchange has taken back what it calls filled."""
    reference = ticket.intent.intent_id
    placed = reference in {placement.reference for placement in facts.placements}
    now = sum((one.quantity for one in _latest(facts).values() if one.order_ref == reference), D(0))
    return not placed or now < _ever_filled(ticket, facts)


def at_the_end(facts: Facts) -> list[Breach]:
    """With the person's word nothing is in doubt, each run has its report, and the last runs could do their work."""
    found = [
        Breach(2, f"{ticket.intent.intent_id} is still {ticket.status}: {ticket.reason}")
        for ticket in facts.tickets.values()
        if not ticket.status.terminal
    ]
    found += [Breach(7, f"{run.run_id} was never concluded") for run in facts.runs if not run.concluded]
    return found + left_open(facts)


# Small words ---------------------------------------------------------------------------------------------------------


def _latest(facts: Facts) -> dict[str, Execution]:
    """The latest revision of each of our executions."""
    return {strike.execution.fill_id: strike.execution for strike in facts.strikes if strike.ours}


def _has(facts: Facts, execution: Execution) -> bool:
    """Whether the ledger has this revision of an execution, or a later one, with its commission."""
    ticket = facts.tickets.get(execution.order_ref)
    fills = [fill for fill in (ticket.fills if ticket else ()) if fill.fill_id == execution.fill_id]
    return any(fill.revision >= execution.revision and fill.commission is not None for fill in fills)


def _has_any(ticket: Ticket, execution: Execution) -> bool:
    return any(fill.fill_id == execution.fill_id for fill in ticket.fills)


def _is_kind(strike: Strike, letters: str) -> bool:
    return strike.execution.order_ref.startswith(f"rt-{letters}-")


def _ref(strike: Strike) -> str:
    return strike.execution.order_ref


def _id(commitment: Commitment) -> str:
    return commitment.intent.intent_id
