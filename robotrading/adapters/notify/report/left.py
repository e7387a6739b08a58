"""The parts of a report about what was not done: what is blocked and how to free it, what was left, what fell out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robotrading.adapters.notify.report.reasons import RULE_WORDS
from robotrading.adapters.notify.report.shapes import Cell, Column, Row, Section, Tone
from robotrading.adapters.notify.report.words import count, ledger_options, names, spoken
from robotrading.domain.orders import TicketStatus
from robotrading.domain.planning import Refusal, RefusalRule
from robotrading.domain.report import SessionReport
from robotrading.domain.skip import Skip

_TOGETHER = 3
"""So many of a rule have each a row of their own; more are one row."""
_FIRST = float("inf")
_QUIET = (RefusalRule.WITHIN_BAND, RefusalRule.TOO_SMALL, RefusalRule.LOT, RefusalRule.COSTS)
"""Where nothing is wrong: these come last."""


def blocked(report: SessionReport) -> Section:
    """What is not traded until somebody has looked, and the command that frees it."""
    there = ledger_options(report.mode, report.trading_date)
    unknown = [ticket.intent for ticket in report.tickets if ticket.status is TicketStatus.UNKNOWN]
    rows = [
        Row(
            (Cell(intent.instrument.symbol, Tone.BAD),),
            (
                f"The fate of {intent.intent_id} is not known. The next run asks the broker about it again.",
                "Should it not say: look at the broker's statement, then type one of these two:",
                f"robotrading resolve {intent.intent_id} --filled QTY@PRICE --reason WHY{there}",
                f"robotrading resolve {intent.intent_id} --not-filled --reason WHY{there}",
            ),
            _FIRST,
        )
        for intent in unknown
    ]
    told = {intent.instrument for intent in unknown}
    refusals = report.plan.refusals if report.plan else ()
    for refusal in refusals:
        if refusal.rule is RefusalRule.OPEN_ORDER and refusal.instrument not in told:
            way = f"What is in doubt, and how to settle it: robotrading resolve{there}"
            if "robotrading " in refusal.reason:
                way = f"Add{there} to the command." if there else ""
            rows.append(Row((Cell(refusal.instrument.symbol, Tone.BAD),), (refusal.reason, way), _FIRST))
    return Section(
        "Blocked until you have looked",
        (Column("Instrument"),),
        tuple(rows),
        "Nothing is ordered in these; everything else goes on.",
        name="blocked",
    )


def refused(report: SessionReport) -> Section:
    """Trades the plan considered and left: the same rule in one row, each sentence within it."""
    refusals = [one for one in (report.plan.refusals if report.plan else ()) if one.rule is not RefusalRule.OPEN_ORDER]
    rules = Counter(refusal.rule for refusal in refusals)
    rows: list[Row] = []
    for rule in sorted(rules, key=lambda one: (one in _QUIET, list(RefusalRule).index(one))):
        rows += _refused([refusal for refusal in refusals if refusal.rule is rule])
    return Section(
        "Considered and left",
        (Column("Instrument"), Column("Why")),
        tuple(rows),
        ", ".join(f"{spoken(rule)}: {amount}" for rule, amount in rules.most_common()),
        quiet=all(rule in _QUIET for rule in rules),
        name="refused",
    )


def _refused(alike: Sequence[Refusal]) -> list[Row]:
    rule, rank = alike[0].rule, 0.0 if alike[0].rule in _QUIET else 1.0
    if len(alike) <= _TOGETHER:
        return [Row((Cell(one.instrument.symbol), Cell(spoken(rule), Tone.DIM)), (_plain(one),), rank) for one in alike]
    symbols = [one.instrument.symbol for one in alike]
    sentences = tuple(f"{one.instrument.symbol}: {_plain(one)}" for one in alike)
    return [Row((Cell(names(symbols)), Cell(RULE_WORDS[rule], Tone.DIM)), (), rank, sentences)]


def _plain(refusal: Refusal) -> str:
    """The reason without the symbol before it, which the row names already."""
    return refusal.reason.removeprefix(f"{refusal.instrument.symbol}: ")


def left_out(report: SessionReport) -> Section:
    """Whatever else was skipped, healed or done another way, and why: the same reason in one row."""
    often = Counter((skip.step, skip.rule) for skip in report.other_skips if skip.rule)
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in report.other_skips:
        many = often[skip.step, skip.rule] > _TOGETHER
        groups.setdefault((skip.step, skip.rule if many else skip.reason), []).append(skip)
    return Section(
        "Left out, healed or done another way",
        (Column("What"), Column("Step")),
        tuple(_skipped(group) for group in groups.values()),
        name="left_out",
    )


def _skipped(group: Sequence[Skip]) -> Row:
    cells = (Cell(names(skip.subject for skip in group)), Cell(group[0].step, Tone.DIM))
    reasons = list(dict.fromkeys(skip.reason for skip in group))
    if len(reasons) == 1:
        everyone = tuple(skip.subject for skip in group)
        whole = ", ".join(everyone)
        return Row(cells, (reasons[0],), float(len(group)), (whole,) if names(everyone) != whole else ())
    folded = tuple(f"{skip.subject}: {skip.reason}" for skip in group)
    return Row(cells, (f"{count(len(group), 'case')} of {spoken(group[0].rule)}",), float(len(group)), folded)
