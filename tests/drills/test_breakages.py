"""The drill of deliberate breakages still fits the program, and finds what it is there to find."""

from __future__ import annotations

import pytest

from tests.drills.breakages import BREAKAGES, Breakage, Edit, Finding, broken_copy, first_breach, page

NAMES = [one.words for one in BREAKAGES]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=NAMES)
def test_every_breakage_fits_the_program_as_it_is(breakage, tmp_path):
    folder = broken_copy(breakage, tmp_path)
    for edit in breakage.edits:
        text = (folder / "robotrading" / edit.module).read_text(encoding="utf-8")
        compile(text, edit.module, "exec")


def test_an_edit_that_does_not_fit_any_more_is_told(tmp_path):
    with pytest.raises(ValueError, match="0 times what is to be edited"):
        broken_copy(Breakage("nothing", (Edit("session/door.py", "no such line", ""),)), tmp_path)


def test_an_ignored_halt_is_found_and_an_unbroken_program_is_not_blamed():
    halt = next(one for one in BREAKAGES if one.words == "a halt is ignored")
    assert first_breach(halt, most=20).promise == 4
    unbroken = Breakage("nothing", ())
    assert first_breach(unbroken, most=5) == Finding(unbroken, None, None)


def test_the_page_says_what_was_not_found():
    told = "\n".join(page([Finding(BREAKAGES[0], 3, 1), Finding(BREAKAGES[1], None, None)], 1.0))
    assert f"| {NAMES[0]} | 3 | 1 |" in told
    assert f"| {NAMES[1]} | - | - |" in told
    assert "1 of 2 were found" in told
