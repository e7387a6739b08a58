"""What a terminal of 80 columns shows of a report, letter by letter.

After a change that is meant: `python -m tests.cli.test_render` writes tests/golden/cli anew; read the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from robotrading.cli.out import printable, rendered
from robotrading.cli.render import RULE_WORDS, number, plan_view, summary_view
from robotrading.cli.render_status import status_view
from robotrading.domain.alerts import Alert
from robotrading.domain.book import Position
from robotrading.domain.messages import Urgency
from robotrading.domain.orders import Side
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import SessionReport
from robotrading.session.state import State
from tests.cli.reports import AT, CASES, NASTY, good, intent, nasty, partly, share

GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
AGAIN = " --as-of 2025-09-26 --config my.yaml"


def paper(width: int = 80) -> Console:
    return Console(file=StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False)


def state() -> State:
    owned = (Position(share(NASTY), Decimal("1.50"), Decimal("3.25"), "equities", AT),)
    return State("rehearsal", "state/books/rehearsal/ledger.db", NASTY, (good(), nasty()), owned, partly().tickets[2:])


def views() -> dict[str, RenderableType]:
    found: dict[str, RenderableType] = {}
    for name, make in CASES.items():
        found[f"plan_{name}"] = plan_view(make(), AGAIN)
        found[f"summary_{name}"] = summary_view(make())
    empty = State("embedded", "state/books/embedded/ledger.db", "", (), (), ())
    alert = Alert("halted", "halted", Urgency.WARNING, f"trading is halted: {NASTY}", "`robotrading resume`", AT, AT)
    grave = Alert("drawdown", "drawdown", Urgency.CRITICAL, "the account fell", "`robotrading halt`", AT, AT)
    found["status_alerts"] = status_view(replace(empty, alerts=(grave, alert)), "this")
    return found | {
        "status": status_view(state(), "robotrading demo", " --demo"),
        "status_empty": status_view(empty, "this"),
    }


@pytest.mark.parametrize("name", views())
def test_a_view_looks_as_it_did(name: str) -> None:
    assert rendered(paper(), views()[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_no_view_of_old_is_kept() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(views())


@pytest.mark.parametrize("view", [plan_view, summary_view])
def test_nothing_in_a_report_commands_the_terminal(view: Callable[[SessionReport], RenderableType]) -> None:
    """Controls are spelled out, markup of Rich and HTML stands as it was written."""
    shown = rendered(paper(400), view(nasty()))
    assert printable(NASTY) in shown
    assert not [character for character in shown if not character.isprintable() and character != "\n"]
    assert r"[bold]A<b>\x1b[31m\r\u202eZ[/]" in shown


def test_lines_fit_the_width_but_for_the_command() -> None:
    """The command under a plan is one line, so that it can be copied."""
    for name, view in views().items():
        lines = rendered(paper(), view).splitlines()
        assert not [line for line in lines if len(line) > 80 and "--plan" not in line], name


def test_the_command_under_a_plan_is_whole() -> None:
    lines = rendered(paper(40), plan_view(good(), AGAIN)).splitlines()
    assert f"  robotrading run equities --plan 4a2664d85ef3b6bb{AGAIN}" in lines


def test_a_hundred_alike_are_one_line() -> None:
    assert rendered(paper(), plan_view(CASES["failed"]())).count("no source has prices") == 1


def test_a_hundred_of_one_rule_are_told_by_the_first() -> None:
    shown = rendered(paper(), summary_view(CASES["closed"]()))
    assert shown.count("the market is closed") == 1
    assert "trading_hours, for example: buy 0 SYM0: the market is closed" in " ".join(shown.split())


def test_a_symbol_is_not_said_twice() -> None:
    assert "KO: the ledger owns 5" in rendered(paper(), summary_view(CASES["closed"]()))
    assert "KO: KO" not in rendered(paper(), summary_view(CASES["closed"]()))


def test_every_rule_has_words() -> None:
    assert set(RULE_WORDS) == set(RefusalRule)


def test_numbers_lose_zeros_and_nothing_else() -> None:
    assert [number(Decimal(text)) for text in ("100", "1.50", "0.00000001", "12345.6")] == [
        "100", "1.5", "0.00000001", "12,345.6",
    ]  # fmt: skip
    assert number(Decimal("1.23456"), 4) == "1.2346"


def test_a_sell_says_so() -> None:
    order = intent("KO", Side.SELL)
    assert order.side.value in rendered(paper(), plan_view(good()))


def write_anew() -> None:
    """Write every golden file."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN.glob("*.txt"):
        path.unlink()
    for name, view in views().items():
        (GOLDEN / f"{name}.txt").write_text(rendered(paper(), view), encoding="utf-8")


if __name__ == "__main__":
    write_anew()
