"""The first and last lines of a command: where it works, where its files are, what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from robotrading.cli.closing import Ran, closing
from robotrading.cli.exits import Exit, for_reports
from robotrading.cli.place import heading, same_place, short
from robotrading.config.defaults import default_config
from robotrading.config.model import BrokerSettings, GatewayKind, Mode
from robotrading.wiring.books import Orders
from tests.cli.reports import NASTY, failed, good, nothing, partly

DAY = date(2025, 9, 26)


def told(**broker: object) -> list[str]:
    settings = BrokerSettings(gateway=GatewayKind.EXTERNAL, **broker)  # type: ignore[arg-type]
    return heading(replace(default_config(), broker=settings), Orders(), "DU1000001").splitlines()


def test_live_is_told_first_and_plainly() -> None:
    assert told(mode=Mode.LIVE, account="U1234567", port=4001) == [
        "LIVE: real money.",
        "Gateway at 127.0.0.1:4001, account U1234567.",
    ]


def test_paper_names_its_gateway() -> None:
    assert told() == [
        "PAPER: pretend money, at the broker.",
        "Gateway at 127.0.0.1:4002, account the login's only one.",
    ]


def test_the_first_plan_of_an_account_tells_of_the_ledger_from_before_its_id_was_written(tmp_path: Path) -> None:
    old = tmp_path / "books" / "paper-only-account"
    old.mkdir(parents=True)
    (old / "ledger.db").touch()
    broker = BrokerSettings(gateway=GatewayKind.EXTERNAL, account="DU1234567")
    config = replace(default_config(), broker=broker, state_dir=tmp_path)
    assert f"the one from before it was written is in {old}:" in heading(config, Orders(), "").splitlines()[2]


@pytest.mark.parametrize(
    ("orders", "word"),
    [(Orders(), "PRACTICE"), (Orders(as_of=DAY), "REHEARSAL of 2025-09-26"), (Orders(demo=True), "DEMO")],
)
def test_what_stays_here_says_so(orders: Orders, word: str) -> None:
    first, second = heading(default_config(), orders, "DU1000001").splitlines()
    assert first.startswith(word)
    assert second == "Embedded gateway, account DU1000001; no order leaves this machine."


def test_another_command_in_the_same_place_can_be_copied() -> None:
    """Blanks in a file name are quoted for the shell."""
    assert same_place(Orders()) == ""
    assert same_place(Orders(Path("my file.yaml"), as_of=DAY)) == " --as-of 2025-09-26 --config 'my file.yaml'"


def test_paths_are_short_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert short(tmp_path / "state" / "books") == "state/books"
    assert short(tmp_path.parent / "elsewhere") == str(tmp_path.parent / "elsewhere")


def test_the_page_is_named_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = Ran(Orders(), (good(),), Path("book"))
    assert "  equities  book/runs/run-1/" in closing(ran)
    (tmp_path / "book/runs/run-1").mkdir(parents=True)
    (tmp_path / "book/runs/run-1/report.html").touch()
    assert "  equities  book/runs/run-1/report.html" in closing(ran)


def test_a_failure_names_its_log_and_the_way_out(tmp_path: Path) -> None:
    lines = closing(Ran(Orders(as_of=DAY), (good(), failed()), tmp_path))
    assert f"  equities failed; details: {tmp_path}/runs/run-1/log.txt" in lines
    assert lines[-2:] == [
        "Next: mend what is named above, then: robotrading plan equities --as-of 2025-09-26",
        "What is known now: robotrading status --as-of 2025-09-26",
    ]


def test_after_several_failures_all_are_planned_again(tmp_path: Path) -> None:
    """The first one's name alone would leave the others out."""
    both = closing(Ran(Orders(), (failed(), good(), failed()), tmp_path))
    assert both[-2] == "Next: mend what is named above, then: robotrading plan all"


def test_a_folder_without_a_configuration_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has edited the file of another folder sees that it is not in force here."""
    said = "There is no config.yaml in this folder: the built-in defaults hold."
    monkeypatch.chdir(tmp_path)
    assert heading(default_config(), Orders(), "DU1000001").splitlines()[2:] == [said]
    assert said not in heading(default_config(), Orders(demo=True), "DU1000001")
    assert said not in heading(default_config(), Orders(Path("mine.yaml")), "DU1000001")
    (tmp_path / "config.yaml").touch()
    assert said not in heading(default_config(), Orders(), "DU1000001")


def test_a_plan_says_that_nothing_was_ordered(tmp_path: Path) -> None:
    one = closing(Ran(Orders(trade=False), (nothing(),), tmp_path))
    two = closing(Ran(Orders(trade=False), (nothing(), good()), tmp_path))
    assert one[-2:] == ["Nothing was ordered. To plan anew and order:", "  robotrading run equities"]
    assert two[-1] == "  robotrading run all"


def test_notes_are_shown_and_command_nothing(tmp_path: Path) -> None:
    lines = closing(Ran(Orders(), (good(),), tmp_path, ("mail sent to a@example.org", NASTY)))
    assert "mail sent to a@example.org" in lines
    assert not [line for line in lines if "\x1b" in line]


def test_the_worst_session_decides_the_exit_code() -> None:
    assert for_reports([good(), nothing()]) is Exit.OK
    assert for_reports([good(), partly()]) is Exit.PARTLY
    assert for_reports([partly(), failed(), good()]) is Exit.FAILED
