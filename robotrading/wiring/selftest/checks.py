"""What must be true after a drill, as functions over what was written down of it.

Entry points: `Played`, `Ended`, `breaches`, `CHECKS`.
Each check answers with sentences, none when it holds. The laws of orders, executions and positions are those of the
simulation (`wiring/drills/invariants`); what only real processes can break is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import msgspec

from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Ticket
from robotrading.domain.report import Outcome, SessionReport
from robotrading.sim.exchange_types import Holding
from robotrading.wiring.drills import invariants
from robotrading.wiring.drills.facts import OURS, Facts, Placement, Run, Strike
from robotrading.wiring.drills.story import Setting
from robotrading.wiring.selftest.drills import Drill, Expect
from robotrading.wiring.selftest.record import Line

D = Decimal
_HAIR = D("1.001")
"""The bound is judged by another price than the limit's: see `invariants`."""
FIRST, SECOND = 1, 2
"""The run with the misfortune, and the one that must recover; 0 is the day before."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run's process ended. `reports` is None where it was killed or died; `trouble` is its last word then."""

    number: int
    seconds: float
    sessions: int
    reports: tuple[SessionReport, ...] | None
    late: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """Everything that is known after the drill's last run.

    `stored` counts the reports in the ledger by run id, for every run that was begun; `ledger_findings` is what the
    ledger's own check says; `bounds` are the largest order values.
    """

    drill: Drill
    runs: Sequence[Ended]
    lines: Sequence[Line]
    tickets: Mapping[str, Ticket]
    positions: Sequence[Position]
    held: Sequence[Holding]
    still_open: Sequence[str]
    own: Sequence[tuple[Instrument, Decimal]]
    stored: Mapping[str, int]
    ledger_findings: Sequence[str] = ()
    bounds: Mapping[AssetClass, Decimal] = field(default_factory=dict)

    def run(self, number: int) -> Ended | None:
        return next((run for run in self.runs if run.number == number), None)

    def last_reports(self) -> tuple[SessionReport, ...]:
        """Of the run that had to recover."""
        last = self.run(SECOND)
        return (last.reports or ()) if last else ()

    @property
    def doubtful(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets.values() if not ticket.status.terminal]

    @property
    def took_place(self) -> bool:
        """Whether the misfortune came; a drill without one needs at least one order."""
        first = [line for line in self.lines if line.run == FIRST]
        if self.drill.faults or self.drill.stroke:
            return any(line.word for line in first)
        return any(line.placed for line in first)


Check = Callable[[Played], Iterator[str]]


def ends_in_time(played: Played) -> Iterator[str]:
    """Each run ends by itself, within its bound, and without an error that nobody has foreseen."""
    for run in played.runs:
        if run.late:
            yield f"run {run.number} had not ended after {run.seconds:.0f} s"
        if run.trouble:
            yield f"run {run.number} died: {run.trouble}"


def one_report_per_session(played: Played) -> Iterator[str]:
    """A run that was not killed tells of each of its sessions once, and each run in the ledger has its one report."""
    for run in played.runs:
        if run.reports is not None and len(run.reports) != run.sessions:
            yield f"run {run.number} left {len(run.reports)} reports for {run.sessions} sessions"
    for run_id, count in played.stored.items():
        if count != 1:
            yield f"{run_id} has {count or 'no'} stored report{'s' if count > 1 else ''}"


def second_run_works(played: Played) -> Iterator[str]:
    """When the misfortune is over, a run does its work again."""
    for report in played.last_reports():
        if report.outcome is Outcome.FAILED:
            yield f"the run afterwards failed: {report.verdict}"


def doubt_is_named(played: Played) -> Iterator[str]:
    """An order without a known end is named by the last report, and its instrument is left alone."""
    told = msgspec.json.encode(played.last_reports()).decode()
    for ticket in played.doubtful:
        intent = ticket.intent
        if intent.intent_id not in told:
            yield f"{intent.intent_id} is {ticket.status}, and the last report does not name it"
        later = [
            line.placed.reference
            for line in played.lines
            if line.run == SECOND and line.placed and line.placed.instrument.key == intent.instrument.key
        ]
        if later and later != [intent.intent_id]:
            yield f"{', '.join(later)} was sent while {intent.intent_id} was in doubt"


def as_expected(played: Played) -> Iterator[str]:
    """What this drill demands beyond the rest."""
    expect = played.drill.expect
    if expect is not Expect.DOUBT:
        for ticket in played.doubtful:
            yield f"{ticket.intent.intent_id} is still {ticket.status}: {ticket.reason}"
    if expect is Expect.NOTHING_SENT:
        for line in played.lines:
            if line.run == FIRST and line.placed:
                yield f"{line.placed.reference} was ordered all the same"


