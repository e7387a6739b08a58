"""What the broker said of a contract is remembered for a day, and never trusted when it is damaged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.ibkr.rules import FRESH_FOR, RuleBook
from robotrading.domain.instrument import AssetClass, Instrument

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
REFINED = replace(AAPL, tick=Decimal("0.05"), min_quantity=Decimal(1), name="Apple")


def test_what_was_learnt_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rules.json"
    RuleBook(FixedClock(NOW), path).learn({REFINED: 265598})
    again = RuleBook(FixedClock(NOW + FRESH_FOR), path)
    known = again.fresh(AAPL)
    assert known is not None
    assert (known.tick, known.min_quantity, known.name) == (Decimal("0.05"), Decimal(1), "Apple")
    assert again.con_id(AAPL) == 265598


@pytest.mark.parametrize("age", [FRESH_FOR + timedelta(seconds=1), timedelta(seconds=-1)])
def test_an_old_rule_or_one_from_the_future_is_asked_again(tmp_path: Path, age: timedelta) -> None:
    path = tmp_path / "rules.json"
    RuleBook(FixedClock(NOW), path).learn({REFINED: 1})
    assert RuleBook(FixedClock(NOW + age), path).fresh(AAPL) is None


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"STK:AAPL:USD": {"tick": "x"}}', b"\xff\xfe"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(damage)
    book = RuleBook(FixedClock(NOW), path)
    assert book.fresh(AAPL) is None
    assert book.con_id(AAPL) == 0


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    book = RuleBook(FixedClock(NOW), tmp_path / "file" / "rules.json")
    book.learn({REFINED: 1})
    assert book.fresh(AAPL) is not None
