"""The table of rules in the documents is the list of rules in the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from robotrading.strategy import checks_days, checks_jumps, checks_values, heal
from robotrading.strategy.checks import RULES, CheckSettings

DATA = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")


def test_every_rule_is_in_the_table_in_its_order_and_does_what_it_says():
    rows = re.findall(r"^\| `(\w+)` \| (\*\*heals\*\*|refuses)", DATA, re.MULTILINE)
    assert [name for name, _ in rows] == list(RULES)
    assert {name for name, verb in rows if "heals" in verb} == {name for name in RULES if hasattr(heal, name)}


def test_every_rule_has_one_sentence_of_its_own():
    for name in RULES:
        (rule,) = (getattr(m, name) for m in (heal, checks_days, checks_jumps, checks_values) if hasattr(m, name))
        assert rule.__doc__
        assert rule.__doc__.split("\n\n")[0].strip().endswith(".")


def test_every_bound_is_documented():
    for bound in fields(CheckSettings):
        assert f"`{bound.name}`" in DATA
