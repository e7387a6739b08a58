"""Whoever writes a fault plan finds every kind and what may set it off in docs/selftest.md."""

from __future__ import annotations

import re
from pathlib import Path

from robotrading.sim.faults.kinds import SHAPES, WHERE, FaultKind, Layer, Trigger

TEXT = (Path(__file__).parents[2] / "docs" / "selftest.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`[a-z_]+`.*?) \| (any|`[a-z]+`) \|$", TEXT, re.MULTILINE)


def test_every_kind_is_named_with_its_triggers() -> None:
    told = {kind: trigger.strip("`") for kinds, trigger in ROWS for kind in re.findall(r"`([a-z_]+)`", kinds)}
    told.pop("amount")
    of_gateways = {kind: SHAPES[kind].triggers for kind in FaultKind if Layer.GATEWAY in WHERE[kind]}
    anywhen = frozenset(Trigger) - {Trigger.LEDGER}
    assert told == {
        kind.value: "any" if triggers == anywhen else "/".join(triggers) for kind, triggers in of_gateways.items()
    }


def test_kinds_that_no_gateway_plays_are_named_too() -> None:
    assert not [kind for kind in FaultKind if f"`{kind}`" not in TEXT]