def values_are_bounded(played: Played) -> Iterator[str]:
    """No order is worth more than the person allows, at the price that it was sent with."""
    for line in played.lines:
        placed = line.placed
        if placed is None or placed.limit is None:
            continue
        kind, value = placed.instrument.asset_class, placed.quantity * placed.limit
        bound = played.bounds.get(kind)
        if bound is not None and value > bound * _HAIR:
            yield f"{placed.reference} is worth {value:.2f}, limits.max_order_value is {bound}"


def ledger_is_sound(played: Played) -> Iterator[str]:
    """The ledger's own check finds nothing."""
    yield from played.ledger_findings


def laws_of_orders(played: Played) -> Iterator[str]:
    """The simulation's laws: intent first, executions booked once, only the bot's own sold, nothing forgotten.

    Where the last run died nobody knows what the account holds; that it died is told.
    """
    last = played.run(SECOND)
    if last is None or last.reports is None:
        return
    facts = facts_of(played)
    for law in (
        invariants.nothing_unexpected,
        invariants.intent_before_order,
        invariants.executions_booked_once,
        invariants.never_sold_more_than_owned,
    ):
        yield from law(facts)
    yield from (breach.sentence for breach in invariants.left_open(facts))


CHECKS: tuple[Check, ...] = (
    ends_in_time,
    one_report_per_session,
    second_run_works,
    laws_of_orders,
    doubt_is_named,
    as_expected,
    values_are_bounded,
    ledger_is_sound,
)


def breaches(played: Played) -> list[str]:
    """Everything that does not hold, each once."""
    return list(dict.fromkeys(sentence for check in CHECKS for sentence in check(played)))


# As the simulation sees it --------------------------------------------------------------------------------------------


def facts_of(played: Played) -> Facts:
    """The same facts in the simulation's words; instruments are told apart by key, since ticks may be the broker's."""
    one: dict[str, Instrument] = {}

    def same(instrument: Instrument) -> Instrument:
        return one.setdefault(instrument.key, instrument)

    placements = [_placed(line.placed, same) for line in played.lines if line.placed]
    strikes = [_struck(line.strike, same) for line in played.lines if line.strike]
    tickets = {name: _ticket(ticket, same) for name, ticket in played.tickets.items()}
    owned = _sums((same(p.instrument), p.quantity) for p in played.positions)
    held = _sums((same(h.instrument), h.quantity) for h in played.held)
    person = _sums((same(instrument), quantity) for instrument, quantity in played.own)
    for known in one.values():
        for amounts in (owned, held, person):
            amounts.setdefault(known, D(0))
    return Facts(
        setting=_NO_SETTING,
        placements=placements,
        strikes=strikes,
        open_references=frozenset(name for name in played.still_open if name.startswith(OURS)),
        commitments=(),
        runs=[_run(run.number, report) for run in played.runs for report in run.reports or ()],
        tickets=tickets,
        owned=owned,
        held=held,
        person=person,
        reports=dict(played.stored),
        occurrences={},
        surprises=(),
    )


_NO_SETTING = Setting(
    cash=D(0),
    holdings=(),
    weights=(),
    max_order_value=D(0),
    max_position_share=D(0),
    max_turnover_share=D(0),
    max_daily_loss_share=D(0),
)
"""Nothing of what is used here asks for it."""
Same = Callable[[Instrument], Instrument]


def _run(number: int, report: SessionReport) -> Run:
    return Run(report.run_id, report.kind, float(number), report.started_at, report=report, concluded=True)


def _placed(placed: Placement, same: Same) -> Placement:
    return replace(placed, instrument=same(placed.instrument))


def _struck(strike: Strike, same: Same) -> Strike:
    return replace(strike, execution=replace(strike.execution, instrument=same(strike.execution.instrument)))


def _ticket(ticket: Ticket, same: Same) -> Ticket:
    fills = tuple(replace(fill, instrument=same(fill.instrument)) for fill in ticket.fills)
    return replace(ticket, intent=replace(ticket.intent, instrument=same(ticket.intent.instrument)), fills=fills)


def _sums(parts: Iterable[tuple[Instrument, Decimal]]) -> dict[Instrument, Decimal]:
    sums: dict[Instrument, Decimal] = {}
    for instrument, quantity in parts:
        sums[instrument] = sums.get(instrument, D(0)) + quantity
    return sums
