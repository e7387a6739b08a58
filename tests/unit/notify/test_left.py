"""What was not done is told together where it is the same, and each for itself where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_worlds import blocked as blocked_world
from report_worlds import line, nothing_to_do, plan, report, share

from robotrading.adapters.notify.report import report_html, report_text
from robotrading.adapters.notify.report.left import blocked, left_out, refused
from robotrading.domain.planning import Refusal, RefusalRule
from robotrading.domain.report import Outcome, SessionReport, StepResult
from robotrading.domain.skip import Skip


def skipping(*skips: Skip) -> SessionReport:
    return report(Outcome.DONE, steps=(StepResult("checks", 0.1, skips),))


def refusing(rule: RefusalRule, amount: int) -> tuple[Refusal, ...]:
    return tuple(Refusal(share(f"S{n}"), rule, f"S{n}: reason {n}") for n in range(amount))


def test_few_of_a_rule_have_each_their_sentence():
    section = refused(report(Outcome.DONE, plan=plan((), refusing(RefusalRule.COSTS, 3))))
    assert [(row.cells[0].text, row.details) for row in section.rows] == [
        ("S0", ("reason 0",)), ("S1", ("reason 1",)), ("S2", ("reason 2",)),
    ]  # fmt: skip
    assert section.quiet


def test_many_of_a_rule_are_one_row_with_all_sentences_within():
    section = refused(report(Outcome.DONE, plan=plan((), refusing(RefusalRule.WITHIN_BAND, 40))))
    [row] = section.rows
    assert row.cells[0].text.endswith("S11 and 28 more")
    assert row.cells[1].text == "within their bands"
    assert (len(row.folded), row.folded[39]) == (40, "S39: reason 39")


def test_what_is_wrong_comes_before_what_is_as_it_should_be():
    mixed = (*refusing(RefusalRule.WITHIN_BAND, 2), *refusing(RefusalRule.LIMIT, 1))
    section = refused(report(Outcome.DONE, plan=plan((), mixed)))
    assert [row.cells[1].text for row in section.rows] == ["limit", "within band", "within band"]
    assert not section.quiet


def test_the_same_reason_is_told_once():
    section = left_out(skipping(*(Skip(f"S{n}", "prices", "no source answered") for n in range(20))))
    [row] = section.rows
    assert (row.details, row.cells[1].text) == (("no source answered",), "prices")
    assert row.folded[0].endswith("S18, S19"), "every name is said somewhere"


def test_many_reasons_of_one_rule_are_counted_and_told_within():
    section = left_out(skipping(*(Skip(f"S{n}", "checks", f"jumps by {n} %", "jump") for n in range(5))))
    [row] = section.rows
    assert row.details == ("5 cases of jump",)
    assert row.folded[4] == "S4: jumps by 4 %"
    few = left_out(skipping(*(Skip(f"S{n}", "checks", f"jumps by {n} %", "jump") for n in range(3))))
    assert [one.details for one in few.rows] == [("jumps by 0 %",), ("jumps by 1 %",), ("jumps by 2 %",)]


def test_what_a_page_folds_a_text_says():
    """Whatever is hidden behind a click in the page stands in the text in full."""
    names = [f"S{n}" for n in range(60)]
    made = replace(
        nothing_to_do(),
        plan=plan((), refusing(RefusalRule.WITHIN_BAND, 60), [line(name, "0.01", "0.01", "0.01") for name in names]),
    )
    text, page = report_text(made), report_html(made)
    assert all(f"S{n}: reason {n}" in text and f"S{n}: reason {n}" in page for n in range(60))
    assert "<summary>All 60</summary>" in page
    assert "<summary>Show the other 48</summary>" in page


@pytest.mark.parametrize(("mode", "options"), [("rehearsal", " --as-of 2025-09-26"), ("demo", " --demo"), ("live", "")])
def test_the_commands_that_free_an_instrument_look_in_the_ledger_of_the_run(mode: str, options: str):
    said = [text for row in blocked(replace(blocked_world(), mode=mode)).rows for text in row.details]
    commands = [text for text in said if text.startswith("robotrading resolve")]
    assert [text.endswith(f"--reason WHY{options}") for text in commands] == [True, True]
    assert f"What is in doubt, and how to settle it: robotrading resolve{options}" in said
    assert (f"Add{options} to the command." in said) == bool(options)
